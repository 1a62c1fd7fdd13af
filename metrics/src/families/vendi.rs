//! Vendi score: how many different images the fakes amount to.
//!
//! Friedman and Dieng 2022, "The Vendi Score", arXiv:2210.02410: exp of the Shannon entropy of the
//! eigenvalues of K/n, with K the cosine similarities of the features. Must agree with numpy's
//! `eigvalsh` of the n×n kernel (what the package `vendi_score` computes) to 1e-9 relative.
//!
//! K/n and the d×d matrix XᵀX/n of the normalised rows share their eigenvalues other than 0, so the
//! smaller of the two is decomposed. Reals do not enter; the value lies between 1 and the smaller
//! of n and d, and pooled features that share a large mean give values not far above 1.

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::Mat;

use crate::card::{ImageCounts, LeastImages, Metric, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::products::product;
use crate::numerics::rows::Rows;
use crate::numerics::spectrum;
use crate::numerics::statistics::Statistics;

const METRIC: &str = "vendi";

/// The Vendi score in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "Vendi",
        higher_is_better: true,
        decimals: 2,
        scale: Scale::Difference,
        range: ValueRange::AT_LEAST_1,
        axis: ValueAxis::Fitted,
        column: 150,
        is_detail: false,
        least_images: LeastImages::Fixed(ImageCounts { real: 0, fake: 1 }),
        fields: &[],
        description: "Vendi score: how many different images the fakes amount to",
    }],
    by_default: false,
    needs: Needs::POOL,
    compute,
    resample: None,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let fake = input.fake.pool_rows();
    Ok(vec![Score { value: vendi(fake)?, std: None, n_real: 0, n_fake: fake.len() }])
}

/// Vendi score of features `[n, d]`, ≥ 1 up to rounding.
///
/// # Errors
/// If there are no rows, a number is not finite, or a row is zero, which has no direction.
pub fn vendi<T: Real>(rows: Rows<'_, T>) -> Result<f64, MetricError> {
    let (n, d) = (rows.len(), rows.dim());
    if n == 0 {
        return Err(MetricError::TooFew { metric: METRIC, side: Side::Fake, needed: 1, got: 0 });
    }
    rows.check_finite()?;
    let unit = normalised(rows)?;
    let (size, gram) = if n < d {
        (n, product(Mat::new(&unit, n, d), Mat::new(&unit, n, d).t()))
    } else {
        (d, second_moments(Rows::new(&unit, d)?)?)
    };
    let scale = if n < d { 1.0 / n as f64 } else { 1.0 };
    let entropy: f64 = spectrum::eigenvalues(&gram, size)?
        .iter()
        .map(|value| value * scale)
        // p ln p tends to 0, and what is below 0 is the rounding of 0.
        .filter(|&p| p > 0.0)
        .map(|p| -p * p.ln())
        .sum();
    Ok(entropy.exp())
}

/// The rows divided by their norms. The largest number of a row is taken out first, so that no
/// square overflows or vanishes.
fn normalised<T: Real>(rows: Rows<'_, T>) -> Result<Vec<f64>, MetricError> {
    let mut unit = Vec::with_capacity(rows.values().len());
    for index in 0..rows.len() {
        let row = rows.row(index);
        let largest = row.iter().fold(0.0f64, |m, v| m.max(v.f64().abs()));
        if largest == 0.0 {
            return Err(MetricError::ZeroRow { metric: METRIC, row: index });
        }
        let norm = row.iter().map(|v| (v.f64() / largest).powi(2)).sum::<f64>().sqrt();
        unit.extend(row.iter().map(|v| v.f64() / largest / norm));
    }
    Ok(unit)
}

/// XᵀX/n from the mean and covariance, whose sums are parallel and of fixed order.
fn second_moments(unit: Rows<'_, f64>) -> Result<Vec<f64>, MetricError> {
    let statistics = Statistics::from_rows(unit)?;
    let (n, mean) = (unit.len() as f64, statistics.mean());
    let covariance = statistics.covariance().chunks_exact(mean.len()).zip(mean);
    let of_row = |(row, a): (&[f64], &f64)| -> Vec<f64> {
        row.iter().zip(mean).map(|(c, b)| c * ((n - 1.0) / n) + a * b).collect()
    };
    Ok(covariance.flat_map(of_row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn metric_value(values: &[f32], d: usize) -> Result<f64, MetricError> {
        vendi(Rows::new(values, d)?)
    }

    #[test]
    fn groups_at_right_angles_count_once_each() {
        // Eigenvalues of K/n: 1/2 and 1/2 for two groups of equal size, whatever the lengths of the
        // rows; 3/4 and 1/4 for three of a kind beside one.
        let two =
            metric_value(&[1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.5, 0.0], 3).unwrap();
        assert!((two - 2.0).abs() < 1e-12, "{two}");
        let uneven = metric_value(&[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0], 2).unwrap();
        let expected = (0.75 * (4f64 / 3.0).ln() + 0.25 * 4f64.ln()).exp();
        assert!((uneven - expected).abs() < 1e-12, "{uneven}");
    }

    #[test]
    fn copies_of_one_image_score_one_and_all_different_ones_their_number() {
        let same = metric_value(&[0.3, 0.4].repeat(20), 2).unwrap();
        assert!((same - 1.0).abs() < 1e-12, "{same}");
        let mut identity = vec![0.0; 5 * 9];
        (0..5).for_each(|i| identity[i * 9 + i] = 7.0);
        let all = metric_value(&identity, 9).unwrap();
        assert!((all - 5.0).abs() < 1e-12, "{all}");
    }

    #[test]
    fn values_of_the_golden_sets_are_numpys() {
        // More rows than dimensions, and fewer.
        for (name, set) in [("vendi", golden::FAKE), ("vendi_wide", golden::WIDE_FAKE)] {
            let got = metric_value(&golden::features(set), set.d).unwrap();
            let expected = golden::values(name)[0];
            assert!((got - expected).abs() < 1e-12 * expected, "{name} {got} {expected}");
        }
    }

    #[test]
    fn rows_without_direction_and_bad_numbers_are_refused() {
        let text = |r: Result<f64, MetricError>| r.unwrap_err().to_string();
        assert_eq!(text(metric_value(&[], 2)), "vendi needs at least 1 fake images, got 0");
        assert_eq!(
            text(metric_value(&[1.0, 0.0, 0.0, 0.0], 2)),
            "row 1 of the features is zero, but vendi compares directions; leave that image out"
        );
        assert_eq!(
            text(metric_value(&[1.0, f32::NAN], 2)),
            "row 0 of the features holds NaN, expected finite numbers only"
        );
    }
}
