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

/// Downloads files ahead of use and prints one JSON object with what is available.
#[derive(Debug, Args)]
pub struct FetchArgs {
    /// What is downloaded
    pub what: Fetched,
    /// A name from `ganbench list extractors` or `list datasets`
    pub name: String,
    #[command(flatten)]
    pub hub: HubArgs,
}

/// Downloads the weights of an extractor and prints one JSON object with where they are.
#[derive(Debug, Args)]
pub struct WeightsArgs {
    /// A name from `ganbench extractor list`
    pub name: String,
    #[command(flatten)]
    pub hub: HubArgs,
}

/// How patient a download is.
#[derive(Debug, Args)]
pub struct HubArgs {
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

impl HubArgs {
    fn limits(&self) -> Result<Limits> {
        let limits = Limits::from_env()?;
        Ok(self.timeout.map_or(limits, |time| limits.with_timeout(time)))
    }
}

/// # Errors
/// If the name is unknown, or the download fails or is not what was published.
pub fn run(args: &FetchArgs) -> Result<()> {
    match args.what {
        Fetched::Extractor => fetch_weights(&args.name, &args.hub),
        Fetched::Dataset => fetch_dataset(&args.name, &args.hub),
    }
}

/// # Errors
/// As [`run`].
pub fn extractor(args: &WeightsArgs) -> Result<()> {
    fetch_weights(&args.name, &args.hub)
}

fn fetch_weights(name: &str, hub: &HubArgs) -> Result<()> {
    process::set_threads(None)?;
    let request = ExtractorRequest::parse(name)?;
    request.known_version()?;
    let Some(file) = request.entry()?.published else {
        let text = format!("there is nothing to fetch for {name}: it needs no file");
        return Err(UsageError::new(text).into());
    };
    let name = request.name;
    let path = weights(file, name, Some(hub.limits()?), hub.quiet)?;
    let path = path.display().to_string();
    crate::cli::tell::json(&json!({"extractor": name, "path": path, "sha256": file.sha256}))
}

fn fetch_dataset(name: &str, hub: &HubArgs) -> Result<()> {
    process::set_threads(None)?;
    let places = Places { hub_limits: Some(hub.limits()?), ..Places::from_env() };
    for split in [Split::Train, Split::Test] {
        let request = DatasetRequest::new(name, split);
        let dataset = read_dataset_from(&request, &places, hub.quiet)?;
        crate::cli::tell::json(
            &json!({"dataset": name, "split": split.as_str(), "n": dataset.images.len(),
                   "sha256": dataset.sha256}),
        )?;
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
