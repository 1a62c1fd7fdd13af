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
mod doctor;
mod drift;
mod eval;
mod examples;
mod extraction;
mod extractor;
mod features;
mod fetch;
mod figure3;
mod kept;
mod list;
mod loss;
mod metrics;
mod old_names;
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
use old_names::current;
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
    /// What the program is to do.
    #[command(subcommand)]
    pub command: Command,
}

// A doc comment here would be printed as help.
#[allow(missing_docs)]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train and compare the methods of a table
    #[command(after_help = examples::REPRODUCE)]
    Reproduce(reproduce::ReproduceArgs),
    /// Train one run from a recipe, or from the plan.toml of another run
    #[command(after_help = examples::TRAIN)]
    Train(train::TrainArgs),
    /// Write images of a trained run
    #[command(after_help = examples::SAMPLE)]
    Sample(sample::SampleArgs),
    /// Measure images from anywhere: FID, KID, IS, precision, recall, density, coverage, …
    #[command(after_help = examples::EVAL)]
    Eval(eval::EvalArgs),
    /// Write the features of images to a file
    #[command(after_help = examples::FEATURES)]
    Features(features::FeaturesArgs),
    /// Say whether two results differ by more than chance
    #[command(after_help = examples::COMPARE)]
    Compare(compare::CompareArgs),
    /// Make tables and plots anew from finished runs
    #[command(after_help = examples::REPORT)]
    Report(report::ReportArgs),
    /// Work on a kept experiment, go on where it stopped, and judge the claims that it is about
    #[command(after_help = examples::EXPERIMENT)]
    Experiment(kept::KeptArgs),
    /// The guard against drift: numbers that must not move unnoticed
    Drift {
        #[command(subcommand)]
        command: DriftCommand,
    },
    /// The networks that turn images into features
    Extractor {
        #[command(subcommand)]
        command: ExtractorCommand,
    },
    /// What can be done with finished runs
    Run {
        #[command(subcommand)]
        command: RunCommand,
    },
    /// List what there is
    #[command(after_help = examples::LIST)]
    List(list::ListArgs),
    /// Download weights or a data set ahead of their use
    #[command(after_help = examples::FETCH)]
    Fetch(fetch::FetchArgs),
    /// How fast training is here, alone and beside another framework
    Bench {
        #[command(subcommand)]
        command: bench::BenchCommand,
    },
    /// Check this machine: instructions, memory, folders, data sets, weights
    #[command(after_help = examples::DOCTOR)]
    Doctor(doctor::DoctorArgs),
    /// Measure features from files, without a network
    #[command(after_help = examples::METRICS)]
    Metrics(metrics::MetricsArgs),
    /// Compute a loss and its gradients on arrays of your own
    #[command(after_help = examples::LOSS)]
    Loss(loss::LossArgs),
    /// Plant faults into real images and say which metric sees which, and from which strength on
    ///
    /// Faults of pixels (noise, blur, …), strangers among real images, classes and factors that are
    /// left out or tied, copies of reals: each at graded levels. A metric sees a fault from the
    /// first level from which on every level is at least 4 standard deviations of clean draws worse
    /// than clean images; it prefers the fault where a level is as much better.
    #[command(after_help = examples::SENSITIVITY)]
    Sensitivity(sensitivity::SensitivityArgs),
    /// Say which metric orders runs as the truth does, over runs on shapes
    ///
    /// The modes of shapes are known, so some metrics know what a run really makes. Each other
    /// metric is held against them over many runs by Kendall's rank correlation, with intervals.
    #[command(after_help = examples::AGREEMENT)]
    Agreement(agreement::AgreementArgs),
    /// Print shell completions
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell that they are for
        shell: clap_complete::Shell,
    },
}

// A doc comment here would be printed as help.
#[allow(missing_docs)]
#[derive(Debug, Subcommand)]
pub enum DriftCommand {
    /// Measure what must not move: fixed images through every metric, first steps of every method
    ///
    /// Fixed images through every resize, extractor (Inception with weights from a formula) and
    /// metric; the losses, gradient norms and samples of the first steps of every method, and of
    /// the end of a short run that has a warm-up, an averaged generator and several epochs. Takes
    /// seconds, needs no data and no weights; where CIFAR-10 lies in --data or $GANBENCH_DATA its
    /// images are looked at too.
    #[command(after_help = examples::DRIFT_PROBE)]
    Probe(probe::ProbeArgs),
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
    #[command(after_help = examples::DRIFT_CHECK)]
    Check(drift::DriftArgs),
    /// Make today's numbers the baseline, with the reason why they moved
    #[command(after_help = examples::DRIFT_ACCEPT)]
    Accept(drift::AcceptArgs),
}

// A doc comment here would be printed as help.
#[allow(missing_docs)]
#[derive(Debug, Subcommand)]
pub enum ExtractorCommand {
    /// List the extractors
    #[command(after_help = examples::EXTRACTOR_LIST)]
    List(list::JsonArgs),
    /// Train a small extractor on a data set
    #[command(after_help = examples::EXTRACTOR_TRAIN)]
    Train(extractor::TrainExtractorArgs),
    /// Hold an extractor against the published check values
    #[command(after_help = examples::EXTRACTOR_VERIFY)]
    Verify(verify_extractor::VerifyExtractorArgs),
    /// Download the weights of an extractor ahead of their use
    #[command(after_help = examples::EXTRACTOR_FETCH)]
    Fetch(fetch::WeightsArgs),
}

