//! Features that were computed before, keyed by everything that can change them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use candle_core::DeviceLocation;
use ganbench_data::hex;
use ganbench_metrics::files::{
    Companions, FeatureFile, FileMeta, StoredFeatures, write_features, write_statistics,
};
use ganbench_metrics::{Extractor, ExtractorId, MetricError};
use sha2::{Digest as _, Sha256};

use super::collect::{Keep, Side};
use super::reading::ImagesRead;
use super::seal;

/// Goes up whenever the bits of any extractor's features change, or what a file of the cache holds.
const VERSION: u32 = 5;

/// What decides features.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// Of the images, their labels and their order.
    pub content_sha256: &'a str,
    /// The network.
    pub extractor: &'a dyn Extractor,
    /// As in `ExtractorOptions`.
    pub exact: bool,
    /// Where the network worked: devices round otherwise.
    pub device: DeviceLocation,
    /// What is kept of the features.
    pub keep: Keep,
}

/// What decides features, in words that a result keeps.
pub struct Sought<'a> {
    /// Of the images, their labels and their order.
    pub content_sha256: &'a str,
    /// Name of the extractor.
    pub extractor: &'a str,
    /// Hash of the extractor's weights.
    pub weights_sha256: &'a str,
    /// Whether Winograd's convolution is left out.
    pub exact: bool,
    /// As [`DeviceLocation`] is debugged.
    pub device: &'a str,
    /// What is kept of the features.
    pub keep: Keep,
}

impl Sought<'_> {
    fn sha256(&self) -> String {
        let simd = ganbench_nn::kernels::simd::isa();
        // The same bits on both; the portable path rounds otherwise.
        let arithmetic = if simd.name() == "portable" { "portable" } else { "fused" };
        let text = format!(
            "features {VERSION}\nprogram {}\nextractor {}\nweights {}\nkeep {:?}\nexact {}\ndevice {}\narithmetic {arithmetic}\n\
             images {}\n",
            env!("CARGO_PKG_VERSION"),
            self.extractor,
            self.weights_sha256,
            self.keep,
            self.exact,
            self.device,
            self.content_sha256,
        );
        hex(Sha256::new_with_prefix(text))
    }
}

impl Key<'_> {
    fn sha256(&self) -> String {
        Sought {
            content_sha256: self.content_sha256,
            extractor: self.extractor.name(),
            weights_sha256: self.extractor.weights_sha256(),
            exact: self.exact,
            device: &format!("{:?}", self.device),
            keep: self.keep,
        }
        .sha256()
    }

    /// What a file of a side's features says of itself.
    pub fn meta(&self, side: &Side) -> FileMeta {
        FileMeta {
            exact: self.exact,
            device: match self.device {
                DeviceLocation::Cpu => "cpu".into(),
                DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
                DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
            },
            n: side.n,
            images_sha256: Some(self.content_sha256.into()),
            class_names: side.class_names.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..FileMeta::new(ExtractorId::from_extractor(self.extractor))
        }
    }
}

/// A folder of feature files.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Above this the files longest unused are removed.
    most_bytes: u64,
}

const MOST_BYTES: u64 = 8 << 30;

