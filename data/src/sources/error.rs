//! What can be wrong with a source of images, one sentence each.

use std::path::{Path, PathBuf};

use ganbench_files::memory::NoMemory;
use thiserror::Error;

use super::reading::Unreadable;
use crate::DataError;
use crate::decode::format::FORMATS;
use crate::numpy::NumpyError;
use crate::parquet::ParquetError;

/// Why images could not be read. `origin` is the file, and the member or tensor where there is one.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum SourceError {
    #[error(
        "unknown source \"{text}\"; expected a folder of images, a .npz, .npy, .safetensors or .parquet file, \
         or dataset:NAME:SPLIT"
    )]
    Unknown { text: String },
    #[error("{path} does not exist; expected a folder of images or a file of images")]
    Missing { path: PathBuf },
    #[error("0 images of {text} asked for; ask for at least 1")]
    NothingAsked { text: String },
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{folder} holds no images, and {others} other files; expected {FORMATS} files at any depth"
    )]
    NoImages { folder: PathBuf, others: usize },
    #[error(
        "image {path} holds {bytes} bytes, more than any image of {most_side} pixels a side (limit {most})"
    )]
    LargeFile { path: PathBuf, bytes: u64, most: u64, most_side: usize },

    #[error(transparent)]
    Numpy(#[from] NumpyError),
    #[error("{origin} holds no {expected}; found: {found}")]
    NoArray { origin: String, expected: &'static str, found: String },
    #[error(
        "{origin} holds {found}, expected uint8 or integers in 0..=255; quantise the images to 0..=255 as whoever made them does \
         (from -1..1 mostly round(127.5 * x + 127.5)) and save them again"
    )]
    NotBytes { origin: String, found: String },
    #[error(
        "{origin} holds {value} in image {row}, expected integers in 0..=255; scale and quantise the images to \
         that range"
    )]
    NotInRange { origin: String, row: usize, value: i128 },
    #[error("{origin} has shape {shape:?}, expected [n, height, width, channels]")]
    Axes { origin: String, shape: Vec<usize> },
    #[error(
        "{origin} has shape {shape:?}, channels before height; expected [n, height, width, channels], so \
         transpose it by (0, 2, 3, 1)"
    )]
    ChannelsFirst { origin: String, shape: Vec<usize> },
    #[error("{origin} has shape {shape:?}: {channels} channels, expected 1 or 3")]
    Channels { origin: String, shape: Vec<usize>, channels: usize },
    #[error(
        "{origin} has shape {shape:?}: images of {height}x{width} pixels, expected sides of 1 to {most}"
    )]
    Side { origin: String, shape: Vec<usize>, height: usize, width: usize, most: usize },
    #[error("{origin} holds no images")]
    Empty { origin: String },
    #[error(
        "{origin} is in Fortran order; save numpy.ascontiguousarray of it, which can be read piece by piece"
    )]
    Fortran { origin: String },
    #[error("{origin} has {labels} labels for {images} images")]
    LabelCount { origin: String, labels: usize, images: usize },
    #[error("{origin} holds {found}, expected one integer for each image")]
    LabelKind { origin: String, found: String },
    #[error(
        "{origin} has shape {shape:?} but row {row} is not one-hot, expected one integer for each image, or a \
         row of zeros with a single 1"
    )]
    OneHot { origin: String, shape: Vec<usize>, row: usize },
    #[error("{origin} is no whole safetensors file: {reason}; copy it or make it again")]
    SafeTensors { origin: String, reason: String },
    #[error("{origin} ends or is damaged at byte {offset} of its numbers: {source}")]
    Data { origin: String, offset: u64, source: std::io::Error },

    #[error("{path} has the wrong columns: expected {expected}; found: {found}")]
    Columns { path: PathBuf, expected: &'static str, found: String },
    /// A folder's image, a row of a Parquet file, or a dataset.
    #[error(transparent)]
    Dataset(#[from] DataError),
    #[error("{place} {reason}")]
    Image { place: String, reason: String },
    /// No image, or not a whole one.
    #[error("{place} {reason}")]
    Damaged { place: String, reason: String },
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl SourceError {
    /// Whether an image itself is damaged, so that a set may be read without it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// For `map_err`: `action` is a verb, as in "cannot read …".
    pub(super) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl From<ParquetError> for SourceError {
    fn from(error: ParquetError) -> Self {
        DataError::from(error).into()
    }
}
