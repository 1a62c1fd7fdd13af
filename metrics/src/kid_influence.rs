//! How much each image moves KID, for its interval over the samples.
//!
//! The unbiased estimate over whole sets of m reals x and n fakes y is a U-statistic of two samples, whose
//! first-order term (Hoeffding 1948, doi:10.1214/aoms/1177730196) is a mean over images of
//! 2 (mean k(x, x') − mean k(x, y)) for a real image x and of 2 (mean k(y, y') − mean k(x, y)) for a
//! fake y.

use ganbench_nn::kernels::gemm::{Mat, matmul};
use rayon::prelude::*;

use crate::kid::{KidInput, kernel};
use crate::rows::Rows;

const TILE_ROWS: usize = 256;
const TILE_COLUMNS: usize = 1024;

/// The first-order terms of each image.
pub(crate) struct Influence {
    pub(crate) real: Vec<f64>,
    pub(crate) fake: Vec<f64>,
}

/// Influences of all images of the two sets. Callers guarantee 2 rows or more on either side, one
/// dimension, and finite numbers.
pub(crate) fn influence(input: KidInput<'_, f32>) -> Influence {
    let KidInput { real, fake } = input;
    let across = kernel_sums(Pair { left: real, right: fake });
    let of = |rows: Rows<'_, f32>, across: &[f64], others: usize| -> Vec<f64> {
        let within = kernel_sums(Pair { left: rows, right: rows }).left;
        let n = rows.len() as f64;
        let of_row = |(i, (within, across)): (usize, (f64, &f64))| {
            let own: f64 = rows.row(i).iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
            let own = kernel(own, 1.0 / rows.dim() as f64);
            2.0 * ((within - own) / (n - 1.0) - across / others as f64)
        };
        within.into_iter().zip(across).enumerate().map(of_row).collect()
    };
    Influence {
        real: of(real, &across.left, fake.len()),
        fake: of(fake, &across.right, real.len()),
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
}

/// Every product is computed once; sums of the right side are gathered by tile and added in their order.
fn kernel_sums(pair: Pair<'_>) -> Sums {
    let Pair { left, right } = pair;
    let (d, gamma) = (left.dim(), 1.0 / left.dim() as f64);
    let tiles: Vec<Sums> = (0..left.len().div_ceil(TILE_ROWS))
        .into_par_iter()
        .map_init(Vec::new, |products: &mut Vec<f32>, tile| {
            let first = tile * TILE_ROWS;
            let rows = TILE_ROWS.min(left.len() - first);
            let mut sums = Sums { left: vec![0.0; rows], right: vec![0.0; right.len()] };
            for column in (0..right.len()).step_by(TILE_COLUMNS) {
                let columns = TILE_COLUMNS.min(right.len() - column);
                products.resize(rows * columns, 0.0);
                let x = Mat::new(&left.values()[first * d..], rows, d);
                let y = Mat::new(&right.values()[column * d..], columns, d);
                matmul(products, x, y.t(), false);
                for (sum, row) in sums.left.iter_mut().zip(products.chunks_exact(columns)) {
                    let mut of_row = 0.0;
                    for (right, product) in sums.right[column..].iter_mut().zip(row) {
                        let k = kernel(*product, gamma);
                        of_row += k;
                        *right += k;
                    }
                    *sum += of_row;
                }
            }
            sums
        })
        .collect();
    let mut right_sums = vec![0.0; right.len()];
    for tile in &tiles {
        right_sums.iter_mut().zip(&tile.right).for_each(|(sum, part)| *sum += part);
    }
    Sums { left: tiles.into_iter().flat_map(|tile| tile.left).collect(), right: right_sums }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kid::{Options, kid};
    use ganbench_nn::rng::Stream;

    #[test]
    fn three_points_agree_with_paper() {
        // d = 1, reals 0 and 1, fakes 2 and 3: k(0, 1) = 1, k(2, 3) = 343, k(0, ·) = 1, 1, k(1, ·) = 27, 64.
        // Reals: 2 (1 − 1) = 0 and 2 (1 − 45.5) = −89; fakes: 2 (343 − 14) = 658, 2 (343 − 32.5) = 621.
        let (x, y) = ([0.0, 1.0], [2.0, 3.0]);
        let rows = |v| Rows::new(v, 1).unwrap();
        let got = influence(KidInput { real: rows(&x), fake: rows(&y) });
        assert_eq!((got.real, got.fake), (vec![0.0, -89.0], vec![658.0, 621.0]));
    }

    #[test]
    fn half_the_sum_of_mean_influences_is_kid_itself() {
        // The mean of each side is 2 (mean k within − mean k across); the estimate has each mean within once
        // and the mean across twice, so it is half of the two.
        let (n, d) = (700, 8);
        let x = Stream::new(0, "x").normal(n * d);
        let y: Vec<f32> = Stream::new(0, "y").normal(n * d).iter().map(|v| 0.7 * v + 0.1).collect();
        let rows = |v| Rows::new(v, d).unwrap();
        let input = KidInput { real: rows(&x), fake: rows(&y) };
        let got = influence(input);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let half = (mean(&got.real) + mean(&got.fake)) / 2.0;
        let whole = kid(input, Options { subset: n, subsets: 1, seed: 0 }).unwrap().mean;
        assert!((half - whole).abs() < 1e-7, "{half} {whole}");
    }
}
