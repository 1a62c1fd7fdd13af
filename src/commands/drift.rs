//! `ganbench drift`: whether numbers moved since a baseline.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_reports::write_atomic;
use serde::Serialize;

use crate::drift::{Comparison, Sides, Update, compare, markdown, read, text, updated, write};
use crate::machine::UsageError;

#[derive(Debug, Args)]
pub struct DriftArgs {
    /// What the numbers were: a guard file, results, or a CSV
    #[arg(long, value_name = "FILE")]
    pub baseline: PathBuf,
    /// What they are now: the same, or the folder of a sweep
    #[arg(long, value_name = "FILE|DIR")]
    pub candidate: PathBuf,
    /// Print one JSON object: verdict, exit_code, rows, notes
    #[arg(long)]
    pub json: bool,
    /// Also write the table as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Make the candidate the baseline, whatever moved (which is shown first); FILE need not exist
    #[arg(long, requires = "reason")]
    pub update: bool,
    /// Why; kept in the baseline behind the former reasons
    #[arg(long, value_name = "TEXT", requires = "update")]
    pub reason: Option<String>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    exit_code: u8,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

/// The program's exit code.
///
/// # Errors
/// If a file cannot be read or written.
pub fn run(args: &DriftArgs) -> Result<u8> {
    let reason = match &args.reason {
        Some(reason) if reason.trim().is_empty() => {
            return Err(UsageError::new("--reason is empty, expected why the numbers moved").into());
        }
        reason => reason.as_deref().map(str::trim),
    };
    let candidate = read(&args.candidate)?;
    let first = args.update && !args.baseline.exists();
    let baseline = if first { Vec::new() } else { read(&args.baseline)? };
    let mut code = 0;
    if !first {
        let comparison = compare(Sides { baseline: &baseline, candidate: &candidate });
        code = comparison.verdict.exit_code();
        if let Some(path) = &args.markdown {
            write_atomic(path, markdown(&comparison, &baseline).as_bytes())?;
        }
        if args.json {
            let outcome = Outcome { exit_code: code, comparison: &comparison };
            println!("{}", serde_json::to_string(&outcome)?);
        } else {
            print!("{}", text(&comparison, &baseline));
        }
    }
    let Some(reason) = reason else { return Ok(code) };
    let next =
        updated(Update { baseline: (!first).then_some(&baseline), candidate: &candidate, reason });
    write(&args.baseline, &next)
        .with_context(|| format!("the baseline {} is as it was", args.baseline.display()))?;
    tell!("{}: {} values, {reason}", args.baseline.display(), next.len());
    Ok(0)
}
