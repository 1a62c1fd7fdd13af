//! Whole splits: which files belong to one, in which order, and how they become one batch.

mod classes;
mod content;
pub(crate) mod dataset_json;
pub(crate) mod folder;
pub(crate) mod labels;
pub(crate) mod parquet;
mod prepared;
mod sizes;
pub(crate) mod splits;
pub(crate) mod walk;
