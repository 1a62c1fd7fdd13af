//! The known datasets: `shapes`, and the entries of `data/hub.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{DataError, Split, shapes};

/// One line of `ganbench list datasets`.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetInfo {
    pub name: String,
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    pub licence: String,
    /// By label.
    pub class_names: Vec<String>,
    /// Side of the images and channels, unless told otherwise.
    pub size: usize,
    pub channels: usize,
    /// Name of the feature extractor that evaluates it unless told otherwise.
    pub default_extractor: String,
}

/// An entry of `data/hub.toml`, which explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HubEntry {
    pub name: String,
    pub summary: String,
    pub licence: String,
    pub repository: String,
    pub revision: String,
    pub folder: String,
    pub image_column: String,
    pub label_column: String,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pad_to: Option<usize>,
    pub default_extractor: String,
    pub class_names: Vec<String>,
    files: SplitFiles,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFiles {
    train: Vec<HubFile>,
    test: Vec<HubFile>,
}

/// One shard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HubFile {
    pub name: String,
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct HubTable {
    dataset: Vec<HubEntry>,
}

impl HubEntry {
    pub(super) fn files(&self, split: Split) -> &[HubFile] {
        match split {
            Split::Train => &self.files.train,
            Split::Test => &self.files.test,
        }
    }
}

/// The entries of a table in the format of `data/hub.toml`.
pub(super) fn parse(table: &str) -> Result<Vec<HubEntry>, toml::de::Error> {
    toml::from_str::<HubTable>(table).map(|table| table.dataset)
}

static HUB: LazyLock<Vec<HubEntry>> = LazyLock::new(|| {
    parse(include_str!("../../data/hub.toml")).expect("the embedded data/hub.toml is valid")
});

static DATASETS: LazyLock<Vec<DatasetInfo>> = LazyLock::new(|| {
    let shapes = DatasetInfo {
        name: "shapes".into(),
        summary: "10 shape classes drawn from known factors; any number of images, no data needed"
            .into(),
        source: "drawn by ganbench".into(),
        licence: "MIT OR Apache-2.0, as ganbench".into(),
        class_names: shapes::SHAPES.map(str::to_owned).to_vec(),
        size: shapes::DEFAULT_SIZE,
        channels: 3,
        default_extractor: "small-shapes".into(),
    };
    let of_hub = HUB.iter().map(|entry| DatasetInfo {
        name: entry.name.clone(),
        summary: entry.summary.clone(),
        source: format!("https://huggingface.co/datasets/{}", entry.repository),
        licence: entry.licence.clone(),
        class_names: entry.class_names.clone(),
        size: entry.pad_to.unwrap_or(entry.height),
        channels: 3,
        default_extractor: entry.default_extractor.clone(),
    });
    std::iter::once(shapes).chain(of_hub).collect()
});

/// Every dataset that has a name; `folder:PATH` comes on top.
pub fn datasets() -> &'static [DatasetInfo] {
    &DATASETS
}

/// Name of the extractor that evaluates a dataset unless told otherwise; `small-cifar10` for a
/// `folder:PATH`.
pub fn default_extractor(dataset: &str) -> &'static str {
    let known = DATASETS.iter().find(|info| info.name == dataset);
    known.map_or("small-cifar10", |info| &info.default_extractor)
}

pub(super) fn hub_entry(name: &str) -> Result<&'static HubEntry, DataError> {
    HUB.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = DATASETS.iter().map(|info| info.name.as_str()).collect();
        DataError::UnknownDataset { name: name.into(), known: known.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_names_a_commit_and_whole_hashes() {
        let is_hex = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_hexdigit());
        for entry in HUB.iter() {
            assert!(is_hex(&entry.revision, 40), "{}: {}", entry.name, entry.revision);
            assert!(matches!(entry.channels, 1 | 3), "{}", entry.name);
            assert!(entry.pad_to.is_none_or(|side| side >= entry.height.max(entry.width)));
            for split in [Split::Train, Split::Test] {
                assert!(!entry.files(split).is_empty(), "{} {split}", entry.name);
                for file in entry.files(split) {
                    assert!(file.sha256.as_ref().is_none_or(|hash| is_hex(hash, 64)));
                    assert!(file.name.starts_with(split.as_str()), "{}", file.name);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_the_default_extractor_is_the_small_one() {
        for (i, info) in datasets().iter().enumerate() {
            assert!(datasets()[..i].iter().all(|other| other.name != info.name), "{}", info.name);
            assert_eq!(default_extractor(&info.name), format!("small-{}", info.name));
        }
        assert_eq!(default_extractor("folder:pictures"), "small-cifar10");
    }
}
