use std::path::PathBuf;

use super::*;
use crate::results::find_runs;

fn kept() -> Vec<PathBuf> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/kept");
    let mut experiments: Vec<_> = fs::read_dir(kept).unwrap().map(|e| e.unwrap().path()).collect();
    experiments.sort();
    let folders = experiments.iter().filter(|path| path.is_dir());
    folders.flat_map(|path| find_runs(path).unwrap()).collect()
}

/// A finished run, as this version writes it, under the name that a sweep gives it.
fn run(dir: &Path) -> RunFolder {
    finished_run(dir, &RunFolder::at(&kept()[0]))
}

fn edit(run: &RunFolder, name: &str, change: impl Fn(&str) -> String) {
    let path = run.path().join(name);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text, "{name}");
    fs::write(path, changed).unwrap();
}

/// What is said of a run after a change.
fn said(change: impl Fn(&RunFolder)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    change(&run);
    let found = look(run.path()).unwrap();
    found.changes.iter().map(ToString::to_string).collect()
}

#[test]
fn kept_runs_are_what_they_were_and_have_no_digests() {
    let kept = kept();
    assert!(kept.len() > 100);
    for run in kept {
        let found = look(&run).unwrap();
        assert!(found.changes.is_empty(), "{}: {}", run.display(), found.text());
        assert!(!found.has_digests);
    }
}

#[test]
fn a_run_that_was_not_changed_is_as_it_was_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    let found = look(run.path()).unwrap();
    assert!(found.changes.is_empty() && found.has_digests, "{}", found.text());
    let moved = dir.path().join("my best run");
    fs::rename(run.path(), &moved).unwrap();
    assert_eq!(look(&moved).unwrap().changes, []);
    // What is no change: comments in the plan, and rows that were added and not recorded yet.
    let moved = RunFolder::at(&moved);
    edit(&moved, PLAN_NAME, |text| format!("# a note of mine\n{text}"));
    let rows = moved.scores().unwrap();
    moved.add_scores(&rows[..2]).unwrap();
    assert_eq!(look(moved.path()).unwrap().changes, []);
    moved.finish_again().unwrap();
    assert_eq!(look(moved.path()).unwrap().changes, []);
}

#[test]
fn a_changed_plan_is_named_with_both_ids() {
    for (from, to, fields) in [
        ("lr = ", "lr = 1", ""),
        ("n_dis = ", "n_dis = 1", ""),
        ("\nseed = ", "\nseed = 1", "seed"),
    ] {
        let said = said(|run| edit(run, PLAN_NAME, |text| text.replacen(from, to, 1)));
        assert!(
            said[0].starts_with("plan.toml was changed: it is the plan of run ")
                && said[0].contains(", and the rows are of run "),
            "{said:?}"
        );
        assert_eq!(said.len(), 1 + usize::from(!fields.is_empty()), "{said:?}");
        assert!(said.last().unwrap().contains(fields));
    }
    // Rows and plan changed alike: the folder's name still knows.
    let said = said(|run| {
        let was = run.plan().unwrap().run_id();
        edit(run, PLAN_NAME, |text| text.replacen("lr = ", "lr = 1", 1));
        let is = run.plan().unwrap().run_id();
        let rows = run.scores().unwrap().into_iter();
        let rows: Vec<_> = rows.map(|row| ResultRow { run_id: is.clone(), ..row }).collect();
        assert_ne!(was, is);
        run.keep_scores(&rows).unwrap();
        run.finish("ok").unwrap();
    });
    assert!(said.len() == 1 && said[0].contains("the folder's name says it is of run"), "{said:?}");
}

#[test]
fn a_changed_row_or_record_is_named_by_its_line() {
    let third = |text: &str, from: &str, to: &str| {
        let mut lines: Vec<String> = text.split('\n').map(String::from).collect();
        lines[2] = lines[2].replacen(from, to, 1);
        lines.join("\n")
    };
    let of_rows = "scores.jsonl line 3 was changed, or lines before it were taken out";
    let value = |run: &RunFolder| edit(run, SCORES_NAME, |t| third(t, "\"value\":", "\"value\":1"));
    assert_eq!(said(value), [of_rows]);
    let method = |run: &RunFolder| {
        edit(run, SCORES_NAME, |t| third(t, "\"method\":\"", "\"method\":\"x"));
    };
    let found = said(method);
    assert_eq!(found[0], of_rows);
    assert!(found[1].starts_with("scores.jsonl line 3: method is x") && found.len() == 2);
    let record =
        |run: &RunFolder| edit(run, RECORDS_NAME, |t| third(t, "real_kimg\":", "real_kimg\":1"));
    assert_eq!(said(record), ["train.jsonl line 3 was changed, or lines before it were taken out"]);
    let taken = |run: &RunFolder| {
        edit(run, SCORES_NAME, |text| text.split_once('\n').unwrap().1.to_string());
    };
    assert!(said(taken)[0].starts_with("scores.jsonl line 1 was changed"));
    // All digests made anew: what `done` records still differs.
    let anew = |run: &RunFolder| {
        let mut rows = run.scores().unwrap();
        rows[3].train_s += 1.0;
        run.keep_scores(&rows).unwrap();
    };
    let found = said(anew);
    assert!(found.len() == 1 && found[0].starts_with("the first "), "{found:?}");
}

