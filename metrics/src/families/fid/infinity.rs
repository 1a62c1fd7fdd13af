//! FID∞: FID extrapolated to infinitely many fakes.
//!
//! Chong and Forsyth 2020, "Effectively Unbiased FID and Inception Score and where to find them",
//! arXiv:1911.07023: FID is linear in 1/n for n fakes, so the intercept of a line through FIDs at
//! several n is free of the bias in n. As in dgm-eval (`metrics/fd.py`): 15 counts at equal steps
//! from min(5000, max(n/10, 2)) to n, rounded down, ordinary least squares; its subsets come from
//! an unseeded generator, ours (without replacement, each count anew) from a seeded stream, so
//! values agree within the spread of dgm-eval's own runs (4 of its standard deviations in the
//! test).
//!
//! The real side stays whole, and its bias stays in. Costs a covariance and the eigenvalues of a
//! d×d matrix for each of the counts, 15 times FID's fakes' side; the root of the real covariance
//! is computed once.

use ganbench_data::rng::Stream;

use super::fid_to_reference;
use crate::card::{ImageCounts, LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::rows::Rows;
use crate::reference::RealReference;

const METRIC: &str = "fid_inf";

/// FID∞ in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "FID-inf",
        higher_is_better: false,
        decimals: 2,
        scale: Scale::Ratio,
        range: ValueRange::ANY,
        axis: ValueAxis::Log,
        column: 20,
        is_detail: false,
        // Counts from 2 to 4 are the shortest line with an error.
        least_images: LeastImages::Fixed(ImageCounts { real: 2, fake: 4 }),
        fields: &[ProtocolField::FidInfinityCounts],
        description: "FID extrapolated to infinitely many fakes from 15 numbers of them",
    }],
    by_default: false,
    needs: Needs::POOL,
    compute,
    resample: None,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let (real, fake) = (input.real, input.fake.pool_rows());
    let got = fid_infinity(real, fake, input.settings.fid_infinity)?;
    let std = Some(got.standard_error);
    Ok(vec![Score { value: got.value, std, n_real: real.n(), n_fake: fake.len() }])
}

/// At how many counts of fakes FID is computed, and which subsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Points of the line, ≥ 3.
    pub counts: usize,
    /// Of the stream that draws the subsets.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { counts: 15, seed: 0 }
    }
}

/// The line FID(n) = value + slope / n.
#[derive(Clone, Debug, PartialEq)]
pub struct FidInfinity {
    /// The intercept, FID∞.
    pub value: f64,
    /// Of the intercept, from the residuals of the line. The subsets overlap, so it says how
    /// straight the line is, not how far other fakes would fall.
    pub standard_error: f64,
    /// Change of FID per 1/n; above 0 where few fakes make FID too large, as they usually do.
    pub slope: f64,
    /// Number of fakes and FID of each point.
    pub points: Vec<(usize, f64)>,
}

/// FID∞ of fakes `[n, d]`.
///
/// # Errors
/// If there are fewer than 3 counts or fewer fakes than give 3 different ones, the dimensions
/// differ, or [`crate::families::fid::fid`] cannot be computed.
pub fn fid_infinity(
    real: &RealReference,
    fake: Rows<'_, f32>,
    options: Options,
) -> Result<FidInfinity, MetricError> {
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    if options.counts < 3 {
        return Err(MetricError::FewCounts { got: options.counts });
    }
    // With 4 fakes the counts are 2 to 4.
    if fake.len() < 4 {
        let got = fake.len();
        return Err(MetricError::TooFew { metric: METRIC, side: Side::Fake, needed: 4, got });
    }
    fake.check_finite()?;
    let mut stream = Stream::new(options.seed, METRIC);
    let mut points = Vec::with_capacity(options.counts);
    for count in counts(fake.len(), options.counts) {
        let order = stream.permutation(fake.len());
        let subset: Vec<f32> =
            order[..count].iter().flat_map(|&row| fake.row(row)).copied().collect();
        points.push((count, fid_to_reference(real, Rows::new(&subset, fake.dim())?)?));
    }
    Ok(line(points))
}

/// `counts` numbers at equal steps from min(5000, max(n/10, 2)) to n, rounded down.
fn counts(n: usize, counts: usize) -> Vec<usize> {
    let first = (n / 10).clamp(2, 5000);
    // In whole numbers, since n itself must come out last.
    (0..counts).map(|i| first + (n - first) * i / (counts - 1)).collect()
}

