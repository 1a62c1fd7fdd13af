use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Started, command, strs, tiny};

mod extend;
mod faults;
mod kill;
mod locks;
mod replay;
mod signals;
mod verify;

/// Sixty steps with a state every third, of methods by comma.
fn sixty_steps(methods: &str, out: &Path) -> Vec<String> {
    let mut args = tiny(methods, "0", out);
    let budget = args.iter().position(|a| a == "g_steps=4").unwrap();
    args[budget] = "g_steps=60".into();
    args.extend(["--set".into(), "train.checkpoint_kimg=0.04".into()]);
    args
}

/// Steps that take a second each, so that something can happen in the middle of one.
fn long_steps(out: &Path) -> Vec<String> {
    let mut args = sixty_steps("gan", out);
    let set = |args: &mut Vec<String>, flag: &str, value: &str| {
        let at = args.iter().position(|a| a == flag).unwrap();
        args[at + 1] = value.into();
    };
    set(&mut args, "--batch", "128");
    set(&mut args, "--width", "64");
    args
}

/// The only run of a sweep.
pub fn run_of(out: &Path) -> PathBuf {
    let mut runs = fs::read_dir(out.join("runs")).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    assert!(runs.next().is_none(), "{} holds several runs", out.display());
    run
}

fn names(dir: &Path, of: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| of(name)).collect();
    names.sort();
    names
}

/// The states of a run, oldest first.
fn states(run: &Path) -> Vec<PathBuf> {
    let checkpoints = run.join("checkpoints");
    names(&checkpoints, |name| name.starts_with("state-"))
        .into_iter()
        .map(|name| checkpoints.join(name))
        .collect()
}

/// Standard error goes to a file: nobody has to read a pipe.
fn start_with_log(args: &[String], log: &Path) -> Started {
    let log = fs::File::create(log).unwrap();
    let mut command = command(&strs(args));
    Started::spawn(command.stdout(Stdio::null()).stderr(log))
}

/// Waits for something that another process does.
fn until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !there() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a sweep's only run has lines in this file.
fn has_lines(out: &Path, name: &str, lines: usize) -> bool {
    let runs = names(&out.join("runs"), |_| true);
    let Some(run) = runs.first() else { return false };
    let text = fs::read_to_string(out.join("runs").join(run).join(name)).unwrap_or_default();
    text.lines().count() >= lines
}

/// Every file under a folder but locks, how the process was started, and what was put aside; clocks
/// and memory are taken out of the rest.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let left_out = ["lock", "table.md", "table.csv", "table.tex", "report.md"];
            if left_out.contains(&name)
                || name.starts_with("provenance")
                || name.starts_with("damaged-")
                // Its columns are the CSV's.
                || name == "results.parquet"
            {
                continue;
            }
            let within = path.strip_prefix(dir).unwrap().to_str().unwrap();
            // The hash of a state is one of its clock too.
            let key = match within.split_once("state-") {
                Some((folder, name)) => format!("{folder}state-{}", &name[..8]),
                None => within.to_string(),
            };
            found.insert(key, without_clocks(name, fs::read(&path).unwrap()));
        }
    }
    found
}

fn without_clocks(name: &str, bytes: Vec<u8>) -> Vec<u8> {
    if name == "results.csv" {
        let text = String::from_utf8(bytes).unwrap();
        let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
        let clocks: Vec<usize> = ["train_s", "peak_rss_mb", "cpu_s", "other_cpu_s"]
            .iter()
            .map(|name| header.iter().position(|column| column == name).unwrap())
            .collect();
        let line = |line: &str| {
            let cells = line.split(',').enumerate().filter(|(i, _)| !clocks.contains(i));
            cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
        };
        return text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes();
    }
    if name == "scores.jsonl" {
        let text = String::from_utf8(bytes).unwrap();
        let line = |line: &str| {
            let mut row: serde_json::Value = serde_json::from_str(line).unwrap();
            row["train_s"] = 0.into();
            row["peak_rss_mb"] = 0.into();
            row["cpu_s"] = 0.into();
            row["other_cpu_s"] = 0.into();
            // Of a line with its clocks.
            row.as_object_mut().unwrap().remove("digest");
            row.to_string()
        };
        return text.lines().map(line).collect::<Vec<_>>().join("\n").into_bytes();
    }
    if name == "report.json" {
        let mut report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        // It names the folder.
        report.as_object_mut().unwrap().remove("command");
        for tables in ["tables", "details"] {
            for table in report[tables].as_array_mut().unwrap() {
                for spent in table["spent"].as_array_mut().unwrap() {
                    for clock in ["train_s", "cpu_s", "peak_rss_mb"] {
                        spent[clock] = 0.into();
                    }
                }
            }
        }
        return report.to_string().into_bytes();
    }
    if name == "done" {
        // Behind the outcome stand digests of files with clocks.
        return bytes.split(|&b| b == b'\n').next().unwrap_or_default().to_vec();
    }
    if name.starts_with("state-") {
        // The header's length, the header, the tensors.
        let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..end]).unwrap();
        let inner = header["__metadata__"]["ganbench"].as_str().unwrap();
        let mut state: serde_json::Value = serde_json::from_str(inner).unwrap();
        state["spent"]["train_s"] = 0.into();
        state["spent"]["cpu_s"] = 0.into();
        header["__metadata__"]["ganbench"] = state.to_string().into();
        let mut out = header.to_string().into_bytes();
        out.extend(&bytes[end..]);
        return out;
    }
    bytes
}

/// That two folders hold the same to the bit.
pub fn assert_same(a: &Path, b: &Path, what: &str) {
    let (a, b) = (content(a), content(b));
    let names = |of: &BTreeMap<String, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b), "{what}");
    for (name, bytes) in &a {
        assert!(b[name] == *bytes, "{what}: {name} differs");
    }
}

pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}
