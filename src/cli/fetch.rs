//! `ganbench fetch`: weights and data sets from the hub, ahead of their use.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use ganbench_data::{DatasetRequest, Places, Split};
use ganbench_hub::Limits;
use ganbench_metrics::ExtractorRequest;
use ganbench_metrics::weights::source::PublishedFile;
use serde_json::json;

use super::process;
use crate::machine::UsageError;
use crate::progress::Progress;
use crate::run::session::read_dataset_from;

/// Prints one JSON object with what is at hand now.
#[derive(Debug, Args)]
pub struct FetchArgs {
    pub what: Fetched,
    /// As `ganbench list extractors` or `list datasets` tells
    pub name: String,
    /// Give a hub up that is silent for so long. Without it a connection may take 10 s, an answer
    /// 30 s, and a file may pause for 60 s
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Fetched {
    Extractor,
    Dataset,
}

fn seconds(text: &str) -> Result<Duration, String> {
    ganbench_hub::seconds("--timeout", text).map_err(|error| error.to_string())
}

/// # Errors
/// If the name is unknown, or the download fails or is not what was published.
pub fn run(args: &FetchArgs) -> Result<()> {
    process::set_threads(None)?;
    let mut limits = Limits::from_env()?;
    if let Some(time) = args.timeout {
        limits = limits.with_timeout(time);
    }
    match args.what {
        Fetched::Extractor => {
            let request = ExtractorRequest::parse(&args.name)?;
            request.known_version()?;
            let Some(file) = request.entry()?.published else {
                let text = format!("there is nothing to fetch for {}: it needs no file", args.name);
                return Err(UsageError::new(text).into());
            };
            let path = weights(file, request.name, Some(limits), args.quiet)?;
            crate::cli::tell::json(
                &json!({"extractor": request.name, "path": path.display().to_string(), "sha256": file.sha256}),
            )?;
        }
        Fetched::Dataset => {
            let places = Places { hub_limits: Some(limits), ..Places::from_env() };
            for split in [Split::Train, Split::Test] {
                let request = DatasetRequest::new(&args.name, split);
                let dataset = read_dataset_from(&request, &places, args.quiet)?;
                crate::cli::tell::json(
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
pub fn weights(
    file: PublishedFile,
    name: &str,
    limits: Option<Limits>,
    quiet: bool,
) -> Result<PathBuf> {
    let mut bar = None;
    let path = file.fetch(limits, &mut |done, total| {
        let bar = bar
            .get_or_insert_with(|| Progress::new(format!("download {name}"), total as f64, quiet));
        bar.set(done as f64, &format!("{:.0}/{:.0} MB", done as f64 / 1e6, total as f64 / 1e6));
    })?;
    if let Some(bar) = bar {
        bar.finish("done");
    }
    Ok(path)
}
