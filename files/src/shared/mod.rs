//! Files in folders that several processes write into, perhaps those of several users: caches and
//! runs.

mod lock;
mod unfinished;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub use lock::{Lock, holder};
pub use unfinished::{UNFINISHED, Unfinished, remove_left_behind};

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
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, kind(path));
    let file = match options.open(path) {
        Ok(file) => file,
        Err(_) if std::fs::symlink_metadata(path).is_ok_and(|data| !data.is_file()) => {
            return Err(refused());
        }
        Err(error) => return Err(error),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused()) }
}

fn kind(path: &Path) -> &'static str {
    match std::fs::symlink_metadata(path) {
        Ok(data) if data.is_symlink() => "it is a link, a regular file was expected; remove it",
        Ok(data) if data.is_dir() => "it is a folder, a regular file was expected; remove it",
        _ => "it is a device or a pipe, a regular file was expected; remove it",
    }
}

#[cfg(test)]
mod tests;
