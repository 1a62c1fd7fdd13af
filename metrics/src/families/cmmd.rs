//! CMMD: maximum mean discrepancy with a Gaussian kernel, meant for CLIP features.
//!
//! Jayasumana et al. 2024, "Rethinking FID: Towards a Better Evaluation Metric for Image
//! Generation", arXiv:2401.09603: the biased estimate with σ = 10, times 1000, on the unit-length
//! embeddings of CLIP ViT-L/14 at 336 pixels (the extractor `clip-vitl14-336`). Must agree with its
//! definition in f64 to 1e-9 relative of the kernel's means; the published code (`distance.py` of
//! google-research and cmmd-pytorch) sums in f32, and its fourth digit is noise.
//!
//! Defined on any features, but with others the number compares with nothing that was published.

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use crate::card::{ImageCounts, LeastImages, Metric, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::rows::Rows;

const METRIC: &str = "cmmd";
const SIGMA: f64 = 10.0;
const SCALE: f64 = 1000.0;
const TILE: usize = 256;

/// CMMD in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "CMMD",
        higher_is_better: false,
        decimals: 3,
        scale: Scale::Ratio,
        range: ValueRange::NOT_NEGATIVE,
        axis: ValueAxis::Log,
        column: 40,
        is_detail: false,
        least_images: LeastImages::Fixed(ImageCounts { real: 1, fake: 1 }),
        fields: &[],
        description: "maximum mean discrepancy with a Gaussian kernel, for clip-vitl14-336",
    }],
    by_default: false,
    needs: Needs::ALL_ROWS,
    compute,
    resample: None,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let real = input.real.require_all_rows()?;
    let fake = input.fake.pool_rows();
    let value = cmmd(CmmdInput { real, fake })?;
    Ok(vec![Score { value, std: None, n_real: real.len(), n_fake: fake.len() }])
}

/// The two sets.
#[derive(Clone, Copy, Debug)]
pub struct CmmdInput<'a, T> {
    /// `[n_real, d]`
    pub real: Rows<'a, T>,
    /// `[n_fake, d]`
    pub fake: Rows<'a, T>,
}

/// CMMD of features `[n_real, d]` and `[n_fake, d]`, ≥ 0 up to rounding.
///
/// # Errors
/// If a side is empty, the dimensions differ, or a number is not finite.
pub fn cmmd<T: Real>(input: CmmdInput<'_, T>) -> Result<f64, MetricError> {
    let CmmdInput { real, fake } = input;
    for (side, rows) in [(Side::Real, real), (Side::Fake, fake)] {
        if rows.is_empty() {
            return Err(MetricError::TooFew { metric: METRIC, side, needed: 1, got: 0 });
        }
        rows.check_finite()?;
    }
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    let (x, y) = (Wide::from_rows(real), Wide::from_rows(fake));
    Ok(SCALE * (x.mean_kernel(&x) + y.mean_kernel(&y) - 2.0 * x.mean_kernel(&y)))
}

/// Rows in f64 with their squared norms.
struct Wide {
    values: Vec<f64>,
    norms: Vec<f64>,
    dim: usize,
}

impl Wide {
    fn from_rows<T: Real>(rows: Rows<'_, T>) -> Self {
        let values: Vec<f64> = rows.values().iter().map(|v| v.f64()).collect();
        let squares = |row: &[f64]| row.iter().map(|v| v * v).sum();
        let norms = values.chunks_exact(rows.dim()).map(squares).collect();
        Self { values, norms, dim: rows.dim() }
    }

    /// Mean of exp(−|x − y|²/2σ²) over all pairs. Kernel minus 1 is summed, so that no digits are
    /// lost where all kernels are near 1.
    fn mean_kernel(&self, other: &Self) -> f64 {
        let (n, m, d) = (self.norms.len(), other.norms.len(), self.dim);
        let sums: Vec<f64> = (0..n.div_ceil(TILE))
            .into_par_iter()
            .map_init(Vec::new, |products, tile| {
                let first = tile * TILE;
                let rows = TILE.min(n - first);
                let mut sum = 0.0;
                for column in (0..m).step_by(TILE) {
                    let columns = TILE.min(m - column);
                    products.resize(rows * columns, 0.0);
                    let a = Mat::new(&self.values[first * d..], rows, d);
                    let b = Mat::new(&other.values[column * d..], columns, d);
                    matmul(products, a, b.t(), false);
                    for (products, x) in products.chunks_exact(columns).zip(&self.norms[first..]) {
                        for (product, y) in products.iter().zip(&other.norms[column..]) {
                            let squared = (x + y - 2.0 * product).max(0.0);
                            sum += (-squared / (2.0 * SIGMA * SIGMA)).exp_m1();
                        }
                    }
                }
                sum
            })
            .collect();
        1.0 + sums.iter().sum::<f64>() / (n as f64 * m as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    fn metric_value(real: &[f64], fake: &[f64], d: usize) -> Result<f64, MetricError> {
        cmmd(CmmdInput { real: Rows::new(real, d)?, fake: Rows::new(fake, d)? })
    }

    #[test]
    fn two_points_at_a_distance_agree_with_paper() {
        // 1 + 1 − 2 exp(−2/200), and nothing between equal sets.
        let value = metric_value(&[1.0, 0.0], &[0.0, 1.0], 2).unwrap();
        assert!((value - 2000.0 * (1.0 - (-0.01f64).exp())).abs() < 1e-9, "{value}");
        assert!(metric_value(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 1).unwrap().abs() < 1e-12);
    }

    #[test]
    fn sets_larger_than_a_tile_agree_with_the_definition_pair_by_pair() {
        let (real, fake) = (golden::features(golden::REAL), golden::features(golden::FAKE));
        let d = golden::REAL.d;
        let mean = |a: &[f32], b: &[f32]| {
            let mut sum = 0.0;
            for x in a.chunks_exact(d) {
                for y in b.chunks_exact(d) {
                    let gap = |(x, y): (&f32, &f32)| (f64::from(*x) - f64::from(*y)).powi(2);
                    sum += (-x.iter().zip(y).map(gap).sum::<f64>() / 200.0).exp();
                }
            }
            sum / ((a.len() / d) as f64 * (b.len() / d) as f64)
        };
        let exact = 1000.0 * (mean(&real, &real) + mean(&fake, &fake) - 2.0 * mean(&real, &fake));
        let input =
            CmmdInput { real: Rows::new(&real, d).unwrap(), fake: Rows::new(&fake, d).unwrap() };
        let value = cmmd(input).unwrap();
        assert!((value - exact).abs() < 1e-8, "{value} {exact}");
    }

    #[test]
    fn bad_sets_are_refused() {
        let text = |r: Result<f64, MetricError>| r.unwrap_err().to_string();
        assert_eq!(text(metric_value(&[], &[1.0], 1)), "cmmd needs at least 1 real images, got 0");
        assert_eq!(
            text(metric_value(&[1.0], &[f64::NAN], 1)),
            "row 0 of the features holds NaN, expected finite numbers only"
        );
    }
}
