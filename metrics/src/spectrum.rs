//! Eigenvalues and singular values of f64 matrices, by `faer`.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{evd, svd};
use faer::{Auto, Mat, MatRef, Par, Spec};

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

/// Eigenvalues in rising order of a symmetric row-major `[d, d]` matrix, of which the lower triangle
/// is read.
pub(crate) fn eigenvalues(symmetric: &[f64], d: usize) -> Result<Vec<f64>, MetricError> {
    let a = MatRef::from_row_major_slice(symmetric, d, d);
    let mut values = faer::diag::Diag::<f64>::zeros(d);
    let scratch =
        evd::self_adjoint_evd_scratch::<f64>(d, evd::ComputeEigenvectors::No, par(), default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    evd::self_adjoint_evd(a, values.as_mut(), None, par(), stack, default())
        .map_err(|_| MetricError::NoConvergence { rows: d, columns: d })?;
    Ok(values.column_vector().iter().copied().collect())
}

/// Eigenvalues in rising order and the matrix of eigenvectors, row-major `[d, d]` with vector `j` in
/// column `j`.
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
    let row_major = (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
    let row_major = row_major.map(|(i, j)| vectors[(i, j)]).collect();
    Ok((values.column_vector().iter().copied().collect(), row_major))
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
