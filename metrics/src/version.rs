//! Versions of extractors: an extractor is trained anew, and its old weights stay for old results.
//!
//! The hash of the weights tells versions apart. A name alone means the newest version;
//! `small-cifar10:17381cf3` pins the one whose hash begins so. Results and plans hold the bare name
//! and the whole hash, so that a pinned version writes what the name alone wrote when that version
//! was the newest.

use crate::extractor::{ExtractorEntry, ExtractorError, entry};

/// Between a name and the digits of a hash; no name of an extractor holds it.
const SEPARATOR: char = ':';
/// Fewest digits that name a version: enough to read, and too many for two versions to share.
const FEWEST_DIGITS: usize = 8;
/// Digits of a SHA-256.
const MOST_DIGITS: usize = 64;

/// An extractor as it is asked for: `small-cifar10`, or one version of it,
/// `small-cifar10:17381cf3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtractorRequest {
    /// As in [`crate::EXTRACTORS`].
    pub name: &'static str,
    /// How the hash of the weights begins, in lower case; None where any weights will do.
    pub pin: Option<String>,
}

impl ExtractorRequest {
    /// Reads a name with or without a pin.
    ///
    /// # Errors
    /// If the name is unknown, or what is behind the colon cannot be the beginning of a hash.
    pub fn parse(text: &str) -> Result<Self, ExtractorError> {
        let (name, pin) = match text.split_once(SEPARATOR) {
            Some((name, pin)) => (name, Some(pin)),
            None => (text, None),
        };
        let entry = entry(name)?;
        let Some(pin) = pin else { return Ok(Self { name: entry.name, pin: None }) };
        let versions = entry.versions();
        if versions.is_empty() {
            let (extractor, pin) = (entry.name, pin.into());
            return Err(ExtractorError::NoVersions { extractor, pin });
        }
        let is_whole = pin.len() == MOST_DIGITS && pin.chars().all(|c| c.is_ascii_hexdigit());
        if !is_whole && !is_beginning(pin) {
            let (asked, versions) = (text.into(), in_words(&versions));
            return Err(ExtractorError::Pin { asked, versions });
        }
        Ok(Self { name: entry.name, pin: Some(pin.to_ascii_lowercase()) })
    }

    /// What gives the weights of a plan, which holds their hash or how it begins: that version,
    /// where the program knows it or only the beginning is known. No version has the hash of
    /// weights of one's own, which must be given again.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn for_weights(name: &str, sha256: &str) -> Result<Self, ExtractorError> {
        let request = Self::parse(name)?;
        let is_known = request.entry()?.versions().iter().any(|version| version == sha256);
        let pin = (is_known || is_beginning(sha256)).then(|| sha256.to_string());
        Ok(Self { pin: pin.or(request.pin), ..request })
    }

    /// The entry in [`crate::EXTRACTORS`].
    ///
    /// # Errors
    /// If the name is unknown.
    pub fn entry(&self) -> Result<&'static ExtractorEntry, ExtractorError> {
        entry(self.name)
    }

    /// The whole hash of the version that the program knows; None without a pin.
    ///
    /// # Errors
    /// If there is no such version: lists those that there are.
    pub fn known_version(&self) -> Result<Option<String>, ExtractorError> {
        let Some(pin) = &self.pin else { return Ok(None) };
        let versions = self.entry()?.versions();
        let version = versions.iter().find(|sha256| sha256.starts_with(pin)).cloned();
        version.map(Some).ok_or_else(|| self.unknown(&versions))
    }

    /// That the pinned version is none of these.
    pub(crate) fn unknown(&self, versions: &[String]) -> ExtractorError {
        let (pin, versions) = (self.pin.clone().unwrap_or_default(), in_words(versions));
        ExtractorError::UnknownVersion { extractor: self.name, pin, versions }
    }

    /// That loaded weights are of the pinned version.
    ///
    /// # Errors
    /// If they are not: they came from a file, or were made.
    pub(crate) fn check(&self, weights_sha256: &str) -> Result<(), ExtractorError> {
        match &self.pin {
            Some(pin) if !weights_sha256.starts_with(pin) => Err(ExtractorError::OtherVersion {
                extractor: self.name,
                pin: pin.clone(),
                got: weights_sha256.into(),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether a text can be how a hash begins, and is no whole one.
fn is_beginning(text: &str) -> bool {
    (FEWEST_DIGITS..MOST_DIGITS).contains(&text.len())
        && text.chars().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether the hash of weights is what a plan holds: the same, or how it begins; anything is
/// where the plan holds none.
pub fn agrees(weights_sha256: &str, with: &str) -> bool {
    with.is_empty()
        || weights_sha256 == with
        || (is_beginning(with) && weights_sha256.starts_with(with))
}

/// What has to be asked for to get weights of this hash: `name`, with a pin where they are a known
/// version but not the newest. None where they are no known version.
pub fn asked_for(name: &str, weights_sha256: &str) -> Option<String> {
    asked_for_among(&entry(name).ok()?.versions(), name, weights_sha256)
}

fn asked_for_among(versions: &[String], name: &str, weights_sha256: &str) -> Option<String> {
    let at = versions.iter().position(|sha256| sha256 == weights_sha256)?;
    Some(match at {
        0 => name.to_string(),
        _ => format!("{name}{SEPARATOR}{}", beginning(weights_sha256)),
    })
}

fn beginning(sha256: &str) -> &str {
    sha256.get(..FEWEST_DIGITS).unwrap_or(sha256)
}

/// `b2c0ffee (the newest), 17381cf3`.
fn in_words(versions: &[String]) -> String {
    let newest = if versions.len() > 1 { " (the newest)" } else { "" };
    let word = |(at, sha256): (usize, &String)| {
        format!("{}{}", beginning(sha256), if at == 0 { newest } else { "" })
    };
    versions.iter().enumerate().map(word).collect::<Vec<_>>().join(", ")
}

impl ExtractorEntry {
    /// Hashes of the weights that the program has or knows how to fetch, the newest first; empty
    /// where there is nothing to load.
    pub fn versions(&self) -> Vec<String> {
        match self.published {
            Some(file) => vec![file.sha256.to_string()],
            None => crate::small::embedded_versions(self.name),
        }
    }
}

#[cfg(test)]
#[path = "version_tests.rs"]
mod tests;
