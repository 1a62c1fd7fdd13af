//! `ganbench experiment`: an experiment's runs in slices that go on, packed when they are done, and
//! the pages with its verdicts.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::COMMANDS;
use super::arguments::MachineArgs;
use super::signals::exit_code;
use crate::experiments::{self, Experiment, Folder, Part, PartState, Slice};
use crate::machine;
use crate::run::folder::Lock;

#[derive(Debug, Args)]
pub struct KeptArgs {
    /// The experiment: a TOML such as those in reports/experiments
    #[arg(value_name = "FILE.toml")]
    pub experiment: PathBuf,
    /// Folder of all kept experiments; this one's is <date>-<machine>-<name> in it, or the newest
    /// that is there
    #[arg(long, value_name = "DIR", default_value = "reports/kept")]
    pub kept: PathBuf,
    /// Only these parts, by comma
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub parts: Option<Vec<String>>,
    /// Train nothing: judge and write the pages from the runs that are there
    #[arg(long)]
    pub pages_only: bool,
    /// A page whose block of verdicts is renewed; may be given several times
    #[arg(long = "page", value_name = "FILE.md")]
    pub pages: Vec<PathBuf>,
    /// Print the verdicts as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// The exit code: that of a part's training where it did not end well.
///
/// # Errors
/// If the experiment's file is wrong, or a file cannot be read or written.
pub fn run(args: &KeptArgs) -> Result<u8> {
    let experiment = Experiment::read(&args.experiment, COMMANDS)?;
    let parts = chosen(&experiment, args)?;
    args.pages.iter().try_for_each(|page| experiments::check_page(page))?;
    let folder = Folder::find_or_create(&args.kept, &experiment, &args.experiment, COMMANDS)?;
    let mut code = 0;
    if !args.pages_only {
        let signals = Signals::watch()?;
        for part in parts {
            code = work(&folder, part, &args.machine, &signals)?;
            if code != 0 {
                break;
            }
        }
    }
    // Several experiments may be worked on at once; their pages are made one after the other.
    let _lock = Lock::wait(&args.kept)?;
    for part in &experiment.parts {
        experiments::pack(&folder, part)?;
    }
    let findings = experiments::find(&folder, &experiment)?;
    for (part, state) in experiment.parts.iter().zip(&findings.parts) {
        report(&folder, part, state)?;
        experiments::tidy(&folder, part)?;
    }
    if args.pages.is_empty() {
        experiments::page(&folder, &experiment, &findings)?;
    } else {
        experiments::renew(&args.kept, &args.pages, COMMANDS)?;
    }
    if args.json {
        crate::cli::tell::json(&findings)?;
        return Ok(code);
    }
    for finding in &findings.findings {
        let (counts, claim) = (finding.counts.as_str(), finding.claim.as_str());
        say!("{:<12} {counts:<15} {claim} ({} seeds)", finding.verdict, finding.seeds);
    }
    say!("page     {}", folder.path().join("README.md").display());
    Ok(code)
}

fn chosen<'a>(experiment: &'a Experiment, args: &KeptArgs) -> Result<Vec<&'a Part>> {
    let Some(names) = &args.parts else { return Ok(experiment.parts.iter().collect()) };
    let find = |name: &String| {
        experiment.parts.iter().find(|part| part.name == *name).ok_or_else(|| {
            let known: Vec<&str> = experiment.parts.iter().map(|p| p.name.as_str()).collect();
            let text = format!(
                "{} has no part \"{name}\"; it has {}",
                args.experiment.display(),
                known.join(", ")
            );
            machine::UsageError::new(text).into()
        })
    };
    names.iter().map(find).collect()
}

