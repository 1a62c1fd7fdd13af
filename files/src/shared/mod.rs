//! Files in folders that several processes write into, perhaps those of several users: caches and
//! runs.

mod lock;
mod unfinished;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub use lock::{Lock, holder};
pub use unfinished::{LeftBehind, UNFINISHED, Unfinished, count_left_behind, remove_left_behind};

use crate::open::check;

/// Opens a regular file. A link is not followed, since whoever may write into the folder could lead
/// it to any file of the user; a device or a pipe is not opened either, since reading one may never
/// end.
///
/// # Errors
/// If the file cannot be opened, or is of another kind.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Without O_NONBLOCK, opening a pipe waits for whoever holds its other end.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).or_else(|error| {
        // What is there says more than why the system did not open it.
        std::fs::symlink_metadata(path).map_or(Ok(()), |data| check(data.file_type()))?;
        Err(error)
    })?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

#[cfg(test)]
mod tests;
