//! KID's subsets from the kernels of whole sets: where the subsets overlap much, a pair of images
//! is in several of them, and its product is computed once.

use std::ops::Range;

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use super::{Draw, KidInput, kernel};
use crate::numerics::rows::Rows;

const TILE_ROWS: usize = 256;
const TILE_COLUMNS: usize = 1024;

/// The unbiased estimate of MMD² from each draw.
pub(crate) fn estimates<T: Real>(input: KidInput<'_, T>, draws: &[Draw]) -> Vec<f64> {
    let sorted = |of: fn(&Draw) -> &Vec<usize>| -> Vec<Vec<usize>> {
        let sort = |draw: &Draw| {
            let mut members = of(draw).clone();
            members.sort_unstable();
            members
        };
        draws.par_iter().map(sort).collect()
    };
    let (real, fake) = (sorted(|draw| &draw.real), sorted(|draw| &draw.fake));
    let real = Members { rows: input.real, of: &real };
    let fake = Members { rows: input.fake, of: &fake };
    let within = [fake, real].map(|side| sums(Pair { left: side, right: side, below: true }));
    let across = sums(Pair { left: fake, right: real, below: false });
    let estimate = |(i, draw): (usize, &Draw)| {
        let m = draw.fake.len() as f64;
        let within = 2.0 * within[0][i] + 2.0 * within[1][i];
        within / (m * (m - 1.0)) - 2.0 * across[i] / (m * m)
    };
    draws.iter().enumerate().map(estimate).collect()
}

/// A set and which of its rows each subset holds, rising.
#[derive(Clone, Copy)]
struct Members<'a, T> {
    rows: Rows<'a, T>,
    of: &'a [Vec<usize>],
}

impl<T: Real> Members<'_, T> {
    fn block(&self, rows: Range<usize>) -> Mat<'_, T> {
        let d = self.rows.dim();
        Mat::new(&self.rows.values()[rows.start * d..rows.end * d], rows.len(), d)
    }
}

/// The members in a range of rows.
fn among(members: &[usize], rows: Range<usize>) -> &[usize] {
    let place = |row: usize| members.partition_point(|&member| member < row);
    &members[place(rows.start)..place(rows.end)]
}

#[derive(Clone, Copy)]
struct Pair<'a, T> {
    left: Members<'a, T>,
    right: Members<'a, T>,
    /// Both sides are one set, of which each pair of different rows counts once.
    below: bool,
}

/// For each subset the sum of the kernel over its pairs, added tile by tile in a fixed order.
fn sums<T: Real>(pair: Pair<'_, T>) -> Vec<f64> {
    let Pair { left, right, below } = pair;
    let (n, gamma) = (left.rows.len(), 1.0 / left.rows.dim() as f64);
    let per_tile = |products: &mut Vec<T>, tile: usize| {
        let rows = tile * TILE_ROWS..n.min((tile + 1) * TILE_ROWS);
        let end = if below { rows.end } else { right.rows.len() };
        let mut sums = vec![0.0; left.of.len()];
        for column in (0..end).step_by(TILE_COLUMNS) {
            let columns = column..end.min(column + TILE_COLUMNS);
            products.resize(rows.len() * columns.len(), T::nearest(0.0));
            let others = right.block(columns.clone()).t();
            matmul(products, left.block(rows.clone()), others, false);
            for (sum, (left, right)) in sums.iter_mut().zip(left.of.iter().zip(right.of)) {
                let others = among(right, columns.clone());
                for &row in among(left, rows.clone()) {
                    let products = &products[(row - rows.start) * columns.len()..];
                    let others = match below {
                        true => &others[..others.partition_point(|&other| other < row)],
                        false => others,
                    };
                    let kernels = others.iter().map(|&c| kernel(products[c - column], gamma));
                    *sum += kernels.sum::<f64>();
                }
            }
        }
        sums
    };
    let tiles: Vec<Vec<f64>> =
        (0..n.div_ceil(TILE_ROWS)).into_par_iter().map_init(Vec::new, per_tile).collect();
    (0..left.of.len()).map(|i| tiles.iter().map(|tile| tile[i]).sum()).collect()
}
