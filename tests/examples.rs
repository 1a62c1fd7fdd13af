use std::path::Path;
use std::process::Command;

use crate::pictures::Pictures;
use crate::program::{ok, strs, text, tiny};

/// What one of `examples/` prints. Cargo builds them with the tests, beside the program.
fn run(example: &str, words: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_ganbench"));
    let mut command = Command::new(program.with_file_name("examples").join(example));
    let output = command.args(words).output().unwrap_or_else(|e| panic!("{example}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_fid_of_two_folders_is_the_one_that_eval_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = (dir.path().join("real"), dir.path().join("fake"));
    Pictures::noise(1, 60, 32, 0).folder(&real);
    Pictures::noise(2, 60, 32, 40).folder(&fake);
    let (real, fake) = (text(&real), text(&fake));
    let line = |printed: &str| printed.lines().find(|l| l.starts_with("fid@")).unwrap().to_owned();
    let example = line(&run("fid_of_folders", &[&real, &fake, "small-cifar10"]));
    let eval = line(&ok(&[
        "eval",
        "--real",
        &real,
        "--fake",
        &fake,
        "--extractor",
        "small-cifar10",
        "--no-cache",
        "--quiet",
    ]));
    let value = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap();
    let (example, eval) = (value(&example), value(&eval));
    assert!((example - eval).abs() < 1e-3 * eval, "{example} and {eval}");
}

#[test]
fn a_method_is_trained_and_scored_through_the_library() {
    let printed = run("train_and_score", &["gan", "5"]);
    assert!(printed.lines().any(|line| line.starts_with("fid@small-shapes")), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("modes@small-shapes")), "{printed}");
}

#[test]
fn results_compared_with_themselves_do_not_differ() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    ok(&strs(&tiny("gan", "0,1", &out)));
    let results = text(&out.join("results.parquet"));
    let printed = run("compare_results", &[&results, &results]);
    assert!(printed.contains("fid@small-shapes"), "{printed}");
    assert!(!printed.contains("is better"), "{printed}");
}
