//! Which metric orders runs as the truth does.
//!
//! The modes of `shapes` are known, so the metrics of the family `modes` say what a run really
//! makes (`ganbench_metrics::modes`). Every other metric is held against them over many runs by
//! Kendall's τ-b: 1 where it orders all pairs of runs as the truth does, 0 where it knows nothing
//! of it, −1 where it prefers the worse run of every pair.
//!
//! `runs.rs` collects the values of each run, `measure.rs` correlates them, and `table.rs` and
//! `page.rs` put them into words and a figure.

pub mod measure;
#[cfg(test)]
mod measure_tests;
pub mod page;
mod runs;
pub mod table;

pub use measure::measure;
pub use runs::{Points, Runs};
