//! The image files below a folder, at any depth.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;

/// Links may lead in circles.
const DEEPEST: usize = 64;

/// What lies below a folder.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Paths of the images below the folder, in order, their parts joined by `/` on every system.
    pub images: Vec<String>,
    /// Paths of the files of other kinds, likewise.
    pub others: Vec<String>,
    /// How many files and folders begin with a dot.
    pub hidden: usize,
}

/// What lies in a folder itself.
pub(super) struct Entry {
    pub name: String,
    pub path: PathBuf,
}

/// The files and folders in a folder, in no particular order, hidden ones too.
pub(super) fn entries(
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
pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    extensions.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// Finds the files below `folder`. Images are those with one of these `extensions` in any case. Files and folders
/// that begin with a dot are passed over.
pub(super) fn files_below(folder: &Path, extensions: &[&str]) -> Result<Files, DataError> {
    let mut files = Files::default();
    files.gather(folder, extensions, "", 0)?;
    files.images.sort_unstable();
    files.others.sort_unstable();
    Ok(files)
}

impl Files {
    fn gather(
        &mut self,
        folder: &Path,
        extensions: &[&str],
        prefix: &str,
        depth: usize,
    ) -> Result<(), DataError> {
        if depth > DEEPEST {
            return Err(DataError::Deep { path: folder.into(), most: DEEPEST });
        }
        for entry in entries(folder)? {
            let Entry { name, path } = entry?;
            if name.starts_with('.') {
                self.hidden += 1;
            } else if path.is_dir() {
                self.gather(&path, extensions, &format!("{prefix}{name}/"), depth + 1)?;
            } else if has_extension(&path, extensions) {
                self.images.push(format!("{prefix}{name}"));
            } else {
                self.others.push(format!("{prefix}{name}"));
            }
        }
        Ok(())
    }
}
