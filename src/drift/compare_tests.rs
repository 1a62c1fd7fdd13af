//! The rules of the comparison on values made for them.

use ganbench_reports::Status;

use super::compare::{Comparison, Sides, compare};
use super::line::{Line, Verdict};
use super::power::Power;
use super::show::{Shown, markdown, text};
use super::update::{Update, updated};
use super::value::{GuardedValue, Layer, Provenance};

fn exact(name: &str, value: f64) -> GuardedValue {
    GuardedValue { tolerance: Some(1e-6), ..GuardedValue::new(Layer::Metric, name, value) }
}

fn score(seed: u64, value: f64) -> GuardedValue {
    GuardedValue {
        run_id: format!("run{seed}"),
        dataset: "shapes".into(),
        dataset_sha256: "ab".repeat(32),
        method: "gan".into(),
        seed: Some(seed),
        checkpoint: "last".into(),
        n_real: 2000,
        n_fake: 400,
        extractor: "small-shapes".into(),
        extractor_sha256: "cd".repeat(32),
        protocol: "table1".into(),
        ..GuardedValue::new(Layer::Score, "fid@small-shapes", value)
    }
}

/// Five seeds with mean 10 and variance 0.875.
fn five() -> Vec<GuardedValue> {
    [9.0, 9.5, 10.0, 10.0, 11.5].iter().zip(0..).map(|(&v, seed)| score(seed, v)).collect()
}

/// The same as a user's own numbers, which are judged one by one.
fn own(values: Vec<GuardedValue>) -> Vec<GuardedValue> {
    values.into_iter().map(|value| GuardedValue { layer: Layer::Own, ..value }).collect()
}

fn compared(baseline: &[GuardedValue], candidate: &[GuardedValue]) -> Comparison {
    compare(Sides { baseline, candidate })
}

fn only(baseline: GuardedValue, candidate: GuardedValue) -> Line {
    let comparison = compared(&[baseline], &[candidate]);
    assert_eq!(comparison.rows.len(), 1);
    comparison.rows.into_iter().next().unwrap()
}

#[test]
fn the_same_bits_are_identical_and_the_last_bit_is_not() {
    let (a, b) = (exact("fid", 3.0), exact("fid", 3.0f64.next_up()));
    assert_eq!(only(a.clone(), a.clone()).verdict, Verdict::Identical);
    assert_eq!(only(a, b).verdict, Verdict::Within);
}

#[test]
fn a_relative_tolerance_is_of_the_baseline_or_of_the_floor_near_zero() {
    assert_eq!(only(exact("fid", 50.0), exact("fid", 50.000_04)).verdict, Verdict::Within);
    let line = only(exact("fid", 50.0), exact("fid", 50.000_06));
    assert_eq!((line.verdict, line.verdict.exit_code()), (Verdict::Drift, 3));
    assert!((line.size.unwrap() - 1.2e-6).abs() < 1e-12);
    // 1e-6 of 0.1
    assert_eq!(only(exact("kid", 0.0), exact("kid", 0.9e-7)).verdict, Verdict::Within);
    assert_eq!(only(exact("kid", 0.0), exact("kid", 1.1e-7)).verdict, Verdict::Drift);
}

#[test]
fn a_value_is_judged_by_the_spread_over_seeds() {
    // Squares 1 + ¼ + 0 + 0 + 2¼ = 3.5, variance 0.875, of a difference 1.75.
    let near = compared(&own(five()), &own(vec![score(0, 9.5)]));
    assert_eq!(near.verdict, Verdict::Within);
    let line = &near.rows[0];
    assert!((line.size.unwrap() - 0.5 / 1.75f64.sqrt()).abs() < 1e-12);
    // One comparison: the 99.5 % point of Student's distribution with 4 degrees of freedom.
    assert!((line.allowed.unwrap() - 4.604_095).abs() < 1e-5, "{:?}", line.allowed);
    // The least move that is drift, of 9.
    assert!((line.least_move.unwrap() - 4.604_095 * 1.75f64.sqrt() / 9.0).abs() < 1e-5);
    assert_eq!(compared(&own(five()), &own(vec![score(0, 40.0)])).verdict, Verdict::Drift);
}

