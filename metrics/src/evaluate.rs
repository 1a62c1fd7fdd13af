//! All metrics of a set of fakes, in one call.

use std::time::Instant;

use crate::card::Metric;
use crate::error::MetricError;
use crate::families::{FAMILIES, metric};
use crate::metric::{Evaluation, EvaluationInput, MetricValue};

/// The metrics of a set of fakes, in the order of [`crate::metrics`].
///
/// FID takes the statistics of all real images of the reference; the metrics of nearest neighbours
/// take as many as [`crate::Settings::nearest_real`] says.
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
#[path = "evaluate_tests.rs"]
mod tests;
