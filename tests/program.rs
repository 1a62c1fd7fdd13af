use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

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

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug)]
pub enum Disk {
    Small { kib: usize },
    ReadOnly,
}

/// The program with `place` on a disk of its own that holds what `place` held, and a copy of what
/// it holds afterwards. None, with a note, where such a disk cannot be made (it takes Linux and
/// user namespaces).
pub fn on_disk(place: &Path, disk: Disk, args: &[&str]) -> Option<(Output, PathBuf)> {
    let with = |end: &str| PathBuf::from(format!("{}.{end}", place.display()));
    let (before, after) = (with("before"), with("after"));
    let (size, mode) = match disk {
        Disk::Small { kib } => (kib, "rw"),
        Disk::ReadOnly => (1 << 20, "ro"),
    };
    let script = r#"
        place=$1; before=$2; after=$3; size=$4; mode=$5; shift 5
        cp -a "$place" "$before" && mount -t tmpfs -o "size=${size}k" tmpfs "$place" || exit 99
        cp -a "$before/." "$place" && mount -o "remount,$mode" "$place" || exit 99
        "$@"; code=$?
        cp -a "$place" "$after" || exit 99
        exit $code"#;
    let paths = [place, before.as_path(), &after].map(text);
    let more = [size.to_string(), mode.into(), env!("CARGO_BIN_EXE_ganbench").into()];
    let words: Vec<String> =
        paths.into_iter().chain(more).chain(args.iter().map(|a| (*a).to_string())).collect();
    in_own_mounts(script, &words).map(|output| (output, after))
}

/// Runs a script of a shell, with words behind it as $1, $2, …, where it may mount and with the
/// environment of [`command`]. None, with a note, where the system does not allow that (it takes
/// Linux and user namespaces).
pub fn in_own_mounts(script: &str, words: &[String]) -> Option<Output> {
    let unshared = |args: &[&str]| {
        let mut inside = Command::new("unshare");
        inside.arg("-rm").args(args);
        inside
    };
    let allowed = unshared(&["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no disk can be made here (unshare -rm, mount)");
        return None;
    }
    let mut inside = unshared(&["sh", "-c", script, "sh"]);
    let of_program = command(&[]);
    for (name, value) in of_program.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    Some(inside.args(words).output().unwrap_or_else(|e| panic!("no shell could be started: {e}")))
}

/// A process that does not outlive its test, which may fail before it ends.
pub struct Started(Child);

impl Started {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|e| panic!("{command:?} could not be started: {e}")))
    }
}

impl Deref for Started {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Started {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Nothing to kill or wait for is what most tests leave.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
pub fn send(child: &Child, signal: i32) {
    // SAFETY: kill only sends; the child was not waited for, so its number is its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// All data sets, as errors list them.
pub fn dataset_names() -> String {
    let names: Vec<&str> = ganbench_data::datasets().iter().map(|d| d.name.as_str()).collect();
    names.join(", ")
}
