//! Files of features and of their statistics, as numpy and the usual tools write and read them.
//!
//! Read: features as `.npy` `[n, d]` or `.npz` with `pool` `[n, d]` and `logits` `[n, classes]`;
//! statistics as `.npz` with `mu` `[d]` and `sigma` `[d, d]` (TTUR, pytorch-fid, clean-fid, EDM),
//! or other plain names of the two (`keys.rs`). Written: the same `.npz` members, and beside them
//! `meta.json`, which says where the numbers come from ([`FileMeta`]), and `labels`. Nothing of a
//! file is executed; shapes are checked against the length of the file before memory is taken.

mod contents;
mod error;
mod keys;
mod meta;
mod read;
mod wide;
mod write;

#[cfg(test)]
mod tests;

pub use contents::Contents;
pub use error::FileError;
pub use keys::{MU_SIGMA, StatisticsKeys};
pub use meta::FileMeta;
pub use read::{FeatureFile, StoredFeatures};
pub use wide::WideFeatures;
pub use write::{Companions, FeatureShape, FeatureWriter, write_features, write_statistics};
