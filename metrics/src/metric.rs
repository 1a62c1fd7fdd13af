//! What a family of metrics is, what it is handed, and what it gives back.

use crate::bootstrap::Resample;
use crate::card::Metric;
use crate::error::MetricError;
use crate::extractor::ExtractorId;
use crate::features::Features;
use crate::reference::{Chosen, RealReference, choose};
use crate::settings::Settings;

/// Metrics that are computed together.
#[derive(Clone, Copy)]
pub struct MetricFamily {
    /// What their time is reported under.
    pub name: &'static str,
    /// The cards of the metrics, in the order of their scores.
    pub metrics: &'static [Metric],
    /// Whether they are computed where nobody says which metrics are wanted.
    pub by_default: bool,
    /// What the family is computed from beside pooled features.
    pub needs: Needs,
    /// One score for each of `metrics`, in their order.
    pub(crate) compute: fn(&EvaluationInput<'_>) -> Result<Vec<Score>, MetricError>,
    /// Draws the images again for bootstrap intervals, where the metrics have such.
    pub(crate) resample: Option<Resample>,
}

/// What a metric needs beside pooled features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The class scores of the fakes.
    pub logits: bool,
    /// The class of each image, on both sides.
    pub labels: bool,
    /// The features of all real images, not of a part.
    pub all_real_rows: bool,
    /// What each fake shows of the world of `shapes`.
    pub recognitions: bool,
}

impl Needs {
    pub(crate) const POOL: Self =
        Self { logits: false, labels: false, all_real_rows: false, recognitions: false };
    pub(crate) const ALL_ROWS: Self = Self { all_real_rows: true, ..Self::POOL };
    pub(crate) const LOGITS: Self = Self { logits: true, ..Self::POOL };
    pub(crate) const RECOGNITIONS: Self = Self { recognitions: true, ..Self::POOL };
    pub(crate) const LABELS: Self = Self { labels: true, ..Self::ALL_ROWS };

    pub(crate) fn are_met(self, input: &EvaluationInput<'_>) -> bool {
        (!self.logits || input.fake.logits().is_some())
            && (!self.labels || input.labels.is_some())
            && (!self.recognitions || input.fake.recognitions().is_some())
    }
}

/// One number of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) value: f64,
    pub(crate) std: Option<f64>,
    pub(crate) n_real: usize,
    pub(crate) n_fake: usize,
}

/// The inverse of [`ExtractorId::reported_name`]: the name in front of the `@`, where there is one.
pub fn bare_name(reported: &str) -> &str {
    reported.split_once('@').map_or(reported, |(bare, _)| bare)
}

/// What to compare.
#[derive(Clone, Copy)]
pub struct EvaluationInput<'a> {
    /// The real images, as moments, and as features where the metrics need them.
    pub real: &'a RealReference,
    /// The features of the generated images.
    pub fake: &'a Features,
    /// The extractor that both features come from.
    pub extractor: ExtractorId<'a>,
    /// Bare names of the metrics wanted; `None` for [`crate::default_metrics`].
    pub metrics: Option<&'a [&'a str]>,
    /// The conventions of the computation.
    pub settings: Settings,
    /// Classes of the images, for the metrics that look at each class alone.
    pub labels: Option<Labels<'a>>,
}

impl EvaluationInput<'_> {
    /// The real images and the fakes that the metrics of nearest neighbours look at.
    ///
    /// # Errors
    /// If the reference does not keep the rows.
    pub(crate) fn nearest(&self) -> Result<(Chosen<'_>, Chosen<'_>), MetricError> {
        let fake = self.fake.pool_rows();
        let labels = self.labels.map(|labels| labels.fake);
        let n_fake = self.settings.n_nearest_fake(fake.len());
        let fake = choose(fake, labels, n_fake, self.settings.subset);
        let real = self.real.nearest_rows(&self.settings, n_fake)?;
        Ok((real, fake))
    }
}

/// The class of each image, in the order of the features.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// `[n_real]`
    pub real: &'a [u32],
    /// `[n_fake]`
    pub fake: &'a [u32],
}

/// A metric's value with what it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// As reported: see [`ExtractorId::reported_name`].
    pub metric: String,
    /// In the metric's unit and range, as its card says.
    pub value: f64,
    /// Where the metric has one of its own (the splits of the Inception score).
    pub std: Option<f64>,
    /// Real images that entered the value; 0 for a metric that looks at fakes alone.
    pub n_real: usize,
    /// Fakes that entered the value.
    pub n_fake: usize,
}

/// The values of a set of fakes and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// In the order of [`crate::metrics`].
    pub values: Vec<MetricValue>,
    /// Wall-clock seconds of each family that was computed, by [`MetricFamily::name`]. The real
    /// side's radii and roots are counted where they are computed first, and are at hand from then
    /// on.
    pub seconds: Vec<(&'static str, f64)>,
}