/// Ordinary least squares of FID on 1/n.
fn line(points: Vec<(usize, f64)>) -> FidInfinity {
    let n = points.len() as f64;
    let xy = || points.iter().map(|&(count, fid)| (1.0 / count as f64, fid));
    let (mean_x, mean_y) =
        (xy().map(|(x, _)| x).sum::<f64>() / n, xy().map(|(_, y)| y).sum::<f64>() / n);
    let spread: f64 = xy().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let slope = xy().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    let value = mean_y - slope * mean_x;
    let residual: f64 = xy().map(|(x, y)| (y - value - slope * x).powi(2)).sum();
    let standard_error = (residual / (n - 2.0) * (1.0 / n + mean_x * mean_x / spread)).sqrt();
    FidInfinity { value, standard_error, slope, points }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Features;
    use crate::golden;

    fn reference(set: golden::Set) -> RealReference {
        RealReference::new(&Features::new(set.d, golden::features(set), None).unwrap(), 0).unwrap()
    }

    #[test]
    fn the_counts_are_those_of_numpys_linspace() {
        // np.linspace(min(5000, max(n // 10, 2)), n, 15).astype(int)
        let of_1100 = [110, 180, 251, 322, 392, 463, 534, 605, 675, 746, 817, 887, 958, 1029, 1100];
        assert_eq!(counts(1100, 15), of_1100);
        let of_10000 = counts(10_000, 15);
        assert_eq!((of_10000[0], of_10000[1], of_10000[14]), (1000, 1642, 10_000));
        assert_eq!(counts(100_000, 15)[0], 5000);
        assert_eq!(counts(4, 3), [2, 3, 4]);
    }

    #[test]
    fn the_intercept_of_points_on_a_line_is_exact_and_its_error_that_of_the_residuals() {
        let got = line([10, 20, 50, 100].map(|n| (n, 3.0 + 7.0 / n as f64)).to_vec());
        assert!((got.value - 3.0).abs() < 1e-12 && (got.slope - 7.0).abs() < 1e-12, "{got:?}");
        assert!(got.standard_error < 1e-12);
        // x = 1, 1/2, 1/4 and y = 1, 0, 1: mean x 7/12, Σ(x − x̄)² = 7/24, Σ(x − x̄)(y − ȳ) = 1/12,
        // slope 2/7, intercept 2/3 − 1/6 = 1/2. Residuals 3/14, −9/14, 6/14: Σr² = 9/14. s² = 9/14,
        // its factor 1/3 + (49/144) / (7/24) = 3/2, the error √(27/28).
        let got = line(vec![(1, 1.0), (2, 0.0), (4, 1.0)]);
        assert!((got.value - 0.5).abs() < 1e-12 && (got.slope - 2.0 / 7.0).abs() < 1e-12);
        assert!((got.standard_error - (27.0f64 / 28.0).sqrt()).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn the_value_of_the_golden_sets_lies_among_dgm_evals_runs() {
        let fake = golden::features(golden::BIG_FAKE);
        let fake = Rows::new(&fake, golden::BIG_FAKE.d).unwrap();
        let got = fid_infinity(&reference(golden::BIG_REAL), fake, Options::default()).unwrap();
        let expected = golden::values("fid_infinity");
        let (mean, deviation) = (expected[0], expected[1]);
        assert!((got.value - mean).abs() < 4.0 * deviation, "{got:?} {expected:?}");
        // The last point is FID itself.
        assert_eq!(got.points[14].0, 1100);
        assert!(got.value < got.points[14].1 && got.slope > 0.0);
    }

    #[test]
    fn fakes_fewer_than_dimensions_have_one_too() {
        let fake = golden::features(golden::WIDE_FAKE);
        let fake = Rows::new(&fake, 64).unwrap();
        let real = reference(golden::WIDE_REAL);
        let got = fid_infinity(&real, fake, Options { counts: 5, seed: 1 }).unwrap();
        assert!(got.value.is_finite() && got.points.len() == 5, "{got:?}");
        // The same seed gives the same bits, another one another value.
        assert_eq!(fid_infinity(&real, fake, Options { counts: 5, seed: 1 }).unwrap(), got);
        let other = fid_infinity(&real, fake, Options { counts: 5, seed: 2 }).unwrap();
        assert_ne!(other.value, got.value);
    }

    #[test]
    fn what_has_no_line_is_refused() {
        let real = reference(golden::REAL);
        let fake = golden::features(golden::FAKE);
        let text = |fake: &[f32], d: usize, counts: usize| {
            let options = Options { counts, seed: 0 };
            fid_infinity(&real, Rows::new(fake, d).unwrap(), options).unwrap_err().to_string()
        };
        assert_eq!(text(&fake[..48], 16, 15), "fid_inf needs at least 4 fake images, got 3");
        assert_eq!(
            text(&fake, 16, 2),
            "fid_inf needs at least 3 counts of fakes for a line and its error, got 2"
        );
        assert_eq!(
            text(&fake[..32], 8, 15),
            "real features have 16 dimensions but fake features 8; extract both alike"
        );
    }
}
