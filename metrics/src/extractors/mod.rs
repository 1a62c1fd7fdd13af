//! The extractors of [`crate::extractor::EXTRACTORS`], one file or folder each.

pub mod inception;
pub mod pixels;
pub mod small;
pub mod vit;
