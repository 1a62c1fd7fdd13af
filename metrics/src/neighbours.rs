//! Exact nearest-neighbour decisions at the price of f32 matrix products.
//!
//! All pairs of a tile are estimated as |x|² + |y|² − 2x·y in f32, with a bound on the estimate's error;
//! only where the bound leaves the decision open is the squared distance computed in f64 from the
//! features as given. The results are those of f64 throughout, for any number of threads, and memory
//! is one copy of the features in f32, packed for products, plus a tile a thread.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::packed::{PackedRows, RowProducts};
use rayon::prelude::*;

use crate::rows::Rows;

/// Rows and columns of a tile of products: with the rows' part of a block of steps it stays in a
/// second-level cache of 1 MiB.
pub(crate) const TILE: usize = 256;

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
    pub(crate) fn of<'a, T: Real>(sets: &[Rows<'a, T>]) -> Self {
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

    /// Relative error bound of an estimate, to be multiplied by |x|² + |y|²: an inner product of `dim`
    /// terms errs by at most dim·u·|x||y| in whatever order it is summed (Higham 2002, "Accuracy and
    /// Stability of Numerical Algorithms", section 3.1), u = 2⁻²⁴; 2|x||y| ≤ |x|² + |y|²; the
    /// rounding of the copies, the norms and the last additions is below 16u together; a tenth is
    /// added for the terms of second order.
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

    fn upper(&self, c: usize) -> f32 {
        let sum = self.norm + self.norms[c];
        sum * (1.0 + self.error) - 2.0 * self.products[c] + UNDERFLOW
    }

    /// Calls `visit` for whoever may be nearer than `limit` or than their own of `limits`, and for whoever's
    /// estimate overflowed to NaN; also for a few of their neighbours.
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

/// For the rows `first..first + rows` of `queries`, whoever in `points` may be nearest.
fn candidates(
    sides: Sides<'_>,
    first: usize,
    rows: usize,
    products: &mut Vec<f32>,
) -> Vec<Nearest> {
    let Sides { queries, points } = sides;
    let error = queries.error();
    let mut nearest: Vec<Nearest> = (0..rows).map(|_| Nearest::new(1)).collect();
    for column in (0..points.norms.len()).step_by(TILE) {
        let columns = column..points.norms.len().min(column + TILE);
        let (left, right) = (&queries.packed, &points.packed);
        let rows = first..first + rows;
        let tile = RowProducts { left, right, rows, columns, upper: false };
        for_each_product(tile, products, |r, products| {
            let (norm, norms) = (queries.norms[first + r], &points.norms[column..]);
            let row = RowEstimates { products, norm, norms, error };
            let nearest = &mut nearest[r];
            row.for_each_open(nearest.reach, &[f32::NEG_INFINITY; TILE], |c| {
                let lower = row.lower(c);
                // Also false where the estimate overflowed to NaN. A tie that is dropped has the larger index.
                if lower >= nearest.reach {
                    return;
                }
                nearest.meet(lower, row.upper(c), column + c);
            });
        });
    }
    nearest.iter_mut().for_each(Nearest::prune);
    nearest
}

/// Who is looked for among whom.
#[derive(Clone, Copy)]
struct Sides<'a> {
    queries: &'a Scaled,
    points: &'a Scaled,
}

/// What is known of the rows of a tile.
struct Known {
    nearest: Vec<Nearest>,
    /// That of each row.
    reach: Vec<f32>,
}

impl Known {
    fn new(k: usize, rows: usize) -> Self {
        let nearest = (0..rows).map(|_| Nearest::new(k)).collect();
        Self { nearest, reach: vec![f32::INFINITY; rows] }
    }

    fn meet(&mut self, row: usize, lower: f32, upper: f32, other: usize) {
        // Also false where the estimate overflowed to NaN.
        if lower >= self.reach[row] {
            return;
        }
        self.nearest[row].meet(lower, upper, other);
        self.reach[row] = self.nearest[row].reach;
    }
}

