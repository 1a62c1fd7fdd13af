//! `ganbench sensitivity`: planted faults, and which metric sees them.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::process;
use crate::machine::UsageError;
use crate::sensitivity::{Fault, Images, Instrument, Request, measure, page, table};

#[derive(Debug, Args)]
pub struct SensitivityArgs {
    /// Data set: shapes or cifar10
    #[arg(long, default_value = "shapes")]
    pub dataset: String,
    /// Images of each spoilt and each clean set
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub n: usize,
    /// Sets of clean images, whose spread a fault must exceed
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub draws: usize,
    /// Faults, by comma [default: all of the data set]
    #[arg(long, value_delimiter = ',')]
    pub faults: Option<Vec<String>>,
    /// Metrics, by comma [default: all that the extractor allows, but those of single classes]
    #[arg(long, value_delimiter = ',')]
    pub metrics: Option<Vec<String>>,
    /// Folder that holds <DATASET>/ (else $GANBENCH_DATA, the hub cache, the hub)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep a page here: README.md, sensitivity.csv, sensitivity.svg and sensitivity.png
    #[arg(long, value_name = "DIR")]
    pub page: Option<PathBuf>,
    /// All values as one line of JSON instead of the table
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
/// If a name is unknown, the images cannot be had, a metric cannot be computed of clean images, or
/// the page cannot be written.
pub fn run(args: &SensitivityArgs) -> Result<()> {
    process::set_threads(args.threads)?;
    if args.draws < 2 {
        let text = format!("--draws is {}, expected at least 2 to tell a spread", args.draws);
        return Err(UsageError::new(text).into());
    }
    let mut faults: Vec<&'static Fault> = Fault::of_dataset(&args.dataset).collect();
    if let Some(names) = &args.faults {
        let by_name = |name: &String| Fault::by_name(name, &args.dataset);
        let wanted = names.iter().map(by_name).collect::<Result<Vec<_>, _>>()?;
        faults.retain(|fault| wanted.iter().any(|wanted| wanted.name == fault.name));
    }
    let images =
        Images { dataset: &args.dataset, n: args.n, data: args.data.as_deref(), quiet: args.quiet };
    let instrument = Instrument::new(images, args.metrics.as_deref())?;
    let levels = |fault: &'static Fault| (fault, fault.levels_for(args.n));
    let request = Request {
        faults: faults.into_iter().map(levels).collect(),
        draws: args.draws,
        quiet: args.quiet,
    };
    let findings = measure(&instrument, &request)?;
    if let Some(folder) = &args.page {
        page::write(folder, &findings)?;
        tell!("{}", folder.join("README.md").display());
    }
    if args.json {
        crate::cli::tell::json(&findings)?;
    } else {
        say!("{}", table::text(&findings).trim_end());
    }
    Ok(())
}
