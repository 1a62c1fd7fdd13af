//! What can be wrong with a file of features or statistics, one sentence each.

use std::path::PathBuf;

use ganbench_data::numpy::NumpyError;
use ganbench_files::memory::NoMemory;
use thiserror::Error;

use crate::error::MetricError;

/// A file of features or statistics that cannot be used or written. `origin` is the file, and the
/// member where there is one.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum FileError {
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "{origin} begins with bytes {start:02x?}, expected a .npz or .npy file of features or statistics"
    )]
    Format { origin: String, start: Vec<u8> },
    #[error(transparent)]
    Numpy(#[from] NumpyError),
    #[error(
        "{origin} holds neither pool (features), nor mu and sigma (statistics), nor arr_0 (features) alone; \
         found: {found}"
    )]
    NoFeatures { origin: String, found: String },
    #[error("{origin} holds {found} but not {missing}; statistics need both mu and sigma")]
    Half { origin: String, found: &'static str, missing: &'static str },
    #[error(
        "{origin} may hold its mean and covariance as {pairs}; keep one pair, best as mu and sigma"
    )]
    Ambiguous { origin: String, pairs: String },
    #[error("{origin} holds {found}, expected {expected}")]
    Kind { origin: String, found: String, expected: &'static str },
    #[error(
        "{origin} holds uint8 images of shape {shape:?}, expected features; extract them first"
    )]
    Images { origin: String, shape: Vec<usize> },
    #[error("{origin} has shape {shape:?}, expected {expected}")]
    Shape { origin: String, shape: Vec<usize>, expected: String },
    #[error("{origin} holds no features")]
    Empty { origin: String },
    #[error("{origin} holds {bytes} bytes of numbers, more than the {most} that are read")]
    TooLarge { origin: String, bytes: usize, most: usize },
    #[error("{origin} row {row} holds {value}, expected finite numbers only")]
    NonFinite { origin: String, row: usize, value: f64 },
    #[error("{origin} does not say where the numbers come from in a way that is read: {reason}")]
    Meta { origin: String, reason: String },
    #[error("{origin} holds {labels} labels of {n} images; each image needs one")]
    Labels { origin: String, labels: usize, n: usize },
    #[error("{origin} row {row} holds the label {label}, expected whole numbers of 0 and above")]
    Label { origin: String, row: usize, label: i64 },
    #[error("{origin} is {value}, expected a number of images of 0 and above")]
    Count { origin: String, value: i64 },
    #[error("{origin}: {source}")]
    Metric { origin: String, source: MetricError },
    #[error("no memory for the {bytes} bytes of {origin}; use fewer features or a larger machine")]
    Memory { origin: String, bytes: usize },
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    #[error("{path} was to hold {expected}, got {got}")]
    Written { path: PathBuf, expected: String, got: String },
}
