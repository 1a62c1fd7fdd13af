//! What stands beside a file of kept features: the key that it was made for, the hash of all of its
//! content, and what reading its images came to. The first line is the hash of the rest.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use ganbench_files::hash::{sha256, sha256_of_rest};
use ganbench_files::shared::open_regular;
use ganbench_files::write_unsynced;
use serde::{Deserialize, Serialize};

use super::reading::ImagesRead;

/// Far above any that is written here.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    key: String,
    features_sha256: String,
    images: ImagesRead,
}

/// Where the seal of a file of features is.
pub(super) fn path_of(features: &Path) -> PathBuf {
    let folder = features.parent().unwrap_or(Path::new(".")).with_file_name("reading");
    folder.join(features.file_name().unwrap_or_default()).with_extension("json")
}

/// Seals the file of features that was just written for `key`.
///
/// # Errors
/// If it cannot be read, or the seal cannot be written.
pub(super) fn write(features: &Path, key: &str, images: ImagesRead) -> io::Result<()> {
    let seal = Seal { key: key.to_owned(), features_sha256: sha256_of(features)?, images };
    let json = serde_json::to_string(&seal)?;
    let text = format!("{}\n{json}", sha256(json.as_bytes()));
    let path = path_of(features);
    write_unsynced(&path, text.as_bytes()).map_err(|error| error.source)
}

/// What reading the images came to, where the file of features is whole and of `key`. None where
/// there is no such file, or none that is sealed: its writer may have been ended between the two.
///
/// # Errors
/// Why the file is not to be used.
pub(super) fn check(features: &Path, key: &str) -> Result<Option<ImagesRead>, String> {
    let absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    let text = match read(&path_of(features)) {
        Ok(text) => text,
        Err(error) if absent(&error) => return Ok(None),
        Err(error) => return Err(format!("their seal cannot be read: {error}")),
    };
    let damaged = || "their seal is damaged".to_owned();
    let (hash, json) = text.split_once('\n').ok_or_else(damaged)?;
    if hash != sha256(json.as_bytes()) {
        return Err(damaged());
    }
    let seal: Seal = serde_json::from_str(json).map_err(|_| damaged())?;
    if seal.key != key {
        return Err("their seal is that of other features".into());
    }
    match sha256_of(features) {
        Ok(hash) if hash == seal.features_sha256 => Ok(Some(seal.images)),
        Ok(_) => Err("their content is not what was kept".into()),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(format!("they cannot be read: {error}")),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = open_regular(path, OpenOptions::new().read(true))?;
    let mut text = String::new();
    file.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn sha256_of(path: &Path) -> io::Result<String> {
    sha256_of_rest(open_regular(path, OpenOptions::new().read(true))?)
}

/// Removes the seal of a file of features.
///
/// # Errors
/// If it cannot be removed.
pub(super) fn remove(features: &Path) -> io::Result<()> {
    match fs::remove_file(path_of(features)) {
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
