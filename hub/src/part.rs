//! A download under way: a `.part` file beside the content, whose name `hf-hub` gives it too.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use ganbench_files::hash::sha256_of_rest;
use ganbench_files::shared::open_regular;

use crate::error::HubError;

pub(crate) struct Part {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Part {
    /// What an earlier attempt left, or an empty file.
    ///
    /// # Errors
    /// If it is no regular file, or cannot be written.
    pub fn open(path: PathBuf) -> Result<Self, HubError> {
        let open = || {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false);
            open_regular(&path, options)
        };
        let mut file = open().map_err(HubError::io("open", &path))?;
        let data = file.metadata().map_err(HubError::io("read", &path))?;
        let mut length = data.len();
        if has_other_names(&data) {
            // Writing would change the file that is known elsewhere.
            fs::remove_file(&path).map_err(HubError::io("remove", &path))?;
            file = open().map_err(HubError::io("open", &path))?;
            length = 0;
        }
        file.seek(SeekFrom::End(0)).map_err(HubError::io("read", &path))?;
        Ok(Self { file, path, length })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// # Errors
    /// If it cannot be written, as on a full disk; what was written before stays.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), HubError> {
        self.file.write_all(bytes).map_err(HubError::io("write", &self.path))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn clear(&mut self) -> Result<(), HubError> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(HubError::io("write", &self.path))?;
        self.length = 0;
        Ok(())
    }

    /// The hash of everything that is there, from the same open file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn sha256(&mut self) -> Result<String, HubError> {
        self.file.rewind().map_err(HubError::io("read", &self.path))?;
        sha256_of_rest(&mut self.file).map_err(HubError::io("read", &self.path))
    }

    /// Gives the content its name.
    ///
    /// # Errors
    /// If it cannot be written to the disk or renamed.
    pub fn finish(self, path: &Path) -> Result<(), HubError> {
        self.file.sync_all().map_err(HubError::io("write", &self.path))?;
        fs::rename(&self.path, path).map_err(HubError::io("rename", &self.path))
    }

    /// Best effort: what stays is refused again by its hash.
    pub fn remove(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Of a regular file of the cache.
///
/// # Errors
/// If it is no regular file or cannot be read.
pub(crate) fn sha256_of(path: &Path) -> std::io::Result<String> {
    sha256_of_rest(open_regular(path, OpenOptions::new().read(true))?)
}

#[cfg(unix)]
fn has_other_names(data: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(data) > 1
}

#[cfg(not(unix))]
fn has_other_names(_: &fs::Metadata) -> bool {
    false
}
