//! The runs of a table, worked on by any number of processes at once: each takes runs that no other
//! holds, and takes over what a process that died left.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ganbench_data::Dataset;
use ganbench_data::images::ImageBatch;

use super::folder::{Lock, PLAN_NAME, Provenance, RunFolder};
use super::integrity;
use super::measurer::Measurer;
use super::pipeline::{self, Panicked, RunInput};
use super::reals::RealImages;
use super::session::{Evaluator, Surroundings};
use super::stop::Interrupt;
use crate::plan::Plan;
use crate::results::{self, Rebuilt};

/// Between looks at the runs that others hold.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the runs of a table share.
pub struct Sweep<'a> {
    /// The resolved plans, in the order in which they are run.
    pub plans: &'a [Plan],
    /// In the order of the plans.
    pub folders: &'a [RunFolder],
    /// The training images.
    pub dataset: &'a Dataset,
    /// The images of another split that samples are compared with, where a plan asks for one.
    pub reference: Option<&'a Dataset>,
    /// The test split, where a plan has a linear evaluation.
    pub test: Option<&'a ImageBatch>,
    /// Of the results.
    pub out: &'a Path,
    /// Of the run folders.
    pub runs: &'a Path,
    /// Where things are and how they are computed.
    pub at: &'a Surroundings,
    /// How and with what the runs are made, to be kept in their folders.
    pub provenance: &'a Provenance,
    /// Whether the sweep is asked to stop.
    pub interrupt: &'a Interrupt,
}

impl Sweep<'_> {
    /// Until every run is done, here or elsewhere. A run that meets a defect does not stop the
    /// others. Gives back what measured them.
    ///
    /// # Errors
    /// As [`pipeline::run`]; after all other runs, the defect met in one.
    pub fn work(&self, mut measurer: Measurer) -> Result<Measurer> {
        let mut failed = None;
        let mut left: Vec<(&Plan, &RunFolder)> = self.plans.iter().zip(self.folders).collect();
        let mut told = false;
        loop {
            let mut held = Vec::new();
            for (plan, folder) in left {
                if folder.is_done() {
                    continue;
                }
                let Some(_lock) = Lock::try_take(folder.path())? else {
                    held.push((plan, folder));
                    continue;
                };
                // Another process may have ended it just now.
                if folder.is_done() {
                    continue;
                }
                if measurer.evaluator().is_none() {
                    let real = RealImages::new(plan, self.dataset, self.reference)?;
                    measurer = measurer.with_reals(plan, &real, self.at.quiet)?;
                }
                let Some(evaluator) = measurer.evaluator() else { continue };
                match self.one(plan, folder, evaluator) {
                    Err(error) if error.is::<Panicked>() => {
                        log::error!("{}", crate::message::with_causes(&error));
                        failed = Some(error);
                    }
                    done => done?,
                }
                self.rebuild()?;
            }
            if held.is_empty() {
                return failed.map_or(Ok(measurer), Err);
            }
            if !std::mem::replace(&mut told, true) && !self.at.quiet {
                let names: Vec<String> = held
                    .iter()
                    .map(|(p, _)| format!("{} seed {}", p.row_name(), p.train.seed))
                    .collect();
                log::info!("waiting for what other processes work on: {}", names.join(", "));
            }
            std::thread::sleep(LOOK_EVERY);
            left = held;
        }
    }

    fn one(&self, plan: &Plan, folder: &RunFolder, evaluator: &Evaluator) -> Result<()> {
        let input = RunInput {
            plan,
            dataset: self.dataset,
            test: self.test,
            evaluator,
            device: &self.at.device,
            folder,
            provenance: self.provenance,
            interrupt: self.interrupt,
            quiet: self.at.quiet,
        };
        pipeline::run(&input)
            .with_context(|| format!("run {} seed {}", plan.row_name(), plan.train.seed))
    }

    /// The results of every run in the folder, those of other processes and invocations too.
    pub fn rebuild(&self) -> Result<Rebuilt> {
        let _lock = Lock::wait(self.out)?;
        let runs = results::find_runs(self.runs)?;
        runs.iter().try_for_each(|run| integrity::check(run))?;
        Ok(results::rebuild(self.out, &runs)?)
    }
}

/// Refuses runs that would stand beside runs of the same plans on other data or another extractor:
/// the data changed since the sweep began. Refuses also runs whose folder does not hold what they
/// wrote; those of `folders` that only lost rows are taken up again.
///
/// # Errors
/// Naming the run and what changed.
pub fn check_unchanged(runs: &Path, plans: &[Plan], folders: &[RunFolder]) -> Result<()> {
    let cannot = || format!("cannot list {}", runs.display());
    let mut paths = results::pack::runs_at(runs)?.unwrap_or_default();
    for entry in std::fs::read_dir(runs).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        if path.join(PLAN_NAME).is_file() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    for path in paths {
        let folder = RunFolder::at(&path);
        folder.plan_of_same_content(plans)?;
        match folders.iter().any(|asked| asked.path() == path) {
            true => integrity::check_or_reopen(&folder)?,
            false => integrity::check(&path)?,
        }
    }
    Ok(())
}
