//! `ganbench`: GAN methods under equal budgets, exact metrics, tables and plots.

mod cli;
mod commands;
mod estimate;
mod machine;
mod pipeline;
mod plan;
mod progress;
mod recipe;
mod report;
mod results;
mod run_folder;
mod session;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ExtractorCommand};

/// Exit code of wrong usage (EX_USAGE of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    machine::keep_freed_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    let outcome = match &cli.command {
        Command::Reproduce(args) => commands::reproduce::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Sample(args) => commands::sample::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::List(args) => commands::list::run(args),
        Command::Extractor { command: ExtractorCommand::Train(args) } => {
            commands::extractor::train(args)
        }
        Command::Completions { shell } => commands::completions(*shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if commands::is_usage(&error) { USAGE } else { 1 })
        }
    }
}
