use std::path::Path;
use std::process::{Command, Output};

/// The built program without the caller's data, weights and caches.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganbench"));
    command
        .args(args)
        .env_remove("GANBENCH_DATA")
        .env_remove("GANBENCH_WEIGHTS")
        .env_remove("GANBENCH_CACHE")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("HF_HUB_OFFLINE", "1");
    command
}

pub fn ganbench(args: &[&str]) -> Output {
    command(args).output().unwrap_or_else(|e| panic!("ganbench could not be started: {e}"))
}

/// With an environment variable.
pub fn ganbench_with(name: &str, value: &str, args: &[&str]) -> Output {
    let mut command = command(args);
    command
        .env(name, value)
        .output()
        .unwrap_or_else(|e| panic!("ganbench could not be started: {e}"))
}

/// Standard output of a run that has to succeed.
pub fn ok(args: &[&str]) -> String {
    let output = ganbench(args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Exit code and standard error of a run that has to fail.
pub fn refused(args: &[&str]) -> (i32, String) {
    let output = ganbench(args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?} succeeded");
    assert!(!stderr.contains("panicked"), "{args:?} panicked: {stderr}");
    (output.status.code().unwrap_or(-1), stderr)
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap_or_else(|| panic!("{} is no text", path.display())).to_string()
}

/// A sweep small enough for a test: four steps of a narrow network.
pub fn tiny(methods: &str, seeds: &str, out: &Path) -> Vec<String> {
    let args = [
        "reproduce",
        "table1",
        "--methods",
        methods,
        "--seeds",
        seeds,
        "--budget",
        "g_steps=4",
        "--batch",
        "16",
        "--width",
        "4",
        "--n-fake",
        "30",
        "--set",
        "evaluation.n_fake_curve=40",
        "--set",
        "dataset.limit=200",
        "--set",
        "evaluation.curve_points=4",
        "--quiet",
        "--out",
    ];
    args.iter().map(|a| (*a).to_string()).chain([text(out)]).collect()
}

pub fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
