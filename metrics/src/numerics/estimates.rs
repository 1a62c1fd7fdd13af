//! Squared distances of all pairs of rows as |x|² + |y|² − 2x·y in f32, with a bound on their
//! errors.

use std::ops::Range;

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::packed::{PackedRows, RowProducts};
use rayon::prelude::*;

use super::rows::Rows;

/// Rows and columns of a tile of products: with the rows' part of a block of steps it stays in a
/// second-level cache of 1 MiB.
pub(crate) const TILE: usize = 256;

/// Far below any squared norm that matters at the scale of [`Scaled`], far above what underflow
/// loses.
pub(crate) const UNDERFLOW: f32 = 1e-30;

/// The squared distance that decides, in f64 from the features as given. Eight partial sums in a
/// fixed order.
pub(crate) fn squared_distance<T: Real>(a: &[T], b: &[T]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            let gap = a.f64() - b.f64();
            *lane += gap * gap;
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        let gap = a.f64() - b.f64();
        *lane += gap * gap;
    }
    lanes.iter().sum()
}

/// Where the f32 copies are centred and how they are scaled: shared by all sets that are compared.
pub(crate) struct Frame {
    centre: Vec<f64>,
    /// A power of two that brings the largest centred number to 0.5..1, so that squares neither
    /// overflow nor underflow in f32.
    scale: f64,
}

impl Frame {
    /// Centred at the mean of the first set.
    pub(crate) fn around<'a, T: Real>(sets: &[Rows<'a, T>]) -> Self {
        const PIECE: usize = 256;
        let dim = sets.first().map_or(0, Rows::dim);
        let pieces = |set: &Rows<'a, T>| set.values().par_chunks(PIECE * dim.max(1));
        let mut centre = vec![0.0; dim];
        if let Some(first) = sets.first().filter(|s| !s.is_empty()) {
            let sum = |piece: &[T]| {
                let mut sum = vec![0.0; dim];
                for row in piece.chunks_exact(dim) {
                    sum.iter_mut().zip(row).for_each(|(s, v)| *s += v.f64());
                }
                sum
            };
            let sums: Vec<Vec<f64>> = pieces(first).map(sum).collect();
            for sum in sums {
                centre.iter_mut().zip(sum).for_each(|(c, s)| *c += s);
            }
            centre.iter_mut().for_each(|c| *c /= first.len() as f64);
        }
        let largest_of = |piece: &[T]| {
            let rows = piece.chunks_exact(dim);
            rows.flat_map(|row| row.iter().zip(&centre).map(|(v, c)| (v.f64() - c).abs()))
                .fold(0.0f64, f64::max)
        };
        let largest = sets
            .iter()
            .map(|set| pieces(set).map(largest_of).reduce(|| 0.0, f64::max))
            .fold(0.0f64, f64::max);
        let exponent = if largest > 0.0 { largest.log2().floor() as i32 + 1 } else { 0 };
        Self { centre, scale: 2f64.powi(exponent.saturating_neg()) }
    }

    /// A squared distance in the units of the f32 copies.
    pub(crate) fn squared(&self, distance: f64) -> f64 {
        distance * self.scale * self.scale
    }
}

/// The f32 copy of a set in a [`Frame`], packed for products.
pub(crate) struct Scaled {
    pub(crate) packed: PackedRows,
    /// Squared norms.
    pub(crate) norms: Vec<f32>,
    dim: usize,
}

impl Scaled {
    pub(crate) fn new<T: Real>(rows: Rows<'_, T>, frame: &Frame) -> Self {
        let dim = rows.dim();
        let scaled = |row: usize, columns: Range<usize>, out: &mut [f32]| {
            let numbers = rows.row(row)[columns.clone()].iter().zip(&frame.centre[columns]);
            for (o, (v, c)) in out.iter_mut().zip(numbers) {
                *o = ((v.f64() - c) * frame.scale) as f32;
            }
        };
        let packed = PackedRows::new(rows.len(), dim, scaled);
        let norm = |copy: &mut Vec<f32>, row: usize| {
            copy.resize(dim, 0.0);
            scaled(row, 0..dim, copy);
            squared_norm(copy)
        };
        let norms = (0..rows.len()).into_par_iter().map_init(Vec::new, norm).collect();
        Self { packed, norms, dim }
    }

