//! The scores of trained runs from their results.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ganbench_metrics::bare_name;
use ganbench_reports::ResultRow;

use super::value::{GuardedValue, Provenance};
use crate::results::find_runs;
use crate::run::folder::RunFolder;

/// Whatever is equal where nothing is wrong differs by more than this.
const EXACT: f64 = 1e-6;

/// A value of each score but for points of the curve, and one a run of what its best checkpoint is
/// of the curve.
pub fn values(rows: Vec<ResultRow>) -> Vec<GuardedValue> {
    let choices = choices(&rows);
    rows.into_iter().filter_map(GuardedValue::of_result).chain(choices).collect()
}

/// How many points of a run's curve have a lower FID than the one that was chosen as the best: 0
/// unless the choice is wrong. Points of the curve are no guarded values themselves, so that the
/// choice must be looked at here.
fn choices(rows: &[ResultRow]) -> Vec<GuardedValue> {
    let mut curves: HashMap<(&str, &str), Vec<(u64, f64)>> = HashMap::new();
    for row in rows.iter().filter(|row| row.is_curve_point()) {
        let points = curves.entry((&row.run_id, &row.metric)).or_default();
        points.extend(row.value.map(|value| (row.g_steps, value)));
    }
    let best = rows.iter().filter(|row| {
        row.checkpoint == "best" && bare_name(&row.metric) == "fid" && row.value.is_some()
    });
    let choice = |row: &ResultRow| {
        let points = curves.get(&(row.run_id.as_str(), row.metric.as_str()))?;
        let chosen = points.iter().find(|(steps, _)| *steps == row.g_steps);
        let lower = |chosen: &(u64, f64)| points.iter().filter(|(_, fid)| *fid < chosen.1).count();
        let lower = chosen.map_or(points.len(), lower);
        Some(GuardedValue {
            name: format!("{} points below the best", row.metric),
            value: Some(lower as f64),
            tolerance: Some(EXACT),
            ci_low: None,
            ci_high: None,
            ..GuardedValue::of_result(row.clone())?
        })
    };
    best.filter_map(choice).collect()
}

/// Fills in on which machine the runs below a folder were made, where their folders say.
pub fn add_machines(folder: &Path, values: &mut [GuardedValue]) {
    let runs = find_runs(folder).unwrap_or_default();
    let machine = |run: &std::path::PathBuf| {
        let run = RunFolder::at(run);
        // A run that went on elsewhere is of no one machine.
        let mut machines = run.provenances();
        let machine = machines.next()?;
        let of = |p: &crate::run::folder::Provenance| {
            (p.version.clone(), p.commit.clone(), p.cpu.clone(), p.simd.clone())
        };
        let same = machines.all(|other| of(&other) == of(&machine));
        let name = run.path().file_name()?.to_str()?.to_string();
        let run_id = name.rsplit('-').next()?.to_string();
        same.then_some((run_id, machine))
    };
    let machines: BTreeMap<_, _> = runs.iter().filter_map(machine).collect();
    for value in values.iter_mut().filter(|value| value.provenance.cpu.is_empty()) {
        let Provenance { version, commit, .. } = &value.provenance;
        let known = machines.get(&value.run_id);
        if let Some(machine) = known.filter(|m| (&m.version, &m.commit) == (version, commit)) {
            value.provenance.cpu.clone_from(&machine.cpu);
            value.provenance.simd.clone_from(&machine.simd);
        }
    }
}
