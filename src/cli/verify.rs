//! `ganbench run verify RUN`: whether a kept run is what this program makes here of its plan. Of a
//! folder of runs or a file of results: whether they are as they were written
//! (`verify_folder.rs`).

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use ganbench_baselines::train::StepRecord;
use ganbench_data::Dataset;
use ganbench_metrics::WithInterval;
use ganbench_reports::ResultRow;
use serde::Serialize;

use super::arguments::MachineArgs;
use super::process;
use super::verify_folder::{self, LeftBehind};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::results::pack;
use crate::run::folder::{PLAN_NAME, Provenance, RunFolder};
use crate::run::generators::{generator_file, load_generator};
use crate::run::integrity;
use crate::run::pipeline::{Fakes, Noise, measure};
use crate::run::reals::{RealImages, load_reference};
use crate::run::selection::{select, trainer};
use crate::run::session::{Evaluator, Surroundings, load_dataset, load_extractor, real_reference};

/// Between machines that round differently: of losses and gradient norms of the first step,
/// relative. Measured with and without fused multiply-add: 2e-7 of losses, 2e-3 of the smallest
/// gradient's norm.
const FIRST_STEP_TOLERANCE: f64 = 1e-2;
/// The same of the scores of a kept generator. Measured: 7e-8; a pixel rounded to the other side
/// shows more.
const SCORE_TOLERANCE: f64 = 1e-3;

/// Exit code 3 where something differs.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A run's folder. A folder of runs or a results file is only looked at: whether it is as it
    /// was written, and what dead processes left behind
    #[arg(value_name = "RUN|RUNS|FILE")]
    pub run: PathBuf,
    /// Generator steps to train again of a run
    #[arg(long, default_value_t = 20)]
    pub steps: u64,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// How near two numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Identical,
    /// Not the same bits, but as near as another machine comes.
    Within,
    /// Of another machine and later than the first step: training amplifies rounding, so two
    /// machines that round differently say nothing about one another here.
    Apart,
    Differs,
}

/// A number that was looked at again.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: String,
    kept: Option<f64>,
    again: Option<f64>,
    verdict: Verdict,
}

/// Of one step.
struct TwoRecords {
    kept: StepRecord,
    again: StepRecord,
}

#[derive(Debug, Serialize)]
struct Verified {
    run: String,
    run_id: String,
    /// Whether version, commit, CPU, instruction set and device are those of the run.
    same_machine: bool,
    /// What is not, with both values.
    machine_differences: Vec<String>,
    steps: u64,
    verdict: Verdict,
    /// What in the run's folder is not as the run wrote it.
    changes: Vec<String>,
    /// Whether the run recorded digests; else a change shows only where it makes other numbers.
    has_digests: bool,
    /// Those that are not identical; all scores.
    findings: Vec<Finding>,
    records: usize,
    left_behind: LeftBehind,
}

