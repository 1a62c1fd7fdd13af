//! What everything that reads or writes files shares: one door through which files are opened, one
//! way to write a file whole, locks and unfinished files in shared folders, one budget of memory,
//! one boundary for panics of decoders, and SHA-256 of content.
//!
//! # Example
//!
//! ```
//! let folder = std::env::temp_dir().join(format!("ganbench-files-{}", std::process::id()));
//! let path = folder.join("table.md");
//! // Readers see the old content or the new one, never a part of it.
//! ganbench_files::write_atomic(&path, b"| method | fid |")?;
//! assert_eq!(ganbench_files::read_to_string(&path)?, "| method | fid |");
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod hash;
pub mod memory;
mod open;
pub mod panics;
pub mod shared;
mod whole;

pub use open::{open, read, read_to_string};
pub use whole::{WriteError, remove_unfinished, write_atomic, write_unsynced};
