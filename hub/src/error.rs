//! Why a download failed, one sentence each.

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::limits::MOST_REDIRECTS;

/// Why a file or a list could not be had.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum HubError {
    #[error("{name} is {text:?}, expected a number of seconds from 0.001 to 86400")]
    Seconds { name: &'static str, text: String },
    #[error("HF_HUB_OFFLINE is set")]
    Offline,
    #[error("there is no home folder for the cache; set HF_HOME or HF_HUB_CACHE to a folder")]
    NoCache,
    #[error("the endpoint is {endpoint:?}, expected an http or https address; correct HF_ENDPOINT")]
    Endpoint { endpoint: String },
    #[error("the name {name:?} leads out of the cache")]
    Name { name: String },

    #[error("no connection to {host}: {reason}")]
    Connection { host: String, reason: String },
    #[error("no connection to {host} within {}; HF_HUB_ETAG_TIMEOUT sets the seconds", Seconds(*.time))]
    NoConnection { host: String, time: Duration },
    #[error("no whole answer of {host} within {}; HF_HUB_ETAG_TIMEOUT sets the seconds", Seconds(*.time))]
    NoAnswer { host: String, time: Duration },
    #[error(
        "{host} sent less than 1 KiB per second for {}, so that {got} of {expected} bytes came; \
         HF_HUB_DOWNLOAD_TIMEOUT sets the seconds", Seconds(*.time)
    )]
    Slow { host: String, time: Duration, got: u64, expected: u64 },
    #[error("the exchange with {host} failed: {reason}")]
    Protocol { host: String, reason: String },

    #[error("{host} answered with status {status}{}", wish(*.wait))]
    Status { host: String, status: u16, wait: Option<Duration> },
    #[error("{host} answered with status {status} but not where to go: Location is missing")]
    NoLocation { host: String, status: u16 },
    #[error("{host} leads to {location:?}, expected an http or https address")]
    Location { host: String, location: String },
    #[error("{host} leads from https to {location:?}, which anyone on the way could change")]
    Downgrade { host: String, location: String },
    #[error("more than {MOST_REDIRECTS} redirects, the last one by {host}")]
    Redirects { host: String },

    #[error("the answer of {host} has no {header}")]
    MissingHeader { host: String, header: &'static str },
    #[error("the answer of {host} has {header} {value:?}, expected {expected}")]
    Header { host: String, header: &'static str, value: String, expected: String },
    #[error("the {what} changed between two answers, from {first:?} to {second:?}; try again")]
    Changed { what: &'static str, first: String, second: String },
    #[error("the hub answers with commit {got:?}, expected {expected}")]
    Commit { got: String, expected: String },

    #[error("{host} did not say how long the file is")]
    NoLength { host: String },
    #[error("{host} says that the file is empty")]
    Empty { host: String },
    #[error("{got} bytes were promised, expected {expected}")]
    Length { got: u64, expected: u64 },
    #[error("{got} bytes were promised, at most {most} are taken")]
    TooLarge { got: u64, most: u64 },
    #[error("more than the promised {expected} bytes came from {host}")]
    Long { host: String, expected: u64 },
    #[error("{got} of {expected} bytes came{reason}")]
    Short { got: u64, expected: u64, reason: String },
    #[error("sha256 is {got}, expected {expected}; the download was removed; try again")]
    Hash { got: String, expected: String },

    #[error("the list of files is longer than {most} bytes")]
    LongListing { most: u64 },
    #[error("the list of files is not as expected: {reason}")]
    Listing { reason: String },

    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{holder} is downloading it (it holds {})", lock.display())]
    Held { holder: String, lock: PathBuf },
}

impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn header(host: &str, header: &'static str, value: &str, expected: &str) -> Self {
        let value = value.chars().take(MOST_SHOWN).collect();
        Self::Header { host: host.into(), header, value, expected: expected.into() }
    }

    /// Whether another attempt may go better. Every other fault would only come again.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. }
            | Self::NoConnection { .. }
            | Self::NoAnswer { .. }
            | Self::Slow { .. }
            | Self::Short { .. } => true,
            Self::Status { status, .. } => *status == 429 || (500..600).contains(status),
            _ => false,
        }
    }

    /// How long the hub asks to wait.
    pub(crate) fn wait(&self) -> Option<Duration> {
        if let Self::Status { wait, .. } = self { *wait } else { None }
    }
}

/// Of what a hub sent, a message repeats so many characters.
pub(crate) const MOST_SHOWN: usize = 200;

fn wish(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" and asks to wait {}", Seconds(wait)))
}

struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}
