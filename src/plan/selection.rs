//! Which real images are trained on, where that is a part of them.

use serde::{Deserialize, Serialize};

use super::PlannedExtractor;

/// Keeps of each class the share that a Gaussian of the class's features finds most likely
/// ([`ganbench_metrics::instance_selection`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectionPlan {
    /// Of the features; need not be the evaluation's.
    pub extractor: String,
    /// An empty one is filled in, another one must agree.
    #[serde(default)]
    pub extractor_sha256: String,
    /// In 0..=100, without 0.
    pub retention_percent: f64,
}

impl SelectionPlan {
    /// Which extractor selects.
    pub fn extractor(&mut self) -> PlannedExtractor<'_> {
        PlannedExtractor {
            name: &mut self.extractor,
            sha256: &mut self.extractor_sha256,
            field: "dataset.selection.extractor",
        }
    }
}
