//! The image files below a folder, at any depth.
//!
//! Links are followed. A folder that is reached in two ways, as through a link to itself, would
//! have its images counted twice, and is an error that names both.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::DataError;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Paths of the images below the folder, in order, their parts joined by `/` on every system.
    pub images: Vec<String>,
    /// Paths of the files of other kinds, likewise.
    pub others: Vec<String>,
    /// How many files and folders begin with a dot.
    pub hidden: usize,
}

/// What lies in a folder itself.
pub(crate) struct Entry {
    pub name: String,
    pub path: PathBuf,
}

/// The files and folders in a folder, in no particular order, hidden ones too.
pub(crate) fn entries(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<Entry, DataError>> + use<'_>, DataError> {
    let items = fs::read_dir(folder).map_err(DataError::io("list", folder))?;
    Ok(items.map(move |item| {
        let path = item.map_err(DataError::io("list", folder))?.path();
        // Names that are not Unicode have no order that is the same everywhere.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let source = std::io::Error::other("its name is not Unicode; rename it");
            return Err(DataError::io("read", &path)(source));
        };
        Ok(Entry { name: name.to_owned(), path })
    }))
}

/// Whether a file has one of these extensions, in any case.
pub(crate) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Finds the files below `folder`. Images are those with one of these `extensions` in any case.
/// Files and folders that begin with a dot are passed over.
///
/// # Errors
/// If a folder cannot be listed, or is reached twice.
pub(crate) fn files_below(folder: &Path, extensions: &[&str]) -> Result<Files, DataError> {
    let mut files = Files::default();
    let mut seen = SeenFolders::default();
    seen.enter(folder)?;
    // Folders that are not listed yet, with what stands before the names in them.
    let mut waiting = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = waiting.pop() {
        for entry in entries(&folder)? {
            let Entry { name, path } = entry?;
            if name.starts_with('.') {
                files.hidden += 1;
            } else if path.is_dir() {
                seen.enter(&path)?;
                waiting.push((path, format!("{prefix}{name}/")));
            } else if has_extension(&path, extensions) {
                files.images.push(format!("{prefix}{name}"));
            } else {
                files.others.push(format!("{prefix}{name}"));
            }
        }
    }
    files.images.sort_unstable();
    files.others.sort_unstable();
    Ok(files)
}

/// The folders that were gone into, so that none is gone into twice.
#[derive(Default)]
pub(crate) struct SeenFolders(HashMap<FolderId, PathBuf>);

impl SeenFolders {
    /// # Errors
    /// If the folder was entered before, by this path or another one.
    pub(crate) fn enter(&mut self, folder: &Path) -> Result<(), DataError> {
        let id = folder_id(folder).map_err(DataError::io("list", folder))?;
        match self.0.insert(id, folder.to_owned()) {
            None => Ok(()),
            Some(first) => {
                // The link is named first, whichever of the two was listed first.
                let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|m| m.is_symlink());
                let (link, first) = match is_link(folder) || !is_link(&first) {
                    true => (folder.to_owned(), first),
                    false => (first, folder.to_owned()),
                };
                Err(DataError::FolderTwice { link, folder: first })
            }
        }
    }
}

/// Device and number of the folder that a path leads to.
#[cfg(unix)]
type FolderId = (u64, u64);

#[cfg(unix)]
fn folder_id(folder: &Path) -> std::io::Result<FolderId> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = folder.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// The path without links that it leads to.
#[cfg(not(unix))]
type FolderId = PathBuf;

#[cfg(not(unix))]
fn folder_id(folder: &Path) -> std::io::Result<FolderId> {
    fs::canonicalize(folder)
}
