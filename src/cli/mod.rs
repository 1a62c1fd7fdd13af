//! The command line: one file per command, with its own arguments. Nothing outside of this folder
//! prints, parses a command line or changes anything for the whole process.

#[macro_use]
mod tell;

mod agreement;
mod arguments;
mod bars;
mod bench;
mod compare;
mod compare_jointly;
mod drift;
mod eval;
mod extraction;
mod extractor;
mod features;
mod fetch;
mod figure3;
mod kept;
mod list;
mod loss;
mod metrics;
mod probe;
pub(crate) mod process;
mod remeasure;
mod report;
mod reproduce;
mod sample;
mod sensitivity;
mod signals;
mod train;
mod usage;
mod verify;
mod verify_extractor;
mod verify_folder;

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{CommandFactory as _, Parser, Subcommand};
use signals::exit_code;

use crate::experiments::CommandParser;
use crate::machine::memory;
use crate::message::with_causes;
use crate::plan::request::TableRequest;
use crate::run::stop::Interrupted;

/// Trains GAN methods under equal budgets, measures them, and compares; measures any images.
///
/// Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed, 3 a check found a
/// difference, 4 it could not compare, 64 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM.
#[derive(Debug, Parser)]
#[command(name = "ganbench", version, max_term_width = 100)]
pub struct Cli {
    /// Refuse what would need more memory than this, such as 8GiB, 500MB or 4096 (of 2^20 bytes)
    /// [default: what is free]
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory::parse_limit)]
    pub memory_limit: Option<u64>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train and compare the methods of a table
    Reproduce(reproduce::ReproduceArgs),
    /// Train one run from a recipe, or from the plan.toml of another run
    Train(train::TrainArgs),
    /// Write images of a trained run
    Sample(sample::SampleArgs),
    /// Measure images from anywhere: FID, KID, IS, precision, recall, density, coverage, …
    Eval(eval::EvalArgs),
    /// Write the features of images to a file
    Features(features::FeaturesArgs),
    /// Measure features from files, without a network
    Metrics(metrics::MetricsArgs),
    /// Compute a loss and its gradients on arrays of your own
    Loss(loss::LossArgs),
    /// Say whether two results differ by more than chance
    Compare(compare::CompareArgs),
    /// Measure what must not move: fixed images through every metric, first steps of every method
    ///
    /// Fixed images through every resize, extractor (Inception with weights from a formula) and
    /// metric; the losses, gradient norms and samples of the first steps of every method, and of
    /// the end of a short run that has a warm-up, an averaged generator and several epochs. Takes
    /// seconds, needs no data and no weights; where CIFAR-10 lies in --data or $GANBENCH_DATA its
    /// images are looked at too.
    Probe(probe::ProbeArgs),
    /// Plant faults into real images and say which metric sees which, and from which strength on
    ///
    /// Faults of pixels (noise, blur, …), strangers among real images, classes and factors that are
    /// left out or tied, copies of reals: each at graded levels. A metric sees a fault from the
    /// first level from which on every level is at least 4 standard deviations of clean draws worse
    /// than clean images; it prefers the fault where a level is as much better.
    Sensitivity(sensitivity::SensitivityArgs),
    /// Say which metric orders runs as the truth does, over runs on shapes
    ///
    /// The modes of shapes are known, so some metrics know what a run really makes. Each other
    /// metric is held against them over many runs by Kendall's rank correlation, with intervals.
    Agreement(agreement::AgreementArgs),
    /// Say whether numbers moved since a baseline: exit code 0 no, 3 yes, 4 not comparable
    ///
    /// FILE is a guard file (of probe or --update), a results.parquet or results.csv of reproduce,
    /// or a CSV of your own: columns name, value and perhaps seed, ci_low, ci_high (a 95 %
    /// interval), tolerance (relative); any other column tells values apart. DIR holds results and
    /// probe.parquet.
    ///
    /// Values of fixed images (1e-6), of first steps (1e-4, behind the first update 1e-3) and of
    /// the end of short runs (3e-3) have relative tolerances. Where one build made both sides on
    /// one kind of machine, their bits must be the same; if they are not, that is a finding of its
    /// own. So is a best checkpoint that is not the lowest point of its curve.
    ///
    /// Trained scores are judged by noise: pooled over all methods and data sets, over each data
    /// set, over each method, and method by method on each data set, where a fall counts as well as
    /// a rise. Each seed is shown. Give at least two seeds: then no single run raises the alarm.
    /// Ratios such as FID's are compared by their logarithms. Runs whose last FID is above twice
    /// their best collapsed: they are counted, and their final scores are not judged. Scores that
    /// are the same for most seeds of the baseline have no noise to judge by: the runs that have
    /// another value are counted. All tests together give a false alarm in 1 % of comparisons of
    /// unchanged scores. The points of the curve are left out, as are data sets and seeds that the
    /// candidate has nothing of (with a note).
    ///
    /// The least move that would have been seen stands beside each value and pooled score.
    ///
    /// Exit codes: 0 within, 3 drift, or the same build made other bits, 4 something is not
    /// comparable (another protocol, counts, extractor or its hash, data set hash or plan, rows
    /// missing, no noise to judge by) and nothing drifted, 5 all is within, but --min-power asks
    /// for more than the guard can see, 1 failed, 64 wrong usage.
    Drift(drift::DriftArgs),
    /// Download weights or a data set ahead of their use
    Fetch(fetch::FetchArgs),
    /// Train the first steps of a run again and measure it again: what differs?
    Verify(verify::VerifyArgs),
    /// Hold an extractor against the published check values
    VerifyExtractor(verify_extractor::VerifyExtractorArgs),
    /// Work on a kept experiment, go on where it stopped, and judge the claims it is about
    Kept(kept::KeptArgs),
    /// Measure finished runs under another extractor, as rows of their own
    Remeasure(remeasure::RemeasureArgs),
    /// Make tables and plots anew from finished runs
    Report(report::ReportArgs),
    /// List what there is
    List(list::ListArgs),
    /// The embedded small feature extractors
    Extractor {
        #[command(subcommand)]
        command: ExtractorCommand,
    },
    /// How fast training is here, alone and beside another framework
    Bench {
        #[command(subcommand)]
        command: bench::BenchCommand,
    },
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, Subcommand)]
pub enum ExtractorCommand {
    /// Train a small extractor on a data set
    Train(extractor::TrainExtractorArgs),
}

