use std::fs;
use std::path::Path;

use crate::program::{ganbench, ok, refused, strs, text, tiny};
use crate::runs::{assert_same, copy, run_of};

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let old = fs::read_to_string(path).unwrap();
    let new = change(&old);
    assert_ne!(new, old, "{}", path.display());
    fs::write(path, new).unwrap();
}

fn without_last_lines(path: &Path, lines: usize) {
    edit(path, |text| {
        let all: Vec<&str> = text.lines().collect();
        all[..all.len() - lines].iter().map(|line| format!("{line}\n")).collect()
    });
}

#[test]
fn a_changed_run_is_refused_by_every_command_that_reads_it_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    ok(&strs(&tiny("gan", "0", &whole)));
    let other = text(&dir.path().join("other"));
    let changes: [(&str, &str, &str, &str); 3] = [
        ("plan.toml", "lr = ", "lr = 1", "plan.toml was changed: it is the plan of run "),
        ("scores.jsonl", "\"value\":", "\"value\":1", "scores.jsonl line 1 was changed"),
        (
            "scores.jsonl",
            "\"method\":\"gan\"",
            "\"method\":\"hinge\"",
            "method is hinge, and gan in",
        ),
    ];
    for (i, (file, from, to, said)) in changes.into_iter().enumerate() {
        let out = dir.path().join(format!("out-{i}"));
        copy(&whole, &out);
        let run = run_of(&out);
        edit(&run.join(file), |text| text.replacen(from, to, 1));
        let (run_text, out_text) = (text(&run), text(&out));
        let new = text(&dir.path().join("new"));
        let commands: [Vec<String>; 5] = [
            tiny("gan", "0", &out),
            ["report", "--runs", &out_text, "--out", &new].map(String::from).to_vec(),
            ["compare", &run_text, &text(&run_of(&whole))].map(String::from).to_vec(),
            ["sample", "--run", &run_text, "--n", "4", "--out", &new].map(String::from).to_vec(),
            ["train", "--from", &run_text, "--budget", "g_steps=9", "--out", &other]
                .map(String::from)
                .to_vec(),
        ];
        for args in &commands {
            let (code, error) = refused(&strs(args));
            assert!(code == 1 && error.contains(said), "{args:?}: {error}");
            assert!(error.contains("put back what was there"), "{args:?}: {error}");
        }
        assert!(!Path::new(&new).exists() && !Path::new(&other).exists());
        let verified = ganbench(&["verify", &run_text, "--quiet"]);
        let text = String::from_utf8([verified.stdout, verified.stderr].concat()).unwrap();
        let expected = if file == "plan.toml" { 1 } else { 3 };
        assert_eq!(verified.status.code(), Some(expected), "{text}");
        assert!(text.contains(said), "{text}");
    }
    // Renamed, it is the same run, and so is one whose `done` holds no digests.
    let renamed = whole.join("runs/the good one");
    fs::rename(run_of(&whole), &renamed).unwrap();
    let report = |to: &str| ok(&["report", "--runs", &text(&whole), "--out", to]);
    assert!(report(&other).contains("report.md"));
    fs::write(renamed.join("done"), "ok\n").unwrap();
    report(&other);
}

