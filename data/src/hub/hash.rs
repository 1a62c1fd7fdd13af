//! Is a file of the hub cache still the one that was meant?
//!
//! The expected sha256 is, in this order: pinned in `data/hub.toml`; recorded when the file was
//! first used; promised by the hub (the cache names the content of a large file after its hash). A
//! file with none of these is recorded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ganbench_files::hash::sha256_of_rest;
use ganbench_files::write_atomic;

use crate::DataError;

/// A file of the hub cache and what is known of it.
pub(crate) struct CachedFile<'a> {
    /// In a snapshot of the cache; usually a link.
    pub path: &'a Path,
    pub pinned: Option<&'a str>,
    /// Where the hash of first use is kept.
    pub record: PathBuf,
}

/// A hash that a file must have.
pub(crate) struct Known {
    pub sha256: String,
    /// Who says so, as in "… is pinned".
    origin: String,
}

impl CachedFile<'_> {
    /// Checks the hash, and records it where none was known.
    pub(crate) fn verify(&self) -> Result<(), DataError> {
        let got = sha256_of(self.path).map_err(DataError::io("read", self.path))?;
        let known = self.known()?;
        let promised = || Some(Known { sha256: self.promised_by_hub()?, origin: PROMISED.into() });
        let expected = if known.is_some() { None } else { promised() };
        let wrong = |known: &&Known| !got.eq_ignore_ascii_case(&known.sha256);
        if let Some(Known { sha256, origin }) = known.as_ref().or(expected.as_ref()).filter(wrong) {
            let advice = "delete the file to download it again";
            return Err(self.changed(got, sha256.clone(), origin.clone(), advice));
        }
        self.record_if_new(known.as_ref(), &got)
    }

    /// The pinned hash, or else the one of first use.
    pub(crate) fn known(&self) -> Result<Option<Known>, DataError> {
        if let Some(sha256) = self.pinned {
            return Ok(Some(Known { sha256: sha256.to_owned(), origin: "pinned".into() }));
        }
        match fs::read_to_string(&self.record) {
            Ok(text) => {
                let origin = format!("recorded at first use in {}", self.record.display());
                Ok(Some(Known { sha256: text.trim().to_owned(), origin }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DataError::io("read", &self.record)(error)),
        }
    }

    /// Content of large files lies at `blobs/<sha256>`.
    fn promised_by_hub(&self) -> Option<String> {
        let blob = fs::canonicalize(self.path).ok()?;
        let name = blob.file_name()?.to_str()?;
        let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| name.to_owned())
    }

    /// The error for a download that was not what was known of it, or promised by the hub.
    pub(crate) fn refuse(&self, got: String, expected: String, known: Option<Known>) -> DataError {
        let origin = known.map_or_else(|| PROMISED.to_owned(), |known| known.origin);
        self.changed(got, expected, origin, "the download was removed; try again")
    }

    fn changed(&self, got: String, expected: String, origin: String, advice: &str) -> DataError {
        let (path, advice) = (self.path.to_owned(), advice.to_owned());
        DataError::Changed { path, got, expected, origin, advice }
    }

    pub(crate) fn record_if_new(&self, known: Option<&Known>, hash: &str) -> Result<(), DataError> {
        if known.is_some() {
            return Ok(());
        }
        write_note(&self.record, format!("{hash}\n").as_bytes())
            .map_err(DataError::io("write", &self.record))
    }
}

const PROMISED: &str = "what the hub promised";

/// Writes a small file of the cache, and the folders that it needs, whole or not at all.
pub(crate) fn write_note(path: &Path, text: &[u8]) -> io::Result<()> {
    write_atomic(path, text).map_err(|error| error.source)
}

fn sha256_of(path: &Path) -> io::Result<String> {
    sha256_of_rest(fs::File::open(path)?)
}