impl Cache {
    /// In `folder`, else `$GANBENCH_CACHE`, else `ganbench` in the user's folder of caches. None
    /// where there is no such folder.
    pub fn find(folder: Option<PathBuf>) -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        let folder =
            folder.or_else(|| variable("GANBENCH_CACHE").map(PathBuf::from)).or_else(|| {
                let caches = variable("XDG_CACHE_HOME").map(PathBuf::from);
                let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")));
                Some(caches?.join("ganbench"))
            })?;
        Some(Self { folder: folder.join("features"), most_bytes: MOST_BYTES })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.npz"))
    }

    /// Features that an earlier command kept.
    pub fn find_features(&self, sought: &Sought<'_>) -> Option<Side> {
        let (side, _) = self.read(&sought.sha256())?;
        side.features.is_some().then_some(side)
    }

    /// What was kept under `key`. A file that is damaged or of something else counts as none, and
    /// is written anew.
    pub fn get(&self, key: &Key<'_>) -> Option<Side> {
        let name = key.sha256();
        let (mut side, images) = self.read(&name)?;
        // Our own sums are sound.
        side.stored_statistics = false;
        side.images = Some(images);
        let fits = side.features.as_ref().is_none_or(|f| f.dim() == key.extractor.feature_dim());
        // Marks the file as used; where that is not allowed it only goes sooner.
        let touched = fs::File::options().append(true).open(self.path(&name));
        let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
        fits.then_some(side)
    }

    /// The file whose key has this hash, and what reading its images came to. One that is not what
    /// was kept there is told on stderr, whatever is quiet: somebody or something changed it.
    fn read(&self, key: &str) -> Option<(Side, ImagesRead)> {
        let path = self.path(key);
        match seal::check(&path, key) {
            Ok(images) => {
                let images = images?;
                Some((side(StoredFeatures::read(&path).ok()?).ok()?, images))
            }
            Err(reason) => {
                log::info!("note: the kept features {} are not used: {reason}", path.display());
                None
            }
        }
    }

    /// Keeps the features and labels of a side, and beside them what reading its images came to.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub fn put(&self, key: &Key<'_>, side: &Side) -> Result<()> {
        let name = key.sha256();
        let path = self.path(&name);
        let context = || format!("cannot keep features in {}", self.folder.display());
        fs::create_dir_all(&self.folder).with_context(context)?;
        let meta = key.meta(side);
        let companions = Companions { meta: Some(&meta), labels: side.labels.as_deref() };
        match (&side.features, &side.statistics) {
            (Some(features), _) => {
                write_features(&path, features, companions).with_context(context)?;
            }
            (None, Some(statistics)) => {
                write_statistics(&path, statistics, companions).with_context(context)?;
            }
            (None, None) => return Ok(()),
        }
        let images = side.images.clone().unwrap_or_default();
        seal::write(&path, &name, images).with_context(context)?;
        self.prune().with_context(context)
    }

    /// Removes the files longest unused until the rest fits.
    fn prune(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|e| e != "npz") {
                continue;
            }
            match fs::metadata(&path) {
                Ok(data) => files.push((data.modified()?, data.len(), path)),
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // A time that is yet to come was set by a clock that ran ahead: it says nothing of use.
        let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
        files.sort_unstable_by_key(|(used, ..)| (*used < tomorrow, *used));
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        // The newest stays, however large.
        for (_, size, path) in files.iter().rev().skip(1).rev() {
            if bytes <= self.most_bytes {
                break;
            }
            remove(path)?;
            seal::remove(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A file's content as one side of a comparison. Features in f64 are rounded to f32, as extractors
/// give them.
///
/// # Errors
/// If a number does not fit into f32.
pub fn side(file: StoredFeatures) -> Result<Side, MetricError> {
    let StoredFeatures { content, meta, labels, .. } = file;
    let class_names = meta.and_then(|meta| meta.class_names);
    let features = match content {
        FeatureFile::Features(features) => features,
        FeatureFile::Wide(features) => features.narrowed()?,
        FeatureFile::Statistics(statistics) => {
            let n = statistics.n();
            let (statistics, stored_statistics) = (Some(statistics), true);
            let of_file = Side { statistics, stored_statistics, ..Side::default() };
            return Ok(Side { n, labels, class_names, ..of_file });
        }
    };
    let n = Some(features.len());
    Ok(Side { features: Some(features), n, labels, class_names, ..Side::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unused_go_first_whatever_the_clock_said() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let day = |n: u64| Duration::from_secs(86_400 * n);
        let times = [
            ("ahead", now + day(40_000)),
            ("old", SystemTime::UNIX_EPOCH),
            ("used", now - day(1)),
            ("new", now),
        ];
        for (name, time) in times {
            let path = dir.path().join(name).with_extension("npz");
            fs::write(&path, [0; 100]).unwrap();
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let left = |most_bytes| {
            Cache { folder: dir.path().into(), most_bytes }.prune().unwrap();
            let names = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path());
            let mut names: Vec<_> =
                names.map(|p| p.file_stem().unwrap().to_str().unwrap().to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(left(400), ["ahead", "new", "old", "used"]);
        assert_eq!(left(300), ["new", "old", "used"]);
        assert_eq!(left(200), ["new", "used"]);
        assert_eq!(left(0), ["new"]);
    }
}
