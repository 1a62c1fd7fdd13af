//! 95 % intervals over the samples, from the features alone.
//!
//! Efron and Tibshirani 1993, "An Introduction to the Bootstrap", doi:10.1201/9780429246593. Images are drawn
//! again with replacement, on both sides where both matter:
//!
//! - precision, recall, density, coverage (and improved precision and recall): with the balls' radii held
//!   where they are, a mean over one side (is the image held by any ball?), plus, to first order, a mean over
//!   the other (how many images would be held by none without this one, the jackknife's influence; for
//!   density, which counts, how many it holds). Both means are drawn again. Without the second term
//!   the intervals are too narrow by a third.
//! - IS: rows of class probabilities, computed once, in the same number of splits.
//! - KID: the images' influences (`kid_influence.rs`) are computed once, over the first 10,000 images a
//!   side, and their means drawn again. Where both sides have one distribution the influences vanish and
//!   the interval is too narrow; the draw of the subsets is not in it either.
//! - FID: rows of both sides, and both Gaussians fitted anew: two covariances and a root a replicate, which
//!   at 2,048 dimensions is as long as FID itself.
//!
//! Drawing again adds a bias of its own (it repeats images, which raises FID as having fewer does). An interval
//! is therefore the value plus the 2.5 % and 97.5 % points of the replicates about the replicates' mean.
//!
//! An interval says how far the value would move with other images of the same generator and data set. It
//! knows nothing of other training seeds, and estimates where the mean over such draws lies, the metric's
//! own bias included. Of 150 pairs of Gaussian sets (200 rows of 4 dimensions), 90 % of the intervals of IS
//! held that mean, 96 to 99 % of the others and all of density's, which are 1.4 times too wide: balls
//! that shrink where real images crowd take back part of what held radii ascribe to the real side.

use ganbench_nn::rng::Stream;
use rayon::prelude::*;

use crate::balls::{Inside, Others};
use crate::card::{Metric, ValueRange};
use crate::error::MetricError;
use crate::fid::{FewSamples, fid_of_rows};
use crate::inception_score::{self, Distributions};
use crate::kid::KidInput;
use crate::kid_influence::influence;
use crate::metric::{EvaluationInput, FAMILIES, MetricValue};
use crate::prdc::{PrdcInput, decide_each};
use crate::rows::Rows;

/// Images a side whose influence on KID is computed: beyond, the cost of all pairs buys no precision.
const MOST_KID: usize = 10_000;

/// Fewest replicates: one lies beyond either end of a 95 % interval.
pub const FEWEST: usize = 40;

/// How often images are drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    pub replicates: usize,
    /// Of the streams that draw, one for each metric and replicate.
    pub seed: u64,
}

/// Ends of a 95 % interval, in the metric's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    fn within(self, range: ValueRange) -> Self {
        Self { low: range.clamp(self.low), high: range.clamp(self.high) }
    }
}

