//! Authenticity: the share of fakes that are not near copies of a real image.
//!
//! Alaa et al. 2022, "How Faithful is your Synthetic Data?", arXiv:2102.08921, in the form of
//! dgm-eval (Stein et al. 2023, arXiv:2306.04675), as a percentage: a fake counts as authentic
//! where the nearest real image is nearer to another real image than to the fake. Must agree
//! exactly with a transcription of dgm-eval's operations on f64 distances; of equally near real
//! images the first is taken.
//!
//! It is no measure of quality: fakes far from all data are all authentic.

use ganbench_nn::kernels::Real;

use crate::card::{ImageCounts, LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::neighbours::{Search, nearest, squared_radii};
use crate::numerics::rows::Rows;

const METRIC: &str = "authpct";

/// Authenticity in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "AuthPct",
        higher_is_better: true,
        decimals: 2,
        scale: Scale::Difference,
        range: ValueRange::PERCENT,
        axis: ValueAxis::Fitted,
        column: 160,
        is_detail: false,
        least_images: LeastImages::Fixed(ImageCounts { real: 2, fake: 1 }),
        fields: &[ProtocolField::NearestReal],
        description: "percentage of fakes that are no near copies of a real image",
    }],
    by_default: false,
    needs: Needs::POOL,
    compute,
    resample: None,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let (chosen_real, chosen_fake) = input.nearest()?;
    let (real, fake) = (chosen_real.rows(), chosen_fake.rows());
    let both = AuthenticityInput { real, fake };
    check(both)?;
    let value = decide(both, &input.real.squared_radii(&chosen_real, 1));
    Ok(vec![Score { value, std: None, n_real: real.len(), n_fake: fake.len() }])
}

/// The two sets, `[n_real, d]` and `[n_fake, d]`.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticityInput<'a, T> {
    /// Features of the training images.
    pub real: Rows<'a, T>,
    /// Features of the generated images.
    pub fake: Rows<'a, T>,
}

/// Percentage of authentic fakes, 0..=100.
///
/// # Errors
/// If there are fewer than 2 real images or no fakes, the dimensions differ, or a number is not
/// finite.
pub fn authenticity<T: Real>(input: AuthenticityInput<'_, T>) -> Result<f64, MetricError> {
    check(input)?;
    Ok(decide(input, &squared_radii(input.real, 1)))
}

fn check<T: Real>(input: AuthenticityInput<'_, T>) -> Result<(), MetricError> {
    let AuthenticityInput { real, fake } = input;
    for (side, needed, got) in [(Side::Real, 2, real.len()), (Side::Fake, 1, fake.len())] {
        if got < needed {
            return Err(MetricError::TooFew { metric: METRIC, side, needed, got });
        }
    }
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    real.check_finite()?;
    fake.check_finite()
}

fn decide<T: Real>(input: AuthenticityInput<'_, T>, radii_real: &[f64]) -> f64 {
    let AuthenticityInput { real, fake } = input;
    let found = nearest(Search { queries: fake, points: real });
    let authentic = found.iter().filter(|n| radii_real[n.index] < n.squared_distance).count();
    100.0 * authentic as f64 / fake.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn metric_value(real: &[f32], fake: &[f32], d: usize) -> Result<f64, MetricError> {
        authenticity(AuthenticityInput { real: Rows::new(real, d)?, fake: Rows::new(fake, d)? })
    }

    #[test]
    fn four_fakes_on_a_line_agree_with_paper() {
        // Real 0, 1, 4: distances to the nearest other 1, 1, 3. Fake 0.2 (nearest 0, at 0.2 < 1) is
        // a copy; 6.5 (nearest 4, at 2.5 < 3) too; 8 (at 4 > 3) is not; 7 (at 3, not above 3) is
        // one.
        assert_eq!(metric_value(&[0.0, 1.0, 4.0], &[0.2, 6.5, 8.0, 7.0], 1).unwrap(), 25.0);
    }

    #[test]
    fn copies_are_not_authentic_and_strangers_are() {
        let x = golden::features(golden::REAL);
        let far: Vec<f32> = x.iter().map(|v| v + 100.0).collect();
        assert_eq!(metric_value(&x, &x, 16).unwrap(), 0.0);
        assert_eq!(metric_value(&x, &far, 16).unwrap(), 100.0);
    }

    #[test]
    fn values_of_the_golden_sets_are_dgm_evals() {
        for (name, real, fake) in [
            ("authpct", golden::REAL, golden::FAKE),
            ("authpct_wide", golden::WIDE_REAL, golden::WIDE_FAKE),
        ] {
            let got =
                metric_value(&golden::features(real), &golden::features(fake), real.d).unwrap();
            let expected = golden::values(name)[0];
            assert!((got - expected).abs() < 1e-12, "{name} {got} {expected}");
        }
    }

    #[test]
    fn sets_too_small_and_bad_numbers_are_refused() {
        let text = |r: Result<f64, MetricError>| r.unwrap_err().to_string();
        assert_eq!(
            text(metric_value(&[1.0], &[1.0], 1)),
            "authpct needs at least 2 real images, got 1"
        );
        assert_eq!(
            text(metric_value(&[1.0, 2.0], &[], 1)),
            "authpct needs at least 1 fake images, got 0"
        );
        assert_eq!(
            text(metric_value(&[1.0, 2.0], &[f32::NAN], 1)),
            "row 0 of the features holds NaN, expected finite numbers only"
        );
    }
}
