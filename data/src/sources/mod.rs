//! Sources of images to measure: `SRC` of the commands that take images from anywhere.
//!
//! A source gives its images in a fixed order, a block at a time, so that memory does not grow with
//! their number (but for `dataset:`, which is held whole). Convention: pixels have 1 or 3 channels
//! of 8 bits, as PIL's `convert("RGB")` makes them of a file (but for `SourceRequest::alpha`);
//! nothing is scaled or cropped, and what does not fit is an error that names the file and the row,
//! member or offset. What was left out or converted is told by [`ImageSource::reading`]. Images of
//! one source may differ in size.

mod array;
mod batch;
mod bytes;
mod dataset;
mod encoded;
mod error;
mod folder;
mod parquet;
mod reading;
mod tensors;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod image_files_tests;
#[cfg(test)]
mod label_tests;
#[cfg(test)]
mod reading_tests;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use batch::BatchSource;
pub use bytes::{ArrayFormat, open_bytes};
pub(crate) use encoded::check_for_training;
pub use encoded::decode_image;
pub use error::SourceError;
pub(crate) use reading::Sieve;
pub use reading::{Reading, Skipped, Unreadable};
use sha2::{Digest as _, Sha256};

use super::{Alpha, Progress, draw_subset};
use crate::images::{ImageSize, ImageView};

/// The largest side that is read, against headers that lie.
const MAX_SIDE: usize = 8192;
/// What one call of [`ImageSource::next`] holds at most, unless a single image is larger.
const BLOCK_BYTES: usize = 256 << 20;

/// One decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// 1 or 3 channels, as stored.
    pub size: ImageSize,
    /// `[height, width, channels]`, row-major, 0..=255.
    pub pixels: Vec<u8>,
    /// Where the source has classes.
    pub label: Option<u32>,
}

impl Image {
    /// The same image, borrowed.
    pub fn view(&self) -> ImageView<'_> {
        ImageView { size: self.size, pixels: &self.pixels }
    }
}

/// Which images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRequest {
    /// As typed: a path, or `dataset:NAME:SPLIT`.
    pub text: String,
    /// `--data DIR`, for `dataset:` only.
    pub root: Option<PathBuf>,
    /// Only so many images: those that [`draw_subset`] draws, in the source's order.
    pub limit: Option<usize>,
    /// Seed of the draw.
    pub seed: u64,
    /// What becomes of transparent pixels of files. A `dataset:` has none.
    pub alpha: Alpha,
    /// Whether damaged images of a folder or a Parquet file are left out and counted.
    pub skip_damaged: bool,
}

impl SourceRequest {
    /// All images of `text`, with alpha dropped; a damaged one is an error.
    pub fn new(text: impl Into<String>) -> Self {
        let alpha = Alpha::default();
        Self { text: text.into(), root: None, limit: None, seed: 0, alpha, skip_damaged: false }
    }

    /// The rows that are asked for of `found`, rising; none where it is all of them. `labels`: of
    /// all rows.
    fn rows(&self, found: usize, labels: Option<&[u32]>) -> Option<Vec<usize>> {
        let n = self.limit.filter(|&n| n < found)?;
        let mut rows = draw_subset(labels, found, n, self.seed);
        rows.sort_unstable();
        Some(rows)
    }
}

/// A stream of images.
pub trait ImageSource: Send {
    /// For messages: the path, or `dataset:NAME:SPLIT`.
    fn name(&self) -> &str;

    /// Number of images, those already given included.
    fn len(&self) -> usize;

    /// Whether the source has no images at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the images have labels.
    fn has_labels(&self) -> bool;

    /// Why the images have no labels, where the source has something in their place that is none. A
    /// whole sentence, for whoever needs labels.
    fn label_fault(&self) -> Option<&str> {
        None
    }

    /// The name of each class that labels number, where classes have names.
    fn class_names(&self) -> Option<&[String]> {
        None
    }

    /// What was left out so far, and what was done to the images given so far beyond reading them.
    fn reading(&self) -> Reading {
        Reading::default()
    }

    /// Looks through all images for those that cannot be read, before anything is made of the
    /// first: their headers and checksums, and where these do not settle it their pixels. Damaged
    /// ones are left out from then on where the request says so. To be called before
    /// [`next`](Self::next), if at all.
    ///
    /// # Errors
    /// If there are images that cannot be read and are not left out; all are counted, the first
    /// ones named.
    fn check(&mut self, _progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        Ok(())
    }

