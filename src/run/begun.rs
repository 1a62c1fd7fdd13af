//! Folders that a command makes before it knows whether there is work for them.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{LOCK_NAME, Lock};

/// A folder of results that is about to be begun. Where the command ends before anything is in it
/// (a data set of no such name, weights that are elsewhere), it goes away again, and so do the
/// folders above it that were made for it.
pub struct Begun {
    /// Those that were not there, the deepest first.
    made: Vec<PathBuf>,
}

impl Begun {
    /// Before `out` is made.
    pub fn new(out: &Path) -> Self {
        let is_new = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        Self { made: out.ancestors().take_while(is_new).map(Path::to_path_buf).collect() }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(out) = self.made.first().filter(|out| holds_nothing(out)) else { return };
        // Whoever waits for the lock makes the folder anew.
        let Ok(Some(_lock)) = Lock::try_take(out) else { return };
        let _ = fs::remove_dir(out.join(RUNS));
        let _ = fs::remove_file(out.join(LOCK_NAME));
        // A folder that holds anything stays.
        for folder in &self.made {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}

/// Of a sweep's runs.
pub use crate::results::pack::RUNS;

/// Whether there is nothing in a folder but its lock and an empty folder of runs.
fn holds_nothing(folder: &Path) -> bool {
    let is_empty =
        |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| {
            entry.is_ok_and(|entry| match entry.file_name().to_str() {
                Some(LOCK_NAME) => true,
                Some(RUNS) => is_empty(&entry.path()),
                _ => false,
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_which_nothing_was_begun_goes_away_and_any_other_stays() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b/out");
        let begin = |out: &Path| {
            let begun = Begun::new(out);
            let _lock = Lock::wait(out).unwrap();
            fs::create_dir_all(out.join(RUNS)).unwrap();
            begun
        };
        drop(begin(&out));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let begun = begin(&out);
        fs::create_dir(out.join(RUNS).join("gan-s0-0123")).unwrap();
        drop(begun);
        assert!(out.join(LOCK_NAME).is_file());
        fs::remove_dir_all(out.join(RUNS)).unwrap();
        // It was there before.
        drop(begin(&out));
        assert!(out.is_dir());

        // Another process works in it.
        let other = dir.path().join("other");
        let begun = begin(&other);
        let _held = Lock::take(&other).unwrap();
        drop(begun);
        assert!(other.is_dir());
    }
}