/// Draws the images of a family again: an answer for each of its metrics, in their order.
pub(crate) type Resample =
    fn(&EvaluationInput<'_>, Bootstrap) -> Result<Vec<Resampled>, MetricError>;

/// One metric under images that are drawn again.
pub(crate) enum Resampled {
    /// The value of each replicate.
    Replicates(Vec<f64>),
    /// From which replicates follow quickly.
    Terms(Terms),
}

/// Intervals of those of `values` that have one (see [`Metric::has_intervals`]), in their order, under the
/// names they are reported by. `values` are what [`crate::evaluate`] gave for the same input.
///
/// # Errors
/// If there are fewer than 40 replicates, the reference does not keep the rows that are drawn from (all
/// for FID and KID), or a metric cannot be computed from the input.
pub fn intervals(
    input: &EvaluationInput<'_>,
    values: &[MetricValue],
    request: Bootstrap,
) -> Result<Vec<(String, Interval)>, MetricError> {
    if request.replicates < FEWEST {
        return Err(MetricError::FewReplicates { needed: FEWEST, got: request.replicates });
    }
    let value = |metric: &Metric| {
        let name = input.extractor.reported_name(metric.name);
        values.iter().find(|v| v.metric == name).map(|v| v.value)
    };
    let mut found: Vec<(String, Interval)> = Vec::new();
    for family in FAMILIES {
        let Some(resample) = family.resample else { continue };
        if family.metrics.iter().all(|metric| value(metric).is_none()) {
            continue;
        }
        for (metric, resampled) in family.metrics.iter().zip(resample(input, request)?) {
            let Some(value) = value(metric) else { continue };
            let replicates = match resampled {
                Resampled::Replicates(replicates) => replicates,
                Resampled::Terms(terms) => terms.replicates(metric.name, request),
            };
            let interval = about(value, replicates).within(metric.range);
            found.push((input.extractor.reported_name(metric.name), interval));
        }
    }
    let of = |v: &MetricValue| found.iter().find(|(name, _)| *name == v.metric).cloned();
    Ok(values.iter().filter_map(of).collect())
}

/// A value with its interval, where it has one.
pub type WithInterval = (MetricValue, Option<Interval>);

/// [`intervals`] beside the values that they are of; none for 0 replicates.
///
/// # Errors
/// As [`intervals`].
pub fn with_intervals(
    input: &EvaluationInput<'_>,
    values: Vec<MetricValue>,
    request: Bootstrap,
) -> Result<Vec<WithInterval>, MetricError> {
    let found = match request.replicates {
        0 => Vec::new(),
        _ => intervals(input, &values, request)?,
    };
    let interval = |v: &MetricValue| found.iter().find(|(name, _)| *name == v.metric);
    let pair = |v: MetricValue| {
        let interval = interval(&v).map(|(_, interval)| *interval);
        (v, interval)
    };
    Ok(values.into_iter().map(pair).collect())
}

/// One number a replicate, each from a stream of its own.
fn replicates(
    metric: &str,
    request: Bootstrap,
    replicate: impl Fn(&mut Stream) -> f64 + Sync,
) -> Vec<f64> {
    let one = |index| replicate(&mut stream(metric, request, index));
    (0..request.replicates).into_par_iter().map(one).collect()
}

fn stream(metric: &str, request: Bootstrap, index: usize) -> Stream {
    Stream::new(request.seed, &format!("bootstrap/{metric}/{index}"))
}

/// A metric as a mean over real images plus a mean over fakes, and how many of each are drawn.
pub(crate) struct Terms {
    real: Vec<f64>,
    fake: Vec<f64>,
    n_real: usize,
    n_fake: usize,
}

impl Terms {
    fn replicates(&self, metric: &str, request: Bootstrap) -> Vec<f64> {
        replicates(metric, request, |stream| {
            redrawn(&self.real, self.n_real, stream) + redrawn(&self.fake, self.n_fake, stream)
        })
    }
}

/// Mean of `n` numbers drawn with replacement.
fn redrawn(numbers: &[f64], n: usize, stream: &mut Stream) -> f64 {
    let draw = |_| numbers[stream.below(numbers.len() as u64) as usize];
    (0..n).map(draw).sum::<f64>() / n as f64
}

/// Of the family `fid`.
pub(crate) fn fid(
    input: &EvaluationInput<'_>,
    request: Bootstrap,
) -> Result<Vec<Resampled>, MetricError> {
    let fake = input.fake.pool_rows();
    let real = input.real.require_all_rows()?;
    // One after another: each takes all threads, and a copy of both sets.
    let one = |index| {
        let stream = &mut stream("fid", request, index);
        let mut again = |rows: Rows<'_, f32>| -> Vec<f32> {
            let draw = |_| rows.row(stream.below(rows.len() as u64) as usize);
            (0..rows.len()).flat_map(draw).copied().collect()
        };
        let (real_again, fake_again) = (again(real), again(fake));
        let real = Rows::new(&real_again, real.dim())?;
        fid_of_rows(FewSamples { real, fake: Rows::new(&fake_again, fake.dim())? })
    };
    let replicates = (0..request.replicates).map(one).collect::<Result<_, MetricError>>()?;
    Ok(vec![Resampled::Replicates(replicates)])
}

/// Of the family `is`.
pub(crate) fn inception_score(
    input: &EvaluationInput<'_>,
    request: Bootstrap,
) -> Result<Vec<Resampled>, MetricError> {
    let logits = input.fake.logit_rows().ok_or(MetricError::NoLogits { metric: "is" })?;
    inception_score::check(logits, input.settings.inception_score)?;
    let p = Distributions::of(logits);
    let parts = input.settings.inception_score.parts(p.len());
    let replicates = replicates("is", request, |stream| {
        let order: Vec<usize> =
            (0..p.len()).map(|_| stream.below(p.len() as u64) as usize).collect();
        let scores = parts.iter().map(|part| p.score(&order[part.clone()]));
        scores.sum::<f64>() / parts.len() as f64
    });
    Ok(vec![Resampled::Replicates(replicates)])
}