    /// The next images in order, decoded on all threads: at most `n`, fewer where they would not
    /// fit into 256 MiB together, none at the end.
    ///
    /// # Errors
    /// If an image is damaged or of a kind that is not read. After an error, what comes next is not
    /// specified.
    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError>;

    /// Lower-case hex of everything that decides pixels, labels and their order, so that a cache
    /// can be keyed by it: names below the folder and bytes of the files, and the number of images.
    /// Not the path. Reads the files once more. Two sources of equal pixels may have different
    /// hashes.
    ///
    /// # Errors
    /// If a file cannot be read.
    fn content_sha256(&self) -> Result<String, SourceError>;

    /// The hash that results of runs carry of a data set; none where the images are no data set of
    /// training.
    fn dataset_sha256(&self) -> Option<&str> {
        None
    }
}

impl std::fmt::Debug for dyn ImageSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageSource").field("name", &self.name()).field("len", &self.len()).finish()
    }
}

/// Opens `request.text`:
///
/// - a folder of PNG, JPEG, WebP, BMP and TIFF files at any depth, in the order of their paths
///   below it; files and folders that begin with a dot are left out. Where every image lies in a
///   subfolder, the label is the position of the first-level subfolder among those that hold
///   images, unless one of them is called as a split (`train`, `valid`, …), which is no class.
///   Where there is a `dataset.json` of StyleGAN's tools, the labels are those in it;
/// - `.npz` with u8 `arr_0` `[n, height, width, 1 or 3]` (the ADM layout), labels in `arr_1` or
///   `labels`, as integers or one-hot;
/// - `.npy`, u8 `[n, height, width, 1 or 3]`; both also with other integers that are all in
///   0..=255;
/// - `.safetensors` with the u8 tensor `images`, or only one u8 tensor of 4 axes; labels in
///   `labels`;
/// - `.parquet` of encoded images in column `image` or `img`, bytes or a struct with `bytes`
///   (Hugging Face layout), labels in `label` or `labels`;
/// - `dataset:NAME:SPLIT`, a dataset of [`super::load`].
///
/// Where not every image has a label (null and -1 stand for none), or what should be labels is
/// something else, the images have none, and [`ImageSource::label_fault`] says why.
///
/// # Errors
/// If there is no such source, it holds no images, or its headers are damaged or of a kind that is
/// not read.
pub fn open(
    request: &SourceRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<Box<dyn ImageSource>, SourceError> {
    if request.limit == Some(0) {
        return Err(SourceError::NothingAsked { text: request.text.clone() });
    }
    if let Some(name) = request.text.strip_prefix("dataset:") {
        return Ok(Box::new(dataset::open(name, request, progress)?));
    }
    let path = Path::new(&request.text);
    if path.is_dir() {
        return Ok(Box::new(folder::Source::open(path, request)?));
    }
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let format = match extension.to_ascii_lowercase().as_str() {
        "npz" => ArrayFormat::Npz,
        "npy" => ArrayFormat::Npy,
        "safetensors" => ArrayFormat::SafeTensors,
        "parquet" => ArrayFormat::Parquet,
        _ if path.exists() => return Err(SourceError::Unknown { text: request.text.clone() }),
        _ if request.text.is_empty() || request.text.contains(':') => {
            return Err(SourceError::Unknown { text: request.text.clone() });
        }
        _ => return Err(SourceError::Missing { path: path.into() }),
    };
    if !path.is_file() {
        return Err(SourceError::Missing { path: path.into() });
    }
    bytes::open(bytes::Backing::File(path.into()), format, request)
}

/// The start of a content hash of encoded images.
fn encoded_hasher(kind: &str, images: usize, alpha: Alpha) -> Sha256 {
    let mut hash = hasher(kind, images);
    // Nothing for the default: most images are opaque.
    if alpha != Alpha::default() {
        hash.update(b"alpha ");
        hash.update(alpha.as_str());
        hash.update([0]);
    }
    hash
}

/// The start of a content hash. Each kind of source has its own, since they order images
/// differently.
fn hasher(kind: &str, images: usize) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(b"ganbench-source-1\0");
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update((images as u64).to_le_bytes());
    hash
}
