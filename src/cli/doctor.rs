//! `ganbench doctor`: what this machine has, and what is missing.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ganbench_data::{DatasetRequest, Places, Split, datasets, locate};
use ganbench_files::memory;
use ganbench_files::shared::Unfinished;
use ganbench_metrics::{EXTRACTORS, WeightsSource};
use ganbench_nn::kernels::simd;
use serde::Serialize;

use crate::machine;
use crate::run::folder::commit;

/// Checks what ganbench needs and prints one line per finding. Nothing is downloaded. What is only
/// absent (a data set, weights) is a note; what does not work is a fault, and the exit code is then
/// 1.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Folder that holds <DATASET>/ (else $GANBENCH_DATA, the hub cache)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Note,
    Fault,
}

#[derive(Debug, Serialize)]
struct Finding {
    state: State,
    what: String,
    found: String,
}

/// Exit code of a machine with faults.
const FAULTY: u8 = 1;

/// The program's exit code.
///
/// # Errors
/// If a finding cannot be printed.
pub fn run(args: &DoctorArgs) -> Result<u8> {
    let mut findings = program();
    findings.extend(memory_and_processors());
    findings.extend(folders());
    findings.extend(data_sets(args.data.as_deref()));
    findings.extend(weights());
    let width = findings.iter().map(|f| f.what.chars().count()).max().unwrap_or(0);
    for finding in &findings {
        if args.json {
            crate::cli::tell::json(finding)?;
            continue;
        }
        let mark = match finding.state {
            State::Ok => "ok   ",
            State::Note => "note ",
            State::Fault => "FAULT",
        };
        say!("{mark} {:<width$}  {}", finding.what, finding.found);
    }
    let is_faulty = findings.iter().any(|finding| finding.state == State::Fault);
    Ok(if is_faulty { FAULTY } else { 0 })
}

fn finding(state: State, what: impl Into<String>, found: impl Into<String>) -> Finding {
    Finding { state, what: what.into(), found: found.into() }
}

fn program() -> Vec<Finding> {
    let version = format!("{} ({})", env!("CARGO_PKG_VERSION"), commit());
    let devices = ["cpu"]
        .into_iter()
        .chain(cfg!(feature = "cuda").then_some("cuda"))
        .chain(cfg!(feature = "metal").then_some("metal"));
    let devices = devices.collect::<Vec<_>>().join(", ");
    vec![
        finding(State::Ok, "ganbench", version),
        finding(State::Ok, "devices of this build", devices),
    ]
}

fn memory_and_processors() -> Vec<Finding> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let instructions = match simd::wanted() {
        Ok(isa) => finding(State::Ok, "vector instructions", isa.name()),
        Err(error) => finding(State::Fault, "vector instructions", error),
    };
    let memory = match memory::available() {
        Some(available) => finding(
            State::Ok,
            "memory",
            format!("{} are left ({})", memory::shown(available.bytes), available.by),
        ),
        None => finding(State::Note, "memory", "the system does not tell how much is free"),
    };
    vec![
        finding(State::Ok, "processor", format!("{}, {cores} cores", machine::cpu_name())),
        instructions,
        memory,
    ]
}

/// The folders that are written to.
fn folders() -> Vec<Finding> {
    let places = Places::from_env();
    let cache = places.cache.map(|path| ("cache of features and decoded sets", path));
    let hub = places.hub_cache.map(|path| ("cache of the hub", path));
    let runs = Some(("folder of runs", PathBuf::from("runs")));
    let mut findings: Vec<Finding> = [runs, cache, hub]
        .into_iter()
        .flatten()
        .map(|(what, path)| writable(what, &path))
        .collect();
    if places.offline {
        findings.push(finding(State::Note, "hub", "HF_HUB_OFFLINE is set: nothing is downloaded"));
    }
    findings
}

/// Whether a file can be made in a folder, or in the nearest folder above it that exists. Leaves
/// nothing behind.
fn writable(what: &str, path: &Path) -> Finding {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(there) = absolute.ancestors().find(|path| path.is_dir()) else {
        return finding(State::Fault, what, format!("{}: no such folder", path.display()));
    };
    match Unfinished::beside(&there.join("doctor")) {
        Ok(_) if there == absolute => finding(State::Ok, what, path.display().to_string()),
        Ok(_) => finding(State::Ok, what, format!("{}, which is made when needed", path.display())),
        Err(error) => finding(
            State::Fault,
            what,
            format!("{} cannot be written to: {error}", there.display()),
        ),
    }
}

fn data_sets(root: Option<&Path>) -> Vec<Finding> {
    let places = Places::from_env();
    let look = |name: &str| {
        let request = DatasetRequest {
            root: root.map(Path::to_owned),
            ..DatasetRequest::new(name, Split::Train)
        };
        let what = format!("data set {name}");
        match locate(&request, &places) {
            Ok(files) => match files.first() {
                None => finding(State::Ok, what, "is drawn, and needs no files"),
                Some(file) => finding(State::Ok, what, file.display().to_string()),
            },
            Err(_) => finding(
                State::Note,
                what,
                format!("not here; `ganbench fetch dataset {name}` downloads it"),
            ),
        }
    };
    datasets().iter().map(|info| look(&info.name)).collect()
}

fn weights() -> Vec<Finding> {
    let source = WeightsSource::find(None);
    let look = |(name, file)| {
        let what = format!("weights of {name}");
        match source.locate(file) {
            Some(path) => finding(State::Ok, what, path.display().to_string()),
            None => finding(
                State::Note,
                what,
                format!("not here; `ganbench extractor fetch {name}` downloads them"),
            ),
        }
    };
    EXTRACTORS.iter().filter_map(|entry| Some((entry.name, entry.published?))).map(look).collect()
}
