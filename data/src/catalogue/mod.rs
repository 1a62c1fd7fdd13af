//! The known datasets: `shapes`, and the entries of `hub.toml`.

mod fit;
pub(crate) mod folder_name;

use std::sync::LazyLock;

pub use fit::Fit;
use serde::Deserialize;

use super::{DataError, Split, shapes};

/// One line of `ganbench list datasets`.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetInfo {
    /// As `--dataset` takes it.
    pub name: String,
    /// One line for lists: what the images show, and who published them.
    pub summary: String,
    /// Where it comes from.
    pub source: String,
    /// The licence of the images, or the terms of use, in a few words.
    pub licence: String,
    /// By label.
    pub class_names: Vec<String>,
    /// Side of the images and channels, unless told otherwise.
    pub size: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
    /// Name of the feature extractor that evaluates it unless told otherwise.
    pub default_extractor: String,
}

/// An entry of `hub.toml`, which explains the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HubEntry {
    pub name: String,
    pub summary: String,
    pub licence: String,
    pub repository: String,
    /// Empty where none is known.
    #[serde(default)]
    pub revision: String,
    pub folder: String,
    pub image_column: String,
    pub label_column: String,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    pub pad_to: Option<usize>,
    pub shrink_to: Option<usize>,
    pub fit: Option<Fit>,
    pub default_extractor: String,
    class_names: Option<Vec<String>>,
    /// Where there are no names.
    classes: Option<usize>,
    /// What the test split is called in file names.
    #[serde(default = "test")]
    test_prefix: String,
    files: SplitFiles,
}

fn test() -> String {
    Split::Test.as_str().into()
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
pub(crate) struct HubFile {
    pub name: String,
    pub sha256: Option<String>,
}

#[derive(Deserialize)]
struct HubTable {
    dataset: Vec<HubEntry>,
}

impl HubEntry {
    /// Names by label; the labels themselves where there are none.
    pub(crate) fn class_names(&self) -> Vec<String> {
        let numbers = || (0..self.classes()).map(|label| label.to_string()).collect();
        self.class_names.clone().unwrap_or_else(numbers)
    }

    pub(crate) fn classes(&self) -> usize {
        self.class_names.as_ref().map_or(self.classes.unwrap_or(0), Vec::len)
    }

    /// What the names of a split's files begin with.
    pub(crate) fn file_prefix(&self, split: Split) -> &str {
        match split {
            Split::Train => split.as_str(),
            Split::Test => &self.test_prefix,
        }
    }

    /// With a revision and files that the table does not name.
    pub(crate) fn with_shards(
        &self,
        revision: &str,
        train: Vec<String>,
        test: Vec<String>,
    ) -> Self {
        let files = |names: Vec<String>| {
            names.into_iter().map(|name| HubFile { name, sha256: None }).collect()
        };
        let files = SplitFiles { train: files(train), test: files(test) };
        Self { revision: revision.to_owned(), files, ..self.clone() }
    }

    pub(crate) fn files(&self, split: Split) -> &[HubFile] {
        match split {
            Split::Train => &self.files.train,
            Split::Test => &self.files.test,
        }
    }
}

/// The entries of a table in the format of `hub.toml`.
pub(crate) fn parse(table: &str) -> Result<Vec<HubEntry>, toml::de::Error> {
    toml::from_str::<HubTable>(table).map(|table| table.dataset)
}

static HUB: LazyLock<Vec<HubEntry>> =
    LazyLock::new(|| parse(include_str!("hub.toml")).expect("the embedded hub.toml is valid"));

static DATASETS: LazyLock<Vec<DatasetInfo>> = LazyLock::new(|| {
    let drawn = shapes::World::ALL.into_iter().map(|world| DatasetInfo {
        name: world.name().into(),
        summary: world.summary().into(),
        source: "drawn by ganbench".into(),
        licence: "MIT OR Apache-2.0, as ganbench".into(),
        class_names: shapes::SHAPES.map(str::to_owned).to_vec(),
        size: shapes::DEFAULT_SIZE,
        channels: 3,
        default_extractor: "small-shapes".into(),
    });
    let of_hub = HUB.iter().map(|entry| DatasetInfo {
        name: entry.name.clone(),
        summary: entry.summary.clone(),
        source: format!("https://huggingface.co/datasets/{}", entry.repository),
        licence: entry.licence.clone(),
        class_names: entry.class_names(),
        size: entry.pad_to.or(entry.shrink_to).unwrap_or(entry.height),
        channels: 3,
        default_extractor: entry.default_extractor.clone(),
    });
    drawn.chain(of_hub).collect()
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

pub(crate) fn hub_entry(name: &str) -> Result<&'static HubEntry, DataError> {
    HUB.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<_> = DATASETS.iter().map(|info| info.name.as_str()).collect();
        DataError::UnknownDataset { name: name.into(), known: known.join(", ") }
    })
}

/// Every entry of `hub.toml`.
#[cfg(test)]
pub(crate) fn hub_entries() -> &'static [HubEntry] {
    &HUB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_names_a_commit_and_whole_hashes_or_no_files_at_all() {
        let is_hex = |text: &str, n| text.len() == n && text.bytes().all(|b| b.is_ascii_hexdigit());
        for entry in HUB.iter() {
            let name = &entry.name;
            assert!(matches!(entry.channels, 1 | 3), "{name}");
            assert!(entry.pad_to.is_none_or(|side| side >= entry.height.max(entry.width)));
            assert!(entry.shrink_to.is_none_or(|side| {
                side > 0
                    && entry.pad_to.is_none()
                    && entry.height == entry.width
                    && entry.height.is_multiple_of(side)
            }));
            assert!(entry.class_names.is_some() != entry.classes.is_some(), "{name}");
            assert!(entry.classes() > 1, "{name}");
            let files = [Split::Train, Split::Test].map(|split| entry.files(split));
            // Whoever pins files pins both splits and the commit.
            assert_eq!(files[0].is_empty(), files[1].is_empty(), "{name}");
            assert_eq!(files[0].is_empty(), entry.revision.is_empty(), "{name}");
            assert!(entry.revision.is_empty() || is_hex(&entry.revision, 40), "{name}");
            for (split, files) in [Split::Train, Split::Test].into_iter().zip(files) {
                for file in files {
                    assert!(file.sha256.as_ref().is_none_or(|hash| is_hex(hash, 64)));
                    assert!(file.name.starts_with(entry.file_prefix(split)), "{}", file.name);
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_small_sets_have_a_small_extractor() {
        for (i, info) in datasets().iter().enumerate() {
            assert!(datasets()[..i].iter().all(|other| other.name != info.name), "{}", info.name);
            let expected = match info.name.as_str() {
                "shapes-heldout" => "small-shapes".into(),
                "shapes" | "cifar10" | "mnist" => format!("small-{}", info.name),
                "cifar100" => "small-cifar10".into(),
                _ => "inception".into(),
            };
            assert_eq!(default_extractor(&info.name), expected);
        }
        assert_eq!(default_extractor("folder:pictures"), "small-cifar10");
    }
}
