//! Files that are being written, and what processes that died left of them.

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, OpenOptions, TryLockError};
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
        if is_unfinished(&entry) {
            removed += usize::from(remove_if_left(&entry.path()));
        }
    }
    Ok(removed)
}

fn remove_if_left(path: &Path) -> bool {
    // Held until it is removed, so that nobody else begins to write it.
    opened_if_left(path).is_some() && std::fs::remove_file(path).is_ok()
}

/// An unfinished file that nobody holds and nobody has written to for some time, and its length.
fn opened_if_left(path: &Path) -> Option<(File, u64)> {
    let file = open_regular(path, OpenOptions::new().read(true)).ok()?;
    let data = file.metadata().ok()?;
    // A time that is yet to come says nothing.
    let age = SystemTime::now().duration_since(data.modified().ok()?).unwrap_or_default();
    if age < LEFT_BEHIND {
        return None;
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        // Without locks, its age has to do.
        Ok(()) | Err(TryLockError::Error(_)) => Some((file, data.len())),
    }
}

/// Unfinished files of processes that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// How many files there are.
    pub files: usize,
    /// Their lengths, added up.
    pub bytes: u64,
}

/// Counts what [`remove_left_behind`] would remove in a folder and in all folders below it. Links
/// are not followed.
///
/// # Errors
/// If a folder cannot be listed.
pub fn count_left_behind(folder: &Path) -> io::Result<LeftBehind> {
    let mut found = LeftBehind::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if is_unfinished(&entry)
                && let Some((_, bytes)) = opened_if_left(&entry.path())
            {
                found.files += 1;
                found.bytes += bytes;
            }
        }
    }
    Ok(found)
}

fn is_unfinished(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
}
