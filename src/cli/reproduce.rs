//! `ganbench reproduce TABLE`: every method and seed of a table, then its results and report.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use ganbench_data::plain_name;
use ganbench_files::remove_unfinished;

use super::arguments::{DatasetArgs, MachineArgs, Seeds};
use super::figure3;
use super::process;
use super::signals;
use crate::anchors;
use crate::machine::memory;
use crate::plan::recipe::FIGURE3;
use crate::plan::request::TableRequest;
use crate::plan::{Plan, PlanError};
use crate::report;
use crate::run::begun::{Begun, RUNS};
use crate::run::estimate;
use crate::run::folder::{Lock, RunFolder};
use crate::run::measurer::Measurer;
use crate::run::reals::{RealImages, load_reference};
use crate::run::selection::select;
use crate::run::session::{check_training, load_dataset, load_extractor, load_test_split};
use crate::run::sweep::{Sweep, check_unchanged};

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The table: see `ganbench list tables`
    pub table: String,
    /// Data set: shapes, cifar10, mnist or folder:PATH [default: the table's]
    #[arg(long)]
    pub dataset: Option<String>,
    #[command(flatten)]
    pub data_set: DatasetArgs,
    /// Methods, by comma [default: the table's]
    #[arg(long, value_delimiter = ',', help_heading = "What is trained")]
    pub methods: Option<Vec<String>>,
    /// Seeds, by comma, also ranges such as 0-4 [default: the table's]
    #[arg(long, value_name = "SEEDS", help_heading = "What is trained")]
    pub seeds: Option<Seeds>,
    /// UNIT=AMOUNT with unit g_steps, real_kimg, d_kforwards, tflops, cpu_s or train_minutes; or
    /// smoke, or paper
    #[arg(long, help_heading = "What is trained")]
    pub budget: Option<String>,
    /// Images per step
    #[arg(long, help_heading = "What is trained")]
    pub batch: Option<usize>,
    /// Width of the networks
    #[arg(long, help_heading = "What is trained")]
    pub width: Option<usize>,
    /// Pairs of networks of the table, by comma [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "What is trained")]
    pub networks: Option<Vec<String>>,
    /// Architecture: see `ganbench list architectures`
    #[arg(long, help_heading = "What is trained")]
    pub architecture: Option<String>,
    /// Feature extractor [default: the data set's small one]
    #[arg(long, help_heading = "How it is measured")]
    pub extractor: Option<String>,
    /// Generated images behind the final rows
    #[arg(long, value_name = "N", help_heading = "How it is measured")]
    pub n_fake: Option<usize>,
    /// Any other value of the plan
    #[arg(long = "set", value_name = "KEY=VALUE", help_heading = "What is trained")]
    pub set: Vec<String>,
    /// Folder of runs, results and report [default: runs/TABLE-DATASET]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the plans with estimated time and memory, and train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Each method with the head of its own preset, where the table gives all rows the same head
    #[arg(long, help_heading = "What is trained")]
    pub own_heads: bool,
    /// The row that all others are compared with [default: the first]
    #[arg(long, value_name = "ROW", help_heading = "How it is measured")]
    pub reference: Option<String>,
    /// Leave out the anchors: real images and an untrained generator, measured as the final rows
    #[arg(long, help_heading = "How it is measured")]
    pub no_anchors: bool,
    /// Print the final rows as JSON lines instead of the table
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

impl ReproduceArgs {
    /// What is asked of the table.
    pub fn request(&self) -> TableRequest {
        let mut changes = Vec::new();
        let mut put = |key: &str, value: Option<String>| {
            changes.extend(value.map(|value| format!("{key}={value}")));
        };
        let quoted = |text: &Option<String>| {
            text.as_ref().map(|text| toml::Value::String(text.clone()).to_string())
        };
        put("dataset.name", quoted(&self.dataset));
        put("train.batch", self.batch.map(|v| v.to_string()));
        put("train.network.width", self.width.map(|v| v.to_string()));
        put("train.network.architecture", quoted(&self.architecture));
        put("evaluation.extractor", quoted(&self.extractor));
        put("evaluation.n_fake", self.n_fake.map(|v| v.to_string()));
        changes.extend(self.data_set.assignments());
        changes.extend(self.set.iter().cloned());
        TableRequest {
            table: self.table.clone(),
            own_heads: self.own_heads,
            budget: self.budget.clone(),
            changes,
            networks: self.networks.clone(),
            methods: self.methods.clone(),
            seeds: self.seeds.as_ref().map(|seeds| seeds.0.clone()),
        }
    }
}

