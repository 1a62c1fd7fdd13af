//! 95 % intervals over the samples, from the features alone.
//!
//! Efron and Tibshirani 1993, "An Introduction to the Bootstrap", doi:10.1201/9780429246593. Images are drawn
//! again with replacement, on both sides where both matter:
//!
//! - precision, density (and improved precision) are means over fakes of a number that each fake has, recall
//!   and coverage (and improved recall) means over real images: these numbers are drawn again, with all
//!   balls held where they are. The interval is the replicates' 2.5 % and 97.5 % points.
//! - IS: rows of class probabilities, computed once, in the same number of splits.
//! - KID: the images' influences (`kid_influence.rs`) are computed once, over the first 10,000 images a
//!   side, and their means drawn again. Where both sides have one distribution the influences vanish and
//!   the interval is too narrow; the draw of the subsets is not in it either.
//! - FID: rows of both sides, and both Gaussians fitted anew: two covariances and a root a replicate, which
//!   at 2,048 dimensions is as long as FID itself.
//!
//! IS, KID and FID are no means, and drawing again adds a bias of its own (it repeats images, which raises
//! FID as having fewer does). Their interval is therefore the value plus the points of the replicates about
//! the replicates' mean.
//!
//! An interval says how far the value would move with other images of the same generator and data set. It
//! knows nothing of other training seeds, and holds what it estimates, the mean over such draws, biases of
//! the metric included. Of 150 pairs of Gaussian sets of 200 rows of 4 dimensions, the shares of intervals
//! that held the mean are in `bootstrap_tests.rs`.

use ganbench_nn::rng::Stream;
use rayon::prelude::*;

use crate::balls::Inside;
use crate::error::MetricError;
use crate::fid::{FewSamples, fid_of_rows};
use crate::inception_score::{self, Distributions};
use crate::kid::KidInput;
use crate::kid_influence::influence;
use crate::metric::{EvaluationInput, MetricValue, NearestReal, reported_name};
use crate::prdc::{PrdcInput, decide_each};
use crate::rows::Rows;

/// Images a side whose influence on KID is computed: beyond, the cost of all pairs buys no precision.
const MOST_KID: usize = 10_000;

/// Fewest replicates: one lies beyond either end of a 95 % interval.
const FEWEST: usize = 40;

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

/// Intervals of those of `values` that have one (`fid`, `is`, `kid`, `precision`, `recall`, `density`,
/// `coverage`, `ipr_precision`, `ipr_recall`), in their order, under the names they are reported by.
/// `values` are what [`crate::evaluate`] gave for the same input.
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
    let value = |name: &str| {
        let name = reported_name(name, input.extractor);
        values.iter().find(|v| v.metric == name).map(|v| v.value)
    };
    let mut found: Vec<(&str, Interval)> = Vec::new();
    if let Some(value) = value("fid") {
        found.push(("fid", about(value, fid(input, request)?)));
    }
    if let Some(value) = value("is") {
        found.push(("is", about(value, inception_score(input, request)?)));
    }
    if let Some(value) = value("kid") {
        found.push(("kid", about(value, kid(input, request)?)));
    }
    for balls in [PRDC, IPR] {
        if balls.metrics().any(|name| value(name).is_some()) {
            let means = image_numbers(input, &balls)?;
            found.extend(means.into_iter().map(|(name, numbers)| {
                (name, percentiles(replicates(name, request, |stream| redrawn(&numbers, stream))))
            }));
        }
    }
    let found: Vec<(String, Interval)> =
        found.into_iter().map(|(name, i)| (reported_name(name, input.extractor), i)).collect();
    let of = |v: &MetricValue| found.iter().find(|(name, _)| *name == v.metric).cloned();
    Ok(values.iter().filter_map(of).collect())
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

/// Mean of as many numbers drawn with replacement.
fn redrawn(numbers: &[f64], stream: &mut Stream) -> f64 {
    redrawn_times(numbers, numbers.len(), stream)
}

