//! Eigenvalues and singular values of f64 matrices, by `faer`.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::{evd, svd, triangular_solve};
use faer::{Auto, Mat, MatMut, MatRef, Par, Spec};

use crate::error::MetricError;

/// The solvers cut their work into this many parts whatever the number of threads, so that their
/// rounding does not depend on the machine's.
fn par() -> Par {
    Par::rayon(PARTS)
}
const PARTS: usize = 4;

fn default<P: Auto<f64>>() -> Spec<P, f64> {
    Spec::default()
}

/// Eigenvalues in rising order of a symmetric row-major `[d, d]` matrix, of which the diagonal and
/// what is above it are read. Nothing is spent on vectors.
pub(crate) fn eigenvalues(symmetric: &[f64], d: usize) -> Result<Vec<f64>, MetricError> {
    let a = MatRef::from_column_major_slice(symmetric, d, d);
    let mut values = faer::diag::Diag::<f64>::zeros(d);
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(d, evd::ComputeEigenvectors::No, par(), default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    evd::self_adjoint_evd(a, values.as_mut(), None, par(), stack, default())
        .map_err(|_| MetricError::NoConvergence { rows: d, columns: d })?;
    Ok(values.column_vector().iter().copied().collect())
}

/// Eigenvalues in rising order and the eigenvectors one after another, `[d, d]`.
pub(crate) fn eigenvectors(
    symmetric: &[f64],
    d: usize,
) -> Result<(Vec<f64>, Vec<f64>), MetricError> {
    let a = MatRef::from_row_major_slice(symmetric, d, d);
    let mut values = faer::diag::Diag::<f64>::zeros(d);
    let mut vectors = Mat::<f64>::zeros(d, d);
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(d, evd::ComputeEigenvectors::Yes, par(), default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    evd::self_adjoint_evd(a, values.as_mut(), Some(vectors.as_mut()), par(), stack, default())
        .map_err(|_| MetricError::NoConvergence { rows: d, columns: d })?;
    let vectors = vectors.col_iter().flat_map(|column| column.iter().copied()).collect();
    Ok((values.column_vector().iter().copied().collect(), vectors))
}

/// L of a symmetric positive definite `[d, d]` matrix L Lᵀ, by columns, with zeros above the
/// diagonal. `None` where a pivot is not above rounding: d·2⁻⁵² of the largest diagonal entry.
pub(crate) fn cholesky(symmetric: &[f64], d: usize) -> Option<Vec<f64>> {
    let largest = symmetric.iter().step_by(d + 1).fold(0.0f64, |m, &v| m.max(v));
    let mut columns = symmetric.to_vec();
    let l = MatMut::from_column_major_slice_mut(&mut columns, d, d);
    let scratch = llt::factor::cholesky_in_place_scratch::<f64>(d, par(), default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    llt::factor::cholesky_in_place(l, Default::default(), par(), stack, default()).ok()?;
    let rounding = d as f64 * f64::EPSILON * largest;
    // The negation also refuses NaN.
    if !columns.iter().step_by(d + 1).all(|pivot| pivot * pivot > rounding) {
        return None;
    }
    columns.chunks_exact_mut(d).enumerate().for_each(|(j, column)| column[..j].fill(0.0));
    Some(columns)
}

/// L⁻¹ of each of `[n, d]` rows, in place, with L of [`cholesky`].
pub(crate) fn solve_lower(lower: &[f64], rows: &mut [f64], d: usize) {
    let l = MatRef::from_column_major_slice(lower, d, d);
    let n = rows.len() / d;
    let right = MatMut::from_column_major_slice_mut(rows, d, n);
    triangular_solve::solve_lower_triangular_in_place(l, right, par());
}

/// Sum of the singular values of a row-major `[rows, columns]` matrix.
pub(crate) fn nuclear_norm(
    matrix: &[f64],
    rows: usize,
    columns: usize,
) -> Result<f64, MetricError> {
    let a = MatRef::from_row_major_slice(matrix, rows, columns);
    let mut values = faer::diag::Diag::<f64>::zeros(rows.min(columns));
    let no = svd::ComputeSvdVectors::No;
    let scratch = svd::svd_scratch::<f64>(rows, columns, no, no, par(), default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    svd::svd(a, values.as_mut(), None, None, par(), stack, default())
        .map_err(|_| MetricError::NoConvergence { rows, columns })?;
    // Added from the smallest, so that the small ones count.
    Ok(values.column_vector().iter().rev().sum())
}
