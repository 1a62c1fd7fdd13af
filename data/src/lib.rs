//! Datasets: real images in, as `u8` batches with labels, factors and a hash of the content.
//!
//! `shapes` is drawn and needs no data. The datasets of `data/hub.toml` are Parquet files in
//! Hugging Face layout, looked for in this order: `--data DIR` (and nowhere else where it is
//! given), `$GANBENCH_DATA/<name>/`, the hub cache, the hub itself. A folder `<name>/` may also
//! hold image files, in `train/CLASS/` and `val/CLASS/` or `test/CLASS/` (other names of splits:
//! `splits.rs`). `folder:PATH` is any folder of image files (`classes.rs` has the layouts).
//!
//! Sets of [`Places::mapped_bytes`] and more are decoded once into a file that is mapped
//! (`prepared.rs`), so that the largest need no more memory than a block of their images; smaller
//! ones sit in memory.
//!
//! Convention: but for what an entry of the table says, or a size that is asked of a folder, pixels
//! are never scaled, cropped or converted silently; what does not fit is an error that names the
//! file and the row (counted from 0).
//!
//! # Example
//!
//! ```
//! use ganbench_data::{DatasetRequest, Split, load};
//!
//! let request = DatasetRequest { limit: Some(20), ..DatasetRequest::new("shapes", Split::Train) };
//! let shapes = load(&request, &mut |_| {})?;
//! assert_eq!(shapes.images.len(), 20);
//! assert_eq!((shapes.images.size.height, shapes.images.size.channels), (32, 3));
//! # Ok::<(), ganbench_data::DataError>(())
//! ```

pub mod blur;
mod catalogue;
mod datasets;
mod decode;
mod error;
mod hub;
pub mod images;
pub mod numpy;
pub mod parquet;
pub mod rng;
pub mod shapes;
pub mod sources;
mod subset;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

pub use catalogue::folder_name::{folder_name, is_known, plain_name};
pub use catalogue::{DatasetInfo, Fit, datasets, default_extractor};
use datasets::{folder, parquet as tables};
pub use decode::alpha::Alpha;
pub use decode::format::IMAGE_EXTENSIONS;
pub use error::DataError;
pub use ganbench_files::hash::hex;
use ganbench_files::memory;
use hub::places::Found;
pub use hub::places::Places;
use images::{ImageBatch, ImageSize};
use serde::{Deserialize, Serialize};
use sources::Reading;
pub use subset::draw_subset;

/// Which part of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The images that are trained on, unless told otherwise.
    Train,
    /// The images that are kept from training, unless told otherwise.
    Test,
}

impl Split {
    /// `train` or `test`, as in file names and result rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Split {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "train" => Ok(Self::Train),
            "test" => Ok(Self::Test),
            _ => Err(DataError::UnknownSplit { split: text.into() }),
        }
    }
}

/// What to load.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetRequest {
    /// `shapes`, a name of [`datasets`], or `folder:PATH`.
    pub name: String,
    /// The part of the dataset that is loaded.
    pub split: Split,
    /// `--data DIR`, a folder that holds `<name>/`. Where given, a dataset of the hub is read from
    /// there or not at all. `shapes` and `folder:` take no notice of it.
    pub root: Option<PathBuf>,
    /// Only so many images. For `shapes` it is how many are made: 50,000 of the train split and
    /// 10,000 of the test split unless told otherwise.
    pub limit: Option<usize>,
    /// Seed by which [`draw_subset`] draws the images that `limit` leaves. Without one they are the
    /// first. `shapes` takes no notice of it.
    pub draw_seed: Option<u64>,
    /// 3, or 1 for a grey dataset. Unless told otherwise 3: grey is repeated.
    pub channels: Option<usize>,
    /// Side of the images in pixels: that of the encoded images, or that to which the dataset's
    /// entry says they are padded with zeros or shrunk (the default where it does). For `shapes`
    /// any of [`shapes::SIZES`]. For a folder any: where an image has another size, all are made to
    /// fit as [`Fit::CentreLanczos`] says.
    pub size: Option<usize>,
    /// Seed of `shapes`; no other dataset takes notice of it. Not the seed of a run: all runs of a
    /// table must see the same images.
    pub shapes_seed: u64,
    /// Whether damaged images of a folder are left out and counted. The images that a limit leaves
    /// are drawn before.
    pub skip_damaged: bool,
}

impl DatasetRequest {
    /// All of a split, as its entry says.
    pub fn new(name: impl Into<String>, split: Split) -> Self {
        Self {
            name: name.into(),
            split,
            root: None,
            limit: None,
            draw_seed: None,
            channels: None,
            size: None,
            shapes_seed: 0,
            skip_damaged: false,
        }
    }
}

/// A loaded split.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// As in the request; of a `folder:PATH` its [`folder_name`].
    pub name: String,
    /// The part of the dataset that was loaded.
    pub split: Split,
    /// With labels where the dataset has classes, and factors where it is drawn.
    pub images: ImageBatch,
    /// By label; empty without classes.
    pub class_names: Vec<String>,
    /// Why the images have no labels, where something stands in their place. A whole sentence.
    pub label_fault: Option<String>,
    /// How the images of a folder were made to have the size that was asked for, where they had
    /// others.
    pub fit: Option<Fit>,
    /// Lower-case hex. Of the encoded images and labels in row order; where they were found, how
    /// the Parquet file is compressed, padding and channels do not matter. Where a folder's images
    /// were made to fit, of that hash, the rule and the size. For `shapes`, of the version of its
    /// drawing, seed, split, count and pixels.
    pub sha256: String,
    /// The rows of `images` that are trained on, where that is a part of them; metrics see all.
    pub trained_on: Option<Vec<usize>>,
    /// Which images of a folder were left out, and what was done to images beyond reading them.
    pub reading: Reading,
}

