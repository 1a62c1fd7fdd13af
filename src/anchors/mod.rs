//! Sets of images of known kind beside the runs of a table: what a value means.
//!
//! They are measured once for a folder of results, after its runs, exactly as the final rows are,
//! and kept in its `anchors.jsonl`. They are measured again only where the protocol, the extractor,
//! the reference, the counts, the metrics or the version of the program changed.

mod file;
mod images;
mod measure;
mod wanted;

pub use file::{copy_to, of_results, of_runs};
pub use measure::renew;
