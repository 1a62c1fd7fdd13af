//! Damaged files of runs, plans and results: an error or the same content, and never a panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use ganbench_data::rng::Stream;

use crate::experiments::Experiment;
use crate::plan::resolve;
use crate::results::{CSV_NAME, PARQUET_NAME, find_runs, pack, read_rows, rebuild};
use crate::run::folder::{PLAN_NAME, PROVENANCE_NAME, RunFolder};
use crate::run::integrity::{self, finished_run};

#[path = "../metrics/tests/fuzz/damage.rs"]
mod damage;
#[path = "../metrics/tests/fuzz/factor.rs"]
mod factor;

/// Gives damaged forms of `seed` to `read`, which says whether it took them. Fails where it panics.
fn fuzz(name: &str, seed: &[u8], inputs: usize, read: impl Fn(&[u8]) -> bool) {
    static QUIETEN: Once = Once::new();
    QUIETEN.call_once(crate::cli::process::quieten_panics);
    let inputs = inputs * factor::factor();
    let mut stream = Stream::new(0, name);
    let mut taken = 0;
    for i in 0..inputs {
        let damaged = damage::damaged(&[seed], &mut stream);
        let result = catch_unwind(AssertUnwindSafe(|| read(&damaged)));
        let text = || String::from_utf8_lossy(&damaged).into_owned();
        taken += usize::from(result.unwrap_or_else(|_| panic!("{name}, input {i}: {}", text())));
    }
    assert!(taken < inputs, "{name}: all of {inputs} were taken");
    println!("fuzz: {name}: {inputs} inputs, {taken} taken");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A run that is kept in the repository.
fn kept_run() -> RunFolder {
    let kept = root().join("reports/kept");
    let runs = find_runs(&kept.join("2026-11-22-epyc-2core-table1")).unwrap();
    RunFolder::at(&runs[0])
}

#[test]
fn a_damaged_run_is_refused_or_says_what_it_said_before() {
    let dir = tempfile::tempdir().unwrap();
    let run = finished_run(dir.path(), &kept_run());
    let said = |run: &RunFolder| (run.plan().unwrap(), run.scores().unwrap());
    let before = said(&run);
    for name in [PLAN_NAME, "scores.jsonl", "train.jsonl", "done", PROVENANCE_NAME] {
        let path = run.path().join(name);
        let whole = fs::read(&path).unwrap();
        fuzz(&format!("run, {name}"), &whole, 500, |damaged| {
            fs::write(&path, damaged).unwrap();
            let is_taken = integrity::check(run.path()).is_ok();
            if is_taken {
                assert!(said(&run) == before, "{name} was changed and nobody noticed");
            }
            is_taken
        });
        fs::write(&path, &whole).unwrap();
        integrity::check(run.path()).unwrap();
    }
}

#[test]
fn a_damaged_plan_is_an_error_or_a_plan_that_reads_back() {
    let text = pack::read(&kept_run().path().join(PLAN_NAME)).unwrap().unwrap();
    fuzz("plan", &text, 5_000, |damaged| {
        let Ok(text) = std::str::from_utf8(damaged) else { return false };
        let Ok(Ok(plan)) = text.parse::<toml::Table>().map(|table| resolve(table, "a plan")) else {
            return false;
        };
        let Ok(written) = plan.to_toml() else { return false };
        let again = resolve(written.parse().unwrap(), "the plan again").unwrap();
        assert_eq!(again.run_id(), plan.run_id());
        true
    });
}

#[test]
fn damaged_result_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    rebuild(dir.path(), &[kept_run().path().to_path_buf()]).unwrap();
    for name in [CSV_NAME, PARQUET_NAME] {
        let file = dir.path().join(name);
        let whole = fs::read(&file).unwrap();
        fuzz(name, &whole, 2_000, |damaged| {
            fs::write(&file, damaged).unwrap();
            read_rows(&file).is_ok()
        });
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_damaged_experiment_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let text = fs::read(root().join("reports/experiments/kdd.toml")).unwrap();
    let file = dir.path().join("kdd.toml");
    fuzz("experiment", &text, 2_000, |damaged| {
        fs::write(&file, damaged).unwrap();
        Experiment::read(&file, crate::cli::COMMANDS).is_ok()
    });
}