#[test]
fn scores_of_trained_runs_are_judged_together_and_shown_one_by_one() {
    let comparison = compared(&five(), &[score(0, 9.0), score(1, 40.0)]);
    let line = comparison.rows.iter().find(|line| line.seed == Some(1)).unwrap();
    assert!(line.size.unwrap() > 20.0);
    assert_eq!((line.verdict, line.allowed, line.least_move), (Verdict::Within, None, None));
    assert_eq!((comparison.pooled.len(), comparison.verdict), (1, Verdict::Within));
    let both = compared(&five(), &[score(0, 40.0), score(1, 41.0)]);
    assert_eq!(both.verdict, Verdict::Drift);
    assert!(both.rows.iter().all(|line| line.verdict == Verdict::Within));
    assert_eq!(both.pooled[0].verdict, Verdict::Drift);
}

#[test]
fn many_comparisons_widen_what_each_is_allowed() {
    let one = compared(&own(five()), &own(vec![score(0, 9.5)])).rows[0].allowed.unwrap();
    let many = |n: usize| -> Vec<GuardedValue> {
        let named = |i: usize| move |v: GuardedValue| GuardedValue { name: format!("m{i}"), ..v };
        (0..n).flat_map(|i| own(five()).into_iter().map(named(i))).collect()
    };
    let hundred = compared(&many(100), &many(100));
    assert_eq!(hundred.verdict, Verdict::Identical);
    assert!(hundred.rows[0].allowed.unwrap() > 2.0 * one);
}

#[test]
fn the_mean_over_shared_seeds_shows_what_single_seeds_hide() {
    let shifted: Vec<GuardedValue> =
        five().into_iter().map(|v| GuardedValue { value: v.value.map(|x| x + 8.0), ..v }).collect();
    let comparison = compared(&own(five()), &own(shifted));
    let (means, singles): (Vec<&Line>, Vec<&Line>) =
        comparison.rows.iter().partition(|line| line.seeds > 1);
    assert!(singles.iter().all(|line| line.verdict == Verdict::Within), "{comparison:?}");
    assert_eq!((means.len(), means[0].seeds, means[0].verdict), (1, 5, Verdict::Drift));
    let ratio = means[0].size.unwrap() / singles[0].size.unwrap();
    assert!((ratio - 5f64.sqrt()).abs() < 1e-9, "{ratio}");
}

#[test]
fn intervals_add_to_the_noise_and_stand_alone_with_one_seed() {
    let with = |v: GuardedValue| GuardedValue { ci_low: Some(8.0), ci_high: Some(12.0), ..v };
    let spread = compared(&five(), &[score(0, 9.5)]).rows[0].size.unwrap();
    let both: Vec<GuardedValue> = five().into_iter().map(with).collect();
    assert!(compared(&both, &[score(0, 9.5)]).rows[0].size.unwrap() < spread);
    let alone = only(with(score(0, 10.0)), score(0, 11.0));
    // 4/(2·1.96) = 1.0204, times √2.
    assert!((alone.size.unwrap() - 1.0 / (1.020_43 * 2f64.sqrt())).abs() < 1e-4);
    assert_eq!(alone.verdict, Verdict::Within);
}

