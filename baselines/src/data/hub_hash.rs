//! Is a file of the hub cache still the one that was meant?
//!
//! The expected sha256 is, in this order: pinned in `data/hub.toml`; recorded when the file was first
//! used; promised by the hub (the cache names the content of a large file after its hash). A file with
//! none of these is recorded.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::DataError;
use super::hash::{hex, update_from};

/// A file of the hub cache and what is known of it.
pub(super) struct CachedFile<'a> {
    /// In a snapshot of the cache; usually a link.
    pub path: &'a Path,
    pub pinned: Option<&'a str>,
    /// Where the hash of first use is kept.
    pub record: PathBuf,
    /// It was downloaded just now, so it is removed if it is wrong.
    pub fresh: bool,
}

impl CachedFile<'_> {
    /// Checks the hash, and records it where none was known.
    pub(super) fn verify(&self) -> Result<(), DataError> {
        let got = sha256_of(self.path).map_err(DataError::io("read", self.path))?;
        let recorded = match fs::read_to_string(&self.record) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(DataError::io("read", &self.record)(error)),
        };
        let promised = self.promised_by_hub();
        let expected = if let Some(hash) = self.pinned {
            Some((hash, "pinned".to_owned()))
        } else if let Some(hash) = &recorded {
            Some((hash.as_str(), format!("recorded at first use in {}", self.record.display())))
        } else {
            promised.as_deref().map(|hash| (hash, "what the hub promised".to_owned()))
        };
        match expected {
            Some((expected, origin)) if !got.eq_ignore_ascii_case(expected) => {
                Err(self.refuse(got.clone(), expected.to_owned(), origin))
            }
            _ if self.pinned.is_some() || recorded.is_some() => Ok(()),
            _ => self.record(&got),
        }
    }

    /// Content of large files lies at `blobs/<sha256>`.
    fn promised_by_hub(&self) -> Option<String> {
        let blob = fs::canonicalize(self.path).ok()?;
        let name = blob.file_name()?.to_str()?;
        let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| name.to_owned())
    }

    fn refuse(&self, got: String, expected: String, origin: String) -> DataError {
        let advice = if self.fresh {
            // Or the next run would find it in the cache.
            remove(self.path);
            "the download was removed; try again".to_owned()
        } else {
            "delete the file to download it again".to_owned()
        };
        DataError::Changed { path: self.path.to_owned(), got, expected, origin, advice }
    }

    fn record(&self, hash: &str) -> Result<(), DataError> {
        write_note(&self.record, format!("{hash}\n").as_bytes())
            .map_err(DataError::io("write", &self.record))
    }
}

/// Writes a small file of the cache, and the folders that it needs, whole or not at all.
pub(super) fn write_note(path: &Path, text: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// Removes a file of the cache and the content it links to.
pub(super) fn remove(path: &Path) {
    // Best effort: what stays is refused again by its hash.
    if let Ok(blob) = fs::canonicalize(path) {
        let _ = fs::remove_file(blob);
    }
    let _ = fs::remove_file(path);
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    update_from(&mut hash, fs::File::open(path)?)?;
    Ok(hex(hash))
}
