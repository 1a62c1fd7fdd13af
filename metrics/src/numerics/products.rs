//! Products of f64 matrices spread over the threads, in pieces of a fixed size: the bits do not
//! depend on the number of threads.

use std::ops::Range;

use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

const TILE: usize = 256;

/// `a · b`, row-major.
pub(crate) fn product(a: Mat<'_, f64>, b: Mat<'_, f64>) -> Vec<f64> {
    let mut out = vec![0.0; a.rows * b.cols];
    if out.is_empty() {
        return out;
    }
    out.par_chunks_mut(TILE * b.cols).enumerate().for_each(|(block, out)| {
        let rows =
            Mat { data: &a.data[block * TILE * a.row_stride..], rows: out.len() / b.cols, ..a };
        matmul(out, rows, b, false);
    });
    out
}

/// A factor R of a covariance R Rᵀ.
#[derive(Debug)]
pub(crate) struct Factor {
    /// `[d, d]` by columns.
    pub(crate) columns: Vec<f64>,
    /// Whether all above the diagonal is 0, which saves two thirds of the work.
    pub(crate) lower: bool,
}

impl Factor {
    fn window(&self, d: usize, first_row: usize, columns: Range<usize>) -> Mat<'_, f64> {
        Mat {
            data: &self.columns[columns.start * d + first_row..],
            rows: d - first_row,
            cols: columns.len(),
            row_stride: 1,
            col_stride: d,
        }
    }

    /// The first row of a column that may hold anything but 0.
    fn begin(&self, column: usize) -> usize {
        if self.lower { column } else { 0 }
    }
}

/// Rᵀ A R for a symmetric A, `[d, d]` row-major, of which only the diagonal and what is above it
/// are computed: zeros stand below the diagonal's tiles.
pub(crate) fn congruence(factor: &Factor, symmetric: &[f64], d: usize) -> Vec<f64> {
    // A R by panels of columns, each [d, columns].
    let mut panels: Vec<(Range<usize>, Vec<f64>)> = (0..d)
        .step_by(TILE)
        .map(|first| first..d.min(first + TILE))
        .map(|columns| (columns.clone(), vec![0.0; d * columns.len()]))
        .collect();
    let pieces = panels.iter_mut().flat_map(|(columns, panel)| {
        let pieces = panel.chunks_mut(TILE * columns.len()).enumerate();
        pieces.map(|(block, piece)| (columns.clone(), block * TILE, piece))
    });
    pieces.collect::<Vec<_>>().into_par_iter().for_each(|(columns, row, piece)| {
        let first = factor.begin(columns.start);
        let a = Mat {
            data: &symmetric[row * d + first..],
            rows: piece.len() / columns.len(),
            cols: d - first,
            row_stride: d,
            col_stride: 1,
        };
        matmul(piece, a, factor.window(d, first, columns), false);
    });
    let mut out = vec![0.0; d * d];
    out.par_chunks_mut(TILE * d).zip(&panels).for_each(|(out, (rows, panel))| {
        let mut tile = Vec::new();
        for (columns, _) in panels.iter().filter(|(columns, _)| columns.start >= rows.start) {
            let first = factor.begin(columns.start);
            let a = Mat::new(&panel[first * rows.len()..], d - first, rows.len()).t();
            tile.resize(rows.len() * columns.len(), 0.0);
            matmul(&mut tile, a, factor.window(d, first, columns.clone()), false);
            for (out, tile) in out.chunks_exact_mut(d).zip(tile.chunks_exact(columns.len())) {
                out[columns.clone()].copy_from_slice(tile);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::rng::Stream;

    #[test]
    fn a_congruence_is_two_plain_products() {
        let d = 300;
        let numbers = |purpose| -> Vec<f64> {
            Stream::new(0, purpose).normal(d * d).into_iter().map(f64::from).collect()
        };
        let (mut r, mut a) = (numbers("r"), numbers("a"));
        for i in 0..d {
            for j in 0..i {
                a[j * d + i] = a[i * d + j];
            }
        }
        for lower in [false, true] {
            if lower {
                // By columns: what precedes the diagonal in column i.
                (0..d).for_each(|i| r[i * d..i * d + i].fill(0.0));
            }
            let columns = Mat::new(&r, d, d).t();
            let half = product(Mat::new(&a, d, d), columns);
            let whole = product(columns.t(), Mat::new(&half, d, d));
            let got = congruence(&Factor { columns: r.clone(), lower }, &a, d);
            for i in 0..d {
                for j in i..d {
                    let gap = (got[i * d + j] - whole[i * d + j]).abs();
                    // Sums of 300² products of size 1 in another order.
                    assert!(gap < 1e-10, "{lower} {i} {j} {gap}");
                }
            }
        }
    }
}
