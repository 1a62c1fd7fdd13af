use std::fs;

use super::{assert_same, has_lines, sixty_steps, start_with_log, until};
use crate::program::{ok, refused, strs, text};

#[test]
fn two_processes_share_a_sweep_and_write_what_one_would() {
    let dir = tempfile::tempdir().unwrap();
    let methods = "gan,contrad,kdd,reacgan";
    let (alone, shared) = (dir.path().join("alone"), dir.path().join("shared"));
    ok(&strs(&sixty_steps(methods, &alone)));
    let mut args = sixty_steps(methods, &shared);
    args.retain(|a| a != "--quiet");
    let logs = [dir.path().join("first"), dir.path().join("second")];
    let children = logs.each_ref().map(|log| start_with_log(&args, log));
    let logs = logs.map(|log| (log, ()));
    for (mut child, (log, ())) in children.into_iter().zip(&logs) {
        assert!(child.wait().unwrap().success(), "{}", fs::read_to_string(log).unwrap());
    }
    // Each run was trained by one of the two, and both trained.
    let trained = |log: &std::path::Path| {
        let said = fs::read_to_string(log).unwrap();
        said.lines().filter(|l| l.contains(" seed 0: 0.96 kimg in ")).count()
    };
    let counts = logs.each_ref().map(|(log, ())| trained(log));
    assert!(counts.iter().sum::<usize>() == 4 && counts.iter().all(|&n| n > 0), "{counts:?}");
    assert_same(&alone.join("runs"), &shared.join("runs"), "two processes");
    let csv = |out: &std::path::Path| {
        String::from_utf8(super::content(out).remove("results.csv").unwrap()).unwrap()
    };
    assert_eq!(csv(&alone), csv(&shared));
}

#[test]
fn a_run_of_a_process_that_died_is_taken_over_by_one_that_waited() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    ok(&strs(&sixty_steps("kdd", &whole)));
    let mut args = sixty_steps("kdd", &out);
    args.retain(|a| a != "--quiet");
    let logs = [dir.path().join("first"), dir.path().join("second")];
    let mut first = start_with_log(&args, &logs[0]);
    until("training", || has_lines(&out, "train.jsonl", 2));
    // Held still, so that the second is sure to find it at work.
    // SAFETY: kill only sends; the child was not waited for, so its number is its own.
    let stop = |signal| assert_eq!(unsafe { libc::kill(first.id() as i32, signal) }, 0);
    stop(libc::SIGSTOP);
    let mut second = start_with_log(&args, &logs[1]);
    let waits = "waiting for what other processes work on: kdd seed 0";
    until("the second's wait", || fs::read_to_string(&logs[1]).unwrap().contains(waits));
    assert!(second.try_wait().unwrap().is_none());
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(second.wait().unwrap().success(), "{}", fs::read_to_string(&logs[1]).unwrap());
    assert_same(&whole, &out, "after the takeover");
}

#[test]
fn a_second_train_on_one_folder_is_refused_while_the_first_works() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = dir.path().join("run.toml");
    fs::write(
        &recipe,
        "method = \"gan\"\ndataset.limit = 200\n[train]\nbatch = 16\nnetwork.width = 4\n\
         budget = { unit = \"g_steps\", amount = 100000 }\n",
    )
    .unwrap();
    let out = dir.path().join("out");
    let args = ["train", &text(&recipe), "--out", &text(&out), "--quiet"].map(String::from);
    let mut first = start_with_log(&args, &dir.path().join("log"));
    until("the first", || out.join("train.jsonl").exists());
    let (code, error) = refused(&strs(&args));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(code == 1 && error.contains("another ganbench works in"), "{error}");
}

#[test]
fn who_waits_for_a_folder_that_is_held_says_for_whom_and_goes_on_when_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    let held = fs::File::create(out.join("lock")).unwrap();
    held.lock().unwrap();
    fs::write(out.join("lock"), "process 4711 on far-away\n").unwrap();
    // The data set is looked for after the folder is had.
    let args =
        ["reproduce", "table1", "--dataset", "cifar10", "--quiet", "--data", "/none", "--out"];
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).chain([text(&out)]).collect();
    let log = dir.path().join("log");
    let mut child = start_with_log(&args, &log);
    let place = out.join("lock");
    let note =
        format!("note: waiting for process 4711 on far-away, which holds {}\n", place.display());
    until("the note", || fs::read_to_string(&log).unwrap().contains(&note));
    assert!(child.try_wait().unwrap().is_none());
    drop(held);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said = fs::read_to_string(&log).unwrap();
    assert_eq!(said.matches("waiting").count(), 1, "{said}");
    assert!(said.contains("no train split of cifar10 under --data /none"), "{said}");
}

#[test]
#[cfg(unix)]
fn a_lock_that_is_a_link_is_refused_and_what_it_leads_to_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (out, victim) = (dir.path().join("out"), dir.path().join("victim"));
    fs::create_dir(&out).unwrap();
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, out.join("lock")).unwrap();
    let out = text(&out);
    let (code, said) = refused(&["reproduce", "table1", "--quiet", "--out", &out]);
    let end = "it is a link, expected a regular file; remove it or give another path\n";
    assert_eq!((code, said), (1, format!("error: cannot lock {out}/lock: {end}")));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
