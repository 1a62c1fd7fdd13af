use std::fs;
use std::process::Stdio;

use super::{
    assert_same, has_lines, long_steps, run_of, sixty_steps, start_with_log, states, until,
};
use crate::program::{Started, command, ok, send, strs};

#[test]
fn a_signal_stops_a_run_after_the_step_under_way_and_the_same_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    ok(&strs(&sixty_steps("reacgan", &whole)));
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let (out, log) = (dir.path().join(code.to_string()), dir.path().join("log"));
        let args = sixty_steps("reacgan", &out);
        let mut child = start_with_log(&args, &log);
        until("training", || has_lines(&out, "train.jsonl", 2));
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("the same command goes on"), "{said}");
        assert!(!run_of(&out).join("done").exists());
        ok(&strs(&args));
        assert_same(&whole, &out, "after a signal");
    }
}

#[test]
fn the_step_under_way_is_kept_and_a_second_signal_leaves_on_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (out, log) = (dir.path().join("out"), dir.path().join("log"));
    let said = || fs::read_to_string(&log).unwrap();
    let args = long_steps(&out);

    let mut child = start_with_log(&args, &log);
    until("the first step", || has_lines(&out, "train.jsonl", 1));
    send(&child, libc::SIGINT);
    until("the first answer", || said().contains("stopping after the step under way"));
    send(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(said().contains("left; the last checkpoint stands"), "{}", said());
    let of_step = |out: &std::path::Path, step: u64| {
        let begin = format!("state-{step:08}-");
        states(&run_of(out)).iter().any(|p| p.to_str().unwrap().contains(&begin))
    };
    assert!(of_step(&out, 0) && !of_step(&out, 2), "{:?}", states(&run_of(&out)));

    let out = dir.path().join("once");
    let mut child = start_with_log(&long_steps(&out), &log);
    until("the first step", || has_lines(&out, "train.jsonl", 1));
    send(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = said();
    let step = said.split("stopped after step ").nth(1).expect(&said);
    let step = step.split(',').next().unwrap().parse().unwrap();
    assert!(step > 0 && of_step(&out, step), "{said}: {:?}", states(&run_of(&out)));
}

#[test]
fn a_signal_is_answered_when_the_reader_of_the_log_went_first() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, out) = (dir.path().join("whole"), dir.path().join("out"));
    ok(&strs(&sixty_steps("gan", &whole)));
    let args = sixty_steps("gan", &out);
    let mut command = command(&strs(&args));
    let mut child = Started::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    until("training", || has_lines(&out, "train.jsonl", 2));
    drop(child.stderr.take());
    send(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!run_of(&out).join("done").exists());
    ok(&strs(&args));
    assert_same(&whole, &out, "after a signal without a reader");
}

#[test]
fn output_that_nobody_reads_ends_the_program_without_a_word() {
    let mut child = command(&["list", "protocols"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(141), ""));
}
