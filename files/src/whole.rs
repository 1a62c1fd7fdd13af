//! Files that are there whole or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::shared::{UNFINISHED, Unfinished};

/// A file that could not be written; what stood there before is kept.
#[derive(Debug, Error)]
#[error("{} could not be written: {source}", path.display())]
pub struct WriteError {
    /// The file, or the folder, that was to be changed.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Removes what a process that died in the middle of [`write_atomic`] left in a folder. For folders
/// in which no other process is at work.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove_unfinished(folder: &Path) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: folder.to_path_buf(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Writes `bytes` to a temporary file beside `path`, flushes it to the disk and renames it, so that
/// a reader sees the old content or the new, never a part. Missing folders are made.
///
/// # Errors
/// If the folder cannot be made or written to; the file that was there before is kept.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write(path, bytes, true)
}

/// As [`write_atomic`], for many small files: when they reach the disk is left to the system.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write(path, bytes, false)
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_path_buf(), source };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = Unfinished::beside(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    if sync {
        file.as_file().sync_all().map_err(failed)?;
    }
    file.persist(path).map_err(failed)?;
    // The rename itself lives in the folder; not every system lets a folder be opened, and the
    // content is safe already.
    if let Ok(folder) = std::fs::File::open(folder)
        && sync
    {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/table.md");
        write_atomic(&path, b"first").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o400, 0o400);
            assert_eq!(mode & 0o111, 0);
        }
    }

    #[test]
    fn a_path_that_is_a_folder_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomic(folder.path(), b"x").unwrap_err().to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(error.contains("could not be written"), "{error}");
    }
}
