use serde_json::json;

use super::*;

fn settings(work: Work) -> Settings {
    Settings {
        work,
        batch: 4,
        rounds: 2,
        threads: None,
        interpreter: "sh".into(),
        script: "fake.sh".into(),
    }
}

fn round(ours: Vec<Value>, peer: Vec<Value>, memory: [f64; 2]) -> Round {
    let of = |lines, mb| Measurement { lines, peak_rss_mb: Some(mb), others_cores: None };
    Round { ours_first: true, ours: of(ours, memory[0]), peer: of(peer, memory[1]) }
}

#[test]
fn ratios_are_taken_round_by_round() {
    let ours = |ms: f64| json!({"median_ms": ms, "min_ms": ms, "skip_median_ms": ms / 2.0, "skip_min_ms": ms / 2.0});
    let peer = |ms: f64| json!({"median_ms": ms, "min_ms": ms});
    let rounds = [
        round(vec![ours(10.0)], vec![peer(20.0)], [50.0, 100.0]),
        round(vec![ours(30.0)], vec![peer(30.0)], [50.0, 100.0]),
    ];
    let work = Work::TrainStep { width: 4, steps: 1, warmup: 0 };
    let rows = settings(work).rows(&rounds).unwrap();
    // 10/20 and 30/30; half of both without the gradients; 50/100 of memory.
    assert_eq!(rows[0].ratio, Spread { median: 0.75, min: 0.5, max: 1.0 });
    assert_eq!(rows[0].ours, Spread { median: 20.0, min: 10.0, max: 30.0 });
    assert_eq!(rows[2].ratio, Spread { median: 0.375, min: 0.25, max: 0.5 });
    assert_eq!((rows[4].what.as_str(), rows[4].ratio.median), ("peak RSS, MB", 0.5));
}

#[test]
fn memory_that_is_not_known_has_no_row() {
    let line = json!({"median_ms": 1.0, "min_ms": 1.0});
    let mut only = round(vec![line.clone()], vec![line], [1.0, 1.0]);
    only.peer.peak_rss_mb = None;
    let work = Work::TrainStep { width: 4, steps: 1, warmup: 0 };
    let rows = settings(work).rows(&[only]).unwrap();
    assert!(rows.iter().all(|row| !row.what.contains("RSS")), "{rows:?}");
}

#[test]
fn ops_are_matched_by_name_and_pass_with_every_variant_of_the_peer() {
    let line = |op: &str, ms: f64| json!({"op": op, "pass": "step", "median_ms": ms, "min_ms": ms});
    let mut fused = line("adam", 1.0);
    fused["variant"] = json!("fused");
    // Another order, and an op that ours does not have.
    let peer = vec![line("more", 1.0), fused, line("conv", 8.0), line("adam", 4.0)];
    let rounds = [round(vec![line("conv", 2.0), line("adam", 2.0)], peer, [1.0, 1.0])];
    let rows = settings(Work::Ops { repeat: 1 }).rows(&rounds).unwrap();
    let ratios: Vec<_> = rows.iter().map(|row| (row.what.as_str(), row.ratio.median)).collect();
    let expected = [
        ("conv, step, ms", 0.25),
        ("adam, step (peer fused), ms", 2.0),
        ("adam, step, ms", 0.5),
        ("peak RSS, MB", 1.0),
    ];
    assert_eq!(ratios, expected);
}

#[test]
fn an_op_that_the_peer_left_out_is_named() {
    let line = |op: &str| json!({"op": op, "pass": "fwd", "median_ms": 1.0, "min_ms": 1.0});
    let rounds = [round(vec![line("conv")], vec![line("norm")], [1.0, 1.0])];
    let error = settings(Work::Ops { repeat: 1 }).rows(&rounds).unwrap_err().to_string();
    assert_eq!(error, "the peer printed no line for \"conv\", pass fwd, which ours measured");
}

#[test]
fn lines_without_a_time_above_0_are_no_measurement() {
    let work = Work::TrainStep { width: 4, steps: 1, warmup: 0 };
    assert!(work.reads(&json!({"median_ms": 2, "min_ms": 1.5})));
    assert!(!work.reads(&json!({"median_ms": 0.0, "min_ms": 1.5})));
    assert!(!work.reads(&json!({"median_ms": null, "min_ms": 1.5})));
    assert!(!work.reads(&json!([1, 2])));
    assert!(!Work::Ops { repeat: 1 }.reads(&json!({"median_ms": 2, "min_ms": 1.5})));
}
