//! How much KID varies over images, as a U-statistic of two samples.
//!
//! Hoeffding 1948, doi:10.1214/aoms/1177730196. The unbiased estimate over whole sets of n reals x
//! and m fakes y is its expectation plus a mean over images of 2 (mean k(x, x′) − mean k(x, y)) for
//! a real image x and of 2 (mean k(y, y′) − mean k(x, y)) for a fake y, plus terms of pairs: 2/(n(n
//! − 1)) Σ g(x, x′) over pairs of reals, as much of fakes, and −2/(nm) Σ g(x, y), where g is the
//! kernel less its means. The images' influences, with means over the sample for expectations, vary
//! by the first-order variance plus *twice* that of the pairs, since a pair moves the influences of
//! both its images. So the variance is that of the influences less one time that of the pairs,
//! which is estimated from the squares of the kernels (as Sutherland 2019, arXiv:1906.02104, for
//! equal numbers). It stays right where both sides have one distribution and the pairs are all
//! there is.
//!
//! With the reals held only fakes and their pairs count. In a difference of two sets of fakes the
//! pairs of reals cancel, and a real image's influence is the difference of its two influences.

use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use super::kernel;
use crate::bootstrap::{Reals, variance as variance_of};
use crate::numerics::rows::Rows;

/// Images a side whose influence is computed: beyond, the cost of all pairs buys no precision.
const MOST: usize = 10_000;

const TILE_ROWS: usize = 256;
const TILE_COLUMNS: usize = 1024;

/// Variance of KID over whole sets, or of the difference of two against the same reals. Callers
/// guarantee 2 rows or more of each set, one dimension, and finite numbers.
pub(crate) fn variance(real: Rows<'_, f32>, fakes: &[Rows<'_, f32>], reals: Reals) -> f64 {
    let n = real.len() as f64;
    let x = real.take(MOST);
    let mut of_reals = vec![0.0; x.len()];
    let (mut of_influences, mut of_pairs) = (0.0, 0.0);
    let mut sign = 1.0;
    for fake in fakes {
        let (m, y) = (fake.len() as f64, fake.take(MOST));
        let across = kernel_sums(Pair { left: x, right: y });
        let within = Within::new(y);
        let to_reals = across.right.iter().map(|sum| sum / x.len() as f64);
        let influences: Vec<f64> =
            within.means.iter().zip(to_reals).map(|(own, to)| 2.0 * (own - to)).collect();
        of_influences += variance_of(&influences) / m;
        of_pairs += 2.0 * within.of_pairs() / (m * (m - 1.0));
        if reals == Reals::Drawn {
            let to_fakes = across.left.iter().map(|sum| sum / y.len() as f64);
            of_reals.iter_mut().zip(to_fakes).for_each(|(sum, to)| *sum -= 2.0 * sign * to);
            of_pairs += 4.0 * across.of_pairs() / (n * m);
        }
        sign = -1.0;
    }
    if reals == Reals::Drawn {
        if fakes.len() == 1 {
            let within = Within::new(x);
            of_reals.iter_mut().zip(&within.means).for_each(|(sum, own)| *sum += 2.0 * own);
            of_pairs += 2.0 * within.of_pairs() / (n * (n - 1.0));
        }
        of_influences += variance_of(&of_reals) / n;
    }
    // First-order terms cannot vary by less than nothing.
    (of_influences - of_pairs).max(of_pairs)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// Kernels of each image with the others of its side.
struct Within {
    means: Vec<f64>,
    mean_square: f64,
}

impl Within {
    fn new(rows: Rows<'_, f32>) -> Self {
        let sums = kernel_sums(Pair { left: rows, right: rows });
        let own = |i: usize| {
            let norm: f64 = rows.row(i).iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            kernel(norm, 1.0 / rows.dim() as f64)
        };
        let n = rows.len() as f64;
        let own: Vec<f64> = (0..rows.len()).map(own).collect();
        let means = sums.left.iter().zip(&own).map(|(sum, own)| (sum - own) / (n - 1.0)).collect();
        let squares = sums.squares - own.iter().map(|own| own * own).sum::<f64>();
        Self { means, mean_square: squares / (n * (n - 1.0)) }
    }

    /// Variance of the kernel of two images, less what either image explains.
    fn of_pairs(&self) -> f64 {
        let centre = mean(self.means.iter().copied());
        let of_means = mean(self.means.iter().map(|m| m * m));
        (self.mean_square - 2.0 * of_means + centre * centre).max(0.0)
    }
}

#[derive(Clone, Copy)]
struct Pair<'a> {
    left: Rows<'a, f32>,
    right: Rows<'a, f32>,
}

