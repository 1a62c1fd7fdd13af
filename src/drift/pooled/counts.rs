//! How many runs did what few or none of the baseline's did.

use std::collections::{BTreeMap, BTreeSet};

use ganbench_reports::statistics::exact::{Outcomes, fisher_p};
use serde::Serialize;

use super::Pairs;
use crate::drift::collapse::{Collapses, Run};
use crate::drift::compare::Sides;
use crate::drift::line::Verdict;
use crate::drift::noise::FALSE_ALARMS;
use crate::drift::value::{GuardedValue, Key, Layer};

/// Of the chance of a false alarm, what all counts have together.
pub const SHARE: f64 = 0.05;

/// How many runs of each side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CountLine {
    pub what: String,
    pub baseline: u64,
    pub baseline_runs: u64,
    pub candidate: u64,
    pub candidate_runs: u64,
    /// Of Fisher's exact test, and up to which it is drift.
    pub p: f64,
    pub alpha: f64,
    pub verdict: Verdict,
}

/// Runs of each side, and how many of them are counted.
#[derive(Default)]
struct Count {
    what: String,
    runs: [u64; 2],
    counted: [u64; 2],
}

impl Count {
    fn line(self, alpha: f64) -> CountLine {
        let side = |i: usize| Outcomes { with: self.counted[i], runs: self.runs[i] };
        // A side without runs tells nothing.
        let p = fisher_p(side(0), side(1)).unwrap_or(1.0);
        let verdict = match (p <= alpha, self.counted) {
            (true, _) => Verdict::Drift,
            (false, [0, 0]) => Verdict::Identical,
            (false, _) => Verdict::Within,
        };
        let ([baseline, candidate], [baseline_runs, candidate_runs]) = (self.counted, self.runs);
        CountLine {
            what: self.what,
            baseline,
            baseline_runs,
            candidate,
            candidate_runs,
            p,
            alpha,
            verdict,
        }
    }
}

/// The runs that collapsed, and for each metric those that left the value that most of the
/// baseline's seeds have.
pub fn counts(
    sides: Sides<'_>,
    pairs: &Pairs<'_>,
    collapses: &Collapses<'_>,
    usual: &BTreeMap<Key<'_>, f64>,
) -> Vec<CountLine> {
    let mut counts: Vec<Count> = collapsed(sides, pairs, collapses).into_iter().collect();
    let names: BTreeSet<&str> = usual.keys().map(|key| key.name).collect();
    counts.extend(names.into_iter().map(|name| left(name, sides, pairs, usual)));
    let alpha = FALSE_ALARMS * SHARE / counts.len().max(1) as f64;
    counts.into_iter().map(|count| count.line(alpha)).collect()
}

/// The runs that have a cell of a metric with a usual value, and those of them that left it.
fn left(name: &str, sides: Sides<'_>, pairs: &Pairs<'_>, usual: &BTreeMap<Key<'_>, f64>) -> Count {
    let count = |values: &mut dyn Iterator<Item = &GuardedValue>| {
        let (mut runs, mut left) = (BTreeSet::new(), BTreeSet::new());
        for value in values.filter(|value| value.name == name) {
            let Some(usual) = usual.get(&value.key().of_all_seeds()) else { continue };
            runs.insert((&value.dataset, &value.method, value.seed));
            if value.value.is_some_and(|v| v != *usual) {
                left.insert((&value.dataset, &value.method, value.seed));
            }
        }
        [runs.len() as u64, left.len() as u64]
    };
    let of_usual = pairs.iter().filter(|(key, _)| usual.contains_key(key));
    let mut compared = of_usual.flat_map(|(_, pairs)| pairs).filter_map(|pair| pair.candidate);
    let [baseline, candidate] = [count(&mut sides.baseline.iter()), count(&mut compared)];
    Count {
        what: format!("runs that left the value that {name} has for most seeds"),
        runs: [baseline[0], candidate[0]],
        counted: [baseline[1], candidate[1]],
    }
}

/// None where neither side has a trained run.
fn collapsed(sides: Sides<'_>, pairs: &Pairs<'_>, collapses: &Collapses<'_>) -> Option<Count> {
    let finals = || pairs.iter().filter(|(k, _)| k.layer == Layer::Score && k.checkpoint == "last");
    let trained: BTreeSet<[&str; 2]> = finals().map(|(key, _)| [key.dataset, key.method]).collect();
    let compared = finals().flat_map(|(_, pairs)| pairs).filter(|pair| pair.obstacle().is_none());
    let candidate: BTreeSet<Run<'_>> = compared.map(|pair| Run::new(pair.baseline)).collect();
    let scores = sides.baseline.iter().filter(|value| value.layer == Layer::Score);
    let baseline: BTreeSet<Run<'_>> =
        scores.map(Run::new).filter(|run| trained.contains(&[run.dataset, run.method])).collect();
    let runs = [baseline.len() as u64, candidate.len() as u64];
    (!runs.contains(&0)).then(|| Count {
        what: "collapsed runs (last FID above twice the best)".into(),
        runs,
        counted: collapses.counts(&baseline, &candidate),
    })
}
