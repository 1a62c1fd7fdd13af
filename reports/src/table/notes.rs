//! What a reader must know of a table's rows as a whole.

use super::build::{Method, end_of_run, short_hash};
use crate::row::ResultRow;

/// Says which rows no run of ours made.
pub(super) fn imported_note(methods: &[Method<'_>]) -> Option<String> {
    let imported: Vec<&str> =
        methods.iter().filter(|m| m.is_imported()).map(|m| m.label.as_str()).collect();
    (!imported.is_empty()).then(|| {
        format!(
            "{} is of images from elsewhere: its networks, budget and cost are not known here",
            imported.join(", ")
        )
    })
}

/// What was unequal between methods, or unusual about the rows as a whole.
pub(super) fn fairness_notes(methods: &[Method<'_>], rows: &[ResultRow]) -> Vec<String> {
    let mut notes = Vec::new();
    let methods: Vec<&Method<'_>> = methods.iter().filter(|m| !m.is_imported()).collect();
    let seeds = |m: &Method<'_>| m.runs.keys().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if methods.windows(2).any(|pair| !pair[0].runs.keys().eq(pair[1].runs.keys())) {
        let each: Vec<String> =
            methods.iter().map(|m| format!("{} {}", m.label, seeds(m))).collect();
        notes.push(format!("the methods were not run with the same seeds: {}", each.join("; ")));
    }
    let mut builds: Vec<String> =
        rows.iter().map(|row| format!("{} ({})", row.version, short_hash(&row.commit))).collect();
    builds.sort_unstable();
    builds.dedup();
    if builds.len() > 1 {
        notes.push(format!("the rows come from several builds: {}", builds.join(", ")));
    }
    notes.extend(load_note(&methods));
    notes
}

/// Of a budget by the clock: how much other programs took of the processors meanwhile, which the
/// runs lacked.
fn load_note(methods: &[&Method<'_>]) -> Option<String> {
    let clocked = |row: &&ResultRow| ["train_minutes", "cpu_s"].contains(&row.budget_unit.as_str());
    let load = |method: &&Method<'_>| {
        let ends = method.runs.values().filter_map(end_of_run).filter(clocked);
        let shares: Vec<f64> =
            ends.filter_map(|row| Some(100.0 * row.other_cpu_s? / row.cpu_s?)).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        mean.is_finite().then(|| format!("{} {mean:.0} %", method.label))
    };
    let loads: Vec<String> = methods.iter().filter_map(load).collect();
    (!loads.is_empty()).then(|| {
        format!(
            "while these ran, other programs took processor time, in % of the runs' own: {}",
            loads.join(", ")
        )
    })
}
