//! Exact nearest-neighbour decisions at the price of f32 matrix products.
//!
//! All pairs of a tile are estimated as |x|² + |y|² − 2x·y in f32, with a bound on the estimate's error;
//! only where the bound leaves the decision open is the squared distance computed in f64 from the
//! features as given. The results are those of f64 throughout, for any number of threads, and memory
//! is one copy of the features in f32 plus a tile a thread.

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use crate::rows::Rows;

pub(crate) const TILE_ROWS: usize = 256;
const TILE_COLUMNS: usize = 1024;

/// Far below any squared norm that matters at the scale of [`Scaled`], far above what underflow loses.
pub(crate) const UNDERFLOW: f32 = 1e-30;

/// The squared distance that decides, in f64 from the features as given. Eight partial sums in a fixed
/// order.
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
    pub(crate) fn of<T: Real>(sets: &[Rows<'_, T>]) -> Self {
        let dim = sets.first().map_or(0, Rows::dim);
        let mut centre = vec![0.0; dim];
        if let Some(first) = sets.first().filter(|s| !s.is_empty()) {
            for row in first.values().chunks_exact(dim) {
                centre.iter_mut().zip(row).for_each(|(c, v)| *c += v.f64());
            }
            centre.iter_mut().for_each(|c| *c /= first.len() as f64);
        }
        let rows = || sets.iter().flat_map(|set| set.values().chunks_exact(dim.max(1)));
        let largest = rows()
            .flat_map(|row| row.iter().zip(&centre).map(|(v, c)| (v.f64() - c).abs()))
            .fold(0.0f64, f64::max);
        let exponent = if largest > 0.0 { largest.log2().floor() as i32 + 1 } else { 0 };
        Self { centre, scale: 2f64.powi(exponent.saturating_neg()) }
    }

    /// A squared distance in the units of the f32 copies.
    pub(crate) fn squared(&self, distance: f64) -> f64 {
        distance * self.scale * self.scale
    }
}

/// The f32 copy of a set in a [`Frame`].
pub(crate) struct Scaled {
    values: Vec<f32>,
    /// Squared norms.
    pub(crate) norms: Vec<f32>,
    dim: usize,
}

impl Scaled {
    pub(crate) fn new<T: Real>(rows: Rows<'_, T>, frame: &Frame) -> Self {
        let dim = rows.dim();
        let mut values = vec![0f32; rows.values().len()];
        let mut norms = vec![0f32; rows.len()];
        let work = values.par_chunks_mut(dim).zip(norms.par_iter_mut()).enumerate();
        work.for_each(|(i, (out, norm))| {
            let mut sum = 0.0f64;
            for ((o, v), c) in out.iter_mut().zip(rows.row(i)).zip(&frame.centre) {
                *o = ((v.f64() - c) * frame.scale) as f32;
                sum += f64::from(*o) * f64::from(*o);
            }
            *norm = sum as f32;
        });
        Self { values, norms, dim }
    }

    fn len(&self) -> usize {
        self.norms.len()
    }

    fn block(&self, first: usize, rows: usize) -> Mat<'_, f32> {
        Mat::new(&self.values[first * self.dim..(first + rows) * self.dim], rows, self.dim)
    }

    /// Relative error bound of an estimate, to be multiplied by |x|² + |y|²: an inner product of `dim`
    /// terms errs by at most dim·u·|x||y| in whatever order it is summed (Higham 2002, "Accuracy and
    /// Stability of Numerical Algorithms", section 3.1), u = 2⁻²⁴; 2|x||y| ≤ |x|² + |y|²; the
    /// rounding of the copies, the norms and the last additions is below 16u together; a tenth is
    /// added for the terms of second order.
    pub(crate) fn error(&self) -> f32 {
        (self.dim as f32 + 16.0) * (0.5 * f32::EPSILON) * 1.1
    }
}

/// Calls `visit(row in tile, column, x·y)` for all rows `first..first + rows` of `a` against all of `b`.
pub(crate) fn for_each_product(
    a: &Scaled,
    b: &Scaled,
    first: usize,
    rows: usize,
    products: &mut Vec<f32>,
    mut visit: impl FnMut(usize, usize, &[f32]),
) {
    for column in (0..b.len()).step_by(TILE_COLUMNS) {
        let columns = TILE_COLUMNS.min(b.len() - column);
        products.resize(rows * columns, 0.0);
        matmul(products, a.block(first, rows), b.block(column, columns).t(), false);
        for (r, products) in products.chunks_exact(columns).take(rows).enumerate() {
            visit(r, column, products);
        }
    }
}

/// The `k` smallest upper bounds met so far for one row, and whoever may be among the `k` nearest.
struct Nearest {
    k: usize,
    upper: Vec<f32>,
    /// The `k`-th smallest upper bound: nobody whose lower bound exceeds it can matter.
    reach: f32,
    candidates: Vec<(f32, u32)>,
    prune_at: usize,
}

impl Nearest {
    fn new(k: usize) -> Self {
        let candidates = Vec::new();
        Self { k, upper: Vec::with_capacity(k + 1), reach: f32::INFINITY, candidates, prune_at: 64 }
    }

