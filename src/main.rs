//! `ganbench`: GAN methods under equal budgets, exact metrics, tables and plots.

#![deny(clippy::print_stderr)]
// `tell!` and `say!` are the two doors to the terminal.
#![cfg_attr(not(test), deny(clippy::print_stdout))]

#[macro_use]
mod tell;

mod agreement;
mod anchors;
mod begun;
mod bench;
mod cards;
mod cli;
mod commands;
mod comparison;
mod drift;
mod estimate;
mod evaluation;
mod extend;
mod fairness;
mod generators;
#[cfg(test)]
mod hostile_files_tests;
mod integrity;
mod interrupt;
mod kept;
mod machine;
mod measurer;
mod memory;
mod pipeline;
mod plan;
mod progress;
mod reals;
mod recipe;
mod report;
mod results;
mod run_folder;
mod samples;
mod selection;
mod sensitivity;
mod session;
mod stability;
mod sweep;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command, ExtractorCommand};
use interrupt::Interrupted;

/// Exit code of wrong usage (EX_USAGE of sysexits.h).
const USAGE: u8 = 64;
/// Exit code of a comparison that found a difference.
const DIFFERS: u8 = 3;

fn main() -> ExitCode {
    machine::keep_freed_memory();
    tell::quieten_panics();
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
        Command::Reproduce(args) => commands::reproduce::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Sample(args) => commands::sample::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Features(args) => commands::features::run(args),
        Command::Metrics(args) => commands::metrics::run(args),
        Command::Loss(args) => commands::loss::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Probe(args) => commands::probe::run(args),
        Command::Agreement(args) => commands::agreement::run(args),
        Command::Sensitivity(args) => commands::sensitivity::run(args),
        Command::Drift(args) => match commands::drift::run(args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        Command::Kept(args) => match commands::kept::run(args) {
            Ok(code) => return ExitCode::from(code),
            Err(error) => Err(error),
        },
        Command::Fetch(args) => commands::fetch::run(args),
        Command::Verify(args) => match commands::verify::run(args) {
            Ok(false) => return ExitCode::from(DIFFERS),
            outcome => outcome.map(|_| ()),
        },
        Command::VerifyExtractor(args) => commands::verify_extractor::run(args),
        Command::Remeasure(args) => commands::remeasure::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::List(args) => commands::list::run(args),
        Command::Extractor { command: ExtractorCommand::Train(args) } => {
            commands::extractor::train(args)
        }
        Command::Bench { command } => commands::bench::run(command),
        Command::Completions { shell } => commands::completions(*shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Interrupted>() {
            Some(interrupted) => {
                tell!("{interrupted}");
                ExitCode::from(interrupt::exit_code(interrupted.signal))
            }
            None => {
                tell!("error: {}", message(&error));
                ExitCode::from(if commands::is_usage(&error) { USAGE } else { 1 })
            }
        },
    }
}

/// The error with its causes, each said once: some errors already quote theirs.
fn message(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn a_cause_that_is_quoted_already_is_not_said_again() {
        let error = anyhow!("no space left").context("cannot write a.npz: no space left");
        assert_eq!(super::message(&error), "cannot write a.npz: no space left");
        let error = anyhow!("no space left").context("cannot write a.npz");
        assert_eq!(super::message(&error), "cannot write a.npz: no space left");
    }
}
