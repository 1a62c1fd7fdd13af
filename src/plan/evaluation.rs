//! How a run is measured, in its plan.

use ganbench_baselines::linear_evaluation::LinearEvaluation;
use ganbench_baselines::train::Statistics;
use ganbench_data::Split;
use ganbench_metrics::{Deviations, Measurement, Metric, MetricError};
use serde::{Deserialize, Serialize};

use super::PlannedExtractor;

/// How a run is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationPlan {
    /// Name of the evaluation protocol.
    pub protocol: String,
    /// A version that it pins (`small-cifar10:17381cf3`) is moved to the hash.
    pub extractor: String,
    /// An empty one is filled in, another one must agree.
    #[serde(default)]
    pub extractor_sha256: String,
    /// Real images behind the moments, at most; left out: all of the reference split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_real: Option<usize>,
    /// Fakes of the last and best checkpoint.
    pub n_fake: usize,
    /// Fakes of a point of the curve.
    pub n_fake_curve: usize,
    /// Points of the curve after the untrained generator, at equal shares of the budget.
    pub curve_points: usize,
    /// In the place of the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_k: Option<usize>,
    /// In the place of the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_splits: Option<usize>,
    /// Images of the sample grid.
    pub grid_images: usize,
    /// Resamplings behind the intervals of the last and best checkpoint's rows; 0 for none.
    #[serde(default, skip_serializing_if = "none")]
    pub bootstrap: usize,
    /// Of the generator's batch norms.
    #[serde(default, skip_serializing_if = "Statistics::is_running")]
    pub statistics: Statistics,
    /// Linear evaluation of the last checkpoint's discriminator on the test split; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<LinearEvaluation>,
    /// Names of the metrics, FID among them, in the place of the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<String>>,
    /// Images of a subset of KID, in the place of the protocol's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid_subset: Option<usize>,
    /// The real images that samples are compared with; left out: the protocol's split, or else that
    /// of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_split: Option<ReferenceSplit>,
    /// Of the reference images, where they are another split; an empty one is filled in, another
    /// one must agree.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference_sha256: String,
}

/// The real images that samples are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReferenceSplit {
    /// `"train"` or `"test"`.
    Of(Split),
    /// `{ held_out = 0.1 }`: a share of the training split, drawn by class, that is not trained on.
    HeldOut {
        /// The share, between 0 and 1.
        held_out: f64,
    },
}

impl std::fmt::Display for ReferenceSplit {
    /// As in the column `split` of the results.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Of(split) => split.fmt(f),
            Self::HeldOut { held_out } => write!(f, "held-out {held_out} of train"),
        }
    }
}

impl EvaluationPlan {
    /// Which extractor measures.
    pub fn extractor(&mut self) -> PlannedExtractor<'_> {
        PlannedExtractor {
            name: &mut self.extractor,
            sha256: &mut self.extractor_sha256,
            field: "evaluation.extractor",
        }
    }

    /// The protocol with this plan's deviations.
    ///
    /// # Errors
    /// If the protocol or a metric is unknown: lists the known ones.
    pub fn measurement(&self) -> Result<Measurement, MetricError> {
        let deviations = Deviations {
            metrics: self.metrics.clone(),
            nearest_k: self.nearest_k,
            is_splits: self.is_splits,
            kid_subset: self.kid_subset,
            kid_subsets: None,
        };
        Measurement::new(&self.protocol, &deviations)
    }
}

/// Fewest fakes that every metric of a run can be computed from.
pub(super) fn least_fakes(measurement: &Measurement) -> usize {
    let least = |metric: &Metric| metric.least_images.counts(&measurement.settings).fake;
    measurement.metrics().iter().map(|metric| least(metric)).max().unwrap_or(1)
}

/// What is left out of a plan stays out of its hash.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn none(n: &usize) -> bool {
    *n == 0
}