/// Squared distance of every row to its `k`-th nearest other row.
///
/// Each pair is estimated once, for both of its rows. Whoever is dropped is no nearer than `k` others that are
/// kept, hence neither the order of the tiles nor that of the threads changes a radius.
///
/// Callers guarantee 1 ≤ k < number of rows ≤ 2³² and finite numbers.
pub(crate) fn squared_radii<T: Real>(rows: Rows<'_, T>, k: usize) -> Vec<f64> {
    let scaled = Scaled::new(rows, &Frame::of(&[rows]));
    let tiles = rows.len().div_ceil(TILE);
    let of_tile = |tile: usize| tile * TILE..rows.len().min((tile + 1) * TILE);
    let known: Vec<Mutex<Known>> =
        (0..tiles).map(|tile| Mutex::new(Known::new(k, of_tile(tile).len()))).collect();
    // The tiles of the diagonal first: they give every row a reach.
    let mut pairs: Vec<(usize, usize)> =
        (0..tiles).flat_map(|a| (a..tiles).map(move |b| (a, b))).collect();
    pairs.sort_by_key(|(a, b)| b - a);
    pairs.into_par_iter().for_each_init(Vec::new, |products, (a, b)| {
        meet_tile(&scaled, (a, of_tile(a)), (b, of_tile(b)), &known, products);
    });
    let mut radii = vec![0.0; rows.len()];
    radii.par_chunks_mut(TILE).zip(known).enumerate().for_each(|(tile, (radii, known))| {
        let known = known.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (r, (radius, mut nearest)) in radii.iter_mut().zip(known.nearest).enumerate() {
            nearest.prune();
            let x = rows.row(tile * TILE + r);
            let candidates = nearest.candidates.iter();
            let mut exact: Vec<f64> =
                candidates.map(|(_, j)| squared_distance(x, rows.row(*j as usize))).collect();
            *radius = *exact.select_nth_unstable_by(k - 1, f64::total_cmp).1;
        }
    });
    radii
}

/// A tile's number and its rows.
type TileOf = (usize, Range<usize>);

/// Lets every row of tile `a` ≤ `b` meet every row of tile `b`.
fn meet_tile(
    scaled: &Scaled,
    (a, rows): TileOf,
    (b, columns): TileOf,
    known: &[Mutex<Known>],
    products: &mut Vec<f32>,
) {
    let lock = |tile: usize| known[tile].lock().unwrap_or_else(PoisonError::into_inner);
    let (i, j) = (rows.start, columns.start);
    let (packed, norms, error) = (&scaled.packed, &scaled.norms[columns.clone()], scaled.error());
    let upper = a == b;
    let tile = RowProducts { left: packed, right: packed, rows, columns, upper };
    let mut limits = [f32::INFINITY; TILE];
    let stride = tile.compute(products);
    // The lower tile is locked first, so that no two threads wait for each other.
    let mut own = lock(a);
    let mut others = (a != b).then(|| lock(b));
    for (r, products) in products.chunks_exact(stride).enumerate() {
        let products = &products[..norms.len()];
        let row = RowEstimates { products, norm: scaled.norms[i + r], norms, error };
        limits[..norms.len()].copy_from_slice(&others.as_ref().unwrap_or(&own).reach);
        row.for_each_open(own.reach[r], &limits, |c| {
            if upper && c <= r {
                return;
            }
            let (lower, upper) = (row.lower(c), row.upper(c));
            own.meet(r, lower, upper, j + c);
            others.as_mut().unwrap_or(&mut own).meet(c, lower, upper, i + r);
        });
    }
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
    let sides = Sides { queries: &x, points: &y };
    let tiles: Vec<Vec<Neighbour>> = (0..queries.len().div_ceil(TILE))
        .into_par_iter()
        .map_init(Vec::new, |products, tile| {
            let first = tile * TILE;
            let rows = TILE.min(queries.len() - first);
            let found = candidates(sides, first, rows, products).into_iter().enumerate();
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
