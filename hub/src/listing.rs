//! What files a repository has.

use std::io::{ErrorKind, Read as _};

use serde::Deserialize;

use crate::cached::Repository;
use crate::download::{Hub, Pace};
use crate::error::HubError;
use crate::http::is_timeout;
use crate::limits::MOST_LISTING_BYTES;
use crate::names::{is_commit, is_plain_path};

/// The files of a repository at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The full hash of the commit that the revision stood for, in hexadecimal.
    pub commit: String,
    /// Sorted; those only whose names may become paths.
    pub files: Vec<String>,
}

#[derive(Deserialize)]
struct Answered {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Hub {
    /// # Errors
    /// If the hub cannot be reached, or what it answers is no list or longer than 16 MiB.
    pub fn listing(&self, repository: &Repository) -> Result<Listing, HubError> {
        repository.check("any")?;
        let address = self.http.address(&repository.listing_path())?;
        let text = self.persistently(|_| self.text(&address))?;
        let answered: Answered = serde_json::from_slice(&text)
            .map_err(|error| HubError::Listing { reason: error.to_string() })?;
        if !is_commit(&answered.sha) {
            let sha: String = answered.sha.chars().take(crate::error::MOST_SHOWN).collect();
            let reason = format!("the commit is {sha:?}, expected 40 hexadecimal digits");
            return Err(HubError::Listing { reason });
        }
        let names = answered.siblings.into_iter().map(|file| file.rfilename);
        let mut files: Vec<String> = names.filter(|name| is_plain_path(name)).collect();
        files.sort_unstable();
        files.dedup();
        Ok(Listing { commit: answered.sha, files })
    }

    fn text(&self, address: &ureq::http::Uri) -> Result<Vec<u8>, HubError> {
        let answer = self.http.get(address, None)?;
        let (host, length) = (answer.host.clone(), answer.content_length()?);
        let long = || HubError::LongListing { most: MOST_LISTING_BYTES };
        if length.is_some_and(|length| length > MOST_LISTING_BYTES) {
            return Err(long());
        }
        let mut reader = answer.into_reader();
        let (mut text, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        let mut pace = Pace::new(self.limits.idle);
        loop {
            let got = text.len() as u64;
            let expected = length.unwrap_or(got + 1);
            let time = self.limits.idle;
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(text),
                Ok(n) if got + n as u64 > MOST_LISTING_BYTES => return Err(long()),
                Ok(n) => {
                    text.extend_from_slice(&buffer[..n]);
                    if pace.is_too_slow(n) {
                        return Err(HubError::Slow { host, time, got, expected });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    return Err(HubError::Slow { host, time, got, expected });
                }
                Err(error) => {
                    let reason = format!(": {error}");
                    return Err(HubError::Short { got, expected, reason });
                }
            }
        }
    }
}
