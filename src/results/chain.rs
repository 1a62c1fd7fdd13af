//! Lines of JSON that tell whether they were changed: each ends with a digest of itself and of the
//! digest before it, so that a line which was changed, put in or taken out shows, and where. That
//! lines are missing at the end shows by what `done` records (`integrity.rs`). It is no signature:
//! whoever makes all digests anew is not found out.
//!
//! Lines of ganbench before 0.2 have none and are read as they are.

use ganbench_data::hex;
use sha2::{Digest as _, Sha256};

/// What stands before the digest, in the place of the object's closing brace.
const KEY: &str = ",\"digest\":\"";
const END: &str = "\"}";
const DIGITS: usize = 16;

fn digest(before: &str, json: &[u8]) -> String {
    let hash = Sha256::new_with_prefix(before).chain_update(json);
    hex(hash)[..DIGITS].to_string()
}

/// Lines that are being written, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Of the last line; empty before the first, and behind lines without.
    last: String,
}

impl Chain {
    /// Goes on behind these lines, the last of which is whole.
    pub fn behind(content: &[u8]) -> Self {
        let last = content.split(|&b| b == b'\n').rfind(|line| !is_blank(line));
        let last = last.and_then(parts).map(|(_, digest)| digest.to_string());
        Self { last: last.unwrap_or_default() }
    }

    /// A JSON object that is not empty as the next line, its end of line included.
    pub fn line(&mut self, json: &str) -> String {
        self.last = digest(&self.last, json.as_bytes());
        let open = json.strip_suffix('}').unwrap_or(json);
        format!("{open}{KEY}{}{END}\n", self.last)
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// A line without its digest and closing brace, and the digest; none where it has none.
fn parts(line: &[u8]) -> Option<(&[u8], &str)> {
    let line = line.strip_suffix(END.as_bytes())?;
    let (line, digest) = line.split_at(line.len().checked_sub(DIGITS)?);
    let digest = std::str::from_utf8(digest).ok()?;
    let is_hex = digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    Some((line.strip_suffix(KEY.as_bytes())?, digest)).filter(|_| is_hex)
}

/// A line as it was before it got a digest.
pub fn undigested(line: &str) -> std::borrow::Cow<'_, str> {
    match parts(line.as_bytes()) {
        Some((open, _)) => format!("{}}}", &line[..open.len()]).into(),
        None => line.into(),
    }
}

/// Whether any line has a digest.
pub fn has_digests(content: &[u8]) -> bool {
    content.split(|&b| b == b'\n').any(|line| parts(line).is_some())
}

/// Numbers, from 1, of the lines that are not as they were written: changed, put in, or behind one
/// that was taken out. A last line that was cut off while it was written is none of them.
pub fn changed_lines(content: &[u8]) -> Vec<usize> {
    let mut changed = Vec::new();
    let mut before = String::new();
    let mut lines = content.split(|&b| b == b'\n').enumerate().peekable();
    while let Some((i, line)) = lines.next() {
        if is_blank(line) || (lines.peek().is_none() && !super::lines::is_json(line)) {
            continue;
        }
        match parts(line) {
            Some((open, stored)) => {
                if digest(&before, &[open, b"}"].concat()) != stored {
                    changed.push(i + 1);
                }
                before = stored.to_string();
            }
            // Behind lines with digests every line has one.
            None if !before.is_empty() => changed.push(i + 1),
            None => {}
        }
    }
    changed
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
