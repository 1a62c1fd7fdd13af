use std::fs;
use std::path::Path;

use super::{assert_same, run_of};
use crate::program::{ok, refused, strs, text, tiny};

/// A sweep of one run of so many steps, a point of the curve at each.
fn steps(methods: &str, steps: usize, out: &Path) -> Vec<String> {
    let mut args = tiny(methods, "0", out);
    let budget = args.iter().position(|a| a == "g_steps=4").unwrap();
    args[budget] = format!("g_steps={steps}");
    args.extend(["--set".into(), format!("evaluation.curve_points={steps}")]);
    args
}

#[test]
fn a_finished_run_trained_further_is_the_longer_run_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (short, long) = (dir.path().join("short"), dir.path().join("long"));
    ok(&strs(&steps("gan", 4, &short)));
    ok(&strs(&steps("gan", 7, &long)));
    let (short, long) = (run_of(&short), run_of(&long));
    let further = dir.path().join("further");
    let train = |out: &Path, more: &[&str]| {
        let (from, out) = (text(&short), text(out));
        let args = ["train", "--from", &from, "--budget", "g_steps=7", "--out", &out, "--quiet"];
        [&args[..], more].concat().iter().map(|s| (*s).to_string()).collect::<Vec<_>>()
    };
    let points = ["--set", "evaluation.curve_points=7"];
    ok(&strs(&train(&further, &points)));
    assert_same(&long, &further, "the run trained further");
    let provenance = fs::read_to_string(further.join("provenance.toml")).unwrap();
    assert!(provenance.contains("trained_further_from = "), "{provenance}");
    // The finished run is as it was, and the command given again finds its work done.
    assert!(short.join("done").is_file());
    ok(&strs(&train(&further, &points)));

    // A copy that was cut off holds no plan yet and is begun again.
    let cut = dir.path().join("cut");
    fs::create_dir_all(cut.join("checkpoints")).unwrap();
    fs::write(cut.join("scores.jsonl"), "{").unwrap();
    ok(&strs(&train(&cut, &points)));
    assert_same(&long, &cut, "a copy begun again");
}

/// Its format follows from the unit, so that the old plan's says nothing of the new one.
#[test]
fn a_plan_goes_on_under_a_budget_of_another_unit() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    ok(&strs(&steps("gan", 4, &sweep)));
    let run = run_of(&sweep);
    let train = |budget: &str, more: &[&str]| {
        let out = dir.path().join(budget);
        let out_text = text(&out);
        let args = ["train", "--budget", budget, "--out", &out_text, "--quiet"];
        ok(&[&args[..], more].concat());
        fs::read_to_string(out.join("plan.toml")).unwrap()
    };
    let (from, plan) = (text(&run), text(&run.join("plan.toml")));
    assert!(train("d_kforwards=0.3", &["--from", &from]).starts_with("format = 2\n"));
    let counted = train("d_kforwards=0.2", &[&plan]);
    assert!(counted.starts_with("format = 2\n"), "{counted}");
    let counted = text(&dir.path().join("d_kforwards=0.2/plan.toml"));
    assert!(train("g_steps=5", &[&counted]).starts_with("format = 1\n"));
}

#[test]
fn what_cannot_be_trained_further_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("gan");
    ok(&strs(&steps("gan", 4, &sweep)));
    let run = run_of(&sweep);
    let says = |run: &Path, more: &[&str], message: &str| {
        let (from, out) = (text(run), text(&dir.path().join("out")));
        let args = ["train", "--from", &from, "--out", &out, "--quiet"];
        let (code, error) = refused(&[&args[..], more].concat());
        assert!(code == 1 && error.contains(message), "{code} {error}");
    };
    says(
        &run,
        &["--budget", "g_steps=4"],
        "has had g_steps=4 already, the new budget is g_steps=4",
    );
    says(
        &run,
        &["--budget", "g_steps=8", "--set", "train.optimizer_d.lr=0.5"],
        "train.optimizer_d.lr was 0.0003, it is 0.5 now; only the budget and evaluation.curve_points",
    );
    let warm = ["--budget", "g_steps=8", "--set", "train.parts.lr_warmup_share=0.5"];
    says(&run, &warm, "rise over a share of the budget");
    // In place: what is there is kept, and the way on is named.
    let out = text(&run);
    let plan = text(&run.join("plan.toml"));
    let (_, error) = refused(&["train", &plan, "--budget", "g_steps=8", "--out", &out, "--quiet"]);
    assert!(error.contains("to train that run further give it with --from"), "{error}");
    fs::remove_file(run.join("done")).unwrap();
    says(
        &run,
        &["--budget", "g_steps=8"],
        "is not finished; finish it with its own plan.toml first",
    );
    fs::write(run.join("done"), "diverged\n").unwrap();
    says(&run, &["--budget", "g_steps=8"], "diverged, so it cannot be trained further");
}
