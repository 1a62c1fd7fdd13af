//! Downloads: the hub is asked what a file is called and how long it is, the names of that answer
//! and of no other are used, and the content comes into a part beside its place, which gets its
//! name when its length and its hash are right.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ganbench_files::shared::{Lock, holder};
use ureq::http::Uri;

use crate::cached::{Place, Repository};
use crate::error::HubError;
use crate::http::{Answer, Http, is_timeout};
use crate::limits::{ADVANCE, LONGEST_WAIT, Limits, SLOWEST};
use crate::names::{Names, is_commit, is_sha256};
use crate::part::{Part, sha256_of};

/// A hub and the folder of its cache.
pub struct Hub {
    pub(crate) http: Http,
    cache: PathBuf,
    pub(crate) limits: Limits,
}

/// A file of a repository.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where the file lies, and at which revision.
    pub repository: &'a Repository,
    /// The file's path inside the repository, with `/` between its parts.
    pub file: &'a str,
    /// The hash that it must have, where that is known. Else the one that the hub promises counts.
    pub sha256: Option<&'a str>,
}

/// A file of the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// In the snapshot of its commit.
    pub path: PathBuf,
    /// Of its content, in lower-case hexadecimal.
    pub sha256: String,
}

/// What the hub promises of a file.
struct Promise {
    names: Names,
    bytes: u64,
}

impl Hub {
    /// Without a token: the endpoint may be anyone's.
    ///
    /// # Errors
    /// If the endpoint is no http or https address.
    pub fn new(endpoint: &str, cache: &Path, limits: Limits) -> Result<Self, HubError> {
        Ok(Self { http: Http::new(endpoint, limits)?, cache: cache.to_owned(), limits })
    }

