//! `ganbench train RECIPE.toml`: one run.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ganbench_baselines::train::Budget;

use super::arguments::{DatasetArgs, MachineArgs};
use super::process;
use super::signals;
use crate::machine::memory;
use crate::plan::recipe::Recipe;
use crate::plan::{D_KFORWARDS_FORMAT, FORMAT, Plan, assignment, merge, resolve};
use crate::run::begun::Begun;
use crate::run::extend::extend;
use crate::run::folder::{Lock, PLAN_NAME, RunFolder};
use crate::run::integrity;
use crate::run::pipeline::{self, RunInput};
use crate::run::reals::{RealImages, load_reference};
use crate::run::selection::select;
use crate::run::session::{
    check_training, load_dataset, load_extractor, load_test_split, real_reference,
};

#[derive(Debug, Args)]
pub struct TrainArgs {
    /// A recipe: any part of a plan, with `method`; what it leaves out is table1's
    /// [default with --from: that run's plan.toml]
    #[arg(required_unless_present = "from")]
    pub recipe: Option<PathBuf>,
    /// Train this finished run further: begin with its last state, under a larger budget
    #[arg(long, value_name = "RUN")]
    pub from: Option<PathBuf>,
    /// Instead of the recipe's, such as real_kimg=80
    #[arg(long, value_name = "UNIT=AMOUNT")]
    pub budget: Option<Budget>,
    #[command(flatten)]
    pub dataset: DatasetArgs,
    /// Change a value of the plan, such as train.batch=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The run's folder
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Print the final rows as JSON lines
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// # Errors
/// If anything but a diverging run goes wrong.
pub fn run(args: &TrainArgs) -> Result<()> {
    let mut plan = planned(args)?;
    let (at, threads) = process::surroundings(&args.machine, [&plan])?;
    let interrupt = signals::watch()?;
    let folder = RunFolder::at(&args.out);
    let _begun = Begun::new(folder.path());
    let _lock = Lock::take(folder.path())?;
    let mut dataset = load_dataset(&mut plan.dataset, &at)?;
    let extractor = load_extractor(&mut plan.evaluation, &plan.dataset.name.clone(), &at)?;
    let name = &plan.evaluation.extractor;
    dataset.trained_on = select(&mut plan.dataset, &dataset, name, &at, folder.path())?;
    let reference = load_reference(&mut plan, &mut dataset, &at)?;
    check_training(&plan, &dataset)?;
    if folder.path().join(PLAN_NAME).is_file() {
        let there = folder.plan_of_same_content(std::slice::from_ref(&plan))?;
        if there.asked() != plan.asked() {
            let out = args.out.display();
            bail!(
                "{out} holds a run of another plan; choose another --out, and to train that run further \
                 give it with --from {out}"
            );
        }
        plan.train.replay = there.train.replay;
        integrity::check_or_reopen(&folder)?;
    } else if let Some(from) = &args.from {
        extend(&RunFolder::open(from)?, &plan, &folder)?;
    }
    if !folder.is_done() {
        let real = RealImages::new(&plan, &dataset, reference.as_ref())?;
        memory::check(&[&plan], &dataset, real.n_images(), extractor.as_ref(), &at)?;
        let evaluator = real_reference(&plan, extractor, &real, at.quiet)?;
        let test = load_test_split(&plan, &at)?;
        let mut provenance = process::provenance(&args.machine, threads);
        provenance.trained_further_from = args.from.as_ref().map(|from| from.display().to_string());
        provenance.uneven_classes = real.reals().uneven_classes();
        let input = RunInput {
            plan: &plan,
            dataset: &dataset,
            test: test.as_ref(),
            evaluator: &evaluator,
            device: &at.device,
            folder: &folder,
            provenance: &provenance,
            interrupt: &interrupt,
            quiet: at.quiet,
        };
        pipeline::run(&input)?;
    }
    for row in folder.scores()?.iter().filter(|r| !r.is_curve_point()) {
        match (args.json, row.value) {
            (true, _) => crate::cli::tell::json(row)?,
            (false, Some(value)) => say!("{:<6} {:<28} {value:.4}", row.checkpoint, row.metric),
            (false, None) => say!("{:<6} {:<28} diverged", row.checkpoint, row.metric),
        }
    }
    Ok(())
}

/// The plan of a command; the hashes of data and weights are not filled in.
fn planned(args: &TrainArgs) -> Result<Plan> {
    let of_run = || args.from.as_ref().map(|run| run.join(PLAN_NAME));
    let recipe = args.recipe.clone().or_else(of_run).context("a recipe or --from is needed")?;
    let place = recipe.display().to_string();
    let text = std::fs::read_to_string(&recipe).with_context(|| format!("cannot read {place}"))?;
    let own: toml::Table = text.parse().with_context(|| format!("{place} is not TOML"))?;
    let mut table = Recipe::by_name("table1")?.plan;
    let defaults = "table = \"custom\"\n[train]\nseed = 0\n".parse::<toml::Table>()?;
    merge(&mut table, &defaults);
    merge(&mut table, &own);
    let budget = budget_in(&table);
    if let Some(given) = &args.budget {
        let text = format!(
            "train.budget={{ unit = \"{}\", amount = {} }}",
            given.unit.name(),
            given.amount
        );
        merge(&mut table, &assignment(&text)?);
    }
    for text in args.dataset.assignments().iter().chain(&args.set) {
        merge(&mut table, &assignment(text)?);
    }
    if budget_in(&table) != budget {
        // What another budget of minutes came to says nothing of this one.
        if let Some(toml::Value::Table(train)) = table.get_mut("train") {
            train.remove("replay");
        }
        // Nor does the format, which follows from the budget's unit.
        let format = table.get("format").and_then(toml::Value::as_integer);
        if [FORMAT, D_KFORWARDS_FORMAT].iter().any(|known| Some(i64::from(*known)) == format) {
            table.remove("format");
        }
    }
    Ok(resolve(table, &place)?)
}

fn budget_in(plan: &toml::Table) -> Option<toml::Value> {
    plan.get("train")?.get("budget").cloned()
}