/// Of the family `kid`.
pub(crate) fn kid(
    input: &EvaluationInput<'_>,
    _request: Bootstrap,
) -> Result<Vec<Resampled>, MetricError> {
    let fake = input.fake.pool_rows();
    let real = input.real.require_all_rows()?;
    let found = influence(KidInput { real: real.take(MOST_KID), fake: fake.take(MOST_KID) });
    let (n_real, n_fake) = (real.len(), fake.len());
    let terms = Terms { real: found.real, fake: found.fake, n_real, n_fake };
    Ok(vec![Resampled::Terms(terms)])
}

/// Precision, recall, density and coverage.
pub(crate) fn prdc(
    input: &EvaluationInput<'_>,
    _request: Bootstrap,
) -> Result<Vec<Resampled>, MetricError> {
    let [precision, recall, density, coverage] =
        ball_terms(input, input.settings.nearest_k, Inside::Strictly)?;
    Ok([precision, recall, density, coverage].map(Resampled::Terms).into())
}

/// Improved precision and recall.
pub(crate) fn improved_precision_recall(
    input: &EvaluationInput<'_>,
    _request: Bootstrap,
) -> Result<Vec<Resampled>, MetricError> {
    let [precision, recall, ..] = ball_terms(input, input.settings.ipr_nearest_k, Inside::OrOn)?;
    Ok([precision, recall].map(Resampled::Terms).into())
}

/// What each image adds to precision, recall, density and coverage, which are means over images of who lies in
/// whose ball.
fn ball_terms(
    input: &EvaluationInput<'_>,
    k: usize,
    inside: Inside,
) -> Result<[Terms; 4], MetricError> {
    let (chosen_real, chosen_fake) = input.nearest()?;
    let (real, fake) = (chosen_real.rows(), chosen_fake.rows());
    let radii_real = input.real.squared_radii(&chosen_real, k);
    let found = decide_each(PrdcInput { real, fake, k }, &radii_real, inside)?;
    let (n_real, n_fake) = (real.len(), fake.len());
    let terms = |real, fake| Terms { real, fake, n_real, n_fake };
    let counts = |others: &[Others], scale: f64| -> Vec<f64> {
        others.iter().map(|o| scale * f64::from(o.count) / k as f64).collect()
    };
    let scale = n_real as f64 / n_fake as f64;
    Ok([
        terms(losses(&found.real_balls, n_real), any(&found.real_balls)),
        terms(any(&found.fake_balls), losses(&found.fake_balls, n_fake)),
        terms(counts(&found.occupants, scale), counts(&found.real_balls, 1.0)),
        terms(any(&found.occupants), losses(&found.occupants, n_fake)),
    ])
}

/// 1 for each image that has any others, else 0: the mean of these is the metric.
fn any(others: &[Others]) -> Vec<f64> {
    others.iter().map(|o| f64::from(u8::from(o.count > 0))).collect()
}

/// For each of the `n` others what the mean of [`any`] would lose without it, in units of 1/n: the
/// share of images that have it alone.
fn losses(others: &[Others], n: usize) -> Vec<f64> {
    let mut losses = vec![0.0; n];
    let unit = n as f64 / others.len() as f64;
    others.iter().filter_map(Others::only).for_each(|index| losses[index] += unit);
    losses
}

/// The 2.5 % and 97.5 % points, linear between the two nearest replicates.
fn percentiles(mut replicates: Vec<f64>) -> Interval {
    replicates.sort_by(f64::total_cmp);
    let point = |share: f64| {
        let place = share * (replicates.len() - 1) as f64;
        let (below, part) = (place.floor() as usize, place.fract());
        let above = (below + 1).min(replicates.len() - 1);
        replicates[below] + part * (replicates[above] - replicates[below])
    };
    Interval { low: point(0.025), high: point(0.975) }
}

/// The value plus the points of the replicates about their mean.
fn about(value: f64, replicates: Vec<f64>) -> Interval {
    let mean = replicates.iter().sum::<f64>() / replicates.len() as f64;
    let Interval { low, high } = percentiles(replicates);
    Interval { low: value + (low - mean), high: value + (high - mean) }
}

#[cfg(test)]
#[path = "bootstrap_tests.rs"]
mod tests;
