//! The rules of pooling on scores made for them.

use super::*;
use crate::drift::compare::{Comparison, compare};
use crate::drift::value::GuardedValue;

fn score(method: &str, name: &str, checkpoint: &str, seed: u64, value: f64) -> GuardedValue {
    GuardedValue {
        run_id: format!("{method}{seed}"),
        dataset: "shapes".into(),
        method: method.into(),
        seed: Some(seed),
        checkpoint: checkpoint.into(),
        ..GuardedValue::new(Layer::Score, name, value)
    }
}

/// The last scores of the first seeds.
fn scores(method: &str, name: &str, values: &[f64]) -> Vec<GuardedValue> {
    values.iter().zip(0..).map(|(&v, seed)| score(method, name, "last", seed, v)).collect()
}

fn compared(baseline: &[GuardedValue], candidate: &[GuardedValue]) -> Comparison {
    compare(Sides { baseline, candidate })
}

fn find<'a>(comparison: &'a Comparison, method: Option<&str>) -> &'a PooledLine {
    comparison.pooled.iter().find(|line| line.method.as_deref() == method).unwrap()
}

#[test]
fn two_methods_on_paper() {
    let baseline = [scores("a", "is@x", &[1.0, 2.0, 3.0]), scores("b", "is@x", &[1.0, 1.5, 3.5])];
    let candidate = [scores("a", "is@x", &[3.0, 4.0]), scores("b", "is@x", &[2.0, 2.0])];
    let comparison = compared(&baseline.concat(), &candidate.concat());
    // Squares within both sides are 2 + ½ and 3½ + 0 with 3 degrees of freedom each, and 1/3 + 1/2
    // is 5/6: the differences 1.5 and 0 have variances 25/36 and 35/36.
    let all = find(&comparison, None);
    let (a, b) = (25.0 / 36.0, 35.0 / 36.0f64);
    let error = ((a + b) / 4.0f64).sqrt();
    assert_eq!((all.difference, all.cells), (Some(0.75), 2));
    assert_eq!((all.baseline_runs, all.candidate_runs), (6, 4));
    assert!((all.size.unwrap() - 0.75 / error).abs() < 1e-12);
    assert!((all.df - (a + b).powi(2) / ((a * a + b * b) / 3.0)).abs() < 1e-12);
    // A run's variance pooled over both is 1, more than a's own 5/6 and less than b's own 7/6.
    let size = 1.5 / (5.0 / 6.0f64).sqrt();
    assert!((find(&comparison, Some("a")).size.unwrap() - size).abs() < 1e-12);
    let b = find(&comparison, Some("b"));
    assert!((b.least_seen / b.allowed - (7.0 / 6.0 * 5.0 / 6.0f64).sqrt()).abs() < 1e-12);
    assert_eq!(comparison.pooled.len(), 3);
}

#[test]
fn ratios_are_compared_by_their_logarithms_and_a_fall_is_seen_as_a_rise() {
    let baseline = scores("a", "fid@x", &[10.0, 11.0, 12.0]);
    let by = |factor: f64| {
        let values = [10.0, 11.0, 12.0].map(|v| v * factor);
        find(&compared(&baseline, &scores("a", "fid@x", &values)), Some("a")).clone()
    };
    let (rise, fall) = (by(20.0), by(0.05));
    assert_eq!((rise.verdict, fall.verdict, rise.scale), (Verdict::Drift, Verdict::Drift, "ratio"));
    assert!((rise.difference.unwrap() - 20f64.ln()).abs() < 1e-12);
    assert!((rise.size.unwrap() - fall.size.unwrap()).abs() < 1e-9);
    assert_eq!(by(1.0001).verdict, Verdict::Within);
    assert_eq!(by(0.0).verdict, Verdict::Drift, "0 has no logarithm");
    assert_eq!(by(-1.0).verdict, Verdict::Drift);
}