#[test]
fn runs_that_leave_the_value_of_most_seeds_are_counted() {
    let runs = |value: f64, n: u64| -> Vec<GuardedValue> {
        let run = |method: &str, seed| GuardedValue { method: method.into(), ..score(seed, value) };
        let methods = ["a", "b", "c"].iter();
        methods.flat_map(|method| (0..n).map(|seed| run(method, seed))).collect()
    };
    let mut one = runs(0.0, 5);
    one[0].value = Some(0.5);
    let comparison = compared(&runs(0.0, 5), &one);
    assert_eq!(comparison.verdict, Verdict::Within);
    let line = comparison.rows.iter().find(|line| line.verdict == Verdict::Within).unwrap();
    assert!(line.reason.as_ref().unwrap().contains("no noise to judge by; how many runs leave it"));
    let all = compared(&runs(0.0, 5), &runs(0.5, 5));
    assert_eq!(all.verdict.exit_code(), 3);
    let said = text(&all, &[], Shown::Moved);
    assert!(
        said.contains(
            "DRIFT of runs that left the value that fid@small-shapes has for most seeds: 0 of 15 in the \
             baseline, 15 of 15 in the candidate, p 1.3e-8 where up to 3e-4 is drift"
        ),
        "{said}"
    );
}

#[test]
fn one_seed_without_an_interval_is_not_comparable_unless_identical() {
    assert_eq!(only(score(0, 1.0), score(0, 1.0)).verdict, Verdict::Identical);
    let line = only(score(0, 1.0), score(0, 1.1));
    assert_eq!((line.verdict, line.verdict.exit_code()), (Verdict::NotComparable, 4));
    assert!(line.reason.unwrap().starts_with("the baseline holds no noise to judge by"));
}

#[test]
fn what_was_measured_in_another_way_is_not_comparable_and_says_why() {
    let b = || score(0, 10.0);
    let hash = "0123456789ab".to_string() + &"f".repeat(52);
    for (candidate, why) in [
        (GuardedValue { protocol: "custom".into(), ..b() }, "protocol table1 against custom"),
        (GuardedValue { n_fake: 500, ..b() }, "n_fake 400 against 500"),
        (GuardedValue { n_real: 500, ..b() }, "n_real 2000 against 500"),
        (
            GuardedValue { extractor: "pixels".into(), ..b() },
            "extractor small-shapes against pixels",
        ),
        (
            GuardedValue { extractor_sha256: hash.clone(), ..b() },
            "extractor hash cdcdcdcdcdcd against 0123456789ab",
        ),
        (
            GuardedValue { dataset_sha256: hash, ..b() },
            "dataset hash abababababab against 0123456789ab",
        ),
        (GuardedValue { run_id: "other".into(), ..b() }, "another plan (run_id)"),
    ] {
        let line = only(b(), candidate);
        assert_eq!((line.verdict, line.reason.as_deref()), (Verdict::NotComparable, Some(why)));
    }
}

#[test]
fn rows_missing_in_the_candidate_are_not_comparable() {
    let other = GuardedValue { name: "is@small-shapes".into(), ..score(0, 2.0) };
    let comparison = compared(&[score(0, 10.0), other.clone()], std::slice::from_ref(&other));
    assert_eq!(comparison.verdict, Verdict::NotComparable);
    let said = text(&comparison, &[other], Shown::Moved);
    assert!(
        said.contains(
            "not compared: 1 of the baseline's values, such as score shapes gan seed 0 last \
             fid@small-shapes: missing in the candidate"
        ),
        "{said}"
    );
    // Nothing in common at all.
    assert_eq!(compared(&five(), &[exact("fid", 1.0)]).verdict, Verdict::NotComparable);
}

#[test]
fn data_sets_and_seeds_that_the_candidate_never_looked_at_are_left_out_with_a_note() {
    let cifar = |v: GuardedValue| GuardedValue { dataset: "cifar10".into(), ..v };
    let baseline: Vec<GuardedValue> =
        five().into_iter().chain(five().into_iter().map(cifar)).collect();
    let comparison = compared(&baseline, &five()[..2]);
    assert_eq!(comparison.verdict, Verdict::Identical);
    assert_eq!(comparison.rows.len(), 3);
    assert_eq!(
        comparison.notes,
        [
            "data set cifar10: not in the candidate, the baseline's 5 values are left out",
            "seed 2 of score shapes: not in the candidate, the baseline's 1 values are left out",
            "seed 3 of score shapes: not in the candidate, the baseline's 1 values are left out",
            "seed 4 of score shapes: not in the candidate, the baseline's 1 values are left out",
        ]
    );
    // Another seed altogether is no shared seed.
    assert_eq!(compared(&five(), &[score(9, 10.0)]).verdict, Verdict::NotComparable);
}