/// For each row of one side the sum of its kernels with all rows of the other.
struct Sums {
    left: Vec<f64>,
    right: Vec<f64>,
    /// Of all kernels.
    squares: f64,
}

impl Sums {
    /// As [`Within::of_pairs`], of a real image and a fake.
    fn of_pairs(&self) -> f64 {
        let (n, m) = (self.left.len() as f64, self.right.len() as f64);
        let centre = self.left.iter().sum::<f64>() / (n * m);
        let of_left = mean(self.left.iter().map(|sum| (sum / m).powi(2)));
        let of_right = mean(self.right.iter().map(|sum| (sum / n).powi(2)));
        (self.squares / (n * m) - of_left - of_right + centre * centre).max(0.0)
    }
}

/// Every product is computed once; sums of the right side are gathered by tile and added in their
/// order.
fn kernel_sums(pair: Pair<'_>) -> Sums {
    let Pair { left, right } = pair;
    let (d, gamma) = (left.dim(), 1.0 / left.dim() as f64);
    let tiles: Vec<Sums> = (0..left.len().div_ceil(TILE_ROWS))
        .into_par_iter()
        .map_init(Vec::new, |products: &mut Vec<f32>, tile| {
            let first = tile * TILE_ROWS;
            let rows = TILE_ROWS.min(left.len() - first);
            let mut sums =
                Sums { left: vec![0.0; rows], right: vec![0.0; right.len()], squares: 0.0 };
            for column in (0..right.len()).step_by(TILE_COLUMNS) {
                let columns = TILE_COLUMNS.min(right.len() - column);
                products.resize(rows * columns, 0.0);
                let x = Mat::new(&left.values()[first * d..], rows, d);
                let y = Mat::new(&right.values()[column * d..], columns, d);
                matmul(products, x, y.t(), false);
                for (sum, row) in sums.left.iter_mut().zip(products.chunks_exact(columns)) {
                    let (mut of_row, mut squares) = (0.0, 0.0);
                    for (right, product) in sums.right[column..].iter_mut().zip(row) {
                        let k = kernel(*product, gamma);
                        of_row += k;
                        squares += k * k;
                        *right += k;
                    }
                    *sum += of_row;
                    sums.squares += squares;
                }
            }
            sums
        })
        .collect();
    let mut right_sums = vec![0.0; right.len()];
    for tile in &tiles {
        right_sums.iter_mut().zip(&tile.right).for_each(|(sum, part)| *sum += part);
    }
    let squares = tiles.iter().map(|tile| tile.squares).sum();
    let left = tiles.into_iter().flat_map(|tile| tile.left).collect();
    Sums { left, right: right_sums, squares }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_solved_on_paper() {
        // d = 1: k(a, b) = (ab + 1)³. Reals 0, 1 and fakes 2, 3: k(0, ·) = 1; k(1, 2) = 27, k(1, 3)
        // = 64; k(2, 3) = 343. Influences of the fakes: 2 (343 − 14) = 658 and 2 (343 − 32.5) =
        // 621, of variance 37²/2, halved. With two fakes all pairs are explained by their images:
        // the pairs of fakes have variance 0.
        let rows = |v| Rows::new(v, 1).unwrap();
        let (x, y) = (rows(&[0.0, 1.0]), rows(&[2.0, 3.0]));
        let close = |got: f64, expected: f64| {
            assert!((got - expected).abs() < 1e-9 * expected, "{got} {expected}");
        };
        close(variance(x, &[y], Reals::Held), 37.0 * 37.0 / 4.0);
        // Of the reals: 2 (1 − 1) = 0 and 2 (1 − 45.5) = −89. Pairs across: (1 + 1 + 729 + 4096)/4
        // less (1 + 2070.25)/2, less (196 + 1056.25)/2, plus 23.25² = 85.5625; 4 of it over 4.
        let influences = 37.0 * 37.0 / 4.0 + 89.0 * 89.0 / 4.0;
        close(variance(x, &[y], Reals::Drawn), influences - 85.5625);
        // A set against itself: the reals' influences cancel.
        let twice = variance(x, &[y, y], Reals::Held);
        close(twice, 2.0 * 37.0 * 37.0 / 4.0);
        close(variance(x, &[y, y], Reals::Drawn), twice - 2.0 * 85.5625);
    }
}
