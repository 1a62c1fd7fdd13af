//! `ganbench drift check` and `accept`: whether numbers moved since a baseline.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_files::write_atomic;
use ganbench_reports::escape::visible_lines;
use serde::Serialize;

use crate::drift::{
    BLIND, Comparison, GuardedValue, Power, Shown, Sides, Update, compare, markdown, read, text,
    updated, write,
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
}

/// Makes the candidate the baseline, whatever moved, which is shown first. The baseline need not
/// exist.
#[derive(Debug, Args)]
pub struct AcceptArgs {
    #[command(flatten)]
    pub check: DriftArgs,
    /// Why the numbers moved; kept in the baseline behind the former reasons
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
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
/// If a file cannot be read.
pub fn check(args: &DriftArgs) -> Result<u8> {
    check_power(args)?;
    show(args, &read(&args.baseline)?, &read(&args.candidate)?)
}

/// The program's exit code.
///
/// # Errors
/// If there is no reason, or a file cannot be read or written.
pub fn accept(args: &AcceptArgs) -> Result<u8> {
    let AcceptArgs { check, reason } = args;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(UsageError::new("--reason is empty, expected why the numbers moved").into());
    }
    check_power(check)?;
    let candidate = read(&check.candidate)?;
    let first = !check.baseline.exists();
    let baseline = if first { Vec::new() } else { read(&check.baseline)? };
    if !first {
        show(check, &baseline, &candidate)?;
    }
    let next =
        updated(Update { baseline: (!first).then_some(&baseline), candidate: &candidate, reason });
    write(&check.baseline, &next)
        .with_context(|| format!("the baseline {} is as it was", check.baseline.display()))?;
    tell!("{}: {} values, {reason}", check.baseline.display(), next.len());
    Ok(0)
}

fn check_power(args: &DriftArgs) -> Result<()> {
    if let Some(share) = args.min_power.filter(|share| !(share.is_finite() && *share > 0.0)) {
        let text =
            format!("--min-power is {share}, expected a share above 0, such as 0.5 for 50 %");
        return Err(UsageError::new(text).into());
    }
    Ok(())
}

/// Shows what moved; gives the exit code.
fn show(args: &DriftArgs, baseline: &[GuardedValue], candidate: &[GuardedValue]) -> Result<u8> {
    let comparison = compare(Sides { baseline, candidate });
    let mut code = comparison.verdict.exit_code();
    let power = args.min_power.map(|asked| Power::new(&comparison, asked));
    if code == 0 && power.as_ref().is_some_and(|power| !power.blind.is_empty()) {
        code = BLIND;
    }
    if let Some(path) = &args.markdown {
        write_atomic(path, visible_lines(&markdown(&comparison, baseline)).as_bytes())?;
    }
    if args.json {
        let outcome = Outcome { exit_code: code, comparison: &comparison, power: power.as_ref() };
        crate::cli::tell::json(&outcome)?;
        return Ok(code);
    }
    let shown = if args.all { Shown::All } else { Shown::Moved };
    say!("{}", text(&comparison, baseline, shown).trim_end());
    if let Some(power) = power {
        say!("{}", power.text());
    }
    Ok(code)
}
