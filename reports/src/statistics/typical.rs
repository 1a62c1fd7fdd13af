//! Runs that collapsed, and the typical run.
//!
//! A mean over seeds of which some collapsed describes no run, and few seeds may hold no collapse
//! by chance. So the two are told apart: how many runs collapsed, and the scores of those that did
//! not. Where more than half of a row's runs collapsed, collapse is what is typical of it, and the
//! scores are those of all its runs.

use std::collections::BTreeMap;

use crate::row::{Checkpoint, ResultRow};

/// A run whose last FID is more than so many times its best one has collapsed.
pub const FALLEN: f64 = 2.0;

/// Of the rows of one run: FID along its curve, in order of steps. Of several extractors it is the
/// one with the most points.
pub fn fid_curve<'a>(rows: impl IntoIterator<Item = &'a ResultRow>) -> Vec<f64> {
    /// Metric and hash of the extractor.
    type Measure<'a> = (&'a str, &'a str);
    let mut curves: Vec<(Measure<'_>, Vec<(u64, f64)>)> = Vec::new();
    for row in rows {
        let (Ok(Checkpoint::Kimg(_)), Some(value)) = (row.checkpoint(), row.value) else {
            continue;
        };
        if row.base_metric() != "fid" {
            continue;
        }
        let measure = (row.metric.as_str(), row.extractor_sha256.as_str());
        match curves.iter_mut().find(|(known, _)| *known == measure) {
            Some((_, points)) => points.push((row.g_steps, value)),
            None => curves.push((measure, vec![(row.g_steps, value)])),
        }
    }
    // The first of equally long ones.
    let longest = curves.into_iter().rev().max_by_key(|(_, points)| points.len());
    let mut points = longest.map(|(_, points)| points).unwrap_or_default();
    points.sort_by_key(|(step, _)| *step);
    points.into_iter().map(|(_, fid)| fid).collect()
}

/// Whether a run with this curve ended much worse than it had been, or no better than its untrained
/// generator, the curve's first point. A run without a curve is not judged.
pub fn collapsed(fid_curve: &[f64]) -> bool {
    let best = fid_curve.iter().copied().fold(f64::INFINITY, f64::min);
    match fid_curve {
        [untrained, .., last] => *last > FALLEN * best || last >= untrained,
        _ => false,
    }
}

/// Whether a run with this curve was never better than its untrained generator, so that its best
/// checkpoint is that one.
pub fn never_left_its_start(fid_curve: &[f64]) -> bool {
    match fid_curve {
        [untrained, trained @ ..] if !trained.is_empty() => trained.iter().all(|v| v >= untrained),
        _ => false,
    }
}

/// FID along the curve of each run, by the run's id.
pub fn fid_curves(rows: &[ResultRow]) -> BTreeMap<&str, Vec<f64>> {
    let mut runs: BTreeMap<&str, Vec<&ResultRow>> = BTreeMap::new();
    for row in rows {
        runs.entry(&row.run_id).or_default().push(row);
    }
    runs.into_iter().map(|(id, rows)| (id, fid_curve(rows))).collect()
}

/// Whether a run with this curve counts as collapsed at a checkpoint. What became of a run after
/// its best checkpoint does not concern that one.
pub fn has_collapsed_at(checkpoint: &str, fid_curve: &[f64]) -> bool {
    match checkpoint {
        "best" => never_left_its_start(fid_curve),
        _ => collapsed(fid_curve),
    }
}

/// The runs of a row whose scores are those of its typical run, and those that are told apart.
pub fn typical_and_apart<T>(runs: Vec<T>, has_collapsed: impl Fn(&T) -> bool) -> (Vec<T>, Vec<T>) {
    let fallen = runs.iter().filter(|run| has_collapsed(run)).count();
    match is_collapse_typical(fallen, runs.len()) {
        true => (runs, Vec::new()),
        false => runs.into_iter().partition(|run| !has_collapsed(run)),
    }
}

/// Of a row's runs, by whether each collapsed: whether the scores of the typical run are those of
/// all runs.
pub fn is_collapse_typical(collapsed: usize, runs: usize) -> bool {
    2 * collapsed > runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collapse_is_judged_by_the_best_point_and_by_the_start() {
        assert!(!collapsed(&[40.0, 20.0, 16.0, 8.0, 4.0]));
        assert!(collapsed(&[80.0, 10.0, 30.0, 75.0, 27.0]));
        assert!(collapsed(&[40.0, 40.0]));
        assert!(!collapsed(&[40.0]) && !collapsed(&[]));
        // Its best checkpoint is a good one all the same.
        assert!(!never_left_its_start(&[80.0, 10.0, 90.0]));
        assert!(never_left_its_start(&[80.0, 81.0, 90.0]));
    }

    #[test]
    fn collapsed_runs_are_apart_unless_they_are_most_runs() {
        let split = |runs: Vec<i32>| typical_and_apart(runs, |run| *run < 0);
        assert_eq!(split(vec![1, -2, 3]), (vec![1, 3], vec![-2]));
        assert_eq!(split(vec![-1, -2, 3]), (vec![-1, -2, 3], vec![]));
    }

    #[test]
    fn a_row_of_which_most_runs_collapsed_is_typically_collapsed() {
        assert!(!is_collapse_typical(2, 5) && !is_collapse_typical(1, 2));
        assert!(is_collapse_typical(2, 3) && is_collapse_typical(1, 1));
    }
}
