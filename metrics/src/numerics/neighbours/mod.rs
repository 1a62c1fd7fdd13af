//! Exact nearest-neighbour decisions at the price of f32 matrix products.
//!
//! Only where the bounds of [`crate::estimates`] leave a decision open is the squared distance
//! computed in f64 from the features as given. The results are those of f64 throughout, for any
//! number of threads, and memory is one copy of the features in f32, packed for products, plus a
//! tile a thread.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::packed::RowProducts;
use rayon::prelude::*;

use crate::numerics::estimates::{
    Frame, RowEstimates, Scaled, TILE, for_each_product, squared_distance,
};
use crate::numerics::rows::Rows;

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
                // Also false where the estimate overflowed to NaN. A tie that is dropped has the
                // larger index.
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
/// Each pair is estimated once, for both of its rows. Whoever is dropped is no nearer than `k`
/// others that are kept, hence neither the order of the tiles nor that of the threads changes a
/// radius.
///
/// Callers guarantee 1 ≤ k < number of rows ≤ 2³² and finite numbers.
pub(crate) fn squared_radii<T: Real>(rows: Rows<'_, T>, k: usize) -> Vec<f64> {
    let scaled = Scaled::new(rows, &Frame::around(&[rows]));
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

/// For each of the queries its nearest point. Callers guarantee 1 ≤ points ≤ 2³² and finite
/// numbers.
pub(crate) fn nearest<T: Real>(search: Search<'_, T>) -> Vec<Neighbour> {
    let Search { queries, points } = search;
    let frame = Frame::around(&[points, queries]);
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
pub(crate) mod tests;
