use serde_json::Value;

use crate::program::{ok, refused, text};

/// Small enough for a test; times mean nothing here.
const TINY: [&str; 8] = ["--width", "4", "--batch", "4", "--steps", "1", "--warmup", "0"];

fn train_step(more: &[&str]) -> Value {
    let out = ok(&[&["bench", "train-step"][..], &TINY, &["--json"], more].concat());
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(&out).unwrap()
}

fn keys(line: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

const KEYS: [&str; 11] = [
    "architecture",
    "batch",
    "gflops",
    "images_per_s",
    "median_ms",
    "min_ms",
    "peak_rss_mb",
    "steps",
    "threads",
    "variant",
    "width",
];

#[test]
fn a_training_step_is_one_line_with_the_promised_keys() {
    let line = train_step(&["--threads", "1"]);
    let mut expected = KEYS.to_vec();
    expected.extend(["skip_median_ms", "skip_min_ms"]);
    expected.sort_unstable();
    assert_eq!(keys(&line), expected);
    assert_eq!((&line["variant"], &line["threads"]), (&"full".into(), &1.into()));
    // One step: the median is the minimum, and the rate that of the batch of 4.
    assert_eq!(line["median_ms"], line["min_ms"]);
    let per_s = line["images_per_s"].as_f64().unwrap() * line["median_ms"].as_f64().unwrap();
    assert!((per_s - 4000.0).abs() < 1e-6, "{line}");
}

#[test]
fn a_methods_step_tells_its_images_through_d() {
    for (method, d_step, g_step) in [("gan", 8, 4), ("contrad", 12, 4), ("kdd", 8, 8)] {
        let line = train_step(&["--method", method]);
        let mut expected = KEYS.to_vec();
        expected.extend(["method", "d_image_forwards", "d_image_forwards_g_step"]);
        expected.sort_unstable();
        assert_eq!(keys(&line), expected);
        assert_eq!(line["d_image_forwards"], d_step, "{line}");
        assert_eq!(line["d_image_forwards_g_step"], g_step, "{line}");
    }
}

#[test]
fn a_profile_accounts_for_the_whole_step() {
    let line = train_step(&["--profile"]);
    for variant in ["full", "skip"] {
        let ops = line["profile"].as_array().unwrap().iter();
        let shares = ops.filter(|op| op["variant"] == variant).map(|op| op["share"].as_f64());
        let sum: f64 = shares.map(Option::unwrap).sum();
        // Rounding alone.
        assert!((sum - 1.0).abs() < 1e-9, "{variant}: {line}");
    }
    let table = ok(&[&["bench", "train-step"][..], &TINY, &["--profile"]].concat());
    assert!(table.contains("GFLOP/s") && table.contains("outside the ops"), "{table}");
}

#[test]
fn ops_are_one_line_each() {
    let out = ok(&["bench", "ops", "--batch", "1", "--repeat", "1", "--json"]);
    let lines: Vec<Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    // Ten convolutions, an activation and a norm, each in two passes, the activation without the
    // tape, and an optimiser.
    assert_eq!(lines.len(), 26);
    for line in &lines {
        assert!(line["median_ms"].as_f64().unwrap() > 0.0, "{line}");
    }
    assert_eq!(
        (&lines[0]["op"], &lines[0]["pass"]),
        (&"conv 3->64 k3s1 32x32".into(), &"fwd".into())
    );
}

#[test]
fn wrong_flags_of_bench_end_with_64() {
    for (args, message) in [
        (&["train-step", "--batch", "0"][..], "--batch is 0, expected at least 1"),
        (&["train-step", "--width", "0"], "--width is 0, expected at least 1"),
        (&["train-step", "--steps", "0"], "--steps is 0, expected at least 1"),
        (&["train-step", "--width", "1000000000"], "--width is 1000000000, expected at most 2048"),
        (&["ops", "--batch", "1000000000"], "expected at most 65536"),
        (&["train-step", "--architecture", "vgg"], "unknown architecture \"vgg\"; known: sndcgan"),
        (&["train-step", "--method", "hing"], "unknown method \"hing\"; known: gan, hinge"),
        (&["train-step", "--threads", "0"], "--threads is 0, expected at least 1"),
        (&["ops", "--repeat", "0"], "--repeat is 0, expected at least 1"),
        (&["compare", "--peer-script", "x", "--rounds", "0"], "--rounds is 0"),
        (&["compare", "--peer-script", "x", "--out", "d", "--name", "a/b"], "--name is \"a/b\""),
        (&["compare"], "--peer-script"),
    ] {
        let (code, error) = refused(&[&["bench"], args].concat());
        assert!(code == 64 && error.contains(message), "{args:?}: {code} {error}");
    }
}

/// A peer that needs no Python: a shell script that prints what a script of a framework would.
#[cfg(unix)]
fn peer(dir: &std::path::Path, script: &str) -> String {
    let path = dir.join("peer.sh");
    std::fs::write(&path, script).unwrap();
    text(&path)
}

#[cfg(unix)]
#[test]
fn a_comparison_divides_our_time_by_the_peers_round_by_round() {
    let dir = tempfile::tempdir().unwrap();
    let script = peer(
        dir.path(),
        "echo starting\n\
         echo '{\"peer\": \"fake 1\", \"threads\": 1, \"batch\": 4, \"width\": 4, \"median_ms\": 2e6, \"min_ms\": 1e6}'",
    );
    let kept = dir.path().join("kept");
    let compare = ["bench", "compare", "--python", "sh", "--peer-script", &script, "--rounds", "3"];
    let out = text(&kept);
    let out = ok(&[&compare[..], &TINY, &["--json", "--out", &out, "--name", "fake"]].concat());
    let record: Value = serde_json::from_str(&out).unwrap();
    let rounds = record["rounds"].as_array().unwrap();
    let first: Vec<_> = rounds.iter().map(|r| r["ours_first"].as_bool().unwrap()).collect();
    assert_eq!(first, [true, false, true]);
    let ratio = |row: usize, key: &str| record["rows"][row]["ratio"][key].as_f64().unwrap();
    for (row, key, peer_ms) in
        [(0, "median_ms", 2e6), (1, "min_ms", 1e6), (2, "skip_median_ms", 2e6)]
    {
        let mut ratios: Vec<f64> =
            rounds.iter().map(|r| r["ours"]["lines"][0][key].as_f64().unwrap() / peer_ms).collect();
        ratios.sort_by(f64::total_cmp);
        let got = [ratio(row, "min"), ratio(row, "median"), ratio(row, "max")];
        assert_eq!(got.as_slice(), ratios.as_slice(), "{key}");
    }
    if cfg!(target_os = "linux") {
        assert_eq!(record["rows"][4]["what"], "peak RSS, MB");
        assert!(record["rows"][4]["peer"]["median"].as_f64().unwrap() > 0.0);
    }
    let mut names: Vec<String> = std::fs::read_dir(&kept)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].ends_with("-fake.json") && names[1].ends_with("-fake.md"), "{names:?}");
    // Whoever keeps a comparison shows nothing of the machine's folders.
    for name in names {
        let content = std::fs::read_to_string(kept.join(name)).unwrap();
        assert!(!content.contains(&text(dir.path())), "{content}");
    }
}

#[cfg(unix)]
#[test]
fn a_peer_that_fails_is_told_with_its_last_line() {
    let dir = tempfile::tempdir().unwrap();
    for (script, message) in [
        (
            "echo 'No module named torch' >&2; exit 3",
            "the peer peer.sh ended with exit status: 3; its last line on stderr: No module named torch",
        ),
        (
            "echo ready",
            "the peer peer.sh printed no line of JSON with median_ms and min_ms above 0",
        ),
        (
            "echo '{\"batch\": 64, \"median_ms\": 1, \"min_ms\": 1}'",
            "the peer peer.sh measured batch 64, expected 4; does it read --batch?",
        ),
    ] {
        let script = peer(dir.path(), script);
        let compare = ["bench", "compare", "--python", "sh", "--peer-script", &script];
        let (code, error) = refused(&[&compare[..], &TINY].concat());
        assert!(code == 1 && error.contains(message), "{error}");
    }
    let (code, error) = refused(&["bench", "compare", "--peer-script", "/no/such/script.py"]);
    assert!(code == 1 && error.contains("--peer-script /no/such/script.py is no file"), "{error}");
}
