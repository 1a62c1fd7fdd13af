//! Where the bytes of a file of images are: on the disk, or in memory.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ganbench_files as files;
use ganbench_files::hash::{hex, update_from};
use sha2::{Digest as _, Sha256};

use super::{ImageSource, SourceError, SourceRequest, array, hasher, parquet, tensors};
use crate::numpy::Input;

/// Files of many images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayFormat {
    /// An archive of numpy arrays.
    Npz,
    /// One numpy array.
    Npy,
    /// A file of named tensors.
    SafeTensors,
    /// A table whose rows hold encoded images.
    Parquet,
}

impl ArrayFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::SafeTensors => "safetensors",
            Self::Parquet => "parquet",
        }
    }
}

/// A file of images in memory; errors call it `request.text`.
///
/// # Errors
/// As [`super::open`].
pub fn open_bytes(
    bytes: Vec<u8>,
    format: ArrayFormat,
    request: &SourceRequest,
) -> Result<Box<dyn ImageSource>, SourceError> {
    open(
        Backing::Memory { name: PathBuf::from(&request.text), bytes: bytes.into() },
        format,
        request,
    )
}

pub(super) fn open(
    backing: Backing,
    format: ArrayFormat,
    request: &SourceRequest,
) -> Result<Box<dyn ImageSource>, SourceError> {
    if request.limit == Some(0) {
        return Err(SourceError::NothingAsked { text: request.text.clone() });
    }
    match format {
        ArrayFormat::Npz => Ok(Box::new(array::npz(backing, request)?)),
        ArrayFormat::Npy => Ok(Box::new(array::npy(backing, request)?)),
        ArrayFormat::SafeTensors => Ok(Box::new(tensors::open(backing, request)?)),
        ArrayFormat::Parquet => Ok(Box::new(parquet::Source::open(backing, request)?)),
    }
}

/// A file that can be opened again.
#[derive(Clone, Debug)]
pub(super) enum Backing {
    File(PathBuf),
    Memory { name: PathBuf, bytes: Arc<[u8]> },
}

impl Backing {
    /// What errors call it.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory { name, .. } => name,
        }
    }

    pub(super) fn origin(&self) -> String {
        self.path().display().to_string()
    }

    pub(super) fn input(&self) -> Result<Box<dyn Input>, SourceError> {
        match self {
            Self::File(path) => {
                Ok(Box::new(files::open(path).map_err(SourceError::io("open", path))?))
            }
            Self::Memory { bytes, .. } => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
        }
    }

    /// Hash of format, number of images, their rows where they are not all, and all bytes.
    pub(super) fn sha256(
        &self,
        format: ArrayFormat,
        images: usize,
        rows: Option<&[usize]>,
    ) -> Result<String, SourceError> {
        let mut hash = hasher(format.as_str(), images);
        self.update_hash(&mut hash, rows)?;
        Ok(hex(hash))
    }

    /// Takes in the rows, where they are not all, and all bytes.
    pub(super) fn update_hash(
        &self,
        hash: &mut Sha256,
        rows: Option<&[usize]>,
    ) -> Result<(), SourceError> {
        if let Some(rows) = rows {
            hash.update(b"rows\0");
            for &row in rows {
                hash.update((row as u64).to_le_bytes());
            }
        }
        update_from(hash, self.input()?).map_err(SourceError::io("read", self.path()))
    }
}
