//! 95 % intervals over the images, from the features alone: where a metric's expectation lies.
//!
//! An interval says how far the value would move with other images of the same generator and, where
//! reals are drawn, of the same data set. It knows nothing of other training seeds. It holds the
//! metric's expectation *at these numbers of images*, its own bias at so few included (see
//! [`Metric::depends_on_counts`]): 95 % of the intervals of repeated draws hold the mean over the
//! draws. `examples/interval_rates.rs` shows it for every metric.
//!
//! - Precision, recall, density, coverage, improved precision and recall: half-samples
//!   (`bootstrap/halves.rs`).
//! - IS: random splits into its own parts (`bootstrap/parts.rs`).
//! - KID: the variance of a U-statistic of two samples, and of the draw of subsets
//!   (`kid_influence.rs`).
//! - FID: the covariance of half-samples (`bootstrap/frechet.rs`).
//!
//! Each gives a variance. The interval is the value ± 1.96 standard deviations; of a share it is
//! Wilson's (1927, doi:10.1080/01621459.1927.10502953) at the effective number of images, p(1 − p)
//! over the variance (Korn and Graubard 1998), which stays within 0 to 1 and keeps its width where
//! all images or none count.
//!
//! Two sets of fakes against the same reals share the reals' noise. [`difference_intervals`] draws
//! the reals once for both sides, and each side's fakes on their own.

use ganbench_data::rng::Stream;

use crate::card::{Metric, ValueRange};
use crate::error::MetricError;
use crate::families::FAMILIES;
use crate::families::kid::influence;
use crate::kid;
use crate::metric::{EvaluationInput, MetricValue};
use crate::numerics::balls::Inside;

mod frechet;
mod halves;
mod near;
mod parts;

/// Half of a 95 % interval in standard deviations: the 97.5 % point of the normal distribution.
pub const NORMAL_975: f64 = 1.959_963_984_540_054;

/// Fewest replicates: one lies beyond either end of a 95 % interval.
pub const FEWEST: usize = 40;

/// How images are drawn again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Draws behind each interval.
    pub replicates: usize,
    /// Of the streams that draw, one for each metric and replicate.
    pub seed: u64,
    /// Whether the real images are drawn again too.
    pub reals: Reals,
}

/// Whether the real images are a source of noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reals {
    /// They are a sample of their data set, and another sample would have done.
    #[default]
    Drawn,
    /// They are what fakes are to be compared with: other fakes would meet the same.
    Held,
}

/// Ends of a 95 % interval, in the metric's units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end, in the metric's range.
    pub low: f64,
    /// The upper end, in the metric's range.
    pub high: f64,
}

impl Interval {
    fn within(self, range: ValueRange) -> Self {
        Self { low: range.clamp(self.low), high: range.clamp(self.high) }
    }

    fn around(value: f64, variance: f64) -> Self {
        let half = NORMAL_975 * variance.sqrt();
        Self { low: value - half, high: value + half }
    }

    /// Of a share of `n` independent images.
    fn wilson(share: f64, n: f64) -> Self {
        let z = NORMAL_975;
        let shrink = 1.0 + z * z / n;
        let centre = (share + z * z / (2.0 * n)) / shrink;
        let half = z / shrink * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        Self { low: centre - half, high: centre + half }
    }

    fn of_value(metric: &Metric, value: &MetricValue, variance: f64) -> Self {
        if metric.range != ValueRange::SHARE {
            return Self::around(value.value, variance).within(metric.range);
        }
        let independent = value.value * (1.0 - value.value);
        let n = match independent > 0.0 && variance > 0.0 {
            true => independent / variance,
            false => images(value) as f64,
        };
        Self::wilson(value.value, n).within(metric.range)
    }
}

/// Images on the smaller side; on that of the fakes where the metric looks at no reals.
fn images(value: &MetricValue) -> usize {
    if value.n_real == 0 { value.n_fake } else { value.n_real.min(value.n_fake) }
}

