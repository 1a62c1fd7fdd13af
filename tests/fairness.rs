use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{ok, refused, strs, text, tiny};

/// A sweep of two methods, in its folder.
fn sweep(dir: &Path) -> PathBuf {
    ok(&strs(&tiny("gan,kdd", "0", dir)));
    dir.join("runs")
}

/// Trains the plan of `method` in `runs` again with changes, into a folder beside it.
fn retrain(runs: &Path, method: &str, name: &str, set: &[&str]) {
    let of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(method);
    let mut folders = fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
    let plan = text(&folders.find(of).unwrap().join("plan.toml"));
    let out = text(&runs.join(name));
    let set = set.iter().flat_map(|value| ["--set", value]);
    ok(&["train", &plan, "--out", &out, "--quiet"].into_iter().chain(set).collect::<Vec<_>>());
}

/// The notes of a report over `runs`, which must stand in every form of the table.
fn notes(runs: &Path, out: &Path) -> Vec<String> {
    let said = ok(&["report", "--runs", &text(runs), "--out", &text(out)]);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let plain =
        |text: &str| text.replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = plain(&read("table.md"));
    let notes: Vec<String> = page
        .split("Note: ")
        .skip(1)
        .map(|note| note.split(". Note").next().unwrap())
        .map(|note| note.split(". **").next().unwrap().trim_end_matches(['.', ' ']).to_string())
        // What every table with KDD GAN says of its own constants.
        .filter(|note| !note.contains("chosen on this harness's metric"))
        .collect();
    for note in &notes {
        assert!(plain(&said).contains(note) && plain(&read("report.md")).contains(note), "{note}");
        assert!(plain(&read("table.tex")).contains(note), "{note} in {}", read("table.tex"));
        assert!(plain(&read("table.csv")).contains(note), "{note} in {}", read("table.csv"));
    }
    notes
}

#[test]
fn a_sweep_compares_and_needs_no_note() {
    let dir = tempfile::tempdir().unwrap();
    let runs = sweep(&dir.path().join("sweep"));
    assert!(notes(&runs, &dir.path().join("report")).is_empty());
}

#[test]
fn a_method_tuned_by_hand_gets_a_line_for_each_plan_and_notes_that_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let runs = sweep(&out);
    retrain(&runs, "gan", "more", &["train.optimizer_d.lr=1e-4"]);
    let report = dir.path().join("report");
    let wanted = [
        "train.optimizer_d.lr is not the same for all: 0.0003 in GAN (1), KDD GAN; 0.0001 in GAN (2)",
        "GAN (1) has train.optimizer_d.lr 0.0003; GAN (2) has train.optimizer_d.lr 0.0001",
        "tuning: GAN 2 plans in 2 runs, KDD GAN 1 plan in 1 run; the best of several plans is picked by \
         these scores",
    ];
    assert_eq!(notes(&runs, &report), wanted);
    let csv = fs::read_to_string(report.join("table.csv")).unwrap();
    for method in ["gan (1)", "gan (2)", "kdd"] {
        assert_eq!(csv.lines().filter(|l| l.contains(&format!(",last,{method},"))).count(), 1);
    }
    // Rows keep the method's name, and alone they cannot tell the plans apart.
    let csv = fs::read_to_string(report.join("results.csv")).unwrap();
    assert!(!csv.contains("gan ("), "{csv}");
    let file = text(&report.join("results.csv"));
    let (code, said) = refused(&["report", "--runs", &file, "--out", &text(&out.join("rows"))]);
    assert!(code == 1 && said.starts_with("error: method gan has two runs of seed 0"), "{said}");
    assert!(said.ends_with("where unlike plans get a line each, or remove one\n"), "{said}");
}

#[test]
fn parts_seeds_and_machines_that_differ_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    let runs = sweep(&dir.path().join("sweep"));
    let old = fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path());
    let old = old.into_iter().find(|run| text(run).contains("kdd-s0")).unwrap();
    retrain(&runs, "kdd", "more", &["train.parts.adversarial.tau=0.1", "train.seed=1"]);
    fs::remove_dir_all(old).unwrap();
    let provenance = runs.join("more/provenance.toml");
    let own = fs::read_to_string(&provenance).unwrap();
    let cpu = own.lines().find(|line| line.starts_with("cpu = ")).unwrap();
    fs::write(&provenance, own.replace(cpu, "cpu = \"another cpu\"")).unwrap();
    // As of a version that kept no digests, which would tell.
    fs::write(provenance.with_file_name("done"), "ok\n").unwrap();
    let notes = notes(&runs, &dir.path().join("report"));
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert_eq!(notes[0], "the methods were not run with the same seeds: GAN 0; KDD GAN 1");
    assert_eq!(notes[1], "KDD GAN is not its preset: adversarial.tau 0.1, preset 0.05");
    assert!(
        notes[2].starts_with("the runs were made on unlike machines (")
            && notes[2].contains("another cpu, ")
    );
}
