//! A program run to its end: what it said, the most memory it held, and whether it had the machine
//! for itself.

use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::machine::OthersWork;

/// A program that ended well.
pub struct Finished {
    /// All that it printed on its standard output.
    pub stdout: String,
    /// Peak resident memory in 2^20 bytes; none where the system does not tell.
    pub peak_rss_mb: Option<f64>,
    /// Cores that other programs used meanwhile, on average; none where the system does not tell.
    pub others_cores: Option<f64>,
}

/// What a program used.
#[derive(Default)]
struct Used {
    peak_rss_mb: Option<f64>,
    /// All its threads together.
    cpu_s: Option<f64>,
}

/// Runs a program without input. `name` is how errors call it.
///
/// # Errors
/// If it cannot be started or does not end with 0; with its last line on stderr.
pub fn run(command: &mut Command, name: &str) -> Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (started, others) = (Instant::now(), OthersWork::from_now());
    let mut child = command.spawn().with_context(|| {
        format!("{name} could not be started with {}", command.get_program().display())
    })?;
    // Read aside: a program that fills one pipe while we read the other would never end.
    let stderr = child.stderr.take();
    let stderr = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes)).map(|_| bytes)
    });
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout).with_context(|| format!("{name} could not be read"))?;
    }
    let (status, used) = wait(child).with_context(|| format!("{name} could not be waited for"))?;
    let wall_s = started.elapsed().as_secs_f64();
    let others_cores = others.cpu_s(used.cpu_s).map(|s| s / wall_s);
    let stderr = stderr.join().ok().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        let stderr = String::from_utf8_lossy(&stderr);
        let last = stderr.lines().rev().map(str::trim).find(|line| !line.is_empty());
        match last {
            Some(line) => bail!("{name} ended with {status}; its last line on stderr: {line}"),
            None => bail!("{name} ended with {status} and said nothing on stderr"),
        }
    }
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    Ok(Finished { stdout, peak_rss_mb: used.peak_rss_mb, others_cores })
}

/// Waits for the child and asks what it used. What a process held before it became the program
/// counts too, so the caller has to be small itself: it starts programs and computes nothing.
#[cfg(unix)]
fn wait(child: Child) -> std::io::Result<(ExitStatus, Used)> {
    use std::os::unix::process::ExitStatusExt as _;

    // Apple counts bytes, the others units of 2^10.
    let unit = if cfg!(target_vendor = "apple") { 1024.0 * 1024.0 } else { 1024.0 };
    let pid = libc::pid_t::try_from(child.id()).map_err(std::io::Error::other)?;
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zeros are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values, and the child was not waited for: it is ours alone.
    while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == -1 {
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    let used = Used {
        peak_rss_mb: Some(usage.ru_maxrss as f64 / unit),
        cpu_s: Some(seconds(usage.ru_utime) + seconds(usage.ru_stime)),
    };
    Ok((ExitStatus::from_raw(status), used))
}

#[cfg(not(unix))]
fn wait(mut child: Child) -> std::io::Result<(ExitStatus, Used)> {
    Ok((child.wait()?, Used::default()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Result<Finished> {
        run(Command::new("sh").args(["-c", script]), "the peer")
    }

    #[test]
    fn what_it_says_and_its_memory_are_told() {
        let done = sh("echo 12; echo aside >&2").unwrap();
        assert_eq!(done.stdout, "12\n");
        assert!(done.peak_rss_mb.unwrap() > 0.0);
        assert!(done.others_cores.is_none_or(|cores| cores >= 0.0));
    }

    #[test]
    fn a_program_that_says_much_on_both_sides_comes_to_its_end() {
        // More than a pipe holds (64 KiB on Linux).
        let done = sh("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero").unwrap();
        assert_eq!(done.stdout.len(), 300_000);
    }

    #[test]
    fn failures_are_told_with_the_last_line() {
        let error = |script: &str| sh(script).err().unwrap().to_string();
        let says = "the peer ended with exit status: 3; its last line on stderr: no torch";
        assert_eq!(error("echo first >&2; echo no torch >&2; echo >&2; exit 3"), says);
        assert_eq!(
            error("exit 1"),
            "the peer ended with exit status: 1 and said nothing on stderr"
        );
        let error = run(&mut Command::new("/no/such/python"), "the peer").err().unwrap();
        let says = "the peer could not be started with /no/such/python";
        assert_eq!(error.to_string(), says);
    }
}