fn redrawn_times(numbers: &[f64], times: usize, stream: &mut Stream) -> f64 {
    let draw = |_| numbers[stream.below(numbers.len() as u64) as usize];
    (0..times).map(draw).sum::<f64>() / times as f64
}

fn fid(input: &EvaluationInput<'_>, request: Bootstrap) -> Result<Vec<f64>, MetricError> {
    let fake = input.fake.pool_rows();
    let real = input.real.nearest_rows(NearestReal::All, fake.len())?;
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
    (0..request.replicates).map(one).collect()
}

fn inception_score(
    input: &EvaluationInput<'_>,
    request: Bootstrap,
) -> Result<Vec<f64>, MetricError> {
    let logits = input.fake.logit_rows().ok_or(MetricError::NoLogits { metric: "is" })?;
    inception_score::check(logits, input.settings.inception_score)?;
    let p = Distributions::of(logits);
    let splits = input.settings.inception_score.splits;
    Ok(replicates("is", request, |stream| {
        let order: Vec<usize> =
            (0..p.len()).map(|_| stream.below(p.len() as u64) as usize).collect();
        let scores = inception_score::splits(p.len(), splits).map(|split| p.score(&order[split]));
        scores.sum::<f64>() / splits as f64
    }))
}

fn kid(input: &EvaluationInput<'_>, request: Bootstrap) -> Result<Vec<f64>, MetricError> {
    let fake = input.fake.pool_rows();
    let real = input.real.nearest_rows(NearestReal::All, fake.len())?;
    let found = influence(KidInput { real: real.take(MOST_KID), fake: fake.take(MOST_KID) });
    Ok(replicates("kid", request, |stream| {
        redrawn_times(&found.real, real.len(), stream)
            + redrawn_times(&found.fake, fake.len(), stream)
    }))
}

/// Metrics that are means over images of who lies in whose ball.
struct Balls {
    inside: Inside,
    precision: &'static str,
    recall: &'static str,
    /// Names of density and coverage.
    more: Option<[&'static str; 2]>,
}

const PRDC: Balls = Balls {
    inside: Inside::Strictly,
    precision: "precision",
    recall: "recall",
    more: Some(["density", "coverage"]),
};
const IPR: Balls =
    Balls { inside: Inside::OrOn, precision: "ipr_precision", recall: "ipr_recall", more: None };

impl Balls {
    fn metrics(&self) -> impl Iterator<Item = &'static str> {
        [self.precision, self.recall].into_iter().chain(self.more.into_iter().flatten())
    }
}

/// For each metric the number of each image whose mean the metric is.
fn image_numbers(
    input: &EvaluationInput<'_>,
    balls: &Balls,
) -> Result<Vec<(&'static str, Vec<f64>)>, MetricError> {
    let k = match balls.inside {
        Inside::Strictly => input.settings.nearest_k,
        Inside::OrOn => input.settings.ipr_nearest_k,
    };
    let fake = input.fake.pool_rows();
    let real = input.real.nearest_rows(input.settings.nearest_real, fake.len())?;
    let radii_real = input.real.squared_radii(real, k);
    let found = decide_each(PrdcInput { real, fake, k }, &radii_real, balls.inside)?;
    let flags = |flags: &[bool]| flags.iter().map(|&b| f64::from(u8::from(b))).collect();
    let held: Vec<bool> = found.real_balls.iter().map(|&b| b > 0).collect();
    let mut numbers =
        vec![(balls.precision, flags(&held)), (balls.recall, flags(&found.real_inside))];
    if let Some([density, coverage]) = balls.more {
        let densities = found.real_balls.iter().map(|&b| f64::from(b) / k as f64);
        numbers.push((density, densities.collect()));
        numbers.push((coverage, flags(&found.occupied)));
    }
    Ok(numbers)
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