/// Whether all is as it should be.
///
/// # Errors
/// If the run cannot be read, or its data or weights are not at hand.
pub fn run(args: &VerifyArgs) -> Result<bool> {
    if !args.run.join(PLAN_NAME).is_file() && !pack::is_packed(&args.run)? {
        return verify_folder::run(&args.run, args.json);
    }
    let folder = RunFolder::open(&args.run)?;
    let found = integrity::look(folder.path())?;
    let mut plan = folder.plan()?;
    if found.changes.iter().any(|change| change.name() == PLAN_NAME) {
        bail!(
            "{} cannot be verified: {}; put back what was there first",
            args.run.display(),
            found.text()
        );
    }
    let (at, threads) = process::surroundings(&args.machine, [&plan])?;
    let here = process::provenance(&args.machine, threads);
    let machine_differences = differences(&folder.provenance()?, &here);
    let allowed = !machine_differences.is_empty();
    let mut dataset = load_dataset(&mut plan.dataset, &at)?;
    let name = plan.dataset.name.clone();
    let extractor = load_extractor(&mut plan.evaluation, &name, &at)?;
    dataset.trained_on = select(&mut plan.dataset, &dataset, extractor.name(), &at, folder.path())?;
    let reference = load_reference(&mut plan, &mut dataset, &at)?;
    let (records, diverged) = train_again(args, &folder, &plan, &dataset, &at)?;
    let mut findings: Vec<Finding> = diverged.into_iter().collect();
    for TwoRecords { kept, again } in &records {
        let pairs = kept.terms().zip(again.terms().map(|(_, value)| value));
        for ((name, kept_value), value) in pairs {
            let what = format!("{name} at step {}", kept.g_step);
            let pair = (Some(kept_value), Some(value));
            let mut finding = Finding::new(what, pair, allowed.then_some(FIRST_STEP_TOLERANCE));
            if finding.verdict == Verdict::Identical {
                continue;
            }
            if allowed && kept.g_step > 1 {
                finding.verdict = Verdict::Apart;
            }
            findings.push(finding);
        }
    }
    let real = RealImages::new(&plan, &dataset, reference.as_ref())?;
    let evaluator = real_reference(&plan, extractor, &real, at.quiet)?;
    findings.extend(measure_again(&folder, &plan, &evaluator, &at, allowed)?);
    if records.is_empty() && findings.is_empty() && found.changes.is_empty() {
        bail!("{} holds nothing yet to verify: the run was stopped before", args.run.display());
    }
    let found_verdict = (!found.changes.is_empty()).then_some(Verdict::Differs);
    let verdicts = findings.iter().map(|f| f.verdict).chain(found_verdict);
    let verified = Verified {
        run: args.run.display().to_string(),
        run_id: plan.run_id(),
        same_machine: !allowed,
        machine_differences,
        steps: args.steps,
        verdict: verdicts.max().unwrap_or(Verdict::Identical),
        changes: found.changes.iter().map(ToString::to_string).collect(),
        has_digests: found.has_digests,
        findings,
        records: records.len(),
        left_behind: LeftBehind::below(folder.path())?,
    };
    if args.json {
        crate::cli::tell::json(&verified)?;
    } else {
        verified.print();
    }
    Ok(verified.verdict != Verdict::Differs)
}

fn differences(then: &Provenance, now: &Provenance) -> Vec<String> {
    [
        ("version", &then.version, &now.version),
        ("commit", &then.commit, &now.commit),
        ("cpu", &then.cpu, &now.cpu),
        ("simd", &then.simd, &now.simd),
        ("device", &then.device, &now.device),
    ]
    .into_iter()
    .filter(|(_, then, now)| then != now)
    .map(|(name, then, now)| format!("{name} {then}, here {now}"))
    .collect()
}

/// The first steps again; also where the run diverges, which it did not then.
fn train_again(
    args: &VerifyArgs,
    folder: &RunFolder,
    plan: &Plan,
    dataset: &Dataset,
    at: &Surroundings,
) -> Result<(Vec<TwoRecords>, Option<Finding>)> {
    let kept: Vec<StepRecord> =
        folder.records()?.into_iter().filter(|record| record.g_step <= args.steps).collect();
    let Some(last) = kept.last().map(|record| record.g_step) else {
        return Ok((Vec::new(), None));
    };
    let mut trainer = trainer(plan, dataset, &at.device)?;
    let mut bar = Progress::new("train again", last as f64, at.quiet);
    let mut pairs = Vec::new();
    let mut kept = kept.into_iter().peekable();
    for step in 1..=last {
        let again = match trainer.step()? {
            Ok(again) => again,
            Err(diverged) => {
                let what = format!("the run diverges at step {step}: {}", diverged.what);
                return Ok((pairs, Some(Finding::new(what, (None, None), None))));
            }
        };
        bar.set(step as f64, "");
        if let Some(record) = kept.next_if(|record| record.g_step == step) {
            pairs.push(TwoRecords { kept: record, again });
        }
    }
    bar.finish(&format!("{last} steps"));
    Ok((pairs, None))
}