fn made_by(value: GuardedValue, commit: &str, simd: &str) -> GuardedValue {
    let provenance = Provenance {
        version: "0.1.0".into(),
        commit: commit.into(),
        cpu: "a processor".into(),
        simd: simd.into(),
        ..Provenance::default()
    };
    GuardedValue { provenance, ..value }
}

#[test]
fn other_bits_of_the_same_build_on_the_same_machine_are_a_finding_of_their_own() {
    let baseline = || made_by(exact("fid", 50.0), "abc", "avx2");
    let moved = exact("fid", 50.0f64.next_up());
    let line = only(baseline(), made_by(moved.clone(), "abc", "avx2"));
    assert_eq!((line.verdict, line.verdict.exit_code()), (Verdict::Irreproducible, 3));
    assert!(line.reason.unwrap().contains("or something is not deterministic"));
    for other in [("abd", "avx2"), ("abc", "avx512"), ("abc", "")] {
        let line = only(baseline(), made_by(moved.clone(), other.0, other.1));
        assert_eq!(line.verdict, Verdict::Within, "{other:?}");
    }
    // A build that does not know its commit may be any, and a user's own numbers may be random.
    let unknown = || made_by(exact("fid", 50.0), "unknown", "avx2");
    let moved = |value| made_by(value, "unknown", "avx2");
    let near = exact("fid", 50.0f64.next_up());
    assert_eq!(only(unknown(), moved(near)).verdict, Verdict::Within);
    let own =
        |value| GuardedValue { tolerance: Some(0.1), ..GuardedValue::new(Layer::Own, "x", value) };
    let (a, b) = (made_by(own(1.0), "abc", "avx2"), made_by(own(1.01), "abc", "avx2"));
    assert_eq!(only(a, b).verdict, Verdict::Within);
    let comparison =
        compared(&[baseline()], &[made_by(exact("fid", 50.0f64.next_up()), "abc", "avx2")]);
    let said = text(&comparison, &[], Shown::Moved);
    assert!(
        said.contains("not reproduced: 1 of the baseline's values, such as metric fid"),
        "{said}"
    );
    assert!(
        said.contains("0 drifted, 1 not reproduced, 0 not comparable: NOT REPRODUCED"),
        "{said}"
    );
}

#[test]
fn what_the_baseline_lacks_is_counted_by_layer_and_checkpoint() {
    let end = GuardedValue {
        checkpoint: "end".into(),
        tolerance: Some(1e-3),
        ..GuardedValue::new(Layer::Trace, "d_loss", 1.0)
    };
    let comparison = compared(&[exact("fid", 1.0)], &[exact("fid", 1.0), exact("kid", 1.0), end]);
    assert_eq!(comparison.verdict, Verdict::Identical);
    assert_eq!(
        comparison.notes,
        ["2 values are not in the baseline (1 of metric, 1 of trace end); --update takes them in"]
    );
}

#[test]
fn the_least_move_of_a_tolerance_is_the_tolerance_or_that_of_the_floor() {
    assert_eq!(only(exact("fid", 50.0), exact("fid", 50.0)).least_move, Some(1e-6));
    // 1e-6 of 0.1, relative to 0.01.
    let near_zero = only(exact("kid", 0.01), exact("kid", 0.01)).least_move.unwrap();
    assert!((near_zero - 1e-5).abs() < 1e-12, "{near_zero}");
    assert_eq!(only(exact("kid", 0.0), exact("kid", 0.0)).least_move, None);
}

