//! Training a finished run further: a new run under a larger budget that begins with the last state
//! of a finished one.
//!
//! A budget only says where a run ends, unless the learning rates rise over a share of it. So the
//! new run computes what a run of its own plan would have computed from its first step on, to the
//! bit, and carries the id of that plan. Only the points of its curve may differ: those before the
//! state are the finished run's.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ganbench_files::write_atomic;
use ganbench_reports::ResultRow;

use super::folder::{Lock, RunFolder};
use super::integrity;
use super::pipeline::spent_up_to;
use crate::plan::Plan;
use crate::report::fairness::{differing_fields, fields, value};

/// Copies the generators, records, scores and the last state of the finished run `from` into `to`,
/// whose plan is `plan`. The state comes last, so that a copy that was cut off is begun again.
///
/// # Errors
/// If `from` is not finished, diverged, differs from `plan` in more than its budget and the points
/// of the curve, or has spent the new budget already; or if a file cannot be copied.
pub fn extend(from: &RunFolder, plan: &Plan, to: &RunFolder) -> Result<()> {
    let place = from.path().display();
    let _lock = Lock::take(from.path())?;
    integrity::check(from.path())?;
    match from.outcome()?.as_deref() {
        Some("ok") => {}
        Some(outcome) => bail!("{place} {outcome}, so it cannot be trained further"),
        None => bail!("{place} is not finished; finish it with its own plan.toml first"),
    }
    check_same_but_budget(&from.plan()?, plan, &place.to_string())?;
    let rows = from.scores()?;
    let last = rows.iter().find(|row| row.checkpoint == "last");
    let last = last.with_context(|| format!("{place} has no row of its last checkpoint"))?;
    let spent = spent_up_to(last);
    if spent.share(&plan.train.budget) >= 1.0 {
        let (unit, had) = (plan.train.budget.unit.name(), spent.amount(plan.train.budget.unit));
        bail!(
            "{place} has had {unit}={had} already, the new budget is {}; ask for more",
            plan.train.budget
        );
    }
    let run_id = plan.run_id();
    let curve = rows.into_iter().filter(ResultRow::is_curve_point).map(|row| ResultRow {
        run_id: run_id.clone(),
        table: plan.table.clone(),
        method: plan.row_name().to_string(),
        budget_unit: plan.train.budget.unit.name().to_string(),
        budget_amount: plan.train.budget.amount,
        ..row
    });
    let curve: Vec<ResultRow> = curve.collect();

    let (old, new) = (from.checkpoints(), to.checkpoints());
    fs::create_dir_all(&new)
        .with_context(|| format!("cannot make the folder {}", new.display()))?;
    let names = checkpoint_names(&old)?;
    let (states, generators): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| name.starts_with("state-"));
    let Some(state) = states.last() else {
        bail!("{} holds no state to go on from", old.display());
    };
    for name in generators.iter().filter(|name| name.ends_with(".safetensors")) {
        copy(&old.join(name), &new.join(name))?;
    }
    to.keep_records_of(from)?;
    to.keep_scores(&curve)?;
    copy(&old.join(state), &new.join(state))
}

fn check_same_but_budget(there: &Plan, plan: &Plan, place: &str) -> Result<()> {
    if plan.train.parts.lr_warmup_share > 0.0 {
        bail!(
            "{place} cannot be trained further: the learning rates of {} rise over a share of the budget, \
             so that a longer run differs from its first step; start it anew",
            plan.row_name()
        );
    }
    let comparable = |of: &Plan| {
        let mut of = of.asked();
        // The format follows from the budget's unit.
        (of.format, of.train.budget) = (plan.format, plan.train.budget);
        of.evaluation.curve_points = plan.evaluation.curve_points;
        of.dataset.name = of.dataset.without_path();
        fields(&of)
    };
    let (there, now) = (comparable(there), comparable(plan));
    let differ = differing_fields([&there, &now].into_iter());
    let named = |name: &&str| {
        format!("{name} was {}, it is {} now", value(&there, name), value(&now, name))
    };
    if differ.is_empty() {
        return Ok(());
    }
    bail!(
        "{place} was trained by another plan: {}; only the budget and evaluation.curve_points may change",
        differ.iter().map(named).collect::<Vec<_>>().join("; ")
    )
}

/// Names of the files of a run's checkpoints, sorted: the newest state is the last of the states.
fn checkpoint_names(dir: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// One checkpoint holds a few megabytes, so that it may pass through memory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    Ok(write_atomic(to, &bytes)?)
}
