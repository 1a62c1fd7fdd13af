//! Files that are being written, and what processes that died left of them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::open_regular;

/// How the name of a file begins that is being written.
pub const UNFINISHED: &str = ".ganbench-";

/// A file left behind goes only after this time. Its lock alone would say that nobody writes it any
/// more, but some network file systems keep locks from other machines.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

/// A file under a temporary name beside the one that it is to have. Its writer holds a lock on it,
/// so that others can tell it from one that a process left behind when it died. It is removed when
/// it is dropped.
#[derive(Debug)]
pub struct Unfinished {
    file: NamedTempFile,
}

impl Unfinished {
    /// Makes the folder of `path` where there is none. The first file of a process in a folder
    /// removes what others left behind there.
    ///
    /// # Errors
    /// If the folder cannot be made or written to.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        remove_once(folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED);
        // Temporary files are private by default; results are to be as readable as any other file,
        // so the usual mode is asked for, from which the system takes the user's mask.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder)?;
        // Where the file system has no locks, age alone protects it.
        let _ = file.as_file().try_lock();
        Ok(Self { file })
    }

    /// The open file under its temporary name, to be written.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its name, in place of what stood there; a link there is replaced, not
    /// followed.
    ///
    /// # Errors
    /// If the system refuses; what stood there is kept.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        self.file.persist(path).map(drop).map_err(|error| error.error)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Unfinished {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Looking through a folder for each of many files would take long.
fn remove_once(folder: &Path) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if DONE.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        // What cannot be removed does no harm.
        let _ = remove_left_behind(folder);
    }
}

/// Removes the unfinished files of a folder that nobody holds and nobody has written to for ten
/// minutes, and says how many there were. One of a living process stays.
///
/// # Errors
/// If the folder cannot be listed.
pub fn remove_left_behind(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            removed += usize::from(remove_if_left(&entry.path()));
        }
    }
    Ok(removed)
}

fn remove_if_left(path: &Path) -> bool {
    let Ok(file) = open_regular(path, OpenOptions::new().read(true)) else { return false };
    let modified = file.metadata().and_then(|data| data.modified());
    // A time that is yet to come says nothing.
    let age = modified.map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
    if !age.is_ok_and(|age| age >= LEFT_BEHIND) {
        return false;
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => false,
        // Without locks, its age has to do.
        Ok(()) | Err(TryLockError::Error(_)) => std::fs::remove_file(path).is_ok(),
    }
}
