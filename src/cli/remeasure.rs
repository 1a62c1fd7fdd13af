//! `ganbench run remeasure`: finished runs under another extractor or other counts.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_metrics::protocol::TABLES;
use ganbench_reports::ResultRow;

use super::arguments::MachineArgs;
use super::process;
use crate::machine::UsageError;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::results;
use crate::run::folder::{Lock, RunFolder};
use crate::run::generators::{generator_file, load_generator};
use crate::run::integrity;
use crate::run::measurer::Measurer;
use crate::run::pipeline::{Fakes, label, measure, row, spent_up_to};
use crate::run::reals::{RealImages, load_reference};
use crate::run::session::{load_dataset, load_extractor};

#[derive(Debug, Args)]
pub struct RemeasureArgs {
    /// Folder that holds runs
    #[arg(long, value_name = "DIR")]
    pub runs: PathBuf,
    /// Feature extractor; NAME:HASH pins the version whose weights' hash begins so
    #[arg(long)]
    pub extractor: String,
    /// Generated images
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub n_fake: usize,
    /// Real images, at most [default: all of the split]
    #[arg(long, value_name = "N")]
    pub max_real: Option<usize>,
    /// How to measure: see `ganbench list protocols`
    #[arg(long, default_value = TABLES)]
    pub protocol: String,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// Adds rows of the last checkpoint to each finished run that has none of this kind; runs that
/// diverged or whose checkpoints are elsewhere are told.
///
/// # Errors
/// If there are no finished runs, they are of several data sets, or something cannot be read or
/// written.
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
    shared.check()?;
    let (at, _) = process::surroundings(&args.machine, [&shared])?;
    let mut dataset = load_dataset(&mut shared.dataset, &at)?;
    let reference = load_reference(&mut shared, &mut dataset, &at)?;
    let extractor = load_extractor(&mut shared.evaluation, &shared.dataset.name.clone(), &at)?;
    let real = RealImages::new(&shared, &dataset, reference.as_ref())?;
    let mut measurer = Measurer::Extractor(extractor);
    let mut added = 0;
    for (folder, plan) in &runs {
        let _lock = Lock::wait(folder.path())?;
        integrity::check(folder.path())?;
        let rows = folder.scores()?;
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
        let mut plan = asked(plan, args);
        let e = &mut plan.evaluation;
        e.extractor.clone_from(&shared.evaluation.extractor);
        e.extractor_sha256.clone_from(&shared.evaluation.extractor_sha256);
        e.reference_sha256.clone_from(&shared.evaluation.reference_sha256);
        let context = || format!("cannot measure {}", folder.path().display());
        let generator = load_generator(&plan, &path, &at.device).with_context(context)?;
        let fakes = Fakes::at_the_end(&plan)?;
        let label = label(&plan, measurer.extractor(), &real.reals(), &generator.sampler(), fakes)?;
        let same = |r: &&ResultRow| {
            r.checkpoint == "last"
                && r.extractor_sha256 == plan.evaluation.extractor_sha256
                && r.protocol == label.protocol
                && r.protocol_differences == label.differences_text()
        };
        if let Some(row) = rows.iter().find(same) {
            if row.n_fake == fakes.n as u64 {
                continue;
            }
            // They could not stand in one table.
            let text = format!(
                "{} holds rows of {} fakes under protocol {} and extractor {}, not of {}; choose another \
                 --n-fake, --protocol or --extractor",
                folder.path().display(),
                row.n_fake,
                row.protocol,
                row.extractor,
                fakes.n
            );
            return Err(UsageError::new(text).into());
        }
        measurer = measurer.with_reals(&shared, &real, at.quiet)?;
        let evaluator = measurer.evaluator().context("the real images were measured")?;
        let text = format!("{} seed {}", plan.row_name(), plan.train.seed);
        let bar = Progress::new(text, 1.0, at.quiet);
        let measured =
            measure(&plan, evaluator, &generator.sampler(), fakes).with_context(context)?;
        bar.finish(&format!("{} images", fakes.n));
        let of_run = |value| ResultRow {
            run_id: last.run_id.clone(),
            peak_rss_mb: last.peak_rss_mb,
            ..row(&plan, &spent_up_to(last), "last", &measured.label, value)
        };
        folder.unpack()?;
        folder.add_scores(&measured.values.iter().map(of_run).collect::<Vec<_>>())?;
        folder.finish_again()?;
        added += 1;
    }
    say!("{added} of {} runs measured", runs.len());
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
    (e.nearest_k, e.is_splits, e.kid_subset, e.metrics) = (None, None, None, None);
    e.reference_sha256.clear();
    plan
}
