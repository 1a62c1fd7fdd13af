//! Precision, recall, density and coverage.
//!
//! Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
//! arXiv:2002.09797, section 3 (precision and recall after Kynkäänniemi et al. 2019,
//! arXiv:1904.06991). Must agree with the package `prdc` 0.2 exactly, up to ties that its f32
//! distances decide otherwise (below): k = 5 nearest neighbours without the image itself, and an
//! image lies in a ball where its distance is strictly below the radius. Distances are compared in
//! f64.
//!
//! `prdc` takes its distances from scikit-learn, which sums f32 features in f64 but rounds the
//! distance to f32, so that nearly equal ones become equal. On 10,000 by 10,000 images that changed
//! nothing for normal features of 64 dimensions, nor for features with many exact ties (8
//! dimensions of 3 levels, 16 dimensions rounded to quarters); for 16 dimensions rounded to tenths,
//! whose ties are not exact in f32, 186 of 10⁸ pairs, and with them 4 of 10,000 images in
//! precision, 3 in recall, 2 in coverage (scikit-learn 1.9.1).
//!
//! Under the strict comparison identical features everywhere give density = coverage = 0, and
//! density may exceed 1.

use ganbench_nn::kernels::Real;

use crate::bootstrap;
use crate::card::{LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::balls::{Balls, Inside, Membership, membership};
use crate::numerics::neighbours::squared_radii;
use crate::numerics::rows::Rows;

const METRIC: &str = "prdc";

/// What the balls depend on.
const NEAREST: &[ProtocolField] = &[ProtocolField::NearestK, ProtocolField::NearestReal];

/// The four metrics in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[
        Metric {
            name: "precision",
            title: "Precision",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::SHARE,
            axis: ValueAxis::FromZero,
            column: 80,
            is_detail: false,
            least_images: LeastImages::NearestK,
            fields: NEAREST,
            description: "share of fakes inside the ball of a real image",
        },
        Metric {
            name: "recall",
            title: "Recall",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::SHARE,
            axis: ValueAxis::FromZero,
            column: 90,
            is_detail: false,
            least_images: LeastImages::NearestK,
            fields: NEAREST,
            description: "share of real images inside the ball of a fake",
        },
        Metric {
            name: "density",
            title: "Density",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::NOT_NEGATIVE,
            axis: ValueAxis::FromZero,
            column: 60,
            is_detail: false,
            least_images: LeastImages::NearestK,
            fields: NEAREST,
            description: "how many real balls hold a fake, on average, in units of k",
        },
        Metric {
            name: "coverage",
            title: "Coverage",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::SHARE,
            axis: ValueAxis::FromZero,
            column: 70,
            is_detail: false,
            least_images: LeastImages::NearestK,
            fields: NEAREST,
            description: "share of real images whose ball holds a fake",
        },
    ],
    by_default: true,
    needs: Needs::POOL,
    compute,
    resample: Some(bootstrap::prdc),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let k = input.settings.nearest_k;
    let (chosen_real, chosen_fake) = input.nearest()?;
    let (real, fake) = (chosen_real.rows(), chosen_fake.rows());
    check_sizes(real.len(), fake.len(), k)?;
    let radii_real = input.real.squared_radii(&chosen_real, k);
    let got = decide(PrdcInput { real, fake, k }, &radii_real)?;
    let score = |value| Score { value, std: None, n_real: real.len(), n_fake: fake.len() };
    Ok([got.precision, got.recall, got.density, got.coverage].map(score).to_vec())
}

/// The two sets and the number of neighbours that sets a ball's radius.
#[derive(Clone, Copy, Debug)]
pub struct PrdcInput<'a, T> {
    /// `[n_real, d]`
    pub real: Rows<'a, T>,
    /// `[n_fake, d]`
    pub fake: Rows<'a, T>,
    /// A ball reaches to the k-th nearest other image of its set, k ≥ 1.
    pub k: usize,
}

/// Precision, recall, coverage in 0..=1; density ≥ 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prdc {
    /// Share of the fakes that lie in the ball of any real image.
    pub precision: f64,
    /// Share of the real images that lie in the ball of any fake.
    pub recall: f64,
    /// Mean number of real images' balls that a fake lies in, divided by k.
    pub density: f64,
    /// Share of the real images whose ball holds any fake.
    pub coverage: f64,
}

/// The four metrics of features `[n_real, d]` and `[n_fake, d]`.
///
/// # Errors
/// If either side has k images or fewer, k is 0, the dimensions differ, or a number is not finite.
pub fn prdc<T: Real>(input: PrdcInput<'_, T>) -> Result<Prdc, MetricError> {
    check_sizes(input.real.len(), input.fake.len(), input.k)?;
    input.real.check_finite()?;
    decide(input, &squared_radii(input.real, input.k))
}

fn check_sizes(n_real: usize, n_fake: usize, k: usize) -> Result<(), MetricError> {
    check_more_than_k(METRIC, n_real, n_fake, k)
}

/// That each image has a `k`-th nearest other one.
pub(crate) fn check_more_than_k(
    metric: &'static str,
    n_real: usize,
    n_fake: usize,
    k: usize,
) -> Result<(), MetricError> {
    if k == 0 {
        return Err(MetricError::Zero { metric, name: "k" });
    }
    let needed = k.saturating_add(1);
    for (side, got) in [(Side::Real, n_real), (Side::Fake, n_fake)] {
        if got < needed {
            return Err(MetricError::TooFew { metric, side, needed, got });
        }
    }
    Ok(())
}

fn decide<T: Real>(input: PrdcInput<'_, T>, radii_real: &[f64]) -> Result<Prdc, MetricError> {
    let found = decide_each(input, radii_real, Inside::Strictly)?;
    Ok(Prdc {
        precision: found.precision(),
        recall: found.recall(),
        density: found.mean_balls() / input.k as f64,
        coverage: found.coverage(),
    })
}

/// The decision of each image, with the real radii at hand.
pub(crate) fn decide_each<T: Real>(
    input: PrdcInput<'_, T>,
    radii_real: &[f64],
    inside: Inside,
) -> Result<Membership, MetricError> {
    let PrdcInput { real, fake, k } = input;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    fake.check_finite()?;
    let radii_fake = squared_radii(fake, k);
    Ok(membership(&Balls { real, fake, radii_real, radii_fake: &radii_fake, inside }))
}

#[cfg(test)]
mod tests;
