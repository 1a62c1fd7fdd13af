use ganbench_data::rng::Stream;

use super::*;
use crate::golden;
use crate::tiny_fixture::TinyFixture;

fn metric_value<T: Real>(
    real: &[T],
    fake: &[T],
    d: usize,
    options: Options,
) -> Result<Kid, MetricError> {
    kid(KidInput { real: Rows::new(real, d)?, fake: Rows::new(fake, d)? }, options)
}

#[test]
fn two_points_a_side_agree_with_paper() {
    // d = 1, reals 0 and 1, fakes 2 and 3: k(0, 1) = 1, k(2, 3) = 7³ = 343; k(0, 2) = k(0, 3) = 1,
    // k(1, 2) = 3³ = 27, k(1, 3) = 4³ = 64. MMD² = 1 + 343 − 2 (1 + 1 + 27 + 64) / 4 = 297.5.
    let one = Options { subset: 2, subsets: 1, seed: 2020 };
    let got = metric_value(&[0.0f64, 1.0], &[2.0, 3.0], 1, one).unwrap();
    assert!((got.mean - 297.5).abs() < 1e-10, "{got:?}");
    assert_eq!(got.std, 0.0);
}

#[test]
fn one_subset_of_all_images_is_the_plain_estimate() {
    let (d, n) = (6, 36);
    let fixture = TinyFixture::read();
    let all = Options { subset: n, subsets: 1, seed: 7 };
    let got = metric_value(&fixture.real[..n * d], &fixture.fake, d, all).unwrap();
    assert!((got.mean - fixture.kid).abs() < 1e-12, "{got:?}");
}

#[test]
fn kid_is_symmetric_where_the_subsets_are_whole_sets() {
    let (d, n) = (8, 300);
    let x = Stream::new(0, "x").normal(n * d);
    let y: Vec<f32> = Stream::new(0, "y").normal(n * d).iter().map(|v| 0.7 * v + 0.1).collect();
    let all = Options { subset: n, subsets: 1, seed: 1 };
    let (there, back) =
        (metric_value(&x, &y, d, all).unwrap().mean, metric_value(&y, &x, d, all).unwrap().mean);
    // Sums of kernels near 1 from f32 products in other orders.
    assert!((there - back).abs() < 1e-7, "{there} {back}");
}

#[test]
fn values_of_the_golden_sets_are_torch_fidelitys() {
    let small = Options { subset: 50, subsets: 20, seed: 2020 };
    for (name, real, fake, options) in [
        ("kid", golden::BIG_REAL, golden::BIG_FAKE, Options::default()),
        ("kid_small", golden::REAL, golden::FAKE, small),
    ] {
        let expected = golden::values(name);
        let got = metric_value(&golden::features(real), &golden::features(fake), real.d, options)
            .unwrap();
        // The rounding of their f32 sums, of which KID is the small difference.
        assert!((got.mean - expected[0]).abs() < 1e-7, "{name} {got:?} {expected:?}");
        assert!((got.std - expected[1]).abs() < 1e-7, "{name} {got:?} {expected:?}");
    }
}

#[test]
fn subsets_one_by_one_and_from_whole_sets_are_the_same() {
    // More rows than a tile, and subsets that skip whole ranges of them.
    let (d, n) = (8, 700);
    let x = Stream::new(0, "x").normal(n * d);
    let y: Vec<f32> = Stream::new(0, "y").normal(1300 * d).iter().map(|v| 0.7 * v + 0.1).collect();
    let input = KidInput { real: Rows::new(&y, d).unwrap(), fake: Rows::new(&x, d).unwrap() };
    let mut random = RandomState::new(1);
    let mut draws: Vec<Draw> = (0..7)
        .map(|_| Draw { fake: random.choice(n, 90), real: random.choice(1300, 90) })
        .collect();
    draws.push(Draw { fake: (600..690).rev().collect(), real: (5..95).collect() });
    // More than a tile of `kid_stacked.rs`, of which one holds fakes and reals.
    draws.push(Draw { fake: random.choice(n, 300), real: random.choice(1300, 300) });
    let (one, whole) = (by_subset(input, &draws), whole::estimates(input, &draws));
    for (one, whole) in one.iter().zip(&whole) {
        // Products of 8 terms may be added in another order elsewhere in a tile.
        assert!((one - whole).abs() < 1e-8, "{one} {whole}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let (x, y) = (golden::features(golden::REAL), golden::features(golden::FAKE));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        // By subset, and from whole sets.
        let few = Options { subset: 200, subsets: 1, seed: 2020 };
        let many = Options { subset: 200, subsets: 9, seed: 2020 };
        pool.install(|| [few, many].map(|o| metric_value(&x, &y, 16, o).unwrap().mean.to_bits()))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn sets_too_small_and_bad_numbers_are_refused() {
    let text = |r: Result<Kid, MetricError>| r.unwrap_err().to_string();
    let x = [0.5f32; 20];
    let options = Options { subset: 10, subsets: 2, seed: 2020 };
    assert_eq!(
        text(metric_value(&x[..18], &x, 2, options)),
        "kid draws subsets of 10 images but there are only 9 real ones; lower --kid-subset"
    );
    assert_eq!(
        text(metric_value(&x, &x[..18], 2, options)),
        "kid draws subsets of 10 images but there are only 9 fake ones; lower --kid-subset"
    );
    assert_eq!(
        text(metric_value(&x, &x, 2, Options { subset: 1, ..options })),
        "kid needs subsets of at least 2 images, got 1; raise --kid-subset"
    );
    assert_eq!(
        text(metric_value(&x, &x, 2, Options { subsets: 0, ..options })),
        "kid needs subsets of at least 1, got 0"
    );
    let mut bad = x;
    bad[7] = f32::NAN;
    assert_eq!(
        text(metric_value(&x, &bad, 2, options)),
        "row 3 of the features holds NaN, expected finite numbers only"
    );
    let input = KidInput { real: Rows::new(&x, 2).unwrap(), fake: Rows::new(&x, 1).unwrap() };
    assert_eq!(
        text(kid(input, options)),
        "real features have 2 dimensions but fake features 1; extract both alike"
    );
}