// A doc comment here would be printed as help.
#[allow(missing_docs)]
#[derive(Debug, Subcommand)]
pub enum RunCommand {
    /// Train the first steps of a run again and measure it again: what differs?
    #[command(after_help = examples::RUN_VERIFY)]
    Verify(verify::VerifyArgs),
    /// Measure finished runs under another extractor, as rows of their own
    #[command(after_help = examples::RUN_REMEASURE)]
    Remeasure(remeasure::RemeasureArgs),
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
    let cli = match Cli::try_parse_from(current(std::env::args_os().collect())) {
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
        Command::Reproduce(args) => done(reproduce::run(args)),
        Command::Train(args) => done(train::run(args)),
        Command::Sample(args) => done(sample::run(args)),
        Command::Eval(args) => done(eval::run(args)),
        Command::Features(args) => done(features::run(args)),
        Command::Compare(args) => done(compare::run(args)),
        Command::Report(args) => done(report::run(args)),
        Command::Experiment(args) => kept::run(args),
        Command::Drift { command: DriftCommand::Probe(args) } => done(probe::run(args)),
        Command::Drift { command: DriftCommand::Check(args) } => drift::check(args),
        Command::Drift { command: DriftCommand::Accept(args) } => drift::accept(args),
        Command::Extractor { command } => match command {
            ExtractorCommand::List(args) => done(list::extractors(args)),
            ExtractorCommand::Train(args) => done(extractor::train(args)),
            ExtractorCommand::Verify(args) => done(verify_extractor::run(args)),
            ExtractorCommand::Fetch(args) => done(fetch::extractor(args)),
        },
        Command::Run { command: RunCommand::Verify(args) } => {
            verify::run(args).map(|is_same| if is_same { 0 } else { DIFFERS })
        }
        Command::Run { command: RunCommand::Remeasure(args) } => done(remeasure::run(args)),
        Command::List(args) => done(list::run(args)),
        Command::Fetch(args) => done(fetch::run(args)),
        Command::Bench { command } => done(bench::run(command)),
        Command::Doctor(args) => doctor::run(args),
        Command::Metrics(args) => done(metrics::run(args)),
        Command::Loss(args) => done(loss::run(args)),
        Command::Sensitivity(args) => done(sensitivity::run(args)),
        Command::Agreement(args) => done(agreement::run(args)),
        Command::Completions { shell } => done(completions(*shell)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
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

/// A command that either does its work or fails.
fn done(outcome: Result<()>) -> Result<u8> {
    outcome.map(|()| 0)
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
    let Command::Run { command: RunCommand::Remeasure(_) } = parsed(words)? else {
        bail!("expected the command remeasure");
    };
    Ok(())
}

fn parsed(words: &str) -> Result<Command> {
    let words = std::iter::once("ganbench").chain(words.split_whitespace());
    Cli::try_parse_from(current(words.map(Into::into).collect())).map(|cli| cli.command).map_err(
        |error| {
            let text = error.to_string();
            anyhow!("{}", text.trim_start_matches("error: ").lines().next().unwrap_or_default())
        },
    )
}

fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ganbench", &mut text);
    tell::raw(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Command as Clap;

    use super::*;

    /// The commands that do something, each with its words.
    fn leaves(command: &Clap, words: &str, found: &mut Vec<(String, Clap)>) {
        let below: Vec<&Clap> =
            command.get_subcommands().filter(|c| c.get_name() != "help").collect();
        if below.is_empty() {
            found.push((words.to_owned(), command.clone()));
        }
        for command in below {
            leaves(command, &format!("{words} {}", command.get_name()), found);
        }
    }

    fn commands() -> Vec<(String, Clap)> {
        let mut found = Vec::new();
        leaves(&Cli::command(), "ganbench", &mut found);
        found
    }

    #[test]
    fn every_command_and_argument_has_help() {
        for (words, command) in commands() {
            assert!(command.get_about().is_some(), "{words} has no help");
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                let name = argument.get_id();
                assert!(argument.get_help().is_some(), "{name} of {words} has no help");
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_it_understands() {
        for (words, command) in commands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help.lines().skip(1).map(str::trim).collect();
            assert!(!examples.is_empty(), "{words} has no examples");
            for example in examples {
                assert!(example.starts_with(&format!("{words} ")) || example == words, "{example}");
                assert!(example.len() <= 98, "{example}");
                if let Err(error) = Cli::try_parse_from(example.split(' ')) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn long_lists_of_arguments_stand_under_headings() {
        for (words, command) in commands() {
            let shown: Vec<_> = command.get_arguments().filter(|a| !a.is_hide_set()).collect();
            let without = shown.iter().filter(|a| a.get_help_heading().is_none()).count();
            assert!(shown.len() <= 12 || without <= 8, "{words}: {without} without a heading");
        }
    }
}
