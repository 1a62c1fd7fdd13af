//! `ganbench drift probe`: the numbers of layers `metric` and `trace` of the guard against drift.

use std::path::PathBuf;

use anyhow::Result;
use candle_core::Device;
use clap::Args;
use ganbench_baselines::methods::METHODS;

use super::process;
use crate::drift::probe::{FixedImages, Pieces, cifar10_is_there, probe};
use crate::drift::{Provenance, write};
use crate::run::session::Surroundings;

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// For `ganbench drift check`, which looks for probe.parquet in a folder; .csv also goes
    #[arg(long, value_name = "FILE.parquet")]
    pub out: PathBuf,
    /// Folder that holds cifar10/ (else $GANBENCH_DATA)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print the values as JSON lines
    #[arg(long)]
    pub json: bool,
    /// Threads of the CPU; changes no result [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

/// # Errors
/// If a metric or step fails, or the file cannot be written.
pub fn run(args: &ProbeArgs) -> Result<()> {
    if METHODS.iter().any(|method| (method.parts)().second_order()) {
        process::keep_gradients_on_the_tape();
    }
    process::set_threads(args.threads)?;
    let at = Surroundings {
        data: args.data.clone(),
        weights: None,
        device: Device::Cpu,
        quiet: args.quiet,
    };
    let mut sets = vec![FixedImages::for_dataset("shapes", &at)?];
    if cifar10_is_there(args.data.as_deref()) {
        sets.push(FixedImages::for_dataset("cifar10", &at)?);
    } else if !args.quiet {
        tell!("note: no cifar10/ in --data or $GANBENCH_DATA; shapes alone");
    }
    let mut values = probe(&Pieces::default(), &sets, &at)?;
    let here = Provenance::here();
    values.iter_mut().for_each(|value| value.provenance.clone_from(&here));
    write(&args.out, &values)?;
    if args.json {
        for value in &values {
            crate::cli::tell::json(value)?;
        }
    } else {
        say!("{}: {} values", args.out.display(), values.len());
    }
    Ok(())
}
