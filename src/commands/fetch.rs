//! `ganbench fetch`: weights and data sets from the hub, ahead of their use.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use ganbench_baselines::data::{DatasetRequest, Split};
use ganbench_metrics::extractor::entry;
use ganbench_metrics::weights::source::PublishedFile;
use serde_json::json;

use crate::machine::{self, UsageError};
use crate::progress::Progress;
use crate::session::read_dataset;

/// Prints one JSON object with what is at hand now.
#[derive(Debug, Args)]
pub struct FetchArgs {
    pub what: Fetched,
    /// As `ganbench list extractors` or `list datasets` tells
    pub name: String,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Fetched {
    Extractor,
    Dataset,
}

/// # Errors
/// If the name is unknown, or the download fails or is not what was published.
pub fn run(args: &FetchArgs) -> Result<()> {
    machine::set_threads(None)?;
    match args.what {
        Fetched::Extractor => {
            let Some(file) = entry(&args.name)?.published else {
                let text = format!("there is nothing to fetch for {}: it needs no file", args.name);
                return Err(UsageError::new(text).into());
            };
            let path = weights(file, &args.name, args.quiet)?;
            crate::tell::json(
                &json!({"extractor": args.name, "path": path.display().to_string(), "sha256": file.sha256}),
            )?;
        }
        Fetched::Dataset => {
            for split in [Split::Train, Split::Test] {
                let request = DatasetRequest::new(&args.name, split);
                let dataset = read_dataset(&request, args.quiet)?;
                crate::tell::json(
                    &json!({"dataset": args.name, "split": split.as_str(), "n": dataset.images.len(),
                           "sha256": dataset.sha256}),
                )?;
            }
        }
    }
    Ok(())
}

/// Weights in the hub's cache, downloaded with a progress bar where they are not there.
///
/// # Errors
/// If the download fails or is not what was published.
pub fn weights(file: PublishedFile, name: &str, quiet: bool) -> Result<PathBuf> {
    let mut bar = None;
    let path = file.fetch(&mut |done, total| {
        let bar = bar
            .get_or_insert_with(|| Progress::new(format!("download {name}"), total as f64, quiet));
        bar.set(done as f64, &format!("{:.0}/{:.0} MB", done as f64 / 1e6, total as f64 / 1e6));
    })?;
    if let Some(bar) = bar {
        bar.finish("done");
    }
    Ok(path)
}
