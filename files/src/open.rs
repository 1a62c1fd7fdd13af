//! The one door through which files of the user are opened.
//!
//! A FIFO or a device that is named like a file of images would be read for ever, so that only
//! regular files (and links to them) are opened. A file that is read as a whole asks the budget of
//! memory first.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use crate::memory;

/// Opens a regular file for reading.
///
/// # Errors
/// If it cannot be opened, or is something else than a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    // Opening alone already acts on some devices, hence this look before it.
    check(std::fs::metadata(path)?.file_type())?;
    let mut options = OpenOptions::new();
    options.read(true);
    // A FIFO that took the file's place meanwhile would block until somebody writes.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// The bytes of a regular file.
///
/// # Errors
/// As [`open`]; or if there is no memory for them.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let _held = memory::ask(length, || "the whole file".into()).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    let room = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(room).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a regular file.
///
/// # Errors
/// As [`read`]; or if it is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    String::from_utf8(read(path)?).map_err(invalid)
}

/// Refuses whatever is no regular file, by name.
pub(crate) fn check(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let found = name(kind);
    let text = format!("it is {found}, expected a regular file; remove it or give another path");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

fn name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    if kind.is_symlink() {
        return "a link";
    }
    if kind.is_dir() { "a folder" } else { "no file of bytes" }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