/// One evaluation, or two against the same reals whose difference is looked at.
pub(crate) struct Sides<'a> {
    pub(crate) first: &'a EvaluationInput<'a>,
    pub(crate) second: Option<&'a EvaluationInput<'a>>,
    /// What [`crate::evaluate`] gave for them.
    values: &'a [&'a [MetricValue]],
}

impl<'a> Sides<'a> {
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &'a EvaluationInput<'a>> {
        std::iter::once(self.first).chain(self.second)
    }
}

/// The variances of a family's metrics or of their differences, in the metrics' order. None where
/// there are too few images to tell.
pub(crate) type Resample = fn(&Sides<'_>, Bootstrap) -> Result<Vec<Option<f64>>, MetricError>;

/// Intervals of those of `values` that have one (see [`Metric::has_intervals`]), in their order,
/// under the names they are reported by. `values` are what [`crate::evaluate`] gave for the same
/// input. Sets of 2k images or fewer have no interval of the metrics of k neighbours.
///
/// # Errors If there are fewer than 40 replicates, the reference does not keep the rows that are
/// drawn from (all for KID, and for FID where reals are drawn), or a metric cannot be computed from
/// the input.
pub fn intervals(
    input: &EvaluationInput<'_>,
    values: &[MetricValue],
    request: Bootstrap,
) -> Result<Vec<(String, Interval)>, MetricError> {
    let sides = Sides { first: input, second: None, values: &[values] };
    each_variance(&sides, request, |metric, found, variance| {
        Interval::of_value(metric, found[0], variance)
    })
}

/// Intervals of the differences first − second, of the metrics that both evaluated and that have
/// intervals.
///
/// # Errors As of [`intervals`], and if the two have other numbers of fakes, whose values would
/// differ by that alone.
pub fn difference_intervals(
    [first, second]: [&EvaluationInput<'_>; 2],
    [of_first, of_second]: [&[MetricValue]; 2],
    request: Bootstrap,
) -> Result<Vec<(String, Interval)>, MetricError> {
    let (a, b) = (first.fake.len(), second.fake.len());
    if a != b {
        return Err(MetricError::UnlikeCounts { first: a, second: b });
    }
    let sides = Sides { first, second: Some(second), values: &[of_first, of_second] };
    each_variance(&sides, request, |metric, found, variance| {
        // One image more or less moves a share by so much: no smaller difference is known.
        let one_image = 1.0 / images(found[0]).max(1) as f64;
        let least = if metric.range == ValueRange::SHARE { one_image * one_image } else { 0.0 };
        Interval::around(found[0].value - found[1].value, variance.max(least))
    })
}

/// `interval` of every metric that all sides evaluated, in the order of the first one's values.
fn each_variance(
    sides: &Sides<'_>,
    request: Bootstrap,
    interval: impl Fn(&Metric, &[&MetricValue], f64) -> Interval,
) -> Result<Vec<(String, Interval)>, MetricError> {
    if request.replicates < FEWEST {
        return Err(MetricError::FewReplicates { needed: FEWEST, got: request.replicates });
    }
    let mut found: Vec<(String, Interval)> = Vec::new();
    for family in FAMILIES {
        let Some(resample) = family.resample else { continue };
        if family.metrics.iter().all(|metric| sides.values_of(metric).is_none()) {
            continue;
        }
        for (metric, variance) in family.metrics.iter().zip(resample(sides, request)?) {
            if let (Some(values), Some(variance)) = (sides.values_of(metric), variance) {
                let name = sides.first.extractor.reported_name(metric.name);
                found.push((name, interval(metric, &values, variance)));
            }
        }
    }
    let of = |v: &MetricValue| found.iter().find(|(name, _)| *name == v.metric).cloned();
    Ok(sides.values[0].iter().filter_map(of).collect())
}

impl Sides<'_> {
    /// The value of each side, where all have one.
    fn values_of(&self, metric: &Metric) -> Option<Vec<&MetricValue>> {
        let name = self.first.extractor.reported_name(metric.name);
        self.values.iter().map(|values| values.iter().find(|v| v.metric == name)).collect()
    }
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

pub(crate) fn stream(metric: &str, request: Bootstrap, index: usize) -> Stream {
    Stream::new(request.seed, &format!("bootstrap/{metric}/{index}"))
}

/// With divisor n − 1.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)
}

/// Of the family `fid`.
pub(crate) fn fid(sides: &Sides<'_>, request: Bootstrap) -> Result<Vec<Option<f64>>, MetricError> {
    Ok(vec![frechet::variance(sides, request)?])
}

/// Of the family `is`, which looks at fakes alone: the sides are independent.
pub(crate) fn inception_score(
    sides: &Sides<'_>,
    request: Bootstrap,
) -> Result<Vec<Option<f64>>, MetricError> {
    let mut sum = Some(0.0);
    for (side, input) in sides.inputs().enumerate() {
        let variance = parts::variance(input, side, request)?;
        sum = sum.zip(variance).map(|(sum, variance)| sum + variance);
    }
    Ok(vec![sum])
}

/// Of the family `kid`.
pub(crate) fn kid(sides: &Sides<'_>, request: Bootstrap) -> Result<Vec<Option<f64>>, MetricError> {
    let real = sides.first.real.require_all_rows()?;
    let fakes: Vec<_> = sides.inputs().map(|input| input.fake.pool_rows()).collect();
    let of_sets = influence::variance(real, &fakes, request.reals);
    // The mean over subsets is the value of whole sets plus the noise of their draw. That is known
    // of a single set with all drawn, from the spread of the subsets, and goes with the variance of
    // whole sets elsewhere: reals that are held or shared are drawn into the same subsets.
    let kid::Options { subset, subsets, .. } = sides.first.settings.kid;
    let ratio = match subsets {
        1 => real.len().min(fakes[0].len()) as f64 / subset as f64 - 1.0,
        subsets => {
            let name = sides.first.extractor.reported_name("kid");
            let of_side = |values: &&[MetricValue]| values.iter().find(|v| v.metric == name)?.std;
            let stds = sides.values.iter().filter_map(of_side);
            let of_draws: f64 = stds.map(|std| std * std / (subsets as f64 - 1.0)).sum();
            let single = |fake| influence::variance(real, &[fake], Reals::Drawn);
            let of_whole = match (fakes.len(), request.reals) {
                (1, Reals::Drawn) => of_sets,
                _ => fakes.iter().map(|fake| single(*fake)).sum(),
            };
            if of_whole > 0.0 { of_draws / of_whole } else { 0.0 }
        }
    };
    Ok(vec![Some(of_sets * (1.0 + ratio))])
}

/// Precision, recall, density and coverage.
pub(crate) fn prdc(
    sides: &Sides<'_>,
    bootstrap: Bootstrap,
) -> Result<Vec<Option<f64>>, MetricError> {
    let (k, inside) = (sides.first.settings.nearest_k, Inside::Strictly);
    let request = halves::Request { metric: "prdc", k, inside, bootstrap };
    let found = halves::variances(sides, request)?;
    Ok((0..4).map(|i| found.map(|found| found[i])).collect())
}

/// Improved precision and recall.
pub(crate) fn improved_precision_recall(
    sides: &Sides<'_>,
    bootstrap: Bootstrap,
) -> Result<Vec<Option<f64>>, MetricError> {
    let (k, inside) = (sides.first.settings.ipr_nearest_k, Inside::OrOn);
    let request = halves::Request { metric: "ipr", k, inside, bootstrap };
    let found = halves::variances(sides, request)?;
    Ok((0..2).map(|i| found.map(|found| found[i])).collect())
}

#[cfg(test)]
mod tests;