/// Trains what a part asks for, then measures it again where it asks for that; what is done is
/// passed over.
fn work(folder: &Folder, part: &Part, at: &MachineArgs, signals: &Signals) -> Result<u8> {
    if folder.has_toy(part)? {
        return Ok(0);
    }
    let out = folder.part(part);
    let runs = out.join("runs");
    let mut trained = command(&part.command, at)?;
    trained.arg("--out").arg(&out);
    let mut code = run_part(folder, part, trained, signals)?;
    for words in &part.also {
        if code == 0 {
            let mut again = command(words, at)?;
            again.arg("--runs").arg(&runs);
            code = run_part(folder, part, again, signals)?;
        }
    }
    Ok(code)
}

/// Tables and plots of the runs of a part that are done, where it was stopped or measured again:
/// else they are those of its command.
fn report(folder: &Folder, part: &Part, state: &PartState) -> Result<()> {
    if state.runs_done == 0 || (state.runs_done == state.runs_planned && part.also.is_empty()) {
        return Ok(());
    }
    let out = folder.part(part);
    let mut report = Command::new(program()?);
    report.arg("report").arg("--runs").arg(out.join("runs")).arg("--out").arg(&out);
    let status = report.stdout(Stdio::null()).status().context("cannot start a part's report")?;
    if !status.success() {
        bail!("the report of part {} failed (code {})", part.name, code_of(status));
    }
    Ok(())
}

fn program() -> Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program is")
}

/// A command of a part as a program of its own: threads and memory are those of a run by hand.
fn command(words: &str, at: &MachineArgs) -> Result<Command> {
    if !at.quiet {
        tell!("ganbench {words}");
    }
    let mut command = Command::new(program()?);
    command.args(words.split_whitespace()).stdout(Stdio::null());
    let mut flag = |name: &str, value: Option<String>| {
        command.args(value.into_iter().flat_map(|value| [format!("--{name}"), value]));
    };
    flag("data", at.data.as_ref().map(|path| path.display().to_string()));
    // A command that names weights has an extractor of its own.
    flag("weights", at.weights.clone().filter(|_| !words.contains("--weights")));
    flag("device", Some(at.device.clone()));
    flag("threads", at.threads.map(|n| n.to_string()));
    flag("memory-limit", ganbench_files::memory::limit().map(|bytes| format!("{bytes}B")));
    if at.quiet {
        command.arg("--quiet");
    }
    // A Ctrl-C at the terminal reaches this program alone, which passes it on once.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

/// Its exit code; the time is noted as a slice.
fn run_part(folder: &Folder, part: &Part, mut command: Command, signals: &Signals) -> Result<u8> {
    let (started_unix_s, started) = (machine::unix_s(), Instant::now());
    let child = command.spawn().context("cannot start the training of a part")?;
    let status = signals.wait(child)?;
    folder.add_slice(&Slice {
        part: part.name.clone(),
        started_unix_s,
        wall_s: started.elapsed().as_secs_f64(),
    })?;
    Ok(code_of(status))
}

/// As a shell would report it.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return exit_code(signal);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The signals that came while a part was trained.
struct Signals {
    came: Vec<(i32, Arc<AtomicUsize>)>,
}

impl Signals {
    #[cfg(unix)]
    fn watch() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut came = Vec::new();
        for signal in [SIGINT, SIGTERM] {
            let counter = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&counter);
            let count = move || {
                counted.fetch_add(1, Ordering::SeqCst);
            };
            // SAFETY: adding to an atomic is all that the handler does.
            unsafe { signal_hook::low_level::register(signal, count) }?;
            came.push((signal, counter));
        }
        Ok(Self { came })
    }

    #[cfg(not(unix))]
    fn watch() -> Result<Self> {
        Ok(Self { came: Vec::new() })
    }

    /// Passes signals on until the child ends.
    fn wait(&self, mut child: Child) -> Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for the training")? {
                return Ok(status);
            }
            for (signal, counter) in &self.came {
                for _ in 0..counter.swap(0, Ordering::SeqCst) {
                    pass_on(*signal, &child);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[cfg(unix)]
fn pass_on(signal: i32, child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // SAFETY: the child has not been waited for, so its number is still its own.
        unsafe { libc::kill(pid, signal) };
    }
}

#[cfg(not(unix))]
fn pass_on(_signal: i32, _child: &Child) {}
