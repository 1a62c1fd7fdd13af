//! Fréchet inception distance (FID).
//!
//! Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv:1706.08500, eq. 6:
//! |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½. Must agree with pytorch-fid 0.3.0 and torch-fidelity
//! 0.4.0 on the same features to 1e-6 relative where both sets have more samples than dimensions. With
//! fewer, theirs come out too small by the roots of rounding errors (below), and ours do not.
//!
//! Two forms of the trace, both exact in exact arithmetic:
//! - from statistics: Σ √λᵢ(Σ₁^½ Σ₂ Σ₁^½), a symmetric positive semidefinite matrix, so that no
//!   imaginary part has to be thrown away;
//! - from features, where both sets have fewer samples than dimensions: the sum of the singular values
//!   of X Yᵀ with X, Y the centred rows divided by √(n − 1). The first form then takes roots of
//!   eigenvalues that are rounding errors (1e-6 too high at 256 samples of 2048 dimensions).
//!
//! No epsilon is ever added. The distance of a set to itself is 0 up to rounding of the order of
//! 1e-10 · tr Σ, and may come out negative by as much; it is given as it is, since a clamped value
//! would hide what the rounding was.

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, Metric, MetricFamily, Needs, Score};
use crate::rows::Rows;
use crate::spectrum;
use crate::statistics::Statistics;

/// FID in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    metrics: &[Metric {
        name: "fid",
        higher_is_better: false,
        description: "Fréchet distance of Gaussians fitted to the features",
    }],
    needs: Needs { logits: false },
    compute,
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let (real, fake) = (input.real, input.fake.pool_rows());
    let few = real.n() < real.dim() && fake.len() < fake.dim();
    let value = match real.all_rows().filter(|_| few) {
        Some(real) => fid_of_few(FewSamples { real, fake })?,
        None => fid(FidInput { real: real.statistics(), fake: &Statistics::of(fake)? })?,
    };
    Ok(vec![Score { value, std: None, n_real: real.n(), n_fake: fake.len() }])
}

/// The two fitted Gaussians.
#[derive(Clone, Copy, Debug)]
pub struct FidInput<'a> {
    pub real: &'a Statistics,
    pub fake: &'a Statistics,
}

/// FID from statistics: squared units of the features, ≥ 0 up to rounding, symmetric in its arguments.
///
/// # Errors
/// If either side is known to have fewer than 2 samples, the dimensions differ, or a covariance has an eigenvalue
/// below −1e-6 of its largest (which no data gives).
pub fn fid(input: FidInput<'_>) -> Result<f64, MetricError> {
    let FidInput { real, fake } = input;
    check_counts(Counts { real: real.n(), fake: fake.n() })?;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    let d = real.dim();
    let shift: f64 = real.mean().iter().zip(fake.mean()).map(|(a, b)| (a - b) * (a - b)).sum();
    let root = square_root(real.covariance(), d)?;
    let inner = product(&product(&root, fake.covariance(), d), &root, d);
    let trace_root: f64 = checked(spectrum::eigenvalues(&symmetrised(inner, d), d)?)?
        .iter()
        .map(|&eigenvalue| eigenvalue.max(0.0).sqrt())
        .sum();
    Ok(shift + real.trace() + fake.trace() - 2.0 * trace_root)
}

/// The features themselves, for sets smaller than their dimension.
#[derive(Clone, Copy, Debug)]
pub struct FewSamples<'a, T> {
    pub real: Rows<'a, T>,
    pub fake: Rows<'a, T>,
}

/// FID by the singular values of the cross product. Costs n_real · n_fake · d, so it is meant for
/// fewer samples than dimensions, but is exact for any number.
///
/// # Errors
/// If either side has fewer than 2 samples, the dimensions differ, or a number is not finite.
pub fn fid_of_few<T: Real>(input: FewSamples<'_, T>) -> Result<f64, MetricError> {
    let FewSamples { real, fake } = input;
    check_counts(Counts { real: Some(real.len()), fake: Some(fake.len()) })?;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    real.check_finite()?;
    fake.check_finite()?;
    let (mean_real, x) = real.centred();
    let (mean_fake, y) = fake.centred();
    let (n_real, n_fake, d) = (real.len(), fake.len(), real.dim());
    let shift: f64 = mean_real.iter().zip(&mean_fake).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace =
        |centred: &[f64], n: usize| centred.iter().map(|v| v * v).sum::<f64>() / (n as f64 - 1.0);
    let cross = tiled(Mat::new(&x, n_real, d), Mat::new(&y, n_fake, d).t());
    let scale = ((n_real as f64 - 1.0) * (n_fake as f64 - 1.0)).sqrt();
    let trace_root = spectrum::nuclear_norm(&cross, n_real, n_fake)? / scale;
    Ok(shift + trace(&x, n_real) + trace(&y, n_fake) - 2.0 * trace_root)
}

/// Numbers of samples, where known.
#[derive(Clone, Copy)]
struct Counts {
    real: Option<usize>,
    fake: Option<usize>,
}

/// Statistics of an unknown number of samples pass: their covariance has been divided by n − 1 already.
fn check_counts(counts: Counts) -> Result<(), MetricError> {
    for (side, got) in [(Side::Real, counts.real), (Side::Fake, counts.fake)] {
        if let Some(got) = got.filter(|&got| got < 2) {
            return Err(MetricError::TooFew { metric: "fid", side, needed: 2, got });
        }
    }
    Ok(())
}

/// Refuses a spectrum that is negative beyond rounding.
fn checked(eigenvalues: Vec<f64>) -> Result<Vec<f64>, MetricError> {
    let (Some(&smallest), Some(&largest)) = (eigenvalues.first(), eigenvalues.last()) else {
        return Ok(eigenvalues);
    };
    if smallest < -1e-6 * largest.max(0.0) {
        let dim = eigenvalues.len();
        return Err(MetricError::NotPositive { dim, eigenvalue: smallest, largest });
    }
    Ok(eigenvalues)
}

/// The symmetric root of a covariance: V √Λ Vᵀ.
fn square_root(covariance: &[f64], d: usize) -> Result<Vec<f64>, MetricError> {
    let (values, vectors) = spectrum::eigenvectors(covariance, d)?;
    let roots: Vec<f64> = checked(values)?.iter().map(|v| v.max(0.0).sqrt()).collect();
    let scaled: Vec<f64> = vectors
        .chunks_exact(d)
        .flat_map(|row| row.iter().zip(&roots).map(|(v, r)| v * r))
        .collect();
    Ok(tiled(Mat::new(&scaled, d, d), Mat::new(&vectors, d, d).t()))
}

fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    tiled(Mat::new(a, d, d), Mat::new(b, d, d))
}

fn symmetrised(mut a: Vec<f64>, d: usize) -> Vec<f64> {
    for i in 0..d {
        for j in 0..i {
            let middle = (a[i * d + j] + a[j * d + i]) / 2.0;
            a[i * d + j] = middle;
            a[j * d + i] = middle;
        }
    }
    a
}

/// `a · b` by blocks of rows of a fixed size, spread over the threads.
fn tiled(a: Mat<'_, f64>, b: Mat<'_, f64>) -> Vec<f64> {
    const ROWS: usize = 256;
    let mut out = vec![0.0; a.rows * b.cols];
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(ROWS * b.cols).enumerate().for_each(|(block, out)| {
        let rows =
            Mat { data: &a.data[block * ROWS * a.row_stride..], rows: out.len() / b.cols, ..a };
        matmul(out, rows, b, false);
    });
    out
}

#[cfg(test)]
#[path = "fid_tests.rs"]
mod tests;