    fn meet(&mut self, lower: f32, upper: f32, column: usize) {
        self.candidates.push((lower, column as u32));
        // NaN (an overflow) bounds nothing.
        let upper = if upper.is_nan() { f32::INFINITY } else { upper };
        let place = self.upper.partition_point(|&u| u <= upper);
        self.upper.insert(place, upper);
        self.upper.truncate(self.k);
        if self.upper.len() == self.k {
            self.reach = self.upper[self.k - 1];
        }
        if self.candidates.len() >= self.prune_at {
            self.prune();
            self.prune_at = (2 * self.candidates.len()).max(64);
        }
    }

    fn prune(&mut self) {
        let reach = self.reach;
        // Equality stays: the k smallest themselves may have no slack between their bounds.
        self.candidates.retain(|(lower, _)| lower.is_nan() || *lower <= reach);
    }
}

/// For the rows `first..first + rows` of `queries`, whoever in `points` may be among the `k` nearest. Where
/// the two are the same set, no row is its own neighbour.
fn candidates(
    sides: &Sides<'_>,
    k: usize,
    first: usize,
    rows: usize,
    products: &mut Vec<f32>,
) -> Vec<Nearest> {
    let Sides { queries, points, same } = *sides;
    let error = queries.error();
    let mut nearest: Vec<Nearest> = (0..rows).map(|_| Nearest::new(k)).collect();
    for_each_product(queries, points, first, rows, products, |r, column, products| {
        let norm = queries.norms[first + r];
        let nearest = &mut nearest[r];
        for (c, (product, other)) in products.iter().zip(&points.norms[column..]).enumerate() {
            let sum = norm + other;
            let lower = sum * (1.0 - error) - 2.0 * product - UNDERFLOW;
            // Also false where the estimate overflowed to NaN. A tie that is dropped has the larger index.
            if lower >= nearest.reach || (same && column + c == first + r) {
                continue;
            }
            let upper = sum * (1.0 + error) - 2.0 * product + UNDERFLOW;
            nearest.meet(lower, upper, column + c);
        }
    });
    nearest.iter_mut().for_each(Nearest::prune);
    nearest
}

/// Who is looked for among whom.
#[derive(Clone, Copy)]
struct Sides<'a> {
    queries: &'a Scaled,
    points: &'a Scaled,
    same: bool,
}

/// Squared distance of every row to its `k`-th nearest other row.
///
/// Callers guarantee 1 ≤ k < number of rows ≤ 2³² and finite numbers.
pub(crate) fn squared_radii<T: Real>(rows: Rows<'_, T>, k: usize) -> Vec<f64> {
    let scaled = Scaled::new(rows, &Frame::of(&[rows]));
    let sides = Sides { queries: &scaled, points: &scaled, same: true };
    let mut radii = vec![0.0; rows.len()];
    radii.par_chunks_mut(TILE_ROWS).enumerate().for_each_init(
        Vec::new,
        |products, (tile, radii)| {
            let first = tile * TILE_ROWS;
            let found = candidates(&sides, k, first, radii.len(), products);
            for (r, (radius, nearest)) in radii.iter_mut().zip(found).enumerate() {
                let x = rows.row(first + r);
                let candidates = nearest.candidates.iter();
                let mut exact: Vec<f64> =
                    candidates.map(|(_, j)| squared_distance(x, rows.row(*j as usize))).collect();
                *radius = *exact.select_nth_unstable_by(k - 1, f64::total_cmp).1;
            }
        },
    );
    radii
}

/// The nearest row of another set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbour {
    /// Of equally near ones the first.
    pub(crate) index: usize,
    pub(crate) squared_distance: f64,
}

/// Two sets of one dimension.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a, T> {
    pub(crate) queries: Rows<'a, T>,
    pub(crate) points: Rows<'a, T>,
}

/// For each of the queries its nearest point. Callers guarantee 1 ≤ points ≤ 2³² and finite numbers.
pub(crate) fn nearest<T: Real>(search: Search<'_, T>) -> Vec<Neighbour> {
    let Search { queries, points } = search;
    let frame = Frame::of(&[points, queries]);
    let (x, y) = (Scaled::new(queries, &frame), Scaled::new(points, &frame));
    let sides = Sides { queries: &x, points: &y, same: false };
    let tiles: Vec<Vec<Neighbour>> = (0..queries.len().div_ceil(TILE_ROWS))
        .into_par_iter()
        .map_init(Vec::new, |products, tile| {
            let first = tile * TILE_ROWS;
            let rows = TILE_ROWS.min(queries.len() - first);
            let found = candidates(&sides, 1, first, rows, products).into_iter().enumerate();
            let exact = found.map(|(r, found)| {
                let candidates = found.candidates.iter().map(|&(_, index)| {
                    let index = index as usize;
                    let (x, y) = (queries.row(first + r), points.row(index));
                    Neighbour { index, squared_distance: squared_distance(x, y) }
                });
                // The candidates rise in index, and the first of equals is kept.
                candidates
                    .min_by(|a, b| a.squared_distance.total_cmp(&b.squared_distance))
                    .expect("the nearest point is never pruned")
            });
            exact.collect()
        })
        .collect();
    tiles.concat()
}

#[cfg(test)]
#[path = "neighbours_tests.rs"]
pub(crate) mod tests;
