//! `ganbench report`: results, tables and plots from finished runs.

use anyhow::{Context as _, Result, bail};
use ganbench_reports::Anchor;

use crate::cli::ReportArgs;
use crate::run_folder::RunFolder;
use crate::{anchors, integrity, machine, report, results};

/// # Errors
/// If there are no runs, or a file is damaged or cannot be written.
pub fn run(args: &ReportArgs) -> Result<()> {
    machine::set_threads(None)?;
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
        super::note_torn_lines(&results::rebuild(&args.out, &runs)?);
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
