//! `ganbench remeasure`: finished runs under another extractor or other counts.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_reports::ResultRow;

use crate::cli::MachineArgs;
use crate::generators::{generator_file, load_generator};
use crate::machine::UsageError;
use crate::pipeline::{Fakes, measure, row, spent_up_to};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::results;
use crate::run_folder::{Lock, RunFolder};
use crate::session::{Evaluator, Surroundings, load_dataset, load_extractor, real_reference};

#[derive(Debug, Args)]
pub struct RemeasureArgs {
    /// Folder that holds runs
    #[arg(long, value_name = "DIR")]
    pub runs: PathBuf,
    /// Feature extractor
    #[arg(long)]
    pub extractor: String,
    /// Generated images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub n_fake: usize,
    /// Real images, at most
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub max_real: usize,
    /// What the rows call it; not that of the run's own rows
    #[arg(long, default_value = "remeasured")]
    pub protocol: String,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Adds rows of the last checkpoint to each finished run that has none of this kind; runs that diverged or whose
/// checkpoints are elsewhere are told.
///
/// # Errors
/// If there are no finished runs, they are of several data sets, or something cannot be read or written.
pub fn run(args: &RemeasureArgs) -> Result<()> {
    let folders: Vec<RunFolder> =
        results::find_runs(&args.runs)?.iter().map(|path| RunFolder::at(path)).collect();
    let mut runs = Vec::new();
    for folder in folders.iter().filter(|folder| folder.is_done()) {
        runs.push((folder, folder.plan()?));
    }
    let Some((_, first)) = runs.first() else {
        bail!("{} holds no finished runs", args.runs.display());
    };
    let mut shared = asked(first, args);
    if let Some((folder, _)) = runs.iter().find(|(_, p)| p.dataset.sha256 != shared.dataset.sha256)
    {
        bail!(
            "{} is of another data set than {}; give runs of one",
            folder.path().display(),
            runs[0].0.path().display()
        );
    }
    if let Some((_, plan)) = runs.iter().find(|(_, p)| p.evaluation.protocol == args.protocol) {
        let text = format!(
            "--protocol {} is what the runs' own rows are called ({}); give another name",
            args.protocol,
            plan.row_name()
        );
        return Err(UsageError::new(text).into());
    }
    shared.check()?;
    let (at, _) = super::surroundings(&args.machine, [&shared])?;
    let dataset = load_dataset(&mut shared.dataset, &at)?;
    let extractor = load_extractor(&mut shared.evaluation, &shared.dataset.name.clone(), &at)?;
    let sha256 = extractor.weights_sha256().to_string();
    let mut evaluator = None;
    let mut extractor = Some(extractor);
    let mut added = 0;
    for (folder, plan) in &runs {
        let _lock = Lock::wait(folder.path())?;
        let rows = folder.scores()?;
        let same = |r: &ResultRow| r.extractor_sha256 == sha256 && r.protocol == args.protocol;
        if rows.iter().any(same) {
            continue;
        }
        let Some(last) = rows.iter().find(|r| r.checkpoint == "last" && r.value.is_some()) else {
            tell!("note: {} diverged and is left out", folder.path().display());
            continue;
        };
        let path = match generator_file(folder, plan, "last", "ema") {
            Ok(path) => path,
            Err(error) => {
                tell!("note: {error:#}; {} is left out", folder.path().display());
                continue;
            }
        };
        if let Some(extractor) = extractor.take() {
            evaluator = Some(real_reference(&shared, extractor, &dataset.images, at.quiet)?);
        }
        let Some(evaluator) = &evaluator else { continue };
        let mut plan = asked(plan, args);
        plan.evaluation.extractor.clone_from(&shared.evaluation.extractor);
        plan.evaluation.extractor_sha256.clone_from(&sha256);
        let rows = again(&plan, &path, last, evaluator, &at)
            .with_context(|| format!("cannot measure {}", folder.path().display()))?;
        folder.add_scores(&rows)?;
        added += 1;
    }
    println!("{added} of {} runs measured", runs.len());
    Ok(())
}

/// The plan with what is asked for in the place of its own evaluation.
fn asked(plan: &Plan, args: &RemeasureArgs) -> Plan {
    let mut plan = plan.clone();
    let e = &mut plan.evaluation;
    e.extractor.clone_from(&args.extractor);
    e.extractor_sha256.clear();
    e.protocol.clone_from(&args.protocol);
    (e.n_fake, e.n_fake_curve, e.max_real, e.bootstrap) =
        (args.n_fake, args.n_fake, args.max_real, 0);
    plan
}

/// Rows of the run that `last` is of.
fn again(
    plan: &Plan,
    path: &std::path::Path,
    last: &ResultRow,
    evaluator: &Evaluator,
    at: &Surroundings,
) -> Result<Vec<ResultRow>> {
    let label = format!("{} seed {}", plan.row_name(), plan.train.seed);
    let bar = Progress::new(label, 1.0, at.quiet);
    let generator = load_generator(plan, path, &at.device)?;
    let fakes = Fakes { n: plan.evaluation.n_fake, bootstrap: 0 };
    let values = measure(plan, evaluator, &generator.sampler(), fakes)?;
    bar.finish(&format!("{} images", fakes.n));
    let of_run = |value| ResultRow {
        run_id: last.run_id.clone(),
        peak_rss_mb: last.peak_rss_mb,
        ..row(plan, &spent_up_to(last), "last", value)
    };
    Ok(values.iter().map(of_run).collect())
}
