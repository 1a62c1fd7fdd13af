//! `ganbench report`: results, tables and plots from finished runs.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_reports::Anchor;

use super::process;
use crate::anchors;
use crate::report;
use crate::results;
use crate::run::folder::RunFolder;
use crate::run::integrity;

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder that holds runs, or a results.parquet or results.csv (tables and scores only)
    #[arg(long, value_name = "DIR|FILE")]
    pub runs: PathBuf,
    /// Folder of the results and the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The row that all others are compared with [default: the first]
    #[arg(long, value_name = "ROW")]
    pub reference: Option<String>,
    /// Leave out the anchors that `reproduce` measured
    #[arg(long)]
    pub no_anchors: bool,
}

/// # Errors
/// If there are no runs, or a file is damaged or cannot be written.
pub fn run(args: &ReportArgs) -> Result<()> {
    process::set_threads(None)?;
    let reference = args.reference.as_deref();
    let made = if args.runs.is_file() {
        let anchors = anchors(args, || anchors::of_results(&args.runs))?;
        let how = report::How { command: None, reference, anchors: &anchors };
        report::write_rows(&results::read_rows(&args.runs)?, &args.out, how)?
    } else {
        let runs = results::find_runs(&args.runs)?;
        if runs.is_empty() {
            bail!("{} holds no runs: no folder with a scores.jsonl is in it", args.runs.display());
        }
        runs.iter().try_for_each(|run| integrity::check(run))?;
        std::fs::create_dir_all(&args.out)
            .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
        results::rebuild(&args.out, &runs)?.log_torn_lines();
        let folders = runs.iter().map(|run| RunFolder::open(run)).collect::<Result<Vec<_>>>()?;
        let anchors = anchors(args, || anchors::of_runs(&runs))?;
        report::write(
            &folders,
            &args.out,
            report::How { command: None, reference, anchors: &anchors },
        )?
    };
    say!("{}", made.text);
    say!("{}", args.out.join("report.md").display());
    Ok(())
}

/// The anchors that reproduce measured, which stay beside the report.
fn anchors(args: &ReportArgs, read: impl Fn() -> Result<Vec<Anchor>>) -> Result<Vec<Anchor>> {
    if args.no_anchors {
        return Ok(Vec::new());
    }
    let anchors = read()?;
    anchors::copy_to(&args.out, &anchors)?;
    Ok(anchors)
}
