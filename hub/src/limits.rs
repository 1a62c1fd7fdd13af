//! How long and how much a download may take.

use std::time::Duration;

use crate::error::HubError;

/// Seconds for a connection and for the start of an answer; `huggingface_hub` has it too.
const ANSWER: &str = "HF_HUB_ETAG_TIMEOUT";
/// Seconds within which a part of a file must come; `huggingface_hub` has it too.
const IDLE: &str = "HF_HUB_DOWNLOAD_TIMEOUT";
/// A day: more is no limit any more, and the clocks of some systems overflow far above.
const LONGEST: f64 = 86_400.0;

/// Redirects that are followed for one request.
pub(crate) const MOST_REDIRECTS: usize = 10;
/// A list of a repository's files that is longer is refused: 16 MiB, a hundred thousand names.
pub(crate) const MOST_LISTING_BYTES: u64 = 16 << 20;
/// Slower than this over the whole idle time is as good as silent, in bytes per second.
pub(crate) const SLOWEST: f64 = 1024.0;
/// A hub that asks to wait longer is not waited for.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// An attempt that brought so much counts as a success: a bad line needs many for a large file.
pub(crate) const ADVANCE: u64 = 1 << 20;

/// Every wait and every size has an end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Until a connection stands: 10 s.
    pub connect: Duration,
    /// Until the head of an answer is there: 30 s.
    pub answer: Duration,
    /// Without a byte, or with less than 1 KiB per second, a body is given up after this: 60 s.
    pub idle: Duration,
    /// Attempts at one file that do not bring it further: 4. Each goes on where the one before was
    /// cut off.
    pub attempts: u32,
    /// Before the second attempt: 250 ms. It doubles from attempt to attempt.
    pub pause: Duration,
    /// Another process that downloads the same file is waited for so long: 5 s.
    pub patience: Duration,
    /// A file that is promised to be larger is refused: 64 GiB.
    pub most_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            attempts: 4,
            pause: Duration::from_millis(250),
            patience: Duration::from_secs(5),
            most_bytes: 64 << 30,
        }
    }
}

impl Limits {
    /// With the times that the environment sets.
    ///
    /// # Errors
    /// If a variable is no number of seconds.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    pub(crate) fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, HubError> {
        let seconds = |name: &'static str| {
            let text = variable(name).filter(|text| !text.is_empty());
            text.map(|text| seconds(name, &text)).transpose()
        };
        let mut limits = Self::default();
        if let Some(time) = seconds(ANSWER)? {
            (limits.connect, limits.answer) = (time, time);
        }
        if let Some(time) = seconds(IDLE)? {
            limits.idle = time;
        }
        Ok(limits)
    }

    /// With one time for connections, answers and pauses within a file.
    #[must_use]
    pub fn with_timeout(self, time: Duration) -> Self {
        Self { connect: time, answer: time, idle: time, ..self }
    }
}

/// The time that `text` says in seconds; `name` is where it comes from.
///
/// # Errors
/// If it is no number above 0 and up to a day.
pub fn seconds(name: &'static str, text: &str) -> Result<Duration, HubError> {
    let number = text.trim().parse().ok().filter(|s: &f64| *s >= 0.001 && *s <= LONGEST);
    let wrong = || HubError::Seconds { name, text: text.to_owned() };
    number.map(Duration::from_secs_f64).ok_or_else(wrong)
}
