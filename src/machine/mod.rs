//! What the machine has, and what of it is used: memory, processors, devices. Nothing here changes
//! anything for the whole process.

pub mod memory;

use anyhow::{Context as _, Result};
use candle_core::Device;

/// A flag's value that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub(crate) String);

impl UsageError {
    /// An error with this message, which says what was expected and what came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Gives what was freed, and the program kept, back to the system.
pub fn release_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Starts the peak of [`peak_rss_mb`] anew, where the system can (Linux).
pub fn reset_peak_rss() {
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory of this process since the start or [`reset_peak_rss`], in 2^20 bytes; 0
/// where the system does not tell.
pub fn peak_rss_mb() -> f64 {
    status_mb("VmHWM:")
}

/// Resident memory of this process now, in 2^20 bytes; 0 where the system does not tell.
pub fn rss_mb() -> f64 {
    status_mb("VmRSS:")
}

fn status_mb(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kb = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kb.map_or(0.0, |kb| kb / 1024.0)
}

/// Seconds since 1970; 0 where the clock stands before that.
pub fn unix_s() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}

/// The processor's model, or `unknown` where the system does not tell (other than Linux).
pub fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.trim().strip_prefix(':'));
    name.map_or("unknown", str::trim).to_string()
}

/// Seconds of processors that this process used, those of all threads added up; `None` where the
/// system does not tell.
pub fn cpu_s() -> Option<f64> {
    cpu_time::ProcessTime::try_now().ok().map(|time| time.as_duration().as_secs_f64())
}

/// Seconds that all cores together worked since the start of the system, where it tells (Linux).
fn worked_s() -> Option<f64> {
    let ticks = worked_ticks(&std::fs::read_to_string("/proc/stat").ok()?)?;
    #[cfg(target_os = "linux")]
    // SAFETY: sysconf only reads.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    #[cfg(not(target_os = "linux"))]
    let a_second = 0;
    (a_second > 0).then(|| ticks as f64 / a_second as f64)
}

/// How much other programs take of the processors from now on.
pub struct OthersWork {
    worked_s: Option<f64>,
}

impl OthersWork {
    /// Starts to count.
    pub fn from_now() -> Self {
        Self { worked_s: worked_s() }
    }

    /// Seconds of processors so far, `own_cpu_s` of ours not counted; `None` where the system does
    /// not tell.
    pub fn cpu_s(&self, own_cpu_s: Option<f64>) -> Option<f64> {
        Some((worked_s()? - self.worked_s? - own_cpu_s?).max(0.0))
    }
}

/// From /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Guests count as user
/// already.
fn worked_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|l| l.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|f| f.parse().ok()).take(8).collect();
    let idle: u64 = fields.get(3..5)?.iter().sum();
    Some(fields.iter().sum::<u64>() - idle)
}

/// `cpu`, `cuda:N` or `metal`.
///
/// # Errors
/// If the name is none of these, or the program was built without the device.
pub fn device(name: &str) -> Result<Device> {
    let index = |text: &str| text.parse::<usize>().ok();
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", _) => Ok(Device::Cpu),
        ("cuda", n) if index(n).is_some() => Device::new_cuda(index(n).unwrap_or(0)).with_context(|| {
            format!("device {name} is not available; build with --features cuda on a machine with one")
        }),
        ("metal", n) if index(n).is_some() => Device::new_metal(index(n).unwrap_or(0)).with_context(|| {
            format!("device {name} is not available; build with --features metal on a machine with one")
        }),
        _ => Err(UsageError(format!("unknown device \"{name}\"; known: cpu, cuda:N, metal")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_all_but_idling_and_waiting() {
        let stat = "cpu  10 1 20 1000 500 2 3 4 7 0\ncpu0 5 0 10 500 250 1 1 2 3 0\n";
        assert_eq!(worked_ticks(stat), Some(10 + 1 + 20 + 2 + 3 + 4));
        assert_eq!(worked_ticks("intr 1"), None);
    }
}
