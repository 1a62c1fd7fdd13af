//! `ganbench drift`: whether numbers moved since a baseline.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_files::write_atomic;
use ganbench_reports::escape::visible_lines;
use serde::Serialize;

use crate::drift::{
    BLIND, Comparison, Power, Shown, Sides, Update, compare, markdown, read, text, updated, write,
};
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
    /// Print every value with the least move that would be seen, not only those that moved
    #[arg(long, conflicts_with = "json")]
    pub all: bool,
    /// Also write the table as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// End with 5 where a value could move by more than this share of itself without being seen
    /// (0.5 is 50 %) by any test that it takes part in
    #[arg(long, value_name = "SHARE")]
    pub min_power: Option<f64>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    power: Option<&'a Power>,
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
    if let Some(share) = args.min_power.filter(|share| !(share.is_finite() && *share > 0.0)) {
        let text =
            format!("--min-power is {share}, expected a share above 0, such as 0.5 for 50 %");
        return Err(UsageError::new(text).into());
    }
    let candidate = read(&args.candidate)?;
    let first = args.update && !args.baseline.exists();
    let baseline = if first { Vec::new() } else { read(&args.baseline)? };
    let mut code = 0;
    if !first {
        let comparison = compare(Sides { baseline: &baseline, candidate: &candidate });
        code = comparison.verdict.exit_code();
        let power = args.min_power.map(|asked| Power::new(&comparison, asked));
        if code == 0 && power.as_ref().is_some_and(|power| !power.blind.is_empty()) {
            code = BLIND;
        }
        if let Some(path) = &args.markdown {
            write_atomic(path, visible_lines(&markdown(&comparison, &baseline)).as_bytes())?;
        }
        if args.json {
            let outcome =
                Outcome { exit_code: code, comparison: &comparison, power: power.as_ref() };
            crate::cli::tell::json(&outcome)?;
        } else {
            let shown = if args.all { Shown::All } else { Shown::Moved };
            say!("{}", text(&comparison, &baseline, shown).trim_end());
            if let Some(power) = power {
                say!("{}", power.text());
            }
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
