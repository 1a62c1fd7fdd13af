use ganbench_data::rng::Stream;

use super::*;

fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn mean_and_covariance_of_three_points_agree_with_paper() {
    // Points (1,2), (3,4), (5,12): means 3 and 6; deviations (−2,−4), (0,−2), (2,6).
    // Variances 8/2 = 4 and (16+4+36)/2 = 28, covariance (8+0+12)/2 = 10.
    let got =
        Statistics::from_rows(Rows::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 12.0], 2).unwrap()).unwrap();
    assert_eq!(got.n(), Some(3));
    assert_eq!(got.mean(), [3.0, 6.0]);
    assert_eq!(got.covariance(), [4.0, 10.0, 10.0, 28.0]);
    assert_eq!(got.trace(), 32.0);
}

#[test]
fn a_mean_far_from_zero_costs_no_digits() {
    // Shifting by 2²⁰ is exact in f64 for these numbers, so the covariance must not move.
    let x: Vec<f64> = Stream::new(0, "x").normal(4000).iter().map(|&v| f64::from(v)).collect();
    let far: Vec<f64> = x.iter().map(|v| v + 1_048_576.0).collect();
    let near = Statistics::from_rows(Rows::new(&x, 4).unwrap()).unwrap();
    let far = Statistics::from_rows(Rows::new(&far, 4).unwrap()).unwrap();
    for (a, b) in near.covariance().iter().zip(far.covariance()) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
}

#[test]
fn neither_pieces_nor_threads_change_a_bit() {
    // More dimensions than a tile, more rows than a block, and neither a multiple.
    let (n, d) = (1300, 300);
    let x = Stream::new(1, "x").normal(n * d);
    let rows = Rows::new(&x, d).unwrap();
    let whole = in_pool(1, || Statistics::from_rows(rows).unwrap());
    let pieces = in_pool(3, || {
        let mut accumulator = Accumulator::new(d);
        for piece in x.chunks(7 * d) {
            accumulator.push(Rows::new(piece, d).unwrap()).unwrap();
        }
        accumulator.finish()
    });
    assert_eq!(whole, pieces);
    // And against the plain formula in one entry of each tile.
    for (i, j) in [(0, 0), (299, 3), (280, 290), (10, 20)] {
        let column = |j: usize| x.iter().skip(j).step_by(d).map(|&v| f64::from(v));
        let mean = |j: usize| column(j).sum::<f64>() / n as f64;
        let products = column(i).zip(column(j)).map(|(a, b)| (a - mean(i)) * (b - mean(j)));
        let expected = products.sum::<f64>() / (n as f64 - 1.0);
        assert!((whole.covariance()[i * d + j] - expected).abs() < 1e-12);
    }
}

#[test]
fn features_that_are_not_finite_are_refused_by_row() {
    let x = [0.0f32, 1.0, 2.0, f32::INFINITY, 4.0, f32::NAN];
    assert_eq!(
        Statistics::from_rows(Rows::new(&x, 2).unwrap()).unwrap_err().to_string(),
        "row 1 of the features holds inf, expected finite numbers only"
    );
}

#[test]
fn stored_statistics_that_cannot_be_are_refused() {
    let text = |mean: &[f64], covariance: &[f64]| {
        Statistics::from_parts(Some(9), mean.into(), covariance.into()).unwrap_err().to_string()
    };
    assert_eq!(
        text(&[0.0, 0.0], &[1.0]),
        "statistics of dimension 2 hold a mean of 2 and a covariance of 1 numbers"
    );
    assert_eq!(
        text(&[0.0, 0.0], &[1.0, 0.5, 0.25, 1.0]),
        "covariance is not symmetric: entries (1, 0) and (0, 1) differ by 2.5e-1"
    );
    assert_eq!(
        text(&[0.0, f64::NAN], &[1.0, 0.0, 0.0, 1.0]),
        "row 0 of the features holds NaN, expected finite numbers only"
    );
}
