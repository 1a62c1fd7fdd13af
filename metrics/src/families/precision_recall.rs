//! Improved precision and recall.
//!
//! Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative
//! Models", arXiv:1904.06991, eqs. 1 and 2: the share of fakes that lie in the ball of any real
//! image, and of real images that lie in the ball of any fake. A ball reaches to the k-th nearest
//! other image, k = 3, and holds what lies on it. Must agree with torch-fidelity 0.4.0
//! (`metric_prc.py`) on the same features exactly, up to ties that its f32 distances decide
//! otherwise; distances are compared in f64 here.
//!
//! [`crate::prdc`] has k = 5 and a strict comparison. The paper's numbers come from VGG16 features
//! of 50,000 images; with other features they are other numbers.

use ganbench_nn::kernels::Real;

use super::prdc::{PrdcInput, check_more_than_k, decide_each};
use crate::bootstrap;
use crate::card::{LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::MetricError;
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::balls::Inside;
use crate::numerics::neighbours::squared_radii;

const METRIC: &str = "ipr";

/// What the balls depend on.
const NEAREST: &[ProtocolField] = &[ProtocolField::IprNearestK, ProtocolField::NearestReal];

/// Both in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[
        Metric {
            name: "ipr_precision",
            title: "Improved precision",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::SHARE,
            axis: ValueAxis::FromZero,
            column: 100,
            is_detail: false,
            least_images: LeastImages::IprNearestK,
            fields: NEAREST,
            description: "improved precision: share of fakes in or on the ball of a real image, k = 3",
        },
        Metric {
            name: "ipr_recall",
            title: "Improved recall",
            higher_is_better: true,
            decimals: 3,
            scale: Scale::Difference,
            range: ValueRange::SHARE,
            axis: ValueAxis::FromZero,
            column: 110,
            is_detail: false,
            least_images: LeastImages::IprNearestK,
            fields: NEAREST,
            description: "improved recall: share of real images in or on the ball of a fake, k = 3",
        },
    ],
    by_default: false,
    needs: Needs::POOL,
    compute,
    resample: Some(bootstrap::improved_precision_recall),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let k = input.settings.ipr_nearest_k;
    let (chosen_real, chosen_fake) = input.nearest()?;
    let (real, fake) = (chosen_real.rows(), chosen_fake.rows());
    check_more_than_k(METRIC, real.len(), fake.len(), k)?;
    let radii_real = input.real.squared_radii(&chosen_real, k);
    let found = decide_each(PrdcInput { real, fake, k }, &radii_real, Inside::OrOn)?;
    let score = |value| Score { value, std: None, n_real: real.len(), n_fake: fake.len() };
    Ok(vec![score(found.precision()), score(found.recall())])
}

/// Both in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// Share of the fakes that lie in the ball of any real image.
    pub precision: f64,
    /// Share of the real images that lie in the ball of any fake.
    pub recall: f64,
}

/// Improved precision and recall of features `[n_real, d]` and `[n_fake, d]`.
///
/// # Errors
/// If either side has k images or fewer, k is 0, the dimensions differ, or a number is not finite.
pub fn precision_recall<T: Real>(input: PrdcInput<'_, T>) -> Result<PrecisionRecall, MetricError> {
    check_more_than_k(METRIC, input.real.len(), input.fake.len(), input.k)?;
    input.real.check_finite()?;
    let found = decide_each(input, &squared_radii(input.real, input.k), Inside::OrOn)?;
    Ok(PrecisionRecall { precision: found.precision(), recall: found.recall() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;
    use crate::numerics::rows::Rows;

    fn metric_values(
        real: &[f32],
        fake: &[f32],
        d: usize,
        k: usize,
    ) -> Result<PrecisionRecall, MetricError> {
        precision_recall(PrdcInput { real: Rows::new(real, d)?, fake: Rows::new(fake, d)?, k })
    }

    #[test]
    fn what_lies_on_a_ball_is_in_it() {
        // Real 0, 1, 3 with k = 1: balls [−1, 1], [0, 2], [1, 5]. Fakes 2, 5, 9: radii 3, 3, 4. 2
        // and 5 lie on a real ball, 9 in none: precision 2/3. Fake balls [−1, 5], [2, 8], [5, 13]:
        // recall 1.
        let got = metric_values(&[0.0, 1.0, 3.0], &[2.0, 5.0, 9.0], 1, 1).unwrap();
        assert_eq!(got, PrecisionRecall { precision: 2.0 / 3.0, recall: 1.0 });
    }

    #[test]
    fn identical_features_everywhere_give_one_unlike_prdc() {
        let got = metric_values(&[1.0; 40], &[1.0; 40], 2, 3).unwrap();
        assert_eq!(got, PrecisionRecall { precision: 1.0, recall: 1.0 });
    }

    #[test]
    fn values_of_the_golden_sets_are_torch_fidelitys() {
        let (real, fake) = (golden::features(golden::REAL), golden::features(golden::FAKE));
        let got = metric_values(&real, &fake, golden::REAL.d, 3).unwrap();
        let expected = golden::values("ipr");
        // Theirs are f32 means of indicators.
        assert!((got.precision - expected[0]).abs() < 1e-7, "{got:?} {expected:?}");
        assert!((got.recall - expected[1]).abs() < 1e-7, "{got:?} {expected:?}");
    }

    #[test]
    fn sets_too_small_and_bad_numbers_are_refused() {
        let text = |r: Result<PrecisionRecall, MetricError>| r.unwrap_err().to_string();
        let x = [0.5; 12];
        assert_eq!(
            text(metric_values(&x[..6], &x, 2, 3)),
            "ipr needs at least 4 real images, got 3"
        );
        assert_eq!(
            text(metric_values(&x, &x[..6], 2, 3)),
            "ipr needs at least 4 fake images, got 3"
        );
        assert_eq!(text(metric_values(&x, &x, 2, 0)), "ipr needs k of at least 1, got 0");
        let mut bad = x;
        bad[0] = f32::INFINITY;
        assert_eq!(
            text(metric_values(&bad, &x, 2, 3)),
            "row 0 of the features holds inf, expected finite numbers only"
        );
    }
}