    /// Relative error bound of an estimate, to be multiplied by |x|² + |y|²: an inner product of
    /// `dim` terms errs by at most dim·u·|x||y| in whatever order it is summed (Higham 2002,
    /// "Accuracy and Stability of Numerical Algorithms", section 3.1), u = 2⁻²⁴; 2|x||y| ≤ |x|² +
    /// |y|²; the rounding of the copies, the norms and the last additions is below 16u together; a
    /// tenth is added for the terms of second order.
    pub(crate) fn error(&self) -> f32 {
        (self.dim as f32 + 16.0) * (0.5 * f32::EPSILON) * 1.1
    }
}

/// |x|², summed in f64.
fn squared_norm(x: &[f32]) -> f32 {
    let mut lanes = [0.0f64; 8];
    let (eights, rest) = x.as_chunks::<8>();
    for eight in eights {
        lanes.iter_mut().zip(eight).for_each(|(l, v)| *l += f64::from(*v) * f64::from(*v));
    }
    let rest: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
    (lanes.iter().sum::<f64>() + rest) as f32
}

/// Calls `visit(row in tile, its products)` for each row of a tile.
pub(crate) fn for_each_product(
    tile: RowProducts<'_>,
    products: &mut Vec<f32>,
    mut visit: impl FnMut(usize, &[f32]),
) {
    let stride = tile.compute(products);
    for (r, products) in products.chunks_exact(stride).enumerate() {
        visit(r, &products[..tile.columns.len()]);
    }
}

/// The products of one row with others.
pub(crate) struct RowEstimates<'a> {
    pub(crate) products: &'a [f32],
    /// |x|²
    pub(crate) norm: f32,
    /// |y|² of the others.
    pub(crate) norms: &'a [f32],
    /// [`Scaled::error`]
    pub(crate) error: f32,
}

impl RowEstimates<'_> {
    pub(crate) fn lower(&self, c: usize) -> f32 {
        let sum = self.norm + self.norms[c];
        sum * (1.0 - self.error) - 2.0 * self.products[c] - UNDERFLOW
    }

    pub(crate) fn upper(&self, c: usize) -> f32 {
        let sum = self.norm + self.norms[c];
        sum * (1.0 + self.error) - 2.0 * self.products[c] + UNDERFLOW
    }

    /// Calls `visit` for whoever may be nearer than `limit` or than their own of `limits`, and for
    /// whoever's estimate overflowed to NaN; also for a few of their neighbours.
    pub(crate) fn for_each_open(&self, limit: f32, limits: &[f32], mut visit: impl FnMut(usize)) {
        const LANES: usize = 32;
        let (scale, n) = (1.0 - self.error, self.products.len());
        let (products, _) = self.products.as_chunks::<LANES>();
        let (norms, _) = self.norms[..n].as_chunks::<LANES>();
        let (limits, _) = limits[..n].as_chunks::<LANES>();
        for (chunk, (p, (norms, limits))) in
            products.iter().zip(norms.iter().zip(limits)).enumerate()
        {
            let mut open = false;
            for ((p, norm), own) in p.iter().zip(norms).zip(limits) {
                let lower = (self.norm + norm) * scale - 2.0 * p - UNDERFLOW;
                let limit = if limit > *own { limit } else { *own };
                // Open, too, where either is NaN.
                #[allow(clippy::neg_cmp_op_on_partial_ord)]
                let below = !(lower >= limit);
                open |= below;
            }
            if open {
                (chunk * LANES..(chunk + 1) * LANES).for_each(&mut visit);
            }
        }
        (n - n % LANES..n).for_each(visit);
    }
}
