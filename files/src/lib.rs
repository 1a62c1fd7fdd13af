//! What everything that reads or writes files shares: one door through which files are opened, one
//! way to write a file whole, locks and unfinished files in shared folders, one budget of memory,
//! one boundary for panics of decoders, and SHA-256 of content.

pub mod hash;
pub mod memory;
mod open;
pub mod panics;
pub mod shared;
mod whole;

pub use open::{open, read, read_to_string};
pub use whole::{WriteError, remove_unfinished, write_atomic, write_unsynced};