    /// With a token, which is sent to the endpoint's own host and never to where that leads.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.http.token = token;
        self
    }

    /// Downloads a file into the cache. `progress` is called with (bytes done, bytes in all).
    ///
    /// # Errors
    /// If the hub cannot be reached, breaks its promises or those of the caller, or the cache
    /// cannot be written to. What came before a connection broke off is kept for the next call.
    pub fn fetch(
        &self,
        wanted: Wanted<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Fetched, HubError> {
        wanted.repository.check(wanted.file)?;
        let address = self.http.address(&wanted.repository.path(wanted.file))?;
        // The furthest that any attempt came: one that begins anew is not further.
        let mut furthest = None;
        self.persistently(|advance| {
            self.attempt(wanted, &address, &mut |done, total| {
                let before = *furthest.get_or_insert(done);
                *advance += done.saturating_sub(before);
                furthest = Some(before.max(done));
                progress(done, total);
            })
        })
    }

    /// Repeats `attempt` after faults that may pass, with growing pauses. `attempt` is given where
    /// to say how far it came.
    pub(crate) fn persistently<T>(
        &self,
        mut attempt: impl FnMut(&mut u64) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let (mut tries, mut pause) = (1, self.limits.pause);
        loop {
            let mut advance = 0;
            let error = match attempt(&mut advance) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if advance >= ADVANCE {
                (tries, pause) = (1, self.limits.pause);
            }
            let wait = error.wait().unwrap_or(pause);
            if !error.is_passing() || tries >= self.limits.attempts || wait > LONGEST_WAIT {
                return Err(error);
            }
            std::thread::sleep(wait);
            (tries, pause) = (tries + 1, 2 * pause);
        }
    }

    fn attempt(
        &self,
        wanted: Wanted<'_>,
        address: &Uri,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Fetched, HubError> {
        let promise = self.promise(address)?;
        let revision = &wanted.repository.revision;
        if is_commit(revision) && promise.names.commit != *revision {
            let (got, expected) = (promise.names.commit, revision.clone());
            return Err(HubError::Commit { got, expected });
        }
        let expected = wanted.sha256.map(str::to_ascii_lowercase).or_else(|| {
            let etag = &promise.names.etag;
            is_sha256(etag).then(|| etag.to_ascii_lowercase())
        });
        let place = Place::new(&self.cache, wanted.repository, wanted.file, &promise.names);
        place.make_folders()?;
        let lock = place.beside("lock");
        let taken =
            Lock::take_within(&lock, self.limits.patience).map_err(HubError::io("lock", &lock))?;
        let Some(_lock) = taken else {
            return Err(HubError::Held { holder: holder(&lock), lock });
        };
        let sha256 = match already_there(&place.blob, promise.bytes, expected.as_deref()) {
            Some(sha256) => sha256,
            None => {
                let mut part = Part::open(place.beside("part"))?;
                self.receive(address, &promise, &mut part, progress)?;
                let got = part.sha256()?;
                if let Some(expected) = expected.filter(|expected| *expected != got) {
                    part.remove();
                    return Err(HubError::Hash { got, expected });
                }
                part.finish(&place.blob)?;
                got
            }
        };
        place.publish()?;
        Ok(Fetched { path: place.pointer, sha256 })
    }

    /// Asks for the first byte: the answer names the file and its length.
    fn promise(&self, address: &Uri) -> Result<Promise, HubError> {
        let answer = self.http.get(address, Some("bytes=0-0"))?;
        let host = answer.host.clone();
        let length = if answer.is_part() {
            let range = answer.header("content-range")?;
            let total = |range: String| {
                let total = range.rsplit_once('/').and_then(|(_, total)| total.parse().ok());
                let expected = "\"bytes 0-0/LENGTH\"";
                total.ok_or_else(|| HubError::header(&host, "Content-Range", &range, expected))
            };
            range.map(total).transpose()?
        } else {
            answer.content_length()?
        };
        let Some(names) = answer.names else {
            return Err(HubError::MissingHeader { host, header: "ETag or no X-Repo-Commit" });
        };
        let bytes = match (names.bytes, length) {
            (Some(linked), Some(length)) if linked != length => {
                return Err(HubError::Length { got: length, expected: linked });
            }
            (Some(bytes), _) | (None, Some(bytes)) => bytes,
            (None, None) => return Err(HubError::NoLength { host }),
        };
        if bytes > self.limits.most_bytes {
            return Err(HubError::TooLarge { got: bytes, most: self.limits.most_bytes });
        }
        if bytes == 0 {
            return Err(HubError::Empty { host });
        }
        Ok(Promise { names, bytes })
    }

    /// Completes the part.
    fn receive(
        &self,
        address: &Uri,
        promise: &Promise,
        part: &mut Part,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), HubError> {
        let expected = promise.bytes;
        if part.length() > expected {
            part.clear()?;
        }
        if part.length() == expected {
            // The last run was killed between the last byte and the renaming.
            return Ok(());
        }
        let start = part.length();
        let answer = match self.http.get(address, Some(&format!("bytes={start}-"))) {
            Err(HubError::Status { status: 416, .. }) if start > 0 => {
                part.clear()?;
                let reason = ", and the hub has nothing after them; beginning anew".into();
                return Err(HubError::Short { got: start, expected, reason });
            }
            other => other?,
        };
        if let Some(names) = &answer.names {
            promise.names.check_same(names)?;
        }
        self.check_range(&answer, part, expected)?;
        let host = answer.host.clone();
        let rest = expected - part.length();
        if answer.content_length()?.is_some_and(|length| length > rest) {
            return Err(HubError::Long { host, expected });
        }
        self.copy(answer, part, expected, progress)
    }

    /// Sees to it that the body goes on where the part ends.
    fn check_range(&self, answer: &Answer, part: &mut Part, bytes: u64) -> Result<(), HubError> {
        if !answer.is_part() {
            // The whole comes, whatever was asked for.
            return part.clear();
        }
        let start = part.length();
        match answer.header("content-range")? {
            Some(range) => {
                let wanted = format!("bytes {start}-{}/{bytes}", bytes - 1);
                if range == wanted {
                    return Ok(());
                }
                let wanted = format!("{wanted:?}");
                Err(HubError::header(&answer.host, "Content-Range", &range, &wanted))
            }
            // The length is counted in any case.
            None if start == 0 => Ok(()),
            None => {
                part.clear()?;
                let reason = ", and the hub does not say where it goes on; beginning anew".into();
                Err(HubError::Short { got: start, expected: bytes, reason })
            }
        }
    }

    fn copy(
        &self,
        answer: Answer,
        part: &mut Part,
        expected: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), HubError> {
        let host = answer.host.clone();
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut pace = Pace::new(self.limits.idle);
        progress(part.length(), expected);
        loop {
            let got = part.length();
            let time = self.limits.idle;
            match reader.read(&mut buffer) {
                Ok(0) if got < expected => {
                    return Err(HubError::Short { got, expected, reason: String::new() });
                }
                Ok(0) => return Ok(()),
                Ok(n) if n as u64 > expected - got => {
                    part.clear()?;
                    return Err(HubError::Long { host, expected });
                }
                Ok(n) => {
                    part.push(&buffer[..n])?;
                    progress(part.length(), expected);
                    if pace.is_too_slow(n) {
                        let got = part.length();
                        return Err(HubError::Slow { host, time, got, expected });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => {
                    return Err(HubError::Slow { host, time, got, expected });
                }
                // Whatever follows the last byte.
                Err(_) if got == expected => return Ok(()),
                Err(error) => {
                    let reason = format!(": {error}");
                    return Err(HubError::Short { got, expected, reason });
                }
            }
        }
    }
}

/// The hash of content that another commit's file brought before.
fn already_there(blob: &Path, bytes: u64, expected: Option<&str>) -> Option<String> {
    let data = std::fs::symlink_metadata(blob).ok()?;
    if !data.is_file() || data.len() != bytes {
        return None;
    }
    let got = sha256_of(blob).ok()?;
    expected.is_none_or(|expected| expected == got).then_some(got)
}

/// How fast a body comes: a byte now and then keeps a connection alive, and nobody waits for that.
pub(crate) struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub fn new(window: Duration) -> Self {
        Self { window, since: Instant::now(), bytes: 0 }
    }

    /// After `n` more bytes.
    pub fn is_too_slow(&mut self, n: usize) -> bool {
        self.bytes += n as u64;
        let time = self.since.elapsed();
        if time < self.window {
            return false;
        }
        let is_slow = (self.bytes as f64) < SLOWEST * time.as_secs_f64();
        (self.since, self.bytes) = (Instant::now(), 0);
        is_slow
    }
}
