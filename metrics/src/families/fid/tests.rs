use ganbench_data::rng::Stream;

use super::*;
use crate::golden;
use crate::tiny_fixture::TinyFixture;

fn gaussian(mean: f64, variance: f64, d: usize) -> Statistics {
    let mut covariance = vec![0.0; d * d];
    covariance.iter_mut().step_by(d + 1).for_each(|v| *v = variance);
    Statistics::from_parts(Some(100), vec![mean; d], covariance).unwrap()
}

fn normal(purpose: &str, n: usize) -> Vec<f32> {
    Stream::new(0, purpose).normal(n)
}

fn statistics(x: &[f32], d: usize) -> Statistics {
    Statistics::from_rows(Rows::new(x, d).unwrap()).unwrap()
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
    let of = |rows| Statistics::from_rows(rows).unwrap();
    let full = fid(FidInput { real: &of(real), fake: &of(fake) }).unwrap();
    let few = fid_of_few(FewSamples { real, fake }).unwrap();
    assert!((full - fixture.fid).abs() < 1e-9, "{full}");
    assert!((few - fixture.fid).abs() < 1e-9, "{few}");
}

#[test]
fn fid_of_the_golden_sets_is_pytorch_fids() {
    let (x, y) = (golden::features(golden::REAL), golden::features(golden::FAKE));
    let (real, fake) = (statistics(&x, 16), statistics(&y, 16));
    let got = fid(FidInput { real: &real, fake: &fake }).unwrap();
    let expected = golden::values("fid")[0];
    // Of the traces, of which both are the small difference.
    assert!((got - expected).abs() < 1e-12 * real.trace(), "{got} {expected}");
}

#[test]
fn both_roots_of_a_covariance_give_the_same_fid() {
    let d = 300;
    let x = normal("x", 900 * d);
    // Variances of 1, 0.01 and 0.0001: the root of an eigenvalue λ of Rᵀ Σ₂ R loses ε λmax / √λ, so
    // that a set against itself is the worst.
    let y: Vec<f32> = normal("y", 800 * d)
        .iter()
        .enumerate()
        .map(|(i, v)| v * 10f32.powi(-((i % d) as i32 % 3)))
        .collect();
    let (a, b) = (statistics(&y, d), statistics(&x, d));
    for (real, fake, bound) in [(&a, &b, 1e-13), (&b, &a, 1e-13), (&a, &a, 1e-11)] {
        let input = FidInput { real, fake };
        let root = RealRoot::new(real).unwrap();
        assert!(root.0.lower);
        let cholesky = fid_with_root(input, &root).unwrap();
        let eigen =
            fid_with_root(input, &RealRoot::of_eigenvectors(real, ROUNDING).unwrap()).unwrap();
        let gap = (cholesky - eigen).abs() / (real.trace() + fake.trace());
        assert!(gap < bound, "{cholesky} {eigen} {gap:e}");
    }
}

#[test]
fn a_covariance_without_full_rank_falls_back_to_eigenvectors() {
    let d = 64;
    let few = statistics(&normal("x", 40 * d), d);
    assert!(!RealRoot::new(&few).unwrap().0.lower);
    let many = normal("y", 500 * d);
    // A column twice: the last pivot is rounding.
    let twice: Vec<f32> =
        many.chunks(d).flat_map(|row| row[..d - 1].iter().chain(&row[..1])).copied().collect();
    let twice = statistics(&twice, d);
    assert!(!RealRoot::new(&twice).unwrap().0.lower);
    let same = fid(FidInput { real: &twice, fake: &twice }).unwrap();
    assert!(same.abs() < 1e-6 * twice.trace(), "{same}");
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
         1e0, which no covariance has; compute mu and sigma again in f64 (numpy.cov of float64 features, or \
         ganbench features --stats)"
    );
    let rows = |v: &'static [f32]| Rows::new(v, 1).unwrap();
    let error = fid_of_few(FewSamples { real: rows(&[1.0, 2.0]), fake: rows(&[0.0, f32::NAN]) });
    assert_eq!(
        error.unwrap_err().to_string(),
        "row 1 of the features holds NaN, expected finite numbers only"
    );
}

#[test]
fn divided_by_n_the_covariances_shrink_as_on_paper() {
    // One dimension: 0, 2 and 0, 4. Variances 2 and 8 (n − 1), 1 and 4 (n); means 1 and 2.
    let (real, fake) = ([0.0f64, 2.0], [0.0f64, 4.0]);
    let input =
        FewSamples { real: Rows::new(&real, 1).unwrap(), fake: Rows::new(&fake, 1).unwrap() };
    assert!((fid_of_few_divided(input, Divisor::N).unwrap() - 2.0).abs() < 1e-12);
    assert!((fid_of_few(input).unwrap() - 3.0).abs() < 1e-12);
    let (real, fake) =
        (Statistics::from_rows(input.real).unwrap(), Statistics::from_rows(input.fake).unwrap());
    let input = FidInput { real: &real, fake: &fake };
    assert!((fid_divided(input, Divisor::N).unwrap() - 2.0).abs() < 1e-9);
    assert!((fid(input).unwrap() - 3.0).abs() < 1e-9);
}
