//! `ganbench fetch`: weights and data sets from the hub, ahead of their use.

use anyhow::Result;
use clap::{Args, ValueEnum};
use ganbench_baselines::data::{self, DatasetRequest, Split};
use ganbench_metrics::extractor::entry;
use serde_json::json;

use crate::machine;
use crate::progress::Progress;

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
            let entry = entry(&args.name)?;
            let mut bar = None;
            let found = entry.fetch(&mut |done, total| {
                let bar = bar.get_or_insert_with(|| {
                    Progress::new(format!("download {}", args.name), total as f64, args.quiet)
                });
                bar.set(done as f64, &format!("{:.0}/{:.0} MB", done as f64 / 1e6, total as f64 / 1e6));
            })?;
            if let Some(bar) = bar {
                bar.finish("done");
            }
            println!("{}", json!({"extractor": args.name, "path": found.path, "sha256": found.sha256}));
        }
        Fetched::Dataset => {
            for split in [Split::Train, Split::Test] {
                let request = DatasetRequest::new(&args.name, split);
                let mut bar: Option<(data::Stage, Progress)> = None;
                let dataset = data::load(&request, &mut |p| {
                    if bar.as_ref().is_none_or(|(stage, _)| *stage != p.stage) {
                        let label = format!("{:?} {} {split}", p.stage, args.name).to_lowercase();
                        bar = Some((p.stage, Progress::new(label, p.total.max(1) as f64, args.quiet)));
                    }
                    if let Some((_, bar)) = &mut bar {
                        bar.set(p.done as f64, "");
                    }
                })?;
                if let Some((_, bar)) = bar {
                    bar.finish(&format!("{} images", dataset.images.len()));
                }
                println!(
                    "{}",
                    json!({"dataset": args.name, "split": split.as_str(), "n": dataset.images.len(),
                           "sha256": dataset.sha256})
                );
            }
        }
    }
    Ok(())
}
