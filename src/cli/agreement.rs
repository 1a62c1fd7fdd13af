//! `ganbench agreement`: which metric orders runs as the truth does.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::process;
use super::tell;
use crate::agreement::measure::Request;
use crate::agreement::{Points, Runs, measure, page, table};
use crate::machine::UsageError;
use crate::report::comparison;

/// Seed of the bootstrap.
const SEED: u64 = 0;

/// Draws beyond which nothing gets more exact.
const MOST_DRAWS: usize = 100_000;

/// RESULTS are runs on shapes: a run, a folder of runs, the folder of a sweep, results.parquet or
/// results.csv. Metrics that know the modes of shapes stand for the truth.
#[derive(Debug, Args)]
pub struct AgreementArgs {
    /// Results files, runs, or folders of runs
    #[arg(required = true)]
    pub results: Vec<PathBuf>,
    /// Metrics that stand for the truth, by comma
    #[arg(long, value_delimiter = ',', default_value = "modes_kl,recognised")]
    pub truth: Vec<String>,
    /// Which checkpoints of runs
    #[arg(long, default_value = "last", value_parser = points())]
    pub checkpoint: Points,
    /// Bootstrap draws of whole runs
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub draws: usize,
    /// Keep a page here: README.md, agreement.csv, scores.csv, agreement.svg and agreement.png
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    /// All values as one line of JSON instead of the table
    #[arg(long)]
    pub json: bool,
}

/// # Errors
/// If a result cannot be read, a metric was measured in two ways, there are too few runs, or the
/// page cannot be written.
pub fn run(args: &AgreementArgs) -> Result<()> {
    process::set_threads(None)?;
    if !(100..=MOST_DRAWS).contains(&args.draws) {
        let text = format!("--draws is {}, expected 100 to {MOST_DRAWS}", args.draws);
        return Err(UsageError::new(text).into());
    }
    let rows = args.results.iter().map(|path| comparison::read(path));
    let runs = Runs::new(&rows.collect::<Result<Vec<_>>>()?.concat(), args.checkpoint)?;
    let findings = measure(&runs, &Request { truths: &args.truth, draws: args.draws, seed: SEED })?;
    if let Some(folder) = &args.page {
        page::write(folder, &findings, &runs)?;
        tell!("{}", folder.join("README.md").display());
    }
    if args.json {
        tell::json(&findings)?;
    } else {
        say!("{}", table::text(&findings).trim_end());
    }
    Ok(())
}

fn points() -> impl TypedValueParser<Value = Points> {
    PossibleValuesParser::new(Points::ALL.map(Points::as_str))
        .map(|name| Points::by_name(&name).expect("the parser lets no other name through"))
}
