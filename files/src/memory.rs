//! One budget of memory for the whole program.
//!
//! Whoever takes memory whose size a file or a flag decides asks here before. What is there is the
//! least of what the user allows (`--memory-limit`), what the system has free, what control groups
//! still allow, and what is left of the address space. What was promised and is not taken yet
//! counts, so that threads which ask at the same time do not all get the same memory. Where the
//! system does not tell (other than Linux), only the user's limit counts.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use thiserror::Error;

/// Requests up to this size are granted without a look: the system is not asked for every small
/// image.
const SMALL: u64 = 16 << 20;
const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];

/// The user's limit in bytes; 0 where there is none.
static LIMIT: AtomicU64 = AtomicU64::new(0);
/// Bytes that were granted and are held by a [`Held`].
static PROMISED: AtomicU64 = AtomicU64::new(0);

/// Memory that the process may come to hold, what it holds now included, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// Bytes that the process may hold in all.
    pub bytes: u64,
    /// What sets the bound, as errors name it: `--memory-limit`, or a property of the machine.
    pub by: &'static str,
}

/// A request that exceeds what is there.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what} {}", self.predicate())]
pub struct NoMemory {
    /// The subject of the sentence.
    pub what: String,
    /// Bytes that were asked for.
    pub needed: u64,
    /// Bytes that could still be granted.
    pub left: u64,
    /// What sets the bound, as in [`Available::by`].
    pub by: &'static str,
}

impl NoMemory {
    /// The sentence behind its subject.
    pub fn predicate(&self) -> String {
        let (needed, left) = (shown(self.needed), shown(self.left));
        let advice = match self.by {
            BY_LIMIT => "raise the limit",
            _ => "use less of it, close other programs, or take a larger machine",
        };
        format!(
            "needs about {needed} of memory, but {left} are left ({by}); {advice}",
            by = self.by
        )
    }
}

/// The promise of memory, until it is dropped.
#[derive(Debug)]
#[must_use = "the promise ends where it is dropped"]
pub struct Held(u64);

impl Drop for Held {
    fn drop(&mut self) {
        PROMISED.fetch_sub(self.0, Relaxed);
    }
}

const BY_LIMIT: &str = "--memory-limit";

/// Sets the user's limit on the memory of the whole process.
pub fn set_limit(bytes: u64) {
    LIMIT.store(bytes, Relaxed);
}

/// The user's limit.
pub fn limit() -> Option<u64> {
    Some(LIMIT.load(Relaxed)).filter(|&bytes| bytes > 0)
}

/// Asks for memory that is about to be taken. What comes back is held until the memory was taken.
/// `what` is the subject of the sentence where there is too little.
///
/// # Errors
/// If there is too little.
pub fn ask(bytes: u64, what: impl FnOnce() -> String) -> Result<Held, NoMemory> {
    if bytes <= SMALL {
        return Ok(Held(0));
    }
    let promised = PROMISED.fetch_add(bytes, Relaxed);
    // Gives the promise back where it cannot be kept.
    let held = Held(bytes);
    let own = process_bytes("VmRSS:").unwrap_or(0);
    let Some(there) = available() else { return Ok(held) };
    let left = there.bytes.saturating_sub(own).saturating_sub(promised);
    if bytes <= left {
        return Ok(held);
    }
    Err(NoMemory { what: what(), needed: bytes, left, by: there.by })
}

/// [`ask`] for `count` things of `each` bytes.
///
/// # Errors
/// As [`ask`].
pub fn ask_for(count: usize, each: usize, what: impl FnOnce() -> String) -> Result<Held, NoMemory> {
    ask((count as u64).saturating_mul(each as u64), what)
}

/// What is there, by whoever allows least; none where nobody tells.
pub fn available() -> Option<Available> {
    let own = process_bytes("VmRSS:");
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let free = own.and_then(|_| read("/proc/meminfo").and_then(|text| meminfo_free(&text)));
    let group =
        read("/proc/self/cgroup").and_then(|all| group_free(Path::new("/sys/fs/cgroup"), &all));
    let space = read("/proc/self/limits").and_then(|text| address_space(&text));
    let space = space.map(|bytes| bytes.saturating_sub(process_bytes("VmSize:").unwrap_or(0)));
    let beside = |by| move |bytes: u64| Available { bytes: bytes + own.unwrap_or(0), by };
    [
        limit().map(|bytes| Available { bytes, by: BY_LIMIT }),
        free.map(beside("free memory of the system")),
        group.filter(|_| own.is_some()).map(beside("limit of the control group")),
        space.map(beside("limit of the address space")),
    ]
    .into_iter()
    .flatten()
    .min_by_key(|available| available.bytes)
}

/// Resident memory (`VmRSS:`) or address space (`VmSize:`) of this process.
fn process_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kib(status.lines().find_map(|line| line.strip_prefix(name))?)
}

fn kib(text: &str) -> Option<u64> {
    Some(text.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
}

/// `MemAvailable` of /proc/meminfo.
fn meminfo_free(text: &str) -> Option<u64> {
    kib(text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?)
}

/// The soft limit of /proc/self/limits; none where there is none.
fn address_space(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the control groups of /proc/self/cgroup still allow, the tightest of them; pages of files
/// count as free. None without a limit.
fn group_free(mount: &Path, groups: &str) -> Option<u64> {
    let number = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (folder, limit, usage) = match controllers {
            "" => (mount.to_path_buf(), "memory.max", "memory.current"),
            list if list.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        // A limit above holds below; inside a container the group's own path may not be mounted.
        for group in Path::new(group.trim_start_matches('/')).ancestors() {
            let at = folder.join(group);
            let (Some(limit), Some(usage)) = (number(&at.join(limit)), number(&at.join(usage)))
            else {
                continue;
            };
            let stat = std::fs::read_to_string(at.join("memory.stat")).unwrap_or_default();
            let cached = stat.lines().find_map(|l| l.strip_prefix("inactive_file "));
            let cached = cached.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(0);
            let free = limit.saturating_add(cached).saturating_sub(usage);
            least = Some(least.map_or(free, |least| least.min(free)));
        }
    }
    least
}

/// Bytes for people, such as `8.0 GiB`.
pub fn shown(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
