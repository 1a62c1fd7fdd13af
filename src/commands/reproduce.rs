//! `ganbench reproduce TABLE`: every method and seed of a table, then its results and report.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ganbench_data::plain_name;
use ganbench_files::remove_unfinished;

use super::figure3;
use crate::begun::{Begun, RUNS};
use crate::cli::ReproduceArgs;
use crate::interrupt::Interrupt;
use crate::measurer::Measurer;
use crate::plan::{Plan, PlanError, assignment};
use crate::reals::{RealImages, load_reference};
use crate::recipe::{FIGURE3, Recipe};
use crate::run_folder::{Lock, RunFolder};
use crate::selection::select;
use crate::session::{check_training, load_dataset, load_extractor, load_test_split};
use crate::sweep::{Sweep, check_unchanged};
use crate::{anchors, estimate, memory, report};

/// # Errors
/// If anything but a diverging run goes wrong.
pub fn run(args: &ReproduceArgs) -> Result<()> {
    if args.table == FIGURE3 {
        return figure3::run(args);
    }
    let mut plans = planned(args)?;
    let (at, threads) = super::surroundings(&args.machine, &plans)?;
    let interrupt = Interrupt::watch()?;
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
    let check_memory =
        |plans: &[&Plan]| memory::check(plans, &dataset, real.len(), measurer.extractor(), &at);
    if args.dry_run {
        let needs = check_memory(&plans.iter().collect::<Vec<_>>())?;
        let also = estimate::Also { anchors: !args.no_anchors };
        return estimate::print(&plans, &needs, &dataset, &real, measurer.extractor(), &at, also);
    }
    let linear = plans.iter().find(|plan| plan.evaluation.linear.is_some());
    let test = linear.map(|plan| load_test_split(plan, &at)).transpose()?.flatten();
    let mut provenance = super::provenance(&args.machine, threads);
    provenance.uneven_classes = real.reals().uneven_classes();
    let folders: Vec<RunFolder> = plans.iter().map(|plan| RunFolder::of(&runs, plan)).collect();
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
            crate::tell::json(row)?;
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

/// The plans of a command, in the order of the work; the hashes of data and weights are not filled
/// in.
///
/// # Errors
/// If the command asks for what is not there.
pub fn planned(args: &ReproduceArgs) -> Result<Vec<Plan>, PlanError> {
    plans(args, &recipe(args)?)
}

/// The table's recipe with what the command line changes.
fn recipe(args: &ReproduceArgs) -> Result<Recipe, PlanError> {
    let mut recipe = Recipe::of(&args.table)?;
    if args.own_heads {
        recipe.table.head = None;
    }
    if let Some(budget) = &args.budget {
        recipe.apply_budget(budget)?;
    }
    let mut set = Vec::new();
    let mut put =
        |key: &str, value: Option<String>| set.extend(value.map(|v| format!("{key}={v}")));
    let quoted =
        |text: &Option<String>| text.as_ref().map(|t| toml::Value::String(t.clone()).to_string());
    put("dataset.name", quoted(&args.dataset));
    put("train.batch", args.batch.map(|v| v.to_string()));
    put("train.network.width", args.width.map(|v| v.to_string()));
    put("train.network.architecture", quoted(&args.architecture));
    put("evaluation.extractor", quoted(&args.extractor));
    put("evaluation.n_fake", args.n_fake.map(|v| v.to_string()));
    set.extend(args.data_set.assignments());
    set.extend(args.set.iter().cloned());
    for text in set {
        recipe.change(&assignment(&text)?);
    }
    if let Some(names) = &args.networks {
        recipe.keep_networks(names)?;
    }
    Ok(recipe)
}

/// One plan a row, pair of networks and seed, seeds outermost, so that a cut-off sweep compares all
/// rows.
fn plans(args: &ReproduceArgs, recipe: &Recipe) -> Result<Vec<Plan>, PlanError> {
    let rows = match &args.methods {
        None => recipe.default_rows(),
        Some(names) => names.iter().map(|name| recipe.row(name)).collect(),
    };
    let seeds = args.seeds.as_ref().unwrap_or(&recipe.table.seeds);
    let mut plans = Vec::new();
    for &seed in seeds {
        for row in &rows {
            for networks in recipe.networks_of(row) {
                let plan = recipe.plan_on(networks, row, seed)?;
                if !plans.contains(&plan) {
                    plans.push(plan);
                }
            }
        }
    }
    Ok(plans)
}