#[test]
fn the_digests_taken_out_of_a_file_are_missed() {
    let without = |run: &RunFolder| {
        let strip = |line: &str| match line.rsplit_once(",\"digest\":") {
            Some((open, _)) => format!("{open}}}\n"),
            None => String::new(),
        };
        edit(run, SCORES_NAME, |text| text.lines().map(strip).collect());
    };
    let said = said(without);
    assert!(said.len() == 1 && said[0].ends_with("of scores.jsonl are not those of the run's end"));
}

#[test]
fn lost_lines_and_files_are_named() {
    let cut = |bytes: usize| {
        move |run: &RunFolder| edit(run, SCORES_NAME, |t| t[..t.len() - bytes].to_string())
    };
    let whole = said(|_| {});
    assert!(whole.is_empty());
    // The end of the last line alone is no loss; a part of it is, and so is all of it.
    assert!(said(cut(1)).is_empty());
    let lines = RunFolder::at(&kept()[0]).scores().unwrap().len();
    let lost = format!("scores.jsonl has {} lines, and the finished run had {lines}", lines - 1);
    assert_eq!(said(cut(5)), [lost.as_str()]);
    let last_line = |run: &RunFolder| {
        edit(run, SCORES_NAME, |t| t[..=t.trim_end().rfind('\n').unwrap_or_default()].to_string());
    };
    assert_eq!(said(last_line), [lost]);
    let removed = |run: &RunFolder| fs::remove_file(run.path().join(PROVENANCE_NAME)).unwrap();
    assert_eq!(said(removed), ["provenance.toml is missing, which was there at the run's end"]);
    let other =
        |run: &RunFolder| edit(run, PROVENANCE_NAME, |t| t.replacen("cpu = \"", "cpu = \"X", 1));
    assert_eq!(said(other), ["provenance.toml was changed after the run's end"]);
}

#[test]
fn an_old_run_is_judged_by_its_ids_and_half_lines_alone() {
    let old = |change: &dyn Fn(&RunFolder)| {
        let dir = tempfile::tempdir().unwrap();
        let kept = &kept()[0];
        let run = RunFolder::at(&dir.path().join(kept.file_name().unwrap()));
        fs::create_dir(run.path()).unwrap();
        for name in [PLAN_NAME, SCORES_NAME, RECORDS_NAME, PROVENANCE_NAME, DONE_NAME] {
            fs::write(run.path().join(name), read(&kept.join(name)).unwrap().unwrap()).unwrap();
        }
        change(&run);
        let found = look(run.path()).unwrap();
        assert!(!found.has_digests);
        found.changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(old(&|_| {}).is_empty());
    let said = old(&|run| edit(run, PLAN_NAME, |t| t.replacen("lr = ", "lr = 1", 1)));
    assert!(said[0].contains("and the rows are of run"), "{said:?}");
    let said = old(&|run| edit(run, SCORES_NAME, |t| t.replacen("\"seed\":", "\"seed\":1", 1)));
    assert!(said.len() == 1 && said[0].starts_with("scores.jsonl line 1: seed is 1"), "{said:?}");
    let said = old(&|run| edit(run, SCORES_NAME, |t| t[..t.len() - 9].to_string()));
    assert!(said.len() == 1 && said[0].starts_with("scores.jsonl has "), "{said:?}");
}

#[test]
fn a_mark_of_the_end_reads_back_and_damage_of_it_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    let path = run.path().join(DONE_NAME);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(Finished::read(run.path()).unwrap().unwrap().text(), text);
    assert_eq!(run.outcome().unwrap().as_deref(), Some("ok"));
    assert_eq!(Finished::parse("ok\n").unwrap().recorded, []);
    assert_eq!(Finished::parse("diverged\n").unwrap().outcome, "diverged");
    for damaged in
        ["", "fine\n", "ok\nscores.jsonl 4\n", "ok\n../x 00\n", "ok\nscores.jsonl x lines y\n"]
    {
        fs::write(&path, damaged).unwrap();
        let error = look(run.path()).unwrap_err().to_string();
        assert!(error.contains("done is damaged: expected ok or diverged"), "{error}");
    }
}

#[test]
fn the_refusal_names_the_folder_the_changes_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let run = run(dir.path());
    edit(&run, SCORES_NAME, |text| text.replace("\"value\":", "\"value\":1"));
    let error = check(run.path()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{} is not as its run wrote it: ", run.path().display())));
    assert!(error.contains("; and ") && error.contains("put back what was there"), "{error}");
    let error = check_or_reopen(&run).unwrap_err().to_string();
    assert!(error.contains("is not as its run wrote it"), "{error}");
}