impl Dataset {
    /// Images of each class, by label; empty without labels. All images count, also those that are
    /// not trained on.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.class_names.len()];
        for &label in self.images.labels.iter().flatten() {
            let label = label as usize;
            if counts.len() <= label {
                counts.resize(label + 1, 0);
            }
            counts[label] += 1;
        }
        counts
    }
}

/// What takes time just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// `done` and `total` are bytes of one file.
    Downloading,
    /// `done` and `total` are images.
    Decoding,
    /// `done` and `total` are images.
    Drawing,
    /// `done` and `total` are images.
    Checking,
    /// Another process decodes the same images; there is nothing to count.
    Waiting,
}

/// Told to the caller every so often. `done` starts again with each stage and each downloaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Units of the stage that are done: images or bytes, as the stage says.
    pub done: u64,
    /// Units of the stage in all.
    pub total: u64,
}

/// Loads a split, with the places of the environment ([`Places::from_env`]).
///
/// # Errors
/// An unknown name, no data where it was looked for, a failed or changed download, a damaged file
/// or image (named with its row), a label out of range, or a size or number of channels that the
/// dataset cannot have.
pub fn load(
    request: &DatasetRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    load_from(request, &Places::from_env(), progress)
}

/// [`load`] with places of the caller's choice.
///
/// # Errors
/// As [`load`].
pub fn load_from(
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    if request.limit == Some(0) {
        return Err(DataError::NothingAsked { name: request.name.clone() });
    }
    if let Some(path) = request.name.strip_prefix("folder:") {
        return folder::load(path.as_ref(), request, places, progress);
    }
    if let Some(world) = shapes::World::by_name(&request.name) {
        return shapes::load(&shapes_spec(world, request)?, progress);
    }
    let entry = catalogue::hub_entry(&request.name)?;
    let target = decode::Target::of_entry(entry, request)?;
    match places.find(entry, request, progress)? {
        Found::Shards(files) => tables::load(entry, &files, target, request, places, progress),
        Found::Folder(path) => folder::load_entry(entry, &path, request, places, progress),
    }
}

/// Where the files of a split are, without reading them: a Parquet file or a folder of images each;
/// none of a set that is drawn. Nothing is downloaded.
///
/// # Errors
/// An unknown name, or no data where it was looked for.
pub fn locate(request: &DatasetRequest, places: &Places) -> Result<Vec<PathBuf>, DataError> {
    if shapes::World::by_name(&request.name).is_some() {
        return Ok(Vec::new());
    }
    if let Some(path) = request.name.strip_prefix("folder:") {
        return Ok(vec![path.into()]);
    }
    let offline = Places { offline: true, ..places.clone() };
    let entry = catalogue::hub_entry(&request.name)?;
    match offline.find(entry, request, &mut |_| {})? {
        Found::Shards(files) => Ok(files),
        Found::Folder(path) => Ok(vec![path]),
    }
}

fn shapes_spec(
    world: shapes::World,
    request: &DatasetRequest,
) -> Result<shapes::ShapesSpec, DataError> {
    if let Some(channels) = request.channels
        && channels != 3
    {
        return Err(DataError::Channels { name: request.name.clone(), channels, known: "3" });
    }
    let size = request.size.unwrap_or(shapes::DEFAULT_SIZE);
    if !shapes::SIZES.contains(&size) {
        let known = format!("{} to {}", shapes::SIZES.start(), shapes::SIZES.end());
        return Err(DataError::Size { name: request.name.clone(), size, known });
    }
    let whole_split = match request.split {
        Split::Train => 50_000,
        Split::Test => 10_000,
    };
    Ok(shapes::ShapesSpec {
        world,
        seed: request.shapes_seed,
        split: request.split,
        count: request.limit.unwrap_or(whole_split),
        size,
    })
}

/// The rows that a limit leaves of `rows`, rising; none where it leaves all of them. `labels`: of
/// all rows.
fn limited(request: &DatasetRequest, labels: Option<&[u32]>, rows: usize) -> Option<Vec<usize>> {
    let n = request.limit.filter(|&n| n < rows)?;
    let Some(seed) = request.draw_seed else { return Some((0..n).collect()) };
    let mut drawn = draw_subset(labels, rows, n, seed);
    drawn.sort_unstable();
    Some(drawn)
}

/// An empty buffer with room for `count` images, or an error where there is no such memory.
fn room(count: usize, size: ImageSize) -> Result<Vec<u8>, DataError> {
    let mut pixels = Vec::new();
    let _held = memory::ask_for(count, size.bytes(), || format!("{count} images of {size}"))?;
    count
        .checked_mul(size.bytes())
        .and_then(|bytes| pixels.try_reserve_exact(bytes).ok())
        .ok_or(DataError::Memory { images: count, size })?;
    Ok(pixels)
}