#[test]
fn lost_rows_of_a_finished_run_are_measured_again_from_its_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    ok(&strs(&tiny("gan", "0", &whole)));
    let scores = fs::read_to_string(run_of(&whole).join("scores.jsonl")).unwrap();
    let of_point = scores.lines().filter(|line| line.contains("\"checkpoint\":\"0\"")).count();
    let of_end = scores.lines().filter(|line| line.contains("\"checkpoint\":\"last\"")).count() * 2;
    // A row; all of the end and a row of the last point; that, all of the last point and one more.
    for lost in [1, of_end + 1, of_end + of_point + 1] {
        let out = dir.path().join(format!("lost-{lost}"));
        copy(&whole, &out);
        without_last_lines(&run_of(&out).join("scores.jsonl"), lost);
        let new = text(&dir.path().join("new"));
        let (code, error) = refused(&["report", "--runs", &text(&out), "--out", &new]);
        let lines = scores.lines().count();
        let said =
            format!("scores.jsonl has {} lines, and the finished run had {lines}", lines - lost);
        assert!(code == 1 && error.contains(&said) && error.contains("provenance.toml"), "{error}");
        let again = ganbench(&strs(&tiny("gan", "0", &out)));
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(again.status.success() && said.contains("lost rows, which are measured"), "{said}");
        assert_same(&whole, &out, &format!("{lost} rows lost"));
    }
    // What a whole point had cost is known from its rows alone.
    let out = dir.path().join("a point");
    copy(&whole, &out);
    without_last_lines(&run_of(&out).join("scores.jsonl"), of_end + 2 * of_point);
    let (code, error) = refused(&strs(&tiny("gan", "0", &out)));
    assert!(code == 1 && error.contains("has lost all rows of the point"), "{error}");
    // Without checkpoints it is named, with what to do.
    let out = dir.path().join("bare");
    copy(&whole, &out);
    without_last_lines(&run_of(&out).join("scores.jsonl"), 1);
    fs::remove_dir_all(run_of(&out).join("checkpoints")).unwrap();
    let (code, error) = refused(&strs(&tiny("gan", "0", &out)));
    assert!(
        code == 1 && error.contains("lost rows: ") && error.contains("put the file back"),
        "{error}"
    );
}

#[test]
fn rows_that_remeasure_adds_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    ok(&strs(&tiny("gan", "0", &out)));
    let done = run_of(&out).join("done");
    let before = fs::read_to_string(&done).unwrap();
    let args =
        ["remeasure", "--runs", &text(&out), "--extractor", "pixels", "--n-fake", "30", "--quiet"];
    ok(&args);
    let after = fs::read_to_string(&done).unwrap();
    assert!(before != after && after.starts_with("ok\nplan.toml "), "{after}");
    let report = |out: &Path| {
        ["report", "--runs", &text(out), "--out", &text(&dir.path().join("r"))].map(String::from)
    };
    ok(&strs(&report(&out)));
    without_last_lines(&run_of(&out).join("scores.jsonl"), 1);
    let (_, error) = refused(&strs(&report(&out)));
    assert!(error.contains("lost rows"), "{error}");
}

#[test]
fn a_command_that_cannot_begin_leaves_no_folder_and_names_stay_inside() {
    let dir = tempfile::tempdir().unwrap();
    let begin = |more: &[&str]| {
        let mut command = crate::program::command(&["reproduce", "table1", "--methods", "gan"]);
        let output = command.args(more).current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{said}");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?} {said}");
        said
    };
    assert!(begin(&["--dataset", "typo"]).contains("typo"));
    begin(&["--dataset", "../../x"]);
    begin(&["--dataset", "typo", "--out", "a/b/c"]);
    begin(&["--extractor", "typo", "--dataset", "shapes", "--set", "dataset.limit=20"]);
    let said = begin(&["--set", "row={ name = \"../../x\", title = \"x\" }"]);
    assert!(
        said.contains("row.name is \"../../x\", expected a name that can be a file's"),
        "{said}"
    );
    fs::write(dir.path().join("r.toml"), "method = \"gan\"\n[dataset]\nname = \"typo\"\n").unwrap();
    let recipe = text(&dir.path().join("r.toml"));
    let out = dir.path().join("run/of/mine");
    let (code, _) = refused(&["train", &recipe, "--out", &text(&out)]);
    assert!(code == 64 && !dir.path().join("run").exists());
    // What was there stays.
    fs::create_dir_all(&out).unwrap();
    refused(&["train", &recipe, "--out", &text(&out)]);
    assert!(out.is_dir());
}