/// Exit code of wrong usage (EX_USAGE of sysexits.h).
const USAGE: u8 = 64;
/// Exit code of a comparison that found a difference.
const DIFFERS: u8 = 3;

/// What the program does: exit codes are those of [`Cli`].
pub fn main() -> ExitCode {
    process::keep_freed_memory();
    process::quieten_panics();
    tell::show_notices();
    bars::show_progress();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            tell::parser(&error);
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    if let Some(bytes) = cli.memory_limit {
        ganbench_files::memory::set_limit(bytes);
    }
    let outcome = match &cli.command {
        Command::Reproduce(args) => reproduce::run(args),
        Command::Train(args) => train::run(args),
        Command::Sample(args) => sample::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Features(args) => features::run(args),
        Command::Metrics(args) => metrics::run(args),
        Command::Loss(args) => loss::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Probe(args) => probe::run(args),
        Command::Agreement(args) => agreement::run(args),
        Command::Sensitivity(args) => sensitivity::run(args),
        Command::Drift(args) => match drift::run(args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        Command::Kept(args) => match kept::run(args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        Command::Fetch(args) => fetch::run(args),
        Command::Verify(args) => match verify::run(args) {
            Ok(false) => return ExitCode::from(DIFFERS),
            outcome => outcome.map(|_| ()),
        },
        Command::VerifyExtractor(args) => verify_extractor::run(args),
        Command::Remeasure(args) => remeasure::run(args),
        Command::Report(args) => report::run(args),
        Command::List(args) => list::run(args),
        Command::Extractor { command: ExtractorCommand::Train(args) } => extractor::train(args),
        Command::Bench { command } => bench::run(command),
        Command::Completions { shell } => completions(*shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Interrupted>() {
            Some(interrupted) => {
                tell!("{interrupted}");
                ExitCode::from(exit_code(interrupted.signal))
            }
            None => {
                tell!("error: {}", with_causes(&error));
                ExitCode::from(if usage::is_usage(&error) { USAGE } else { 1 })
            }
        },
    }
}

/// How the command lines of an experiment's file are understood.
pub const COMMANDS: CommandParser = CommandParser { reproduce, remeasure };

fn reproduce(words: &str) -> Result<TableRequest> {
    let Command::Reproduce(args) = parsed(words)? else {
        bail!("expected the command reproduce");
    };
    if args.out.is_some() || args.dry_run || args.json {
        bail!("--out, --dry-run and --json are not for an experiment's file");
    }
    Ok(args.request())
}

fn remeasure(words: &str) -> Result<()> {
    let Command::Remeasure(_) = parsed(words)? else {
        bail!("expected the command remeasure");
    };
    Ok(())
}

fn parsed(words: &str) -> Result<Command> {
    let words = std::iter::once("ganbench").chain(words.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| {
        let text = error.to_string();
        anyhow!("{}", text.trim_start_matches("error: ").lines().next().unwrap_or_default())
    })
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ganbench", &mut text);
    tell::raw(&text);
    Ok(())
}
