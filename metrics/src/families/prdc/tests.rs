use ganbench_data::rng::Stream;

use super::*;
use crate::golden;
use crate::tiny_fixture::TinyFixture;

fn metric_values<T: Real>(real: &[T], fake: &[T], d: usize, k: usize) -> Result<Prdc, MetricError> {
    prdc(PrdcInput { real: Rows::new(real, d)?, fake: Rows::new(fake, d)?, k })
}

#[test]
fn four_points_on_a_line_agree_with_paper() {
    // Real 0, 1, 3, 10 with k = 1: radii 1, 1, 2, 7. Fakes 0.5, 2, 50, 52: radii 1.5, 1.5, 2, 2.
    // Real balls (−1,1), (0,2), (1,5), (3,17): 0.5 lies in two, 2 in one (2 is not < 2 from 1...
    // the ball of 1 ends at 2, strictly), 50 and 52 in none. Precision 2/4, density 3/4. Fake balls
    // (−1,2), (0.5,3.5), (48,52), (50,54): reals 0, 1, 3 lie in one. Recall 3/4. Balls with a fake:
    // of 0, 1, 3. Coverage 3/4.
    let got = metric_values(&[0.0, 1.0, 3.0, 10.0], &[0.5, 2.0, 50.0, 52.0], 1, 1).unwrap();
    assert_eq!(got, Prdc { precision: 0.5, recall: 0.75, density: 0.75, coverage: 0.75 });
}

#[test]
fn precision_and_recall_swap_with_the_sets() {
    let x = Stream::new(0, "x").normal(300 * 8);
    let y: Vec<f32> = Stream::new(0, "y").normal(250 * 8).iter().map(|v| 0.6 * v + 0.3).collect();
    let (a, b) = (metric_values(&x, &y, 8, 5).unwrap(), metric_values(&y, &x, 8, 5).unwrap());
    assert_eq!((a.precision, a.recall), (b.recall, b.precision));
    assert!(a.precision > 0.5 && a.recall < a.precision, "{a:?}");
}

#[test]
fn identical_features_everywhere_give_zero_under_the_strict_comparison() {
    let got = metric_values(&[1.0f32; 40], &[1.0; 40], 2, 5).unwrap();
    assert_eq!(got, Prdc { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
}

#[test]
fn a_set_against_itself_is_covered_wholly() {
    let x = Stream::new(0, "x").normal(400);
    let got = metric_values(&x, &x, 4, 5).unwrap();
    assert_eq!((got.precision, got.recall, got.coverage), (1.0, 1.0, 1.0));
}

#[test]
fn values_of_the_tiny_fixture_are_prdcs() {
    let fixture = TinyFixture::read();
    let got = metric_values(&fixture.real, &fixture.fake, TinyFixture::DIM, fixture.k).unwrap();
    for (name, value) in [
        ("precision", got.precision),
        ("recall", got.recall),
        ("density", got.density),
        ("coverage", got.coverage),
    ] {
        assert!((value - fixture.prdc[name]).abs() < 1e-9, "{name} {value}");
    }
}

#[test]
fn values_of_the_golden_sets_are_prdcs() {
    let (real, fake) = (golden::features(golden::REAL), golden::features(golden::FAKE));
    let got = metric_values(&real, &fake, golden::REAL.d, 5).unwrap();
    let got = [got.precision, got.recall, got.density, got.coverage];
    for (got, expected) in got.into_iter().zip(golden::values("prdc")) {
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}

#[test]
fn sets_too_small_and_bad_numbers_are_refused() {
    let text = |r: Result<Prdc, MetricError>| r.unwrap_err().to_string();
    let x = Stream::new(0, "x").normal(20);
    assert_eq!(text(metric_values(&x[..10], &x, 2, 5)), "prdc needs at least 6 real images, got 5");
    assert_eq!(text(metric_values(&x, &x[..10], 2, 5)), "prdc needs at least 6 fake images, got 5");
    assert_eq!(text(metric_values(&x, &x, 2, 0)), "prdc needs k of at least 1, got 0");
    let mut bad = x.clone();
    bad[7] = f32::NAN;
    assert_eq!(
        text(metric_values(&x, &bad, 2, 5)),
        "row 3 of the features holds NaN, expected finite numbers only"
    );
    let input =
        PrdcInput { real: Rows::new(&x, 2).unwrap(), fake: Rows::new(&x, 1).unwrap(), k: 5 };
    assert_eq!(
        text(prdc(input)),
        "real features have 2 dimensions but fake features 1; extract both alike"
    );
}