#[test]
fn power_names_the_values_that_could_move_by_more_than_asked() {
    let comparison = compared(&five(), &five());
    let least = comparison.pooled[0].least_move.unwrap();
    let enough = Power::new(&comparison, 1.01 * least);
    assert_eq!((enough.values, enough.blind.len()), (5, 0));
    assert!(enough.text().starts_with("power: no value of 5 could move by more than "));
    let blind = Power::new(&comparison, 0.1);
    assert_eq!((blind.blind.len(), blind.blind[0].least_move), (5, least));
    let said = blind.text();
    assert!(
        said.starts_with(
            "POWER: 5 of 5 values could move by more than 10 % unseen, such as score shapes gan seed"
        ),
        "{said}"
    );
    // What a tolerance guards.
    let exact = [exact("fid", 50.0)];
    assert_eq!(Power::new(&compared(&exact, &exact), 1e-3).blind.len(), 0);
    assert_eq!(Power::new(&compared(&exact, &exact), 1e-7).blind.len(), 1);
}

#[test]
fn divergence_on_one_side_is_drift_and_on_both_the_same() {
    let diverged = GuardedValue {
        value: None,
        status: Status::Diverged,
        n_real: 0,
        n_fake: 0,
        ..score(0, 0.0)
    };
    assert_eq!(only(score(0, 10.0), diverged.clone()).verdict, Verdict::Drift);
    assert_eq!(only(diverged.clone(), score(0, 10.0)).verdict, Verdict::Drift);
    assert_eq!(only(diverged.clone(), diverged).verdict, Verdict::Identical);
}

#[test]
fn each_value_is_judged_by_its_own_tolerance() {
    let own = |seed, tolerance| GuardedValue {
        seed: Some(seed),
        tolerance,
        ..GuardedValue::new(Layer::Own, "lpips", 1.0 + seed as f64)
    };
    let baseline = [own(0, Some(1e-2)), own(1, Some(1e-4)), own(2, None)];
    let moved = |v: &GuardedValue| GuardedValue { value: v.value.map(|x| x * 1.001), ..v.clone() };
    let comparison = compared(&baseline, &baseline.each_ref().map(moved));
    let verdicts: Vec<Verdict> = comparison.rows.iter().map(|line| line.verdict).collect();
    assert_eq!(verdicts, [Verdict::Within, Verdict::Drift, Verdict::Within]);
}

#[test]
fn nan_never_passes() {
    for candidate in [f64::NAN, f64::INFINITY] {
        let bad = GuardedValue { value: Some(candidate), ..exact("fid", 1.0) };
        assert_eq!(only(exact("fid", 1.0), bad.clone()).verdict, Verdict::Drift);
        assert!(bad.validate().unwrap_err().contains("expected a finite number"));
    }
    // Made of a NaN, a value is one that diverged.
    assert_eq!(only(exact("fid", 1.0), exact("fid", f64::NAN)).verdict, Verdict::Drift);
}

#[test]
fn drift_comes_before_what_cannot_be_compared() {
    let comparison = compared(&[exact("a", 1.0), exact("b", 1.0)], &[exact("a", 2.0)]);
    assert_eq!(comparison.verdict, Verdict::Drift);
    let said = markdown(&comparison, &[]);
    assert!(said.contains("| metric a | 1.00000000 | 2.00000000 | +1.000e0 |"), "{said}");
    assert!(
        said.contains("- not compared: 1 of the baseline's values, such as metric b"),
        "{said}"
    );
}

#[test]
fn an_update_keeps_the_former_reasons_and_what_it_has_nothing_of() {
    let first = updated(Update { baseline: None, candidate: &five(), reason: "first" });
    assert!(first.iter().all(|v| !v.provenance.simd.is_empty()));
    let moved = GuardedValue { dataset: "mnist".into(), ..score(0, 3.0) };
    let second =
        updated(Update { baseline: Some(&first), candidate: &[moved], reason: "another resize" });
    assert_eq!(second.len(), 6);
    for value in &second {
        let reasons: Vec<super::value::Reason> =
            serde_json::from_str(&value.provenance.reasons).unwrap();
        let reasons: Vec<&str> = reasons.iter().map(|r| r.reason.as_str()).collect();
        assert_eq!(reasons, ["first", "another resize"]);
    }
}
