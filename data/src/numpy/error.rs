//! What can be wrong with a NumPy file, one sentence each.

use ganbench_files::memory::NoMemory;
use thiserror::Error;

/// A `.npy` or `.npz` file that cannot be used. `origin` is the file, and the member where there is
/// one.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum NumpyError {
    #[error("{origin} cannot be read: {source}")]
    Io { origin: String, source: std::io::Error },
    #[error(
        "{origin} is no .npy array: it begins with bytes {start:02x?}, expected \"\\x93NUMPY\""
    )]
    Magic { origin: String, start: Vec<u8> },
    #[error("{origin} is of .npy version {major}.{minor}; known: 1.0, 2.0, 3.0")]
    Version { origin: String, major: u8, minor: u8 },
    #[error("{origin} claims a header of {bytes} bytes, expected at most 10000")]
    LongHeader { origin: String, bytes: usize },
    #[error("{origin} has a damaged header: expected {expected} at byte {offset}")]
    Header { origin: String, offset: usize, expected: &'static str },
    #[error(
        "{origin} holds pickled Python objects, which are never loaded; save the array with a number type"
    )]
    Object { origin: String },
    #[error(
        "{origin} holds elements of kind \"{descr}\", expected integers or floats of at most 64 bits"
    )]
    Element { origin: String, descr: String },
    #[error("{origin} claims the shape {shape:?}, more than any memory holds")]
    Huge { origin: String, shape: Vec<usize> },
    #[error(
        "{origin} needs {needed} bytes for its shape {shape:?} but holds {found} after its header of \
         {header} bytes; it was cut off, or its header is wrong"
    )]
    Length { origin: String, shape: Vec<usize>, needed: u64, found: u64, header: usize },
    #[error("{origin} ends or is damaged at byte {offset} of its numbers: {source}")]
    Data { origin: String, offset: u64, source: std::io::Error },

    #[error("{origin} cannot be read: {source}")]
    Memory { origin: String, source: NoMemory },

    #[error("{origin} is no whole .npz archive: {reason}; copy it or make it again")]
    Archive { origin: String, reason: String },
    #[error("{origin} has {members} members, expected at most {most} arrays")]
    ManyMembers { origin: String, members: usize, most: usize },
    #[error("{origin} has more than one member; it is not clear which is meant")]
    Twice { origin: String },
    #[error("{origin} is encrypted; store it without a password")]
    Encrypted { origin: String },
    #[error("{origin} is compressed by {method}, expected no compression or deflate")]
    Compression { origin: String, method: String },
    #[error(
        "{origin} claims {size} bytes compressed to {compressed}, which deflate cannot do; refusing it as \
         damaged or hostile"
    )]
    Ratio { origin: String, size: u64, compressed: u64 },
}
