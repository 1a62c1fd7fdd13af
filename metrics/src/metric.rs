//! The table of metrics, and their evaluation in one call.
//!
//! A metric is one file with a `FAMILY`, and one line in [`FAMILIES`].

use crate::error::MetricError;
use crate::features::Features;
use crate::reference::RealReference;
use crate::{fid, inception_score, prdc};

/// All metrics, in the order of tables.
pub const FAMILIES: &[MetricFamily] = &[fid::FAMILY, inception_score::FAMILY, prdc::FAMILY];

/// Metrics that are computed together.
#[derive(Clone, Copy)]
pub struct MetricFamily {
    pub metrics: &'static [Metric],
    pub needs: Needs,
    /// One score for each of `metrics`, in their order.
    pub(crate) compute: fn(&EvaluationInput<'_>) -> Result<Vec<Score>, MetricError>,
}

/// A metric under its bare name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub higher_is_better: bool,
    /// One line for lists.
    pub description: &'static str,
}

impl Metric {
    /// ↑ where higher is better, else ↓.
    pub fn arrow(&self) -> &'static str {
        if self.higher_is_better { "↑" } else { "↓" }
    }
}

/// What a metric needs beside pooled features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub logits: bool,
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

/// The metric of a name, bare or with an extractor (`fid`, `fid@small-cifar10`).
///
/// # Errors
/// If there is none: lists the known ones.
pub fn metric(name: &str) -> Result<&'static Metric, MetricError> {
    let bare = name.split_once('@').map_or(name, |(bare, _)| bare);
    metrics().find(|m| m.name == bare).ok_or_else(|| MetricError::UnknownMetric {
        name: name.into(),
        known: metrics().map(|m| m.name).collect::<Vec<_>>().join(", "),
    })
}

/// The name under which a metric is reported: bare with the Inception network of the literature, with
/// the extractor's name behind an `@` with any other, so that the two are never mistaken for another.
pub fn reported_name(metric: &str, extractor: &str) -> String {
    if extractor == crate::extractor::PUBLISHED {
        metric.to_owned()
    } else {
        format!("{metric}@{extractor}")
    }
}

/// The conventions of the metrics. The default is protocol `table1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub inception_score: inception_score::Options,
    /// Neighbours that set a ball's radius in precision, recall, density and coverage.
    pub nearest_k: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { inception_score: inception_score::Options::default(), nearest_k: 5 }
    }
}

/// What to compare.
#[derive(Clone, Copy)]
pub struct EvaluationInput<'a> {
    pub real: &'a RealReference,
    pub fake: &'a Features,
    /// Name of the extractor that both features come from.
    pub extractor: &'a str,
    /// Bare names of the metrics wanted; `None` for all that the features allow.
    pub metrics: Option<&'a [&'a str]>,
    pub settings: Settings,
}

/// A metric's value with what it was computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// As reported: see [`reported_name`].
    pub metric: String,
    pub value: f64,
    /// Where the metric has one of its own (the splits of the Inception score).
    pub std: Option<f64>,
    /// Real images that entered the value; 0 for a metric that looks at fakes alone.
    pub n_real: usize,
    pub n_fake: usize,
}

/// The metrics of a set of fakes, in the order of [`metrics`].
///
/// FID takes the statistics of all real images of the reference, precision, recall, density and
/// coverage as many real images as there are fakes, the first ones.
///
/// # Errors
/// If a wanted metric is unknown or cannot be computed from the features.
pub fn evaluate(input: EvaluationInput<'_>) -> Result<Vec<MetricValue>, MetricError> {
    for name in input.metrics.unwrap_or_default() {
        metric(name)?;
    }
    if input.real.dim() != input.fake.dim() {
        let (real, fake) = (input.real.dim(), input.fake.dim());
        return Err(MetricError::Dimensions { real, fake });
    }
    let mut values = Vec::new();
    for family in FAMILIES {
        let wanted = |m: &Metric| match input.metrics {
            Some(names) => names.contains(&m.name),
            None => !family.needs.logits || input.fake.logits().is_some(),
        };
        if !family.metrics.iter().any(wanted) {
            continue;
        }
        let scores = (family.compute)(&input)?;
        let wanted = family.metrics.iter().zip(scores).filter(|(m, _)| wanted(m));
        values.extend(wanted.map(|(m, score)| MetricValue {
            metric: reported_name(m.name, input.extractor),
            value: score.value,
            std: score.std,
            n_real: score.n_real,
            n_fake: score.n_fake,
        }));
    }
    Ok(values)
}

#[cfg(test)]
#[path = "metric_tests.rs"]
mod tests;