/// # Errors
/// If anything but a diverging run goes wrong.
pub fn run(args: &ReproduceArgs) -> Result<()> {
    if args.table == FIGURE3 {
        return figure3::run(args);
    }
    let mut plans = args.request().plans()?;
    let (at, threads) = process::surroundings(&args.machine, &plans)?;
    let interrupt = signals::watch()?;
    let first = plans.first_mut().context("no methods or no seeds were asked for")?;
    let out = args.out.clone().unwrap_or_else(|| default_out(first));
    let runs = out.join(RUNS);
    let _begun = Begun::new(&out);
    if !args.dry_run {
        // First, so that a folder that cannot be written is known before any work.
        let _lock = Lock::wait(&out)?;
        for folder in [out.clone(), out.join("plots")].iter().filter(|folder| folder.is_dir()) {
            remove_unfinished(folder)?;
        }
        std::fs::create_dir_all(&runs)
            .with_context(|| format!("cannot make the folder {}", runs.display()))?;
    }
    let mut dataset = load_dataset(&mut first.dataset, &at)?;
    let extractor = load_extractor(&mut first.evaluation, &first.dataset.name, &at)?;
    let mut measurer = Measurer::Extractor(extractor);
    if !args.dry_run {
        let name = first.evaluation.extractor.clone();
        dataset.trained_on = select(&mut first.dataset, &dataset, &name, &at, &out)?;
    }
    let reference = load_reference(first, &mut dataset, &at)?;
    let (data, evaluation) = (first.dataset.clone(), first.evaluation.clone());
    let shared = first.clone();
    for plan in &mut plans {
        plan.dataset = data.clone();
        plan.evaluation.extractor.clone_from(&evaluation.extractor);
        plan.evaluation.extractor_sha256.clone_from(&evaluation.extractor_sha256);
        plan.evaluation.reference_sha256.clone_from(&evaluation.reference_sha256);
        same_reals(&shared, plan)?;
        check_training(plan, &dataset).with_context(|| format!("method {}", plan.row_name()))?;
    }
    let real = RealImages::new(&shared, &dataset, reference.as_ref())?;
    let check_memory = |plans: &[&Plan]| {
        memory::check(plans, &dataset, real.n_images(), measurer.extractor(), &at)
    };
    if args.dry_run {
        let needs = check_memory(&plans.iter().collect::<Vec<_>>())?;
        let also = estimate::Also { anchors: !args.no_anchors };
        let extractor = measurer.extractor();
        let text = estimate::text(&plans, &needs, &dataset, &real, extractor, &at, also)?;
        say!("{}", text.trim_end());
        return Ok(());
    }
    let linear = plans.iter().find(|plan| plan.evaluation.linear.is_some());
    let test = linear.map(|plan| load_test_split(plan, &at)).transpose()?.flatten();
    let mut provenance = process::provenance(&args.machine, threads);
    provenance.uneven_classes = real.reals().uneven_classes();
    let folders: Vec<RunFolder> =
        plans.iter().map(|plan| RunFolder::for_plan(&runs, plan)).collect();
    check_unchanged(&runs, &plans, &folders)?;
    let sweep = Sweep {
        plans: &plans,
        folders: &folders,
        dataset: &dataset,
        reference: reference.as_ref(),
        test: test.as_ref(),
        out: &out,
        runs: &runs,
        at: &at,
        provenance: &provenance,
        interrupt: &interrupt,
    };
    if folders.iter().all(RunFolder::is_done) {
        tell!("all {} runs are done: {}", folders.len(), runs.display());
    } else {
        let open = plans.iter().zip(&folders).filter(|(_, folder)| !folder.is_done());
        check_memory(&open.map(|(plan, _)| plan).collect::<Vec<_>>())?;
        measurer = sweep.work(measurer)?;
    }
    let results = sweep.rebuild()?;
    let anchors = match args.no_anchors {
        true => Vec::new(),
        false => anchors::renew(&sweep, measurer)?,
    };
    let lock = Lock::wait(&out)?;
    let (command, reference) = (Some(provenance.command.as_str()), args.reference.as_deref());
    let how = report::How { command, reference, anchors: &anchors };
    let made = report::write(&folders, &out, how)?;
    drop(lock);
    if args.json {
        for row in made.final_rows() {
            crate::cli::tell::json(row)?;
        }
        return Ok(());
    }
    say!("{}", made.text);
    say!("page     {}", out.join("report.md").display());
    say!(
        "results  {}, {}: {} rows",
        results.parquet.display(),
        results.csv.display(),
        results.rows.len()
    );
    Ok(())
}

/// The runs of one command are measured against the same real images, with the same rows kept.
fn same_reals(first: &Plan, plan: &Plan) -> Result<(), PlanError> {
    let reals = |plan: &Plan| {
        let e = &plan.evaluation;
        (plan.reference_split(), e.max_real, e.protocol.clone(), e.metrics.clone())
    };
    if reals(first) == reals(plan) {
        return Ok(());
    }
    Err(PlanError::Value {
        field: "evaluation",
        got: format!("not the same for {} and {}", first.row_name(), plan.row_name()),
        expected: "one protocol, reference_split, max_real and metrics for all rows of a table"
            .into(),
    })
}

fn default_out(plan: &Plan) -> PathBuf {
    // A name that no data set has may be any text.
    let name = plain_name(&format!("{}-{}", plan.table, plan.dataset.label()));
    PathBuf::from("runs").join(name)
}
