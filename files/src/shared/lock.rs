//! A file that one process at a time holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::open_regular;

/// Waiting for so long is no moment any more, so that whoever waits is told for whom.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two tries, from the first to all later ones.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];
/// More of a lock file is not read: it holds one line.
const MOST_BYTES: u64 = 400;

/// Held by this process. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Takes back who holds it, before the system lets go of it.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

impl Lock {
    /// Takes the lock file at `path`, which is made where there is none; `None` if another process
    /// holds it.
    ///
    /// # Errors
    /// If the file cannot be written, is no regular file, or its file system has no locks.
    pub fn try_take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = open(path)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Some(Self::held(file))),
                // It was removed with its folder meanwhile.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// As [`Lock::try_take`], and waits until whoever holds it lets go. After a few seconds
    /// `notice` is called, once, with the holder in words.
    ///
    /// # Errors
    /// As [`Lock::try_take`].
    pub fn wait(path: &Path, notice: &mut dyn FnMut(&str)) -> io::Result<Self> {
        Self::wait_for(path, PATIENCE, notice)
    }

    pub(super) fn wait_for(
        path: &Path,
        patience: Duration,
        notice: &mut dyn FnMut(&str),
    ) -> io::Result<Self> {
        if let Some(lock) = Self::take_within(path, patience)? {
            return Ok(lock);
        }
        notice(&holder(path));
        loop {
            let file = open(path)?;
            file.lock()?;
            if is_at(&file, path) {
                return Ok(Self::held(file));
            }
        }
    }

    /// As [`Lock::try_take`], trying again for some time.
    ///
    /// # Errors
    /// As [`Lock::try_take`].
    pub fn take_within(path: &Path, patience: Duration) -> io::Result<Option<Self>> {
        let start = Instant::now();
        let mut pause = PAUSES[0];
        loop {
            let taken = Self::try_take(path)?;
            if taken.is_some() || start.elapsed() >= patience {
                return Ok(taken);
            }
            std::thread::sleep(pause);
            pause = (2 * pause).min(PAUSES[1]);
        }
    }

    /// Writes down who holds it. Where that is not possible, those who wait are told less.
    fn held(mut file: File) -> Self {
        let host = host().map_or_else(String::new, |host| format!(" on {host}"));
        let line = format!("process {}{host}\n", std::process::id());
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()));
        Self { file }
    }
}

/// Who holds the lock file at `path`, in words, as far as it says.
pub fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = open_regular(path, OpenOptions::new().read(true))
        .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text));
    let line = text.trim();
    // Any user of a shared folder may have written it.
    let is_ours = line.starts_with("process ") && !line.chars().any(char::is_control);
    if read.is_ok() && is_ours { line.to_owned() } else { "another process".to_owned() }
}

/// Whether this is still the file at `path`: a lock on one that was removed holds nobody off.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let there = std::fs::metadata(path).map(id);
    there.is_ok_and(|there| file.metadata().map(id).is_ok_and(|own| own == there))
}

/// Elsewhere an open file is not removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn open(path: &Path) -> io::Result<File> {
    open_regular(path, OpenOptions::new().create(true).truncate(false).write(true))
}

/// What the machine is called, where the system says so in a file.
fn host() -> Option<String> {
    let names = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = names.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
