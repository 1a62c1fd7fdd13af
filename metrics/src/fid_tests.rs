use super::*;
use crate::tiny_fixture::TinyFixture;
use ganbench_nn::rng::Stream;

fn gaussian(mean: f64, variance: f64, d: usize) -> Statistics {
    let mut covariance = vec![0.0; d * d];
    covariance.iter_mut().step_by(d + 1).for_each(|v| *v = variance);
    Statistics::from_parts(Some(100), vec![mean; d], covariance).unwrap()
}

fn normal(purpose: &str, n: usize) -> Vec<f32> {
    Stream::new(0, purpose).normal(n)
}

fn statistics(x: &[f32], d: usize) -> Statistics {
    Statistics::of(Rows::new(x, d).unwrap()).unwrap()
}

#[test]
fn fid_of_a_shifted_gaussian_is_the_squared_shift() {
    // Equal covariances: |μ₁ − μ₂|² = 2048 · 1² (the case in pytorch-fid's own tests).
    let (real, fake) = (gaussian(0.0, 1.0, 2048), gaussian(1.0, 1.0, 2048));
    let got = fid(FidInput { real: &real, fake: &fake }).unwrap();
    assert!((got - 2048.0).abs() < 1e-9, "{got}");
}

#[test]
fn fid_of_a_scaled_gaussian_is_the_squared_difference_of_deviations() {
    // tr(4I + 9I − 2·√36 I) = d (2 − 3)².
    let (real, fake) = (gaussian(0.0, 4.0, 5), gaussian(0.0, 9.0, 5));
    let got = fid(FidInput { real: &real, fake: &fake }).unwrap();
    assert!((got - 5.0).abs() < 1e-12, "{got}");
}

#[test]
fn fid_is_symmetric_and_zero_for_equal_sets() {
    let d = 32;
    let x = normal("x", 200 * d);
    let y: Vec<f32> = normal("y", 150 * d).iter().map(|v| 0.5 * v + 0.1).collect();
    let (a, b) = (statistics(&x, d), statistics(&y, d));
    let there = fid(FidInput { real: &a, fake: &b }).unwrap();
    let back = fid(FidInput { real: &b, fake: &a }).unwrap();
    assert!((there - back).abs() < 1e-12 * there, "{there} {back}");
    let same = fid(FidInput { real: &a, fake: &a }).unwrap();
    // 1e-10 of the trace, as the module states.
    assert!(same.abs() < 1e-10 * a.trace(), "{same}");
}

#[test]
fn the_two_forms_agree_and_few_samples_have_an_exact_zero() {
    let d = 64;
    let (x, y) = (normal("x", 40 * d), normal("y", 30 * d));
    let rows = |v| Rows::new(v, d).unwrap();
    let few = fid_of_few(FewSamples { real: rows(&x), fake: rows(&y) }).unwrap();
    let full = fid(FidInput { real: &statistics(&x, d), fake: &statistics(&y, d) }).unwrap();
    // The statistics have 25 and 35 dimensions without variance, whose eigenvalues come out of the
    // order of 1e-16 and their roots of 1e-8.
    assert!((few - full).abs() < 1e-5, "{few} {full}");
    let same = fid_of_few(FewSamples { real: rows(&x), fake: rows(&x) }).unwrap();
    assert!(same.abs() < 1e-11, "{same}");
}

#[test]
fn fid_of_the_tiny_fixture_is_pytorch_fids() {
    let fixture = TinyFixture::read();
    let rows = |v| Rows::new(v, TinyFixture::DIM).unwrap();
    let (real, fake) = (rows(&fixture.real), rows(&fixture.fake));
    let of = |rows| Statistics::of(rows).unwrap();
    let full = fid(FidInput { real: &of(real), fake: &of(fake) }).unwrap();
    let few = fid_of_few(FewSamples { real, fake }).unwrap();
    assert!((full - fixture.fid).abs() < 1e-9, "{full}");
    assert!((few - fixture.fid).abs() < 1e-9, "{few}");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let d = 300;
    let (x, y) = (normal("x", 400 * d), normal("y", 350 * d));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let full = fid(FidInput { real: &statistics(&x, d), fake: &statistics(&y, d) });
            let rows = |v| Rows::new(v, d).unwrap();
            let few = fid_of_few(FewSamples { real: rows(&x), fake: rows(&y) });
            (full.unwrap().to_bits(), few.unwrap().to_bits())
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_has_no_fid_is_refused() {
    let text = |real: &Statistics, fake: &Statistics| {
        fid(FidInput { real, fake }).unwrap_err().to_string()
    };
    let good = gaussian(0.0, 1.0, 2);
    assert_eq!(text(&good, &statistics(&[1.0, 2.0], 2)), "fid needs at least 2 fake images, got 1");
    assert_eq!(
        text(&gaussian(0.0, 1.0, 3), &good),
        "real features have 3 dimensions but fake features 2; extract both alike"
    );
    let negative = Statistics::from_parts(None, vec![0.0; 2], vec![1.0, 0.0, 0.0, -0.5]).unwrap();
    assert_eq!(
        text(&negative, &good),
        "covariance of dimension 2 is not positive semidefinite: eigenvalue -5e-1 beside a largest of \
         1e0; check where the statistics come from"
    );
    let rows = |v: &'static [f32]| Rows::new(v, 1).unwrap();
    let error = fid_of_few(FewSamples { real: rows(&[1.0, 2.0]), fake: rows(&[0.0, f32::NAN]) });
    assert_eq!(
        error.unwrap_err().to_string(),
        "row 1 of the features holds NaN, expected finite numbers only"
    );
}
