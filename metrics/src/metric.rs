//! The table of metrics, and their evaluation in one call.
//!
//! A metric is one file with a `FAMILY`, which holds the card of each of its metrics (`card.rs`),
//! and one line in [`FAMILIES`].

use std::time::Instant;

use crate::bootstrap::Resample;
use crate::card::Metric;
use crate::error::MetricError;
use crate::extractor::ExtractorId;
use crate::features::Features;
use crate::reference::{Chosen, RealReference, choose};
use crate::settings::Settings;
use crate::{
    authenticity, class_fid, cmmd, fid, fid_infinity, inception_score, kid, modes, prdc,
    precision_recall, vendi,
};

/// All metrics, in the order of tables.
pub const FAMILIES: &[MetricFamily] = &[
    fid::FAMILY,
    inception_score::FAMILY,
    prdc::FAMILY,
    kid::FAMILY,
    fid_infinity::FAMILY,
    precision_recall::FAMILY,
    authenticity::FAMILY,
    vendi::FAMILY,
    cmmd::FAMILY,
    class_fid::FAMILY,
    modes::FAMILY,
];

/// Metrics that are computed together.
#[derive(Clone, Copy)]
pub struct MetricFamily {
    /// What their time is reported under.
    pub name: &'static str,
    pub metrics: &'static [Metric],
    /// Whether they are computed where nobody says which metrics are wanted.
    pub by_default: bool,
    pub needs: Needs,
    /// One score for each of `metrics`, in their order.
    pub(crate) compute: fn(&EvaluationInput<'_>) -> Result<Vec<Score>, MetricError>,
    /// Draws the images again for bootstrap intervals, where the metrics have such.
    pub(crate) resample: Option<Resample>,
}

/// What a metric needs beside pooled features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub logits: bool,
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

    fn are_met(self, input: &EvaluationInput<'_>) -> bool {
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

/// All metrics, in the order of tables.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    FAMILIES.iter().flat_map(|family| family.metrics)
}

/// Those that [`evaluate`] computes where nobody says which are wanted (IS only where there are
/// logits).
pub fn default_metrics() -> impl Iterator<Item = &'static Metric> {
    FAMILIES.iter().filter(|family| family.by_default).flat_map(|family| family.metrics)
}

/// What a metric needs, by its name, bare or with an extractor; features alone for an unknown one.
pub fn needs(name: &str) -> Needs {
    let bare = bare_name(name);
    let family = FAMILIES.iter().find(|family| family.metrics.iter().any(|m| m.name == bare));
    family.map_or(Needs::POOL, |family| family.needs)
}

/// The metric of a name, bare or with an extractor (`fid`, `fid@small-cifar10`).
///
/// # Errors
/// If there is none: lists the known ones.
pub fn metric(name: &str) -> Result<&'static Metric, MetricError> {
    let bare = bare_name(name);
    metrics().find(|m| m.name == bare).ok_or_else(|| MetricError::UnknownMetric {
        name: name.into(),
        known: metrics().map(|m| m.name).collect::<Vec<_>>().join(", "),
    })
}

/// The inverse of [`ExtractorId::reported_name`]: the name in front of the `@`, where there is one.
pub fn bare_name(reported: &str) -> &str {
    reported.split_once('@').map_or(reported, |(bare, _)| bare)
}

/// What to compare.
#[derive(Clone, Copy)]
pub struct EvaluationInput<'a> {
    pub real: &'a RealReference,
    pub fake: &'a Features,
    /// The extractor that both features come from.
    pub extractor: ExtractorId<'a>,
    /// Bare names of the metrics wanted; `None` for [`default_metrics`].
    pub metrics: Option<&'a [&'a str]>,
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
    pub real: &'a [u32],
    pub fake: &'a [u32],
}

/// A metric's value with what it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// As reported: see [`ExtractorId::reported_name`].
    pub metric: String,
    pub value: f64,
    /// Where the metric has one of its own (the splits of the Inception score).
    pub std: Option<f64>,
    /// Real images that entered the value; 0 for a metric that looks at fakes alone.
    pub n_real: usize,
    pub n_fake: usize,
}

/// The values of a set of fakes and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// In the order of [`metrics`].
    pub values: Vec<MetricValue>,
    /// Wall-clock seconds of each family that was computed, by [`MetricFamily::name`]. The real
    /// side's radii and roots are counted where they are computed first, and are at hand from then
    /// on.
    pub seconds: Vec<(&'static str, f64)>,
}

/// The metrics of a set of fakes, in the order of [`metrics`].
///
/// FID takes the statistics of all real images of the reference; the metrics of nearest neighbours
/// take as many as [`Settings::nearest_real`] says.
///
/// # Errors
/// If a wanted metric is unknown or cannot be computed from the features.
pub fn evaluate(input: EvaluationInput<'_>) -> Result<Vec<MetricValue>, MetricError> {
    Ok(evaluate_timed(input)?.values)
}

/// [`evaluate`] with the time that each family took.
///
/// # Errors
/// As of [`evaluate`].
pub fn evaluate_timed(input: EvaluationInput<'_>) -> Result<Evaluation, MetricError> {
    for name in input.metrics.unwrap_or_default() {
        metric(name)?;
    }
    if input.real.dim() != input.fake.dim() {
        let (real, fake) = (input.real.dim(), input.fake.dim());
        return Err(MetricError::Dimensions { real, fake });
    }
    let (mut values, mut seconds) = (Vec::new(), Vec::new());
    for family in FAMILIES {
        let wanted = |m: &Metric| match input.metrics {
            Some(names) => names.contains(&m.name),
            None => family.by_default && family.needs.are_met(&input),
        };
        if !family.metrics.iter().any(wanted) {
            continue;
        }
        let start = Instant::now();
        let scores = (family.compute)(&input)?;
        seconds.push((family.name, start.elapsed().as_secs_f64()));
        let wanted = family.metrics.iter().zip(scores).filter(|(m, _)| wanted(m));
        values.extend(wanted.map(|(m, score)| MetricValue {
            metric: input.extractor.reported_name(m.name),
            value: score.value,
            std: score.std,
            n_real: score.n_real,
            n_fake: score.n_fake,
        }));
    }
    Ok(Evaluation { values, seconds })
}

#[cfg(test)]
#[path = "metric_tests.rs"]
mod tests;