#[test]
fn one_odd_run_does_not_raise_the_alarm_however_odd() {
    let baseline = scores("a", "is@x", &[1.0, 1.1, 1.2, 1.3, 1.4]);
    for odd in [10.0, 1e3, 1e9] {
        let comparison = compared(&baseline, &scores("a", "is@x", &[1.2, odd]));
        let line = find(&comparison, Some("a"));
        // (x/2) / √(x²/2 / 5 · 7/10) = √(25/14 · 2)
        assert!(line.size.unwrap() < 1.9, "{line:?}");
        assert_eq!(line.verdict, Verdict::Within);
    }
}

#[test]
fn a_run_is_one_number_however_many_checkpoints_it_has() {
    let both = |values: &[f64]| -> Vec<GuardedValue> {
        let of = |(&v, seed): (&f64, u64)| {
            ["best", "last"].map(|checkpoint| score("a", "is@x", checkpoint, seed, v))
        };
        values.iter().zip(0..).flat_map(of).collect()
    };
    let values = [[1.0, 2.0, 3.0], [3.0, 4.0, 6.0]];
    let once = compared(&scores("a", "is@x", &values[0]), &scores("a", "is@x", &values[1]));
    let twice = compared(&both(&values[0]), &both(&values[1]));
    let (once, twice) = (find(&once, Some("a")), find(&twice, Some("a")));
    assert_eq!((once.cells, twice.cells), (1, 2));
    assert_eq!((once.size, once.df), (twice.size, twice.df));
}

#[test]
fn cells_that_are_the_same_for_most_seeds_are_left_out_with_a_note() {
    let baseline = [
        scores("a", "precision@x", &[0.0, 0.0, 0.1]),
        scores("b", "precision@x", &[0.1, 0.2, 0.3]),
    ];
    let comparison = compared(&baseline.concat(), &baseline.concat());
    assert_eq!(comparison.pooled.len(), 1);
    assert_eq!(
        comparison.notes,
        [
            "left out of the pooled scores, since most seeds of the baseline have the same value: cells 1 of \
          precision@x"
        ]
    );
    let none = compared(
        &scores("a", "kid@x", &[0.1, -0.1, 0.2]),
        &scores("a", "kid@x", &[0.1, -0.1, 0.2]),
    );
    assert!(none.pooled.is_empty());
    assert!(
        none.notes[0].ends_with("the baseline has values without a logarithm: cells 1 of kid@x")
    );
}

#[test]
fn runs_that_collapsed_are_left_out_and_counted() {
    let run = |method: &str, seed, best: f64, last: f64| {
        [score(method, "fid@x", "best", seed, best), score(method, "fid@x", "last", seed, last)]
    };
    let baseline: Vec<GuardedValue> =
        (0..8).flat_map(|seed| run("a", seed, 10.0 + seed as f64, 11.0 + seed as f64)).collect();
    let one: Vec<GuardedValue> = (0..8)
        .flat_map(|seed| {
            let last = if seed == 3 { 1e3 } else { 11.0 + seed as f64 };
            run("a", seed, 10.0 + seed as f64, last)
        })
        .collect();
    let comparison = compared(&baseline, &one);
    assert_eq!(comparison.verdict, Verdict::Within);
    let reasons = comparison.rows.iter().filter_map(|line| line.reason.as_deref());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        ["the candidate's run collapsed: its last FID is 76.9 times its best"]
    );
    let collapses = &comparison.counts[0];
    assert_eq!(
        (collapses.baseline, collapses.candidate, collapses.verdict),
        (0, 1, Verdict::Within)
    );

    let all: Vec<GuardedValue> =
        (0..8).flat_map(|seed| run("a", seed, 10.0 + seed as f64, 50.0)).collect();
    let comparison = compared(&baseline, &all);
    let collapses = &comparison.counts[0];
    assert_eq!((collapses.candidate, collapses.candidate_runs), (8, 8));
    // 2 / C(16, 8)
    assert!((collapses.p - 2.0 / 12_870.0).abs() < 1e-12);
    assert_eq!(collapses.verdict, Verdict::Drift);
}

#[test]
fn the_shares_of_the_chance_of_a_false_alarm_add_up_to_no_more_than_one() {
    let tiers: f64 = Tier::ALL.iter().map(|tier| tier.share()).sum();
    let sum = tiers + counts::SHARE + crate::drift::compare::VALUES_SHARE;
    assert!((sum - 0.8).abs() < 1e-12, "{sum}");
}
