//! The extractors of [`crate::extractor::EXTRACTORS`], one file each.

pub mod inception;
pub mod small;