/// The scores of the last and the best checkpoint.
fn measure_again(
    folder: &RunFolder,
    plan: &Plan,
    evaluator: &Evaluator,
    at: &Surroundings,
    allowed: bool,
) -> Result<Vec<Finding>> {
    let rows = folder.scores()?;
    let mut findings = Vec::new();
    for checkpoint in ["last", "best"] {
        // Rows that `remeasure` added are of another measurement.
        let sha256 = evaluator.extractor.weights_sha256();
        let own = |r: &&ResultRow| r.checkpoint == checkpoint && r.extractor_sha256 == sha256;
        let kept: Vec<&ResultRow> = rows.iter().filter(own).filter(|r| r.value.is_some()).collect();
        if kept.is_empty() {
            continue;
        }
        let path = generator_file(folder, plan, checkpoint, "ema")?;
        let generator = load_generator(plan, &path, &at.device)?;
        let again = |noise| {
            let fakes = Fakes { bootstrap: 0, noise, ..Fakes::at_the_end(plan)? };
            anyhow::Ok(measure(plan, evaluator, &generator.sampler(), fakes)?.values)
        };
        let again = match checkpoint {
            "last" => again(Noise::OfRun)?,
            _ => {
                let chosen = again(Noise::OfChosen)?;
                // Versions before took the run's own latents for the best checkpoint too.
                let own = again(Noise::OfRun)?;
                let distance = |values: &[WithInterval]| gap(&kept, values);
                if distance(&own) < distance(&chosen) { own } else { chosen }
            }
        };
        for row in kept {
            let value = again.iter().find(|(v, _)| v.metric == row.metric).map(|(v, _)| v.value);
            let what = format!("{checkpoint}: {}", row.metric);
            let tolerance = allowed.then_some(SCORE_TOLERANCE);
            findings.push(Finding::new(what, (row.value, value), tolerance));
        }
    }
    Ok(findings)
}

/// The largest relative difference of a kept score and a new one.
fn gap(kept: &[&ResultRow], again: &[WithInterval]) -> f64 {
    let of_row = |row: &&ResultRow| {
        let (v, _) = again.iter().find(|(v, _)| v.metric == row.metric)?;
        Some(relative(row.value?, v.value))
    };
    kept.iter().filter_map(of_row).fold(0.0, f64::max)
}

impl Finding {
    /// `kept_and_again`: the number of then and the number of now. `tolerance`: relative, where the
    /// machine excuses other bits.
    fn new(
        what: String,
        kept_and_again: (Option<f64>, Option<f64>),
        tolerance: Option<f64>,
    ) -> Self {
        let (kept, again) = kept_and_again;
        let verdict = match (kept, again) {
            (Some(a), Some(b)) if a.to_bits() == b.to_bits() => Verdict::Identical,
            (Some(a), Some(b)) if tolerance.is_some_and(|t| relative(a, b) <= t) => Verdict::Within,
            _ => Verdict::Differs,
        };
        Self { what, kept, again, verdict }
    }
}

/// Of the larger one.
fn relative(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { (a - b).abs() / a.abs().max(b.abs()) }
}

impl Verified {
    fn print(&self) {
        say!("run {} ({})", self.run_id, self.run);
        for difference in &self.machine_differences {
            say!("made elsewhere: {difference}");
        }
        if !self.has_digests {
            say!(
                "no digest recorded: the run is of ganbench before 0.2, which kept none of its lines"
            );
        }
        for change in &self.changes {
            say!("changed    {change}");
        }
        self.left_behind.print();
        for f in &self.findings {
            let number = |v: Option<f64>| v.map_or_else(|| "none".into(), |v| format!("{v}"));
            let verdict = format!("{:?}", f.verdict).to_lowercase();
            let gap = match (f.kept, f.again) {
                (Some(a), Some(b)) if a != b => format!(" (relative {:.1e})", relative(a, b)),
                _ => String::new(),
            };
            say!("{verdict:<10} {}: {}, now {}{gap}", f.what, number(f.kept), number(f.again));
        }
        say!(
            "{}: {} records of the first {} steps and {} scores looked at",
            match self.verdict {
                Verdict::Identical => "identical",
                Verdict::Within => "as near as another machine comes",
                Verdict::Apart =>
                    "as near as another machine comes in the first step and in scores",
                Verdict::Differs => "differs",
            },
            self.records,
            self.steps,
            self.findings.iter().filter(|f| f.what.contains(": ")).count(),
        );
    }
}
