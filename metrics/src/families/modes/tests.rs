use ganbench_data::rng::Stream;
use ganbench_data::shapes::ShapeFactors;

use super::*;

/// Samples of the true distribution, of which the ones that `keep` refuses are drawn again.
fn drawn(n: usize, keep: impl Fn(&ShapeFactors) -> bool) -> Vec<Recognition> {
    let mut stream = Stream::new(1, "test");
    let draws = std::iter::repeat_with(|| ShapeFactors::draw(&mut stream)).filter(keep).take(n);
    draws.map(|factors| Recognition { factors, misfit: 0.5, real_misfit: 0.5 }).collect()
}

/// By name.
fn score(samples: &[Recognition], name: &str) -> f64 {
    let i = FAMILY.metrics.iter().position(|metric| metric.name == name).unwrap();
    scores(samples)[i]
}

#[test]
fn the_truth_scores_as_the_documentation_says() {
    let samples = drawn(10_000, |_| true);
    assert_eq!(score(&samples, "recognised"), 1.0);
    assert_eq!(score(&samples, "modes"), 720.0);
    assert!(score(&samples, "modes_kl").abs() < 0.01);
    assert!((score(&samples, "unseen") - 0.1).abs() < 0.012);
    assert!(score(&samples, "factor_mi").abs() < 0.01);
    for metric in &FAMILY.metrics[4..8] {
        assert!(score(&samples, metric.name) < 0.02, "{}", metric.name);
    }
    for metric in &FAMILY.metrics[10..] {
        // Kolmogorov's 99.9 % point is 1.95/√n.
        assert!(score(&samples, metric.name) < 0.0195, "{}", metric.name);
    }
}

#[test]
fn one_hue_of_six_loses_ln_6_and_five_sixths_of_the_modes() {
    let samples = drawn(10_000, |f| f.hue_family() == 2);
    assert_eq!(score(&samples, "modes"), 120.0);
    assert!((score(&samples, "modes_kl") - 6f64.ln()).abs() < 0.01);
    assert!((score(&samples, "tv_hue") - 5.0 / 6.0).abs() < 1e-12);
    assert!(score(&samples, "factor_mi").abs() < 0.01);
}

#[test]
fn a_hue_that_is_tied_to_the_shape_shows_as_mutual_information_and_in_no_single_factor() {
    // Each shape has the hue of its index modulo 6: the hue is known from the shape.
    let samples = drawn(20_000, |f| f.hue_family() == f.shape as usize % 6);
    assert_eq!(score(&samples, "modes"), 120.0);
    assert!(score(&samples, "tv_shape") < 0.02);
    // Hues 0 to 3 belong to two shapes each: H(hue) = −4·0.2 ln 0.2 − 2·0.1 ln 0.1 = 1.748.
    let mi = score(&samples, "factor_mi");
    assert!((mi - 1.748).abs() < 0.02, "{mi}");
}

#[test]
fn a_generator_that_knows_the_held_out_set_alone_shows_no_unseen_mode() {
    let samples = drawn(5_000, |f| !is_held_out(f.kinds()));
    assert_eq!(score(&samples, "unseen"), 0.0);
    let held_out =
        (0..MODES).filter(|mode| is_held_out([mode / 72, mode / 12 % 6, mode / 3 % 4, mode % 3]));
    assert_eq!(held_out.count(), 72);
    // Each single kind loses its tenth, give or take one shape's.
    for (factor, count) in KIND_COUNTS.into_iter().enumerate() {
        let counts = histogram(count, samples.iter().map(|r| r.factors.kinds()[factor]));
        assert!(counts.iter().all(|count| *count > 0));
    }
}

#[test]
fn half_the_range_of_a_continuous_factor_is_half_away_from_uniform() {
    let samples = drawn(10_000, |f| f.x > 0.0);
    assert!((score(&samples, "ks_x") - 0.5).abs() < 0.02);
    assert!(score(&samples, "ks_y") < 0.0195);
}

#[test]
fn the_rotation_of_a_plain_disc_is_left_out() {
    let mut samples = drawn(4_000, |f| f.kinds()[0] > 1);
    let without = score(&samples, "ks_rotation");
    for mut disc in drawn(4_000, |f| f.kinds()[0] == 0 && f.texture == 0) {
        disc.factors.rotation = 0.07;
        samples.push(disc);
    }
    assert_eq!(score(&samples, "ks_rotation"), without);
}

#[test]
fn samples_that_are_not_recognised_count_for_nothing_else() {
    let mut samples = drawn(1_000, |_| true);
    let before = scores(&samples);
    samples.extend(drawn(1_000, |f| f.shape == 0).iter().map(|r| Recognition {
        misfit: 1.1,
        real_misfit: 3.0,
        ..*r
    }));
    let after = scores(&samples);
    assert_eq!((after[0], after[9]), (0.5, 0.5));
    assert_eq!(after[1..9], before[1..9]);
    assert_eq!(after[10..], before[10..]);
}

#[test]
fn where_nothing_is_recognised_every_value_is_at_its_worst_end() {
    let samples: Vec<_> = drawn(10, |_| true)
        .iter()
        .map(|r| Recognition { misfit: f32::NAN, real_misfit: f32::NAN, ..*r })
        .collect();
    let mut expected = [0.0; METRICS];
    expected[2] = 720f64.ln();
    expected[4..8].fill(1.0);
    expected[10..].fill(1.0);
    assert_eq!(scores(&samples), expected);
    assert_eq!(scores(&[]), expected);
}

#[test]
fn a_perfect_generator_of_1000_recognised_samples_shows_541_modes() {
    // 720 (1 − (719/720)^1000).
    assert!((expected_modes(1000.0) - 540.7).abs() < 0.1);
    let samples = drawn(1_000, |_| true);
    assert!((score(&samples, "modes") - 540.7).abs() < 40.0);
}

#[test]
fn a_share_of_none_or_of_all_samples_has_an_interval_of_finite_ends() {
    use crate::bootstrap::{Bootstrap, Reals, intervals};
    let n = 60;
    let pool: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let features = crate::Features::new(1, pool, None).unwrap();
    let real = crate::RealReference::new(&features, n).unwrap();
    for misfit in [0.5, 2.0] {
        let shown = drawn(n, |_| true).iter().map(|r| Recognition { misfit, ..*r }).collect();
        let fake = features.clone().with_recognitions(shown).unwrap();
        let names: Vec<&str> = FAMILY.metrics.iter().map(|metric| metric.name).collect();
        let input = EvaluationInput {
            real: &real,
            fake: &fake,
            extractor: crate::ExtractorId::UNKNOWN,
            metrics: Some(&names),
            settings: crate::Settings::default(),
            labels: None,
        };
        let values = crate::evaluate(input).unwrap();
        let request = Bootstrap { replicates: 40, seed: 0, reals: Reals::Drawn };
        let found = intervals(&input, &values, request).unwrap();
        assert_eq!(found.len(), METRICS);
        for ((name, interval), value) in found.iter().zip(&values) {
            assert!(interval.low.is_finite() && interval.high.is_finite(), "{name}");
            let (value, rounding) = (value.value, 1e-9);
            assert!(
                interval.low - rounding <= value && value <= interval.high + rounding,
                "{name}"
            );
        }
    }
}
