use std::fs;

use super::{assert_same, run_of};
use crate::program::{ok, refused, strs, text, tiny};

/// ContraD's learning rates rise over a share of the budget, which hangs on the clock too.
#[test]
fn a_run_by_the_clock_is_repeated_step_by_step_from_its_plan() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    let mut args = tiny("contrad", "0", &sweep);
    let budget = args.iter().position(|a| a == "g_steps=4").unwrap();
    args[budget] = "train_minutes=0.05".into();
    args.extend(["--set".into(), "train.parts.lr_warmup_share=0.5".into()]);
    ok(&strs(&args));
    let run = run_of(&sweep);
    let plan = fs::read_to_string(run.join("plan.toml")).unwrap();
    assert!(plan.contains("[train.replay]") && plan.contains("point_g_steps = ["), "{plan}");

    let again = dir.path().join("again");
    let plan = text(&run.join("plan.toml"));
    ok(&["train", &plan, "--out", &text(&again), "--quiet"]);
    assert_same(&run, &again, "the repeat");
    // Given again it finds itself done; the sweep as well.
    ok(&["train", &plan, "--out", &text(&again), "--quiet"]);
    ok(&strs(&args));
    assert_same(&run, &again, "the sweep given again");
}

#[test]
fn steps_to_replay_belong_to_minutes_and_rise() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("run.toml");
    let says = |budget: &str, points: &str, message: &str| {
        let text_ = format!(
            "method = \"gan\"\ndataset.limit = 200\n[train]\nbatch = 16\nnetwork.width = 4\n\
             budget = {budget}\nreplay = {{ warmup_g_steps = 0, point_g_steps = {points} }}\n"
        );
        fs::write(&recipe, text_).unwrap();
        let out = text(&dir.path().join("out"));
        let (code, error) = refused(&["train", &text(&recipe), "--out", &out, "--quiet"]);
        assert!(code == 64 && error.contains(message), "{code} {error}");
    };
    let minutes = "{ unit = \"train_minutes\", amount = 1 }";
    says(minutes, "[3, 3]", "replay.point_g_steps must be rising numbers above 0, got [3, 3]");
    says(minutes, "[]", "replay.point_g_steps must be rising numbers above 0, got []");
    says(
        "{ unit = \"g_steps\", amount = 9 }",
        "[3, 9]",
        "replay must be left out of a plan whose budget is no minutes, got one",
    );
}
