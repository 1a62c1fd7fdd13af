//! The runs of a method on a data set, one number a run.

use std::collections::{BTreeMap, BTreeSet};

use ganbench_metrics::bare_name;
use ganbench_metrics::card::Scale;

use super::{Pairs, on_scale};
use crate::drift::collapse::Collapses;
use crate::drift::compare::Sides;
use crate::drift::value::{GuardedValue, Key, Layer};

/// The scores of a method's runs on a data set under one metric.
pub struct Group {
    pub dataset: String,
    pub method: String,
    /// As reported, with the extractor.
    pub name: String,
    pub metric: String,
    pub scale: Scale,
    pub cells: usize,
    /// On the metric's scale.
    pub baseline: Vec<f64>,
    pub candidate: Vec<f64>,
    /// Whether every one of the candidate's scores has the bits of the baseline's.
    pub is_identical: bool,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Squares about the mean; none of values that have no finite mean.
fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    if squares.is_finite() { squares } else { 0.0 }
}

impl Group {
    pub fn means(&self) -> [f64; 2] {
        [mean(&self.baseline), mean(&self.candidate)]
    }

    pub fn df(&self) -> f64 {
        (self.baseline.len() + self.candidate.len()) as f64 - 2.0
    }

    /// Of one run, within both sides.
    pub fn variance(&self) -> f64 {
        (squares(&self.baseline) + squares(&self.candidate)) / self.df()
    }

    /// What a run's variance is to be multiplied by for that of the difference of the means.
    pub fn of_means(&self) -> f64 {
        1.0 / self.baseline.len() as f64 + 1.0 / self.candidate.len() as f64
    }
}

/// All groups, and the cells that are in none.
#[derive(Default)]
pub struct Groups<'a> {
    pub groups: Vec<Group>,
    /// The cells that are in them.
    pub pooled: BTreeSet<Key<'a>>,
    /// Cells that are the same for most seeds, with that value.
    pub usual: BTreeMap<Key<'a>, f64>,
    /// Cells of ratios that hold a value without a logarithm.
    not_positive: BTreeSet<Key<'a>>,
}

/// One checkpoint's scores, by seed.
struct Cell<'a> {
    checkpoint: &'a str,
    baseline: Vec<&'a GuardedValue>,
    /// With the baseline's of the same seed.
    candidate: Vec<[&'a GuardedValue; 2]>,
}

impl<'a> Groups<'a> {
    pub fn new(sides: Sides<'a>, pairs: &Pairs<'a>, collapses: &Collapses<'_>) -> Self {
        let mut all: BTreeMap<Key<'a>, Vec<&GuardedValue>> = BTreeMap::new();
        for value in sides.baseline.iter().filter(|v| v.layer == Layer::Score) {
            all.entry(value.key().of_all_seeds()).or_default().push(value);
        }
        let mut found = Self::default();
        let mut groups: BTreeMap<[&str; 3], Vec<Cell<'a>>> = BTreeMap::new();
        for (key, pairs) in pairs.iter().filter(|(key, _)| key.layer == Layer::Score) {
            let judged = |v: &&GuardedValue| v.tolerance.is_none() && v.value.is_some();
            let baseline: Vec<_> = all[key].iter().copied().filter(judged).collect();
            let values = || baseline.iter().filter_map(|v| v.value);
            if baseline.len() < 2 || pairs.iter().any(|pair| pair.obstacle().is_some()) {
                continue;
            }
            if let Some(value) = usual(values()) {
                found.usual.insert(*key, value);
                continue;
            }
            if scale(key.name) == Scale::Ratio && values().any(|v| v <= 0.0) {
                found.not_positive.insert(*key);
                continue;
            }
            let candidate = pairs.iter().filter_map(|pair| {
                pair.candidate.filter(|c| c.value.is_some()).map(|c| [c, pair.baseline])
            });
            let cell = Cell {
                checkpoint: key.checkpoint,
                candidate: candidate.filter(|[c, _]| !collapses.in_candidate(c)).collect(),
                baseline: baseline.into_iter().filter(|v| !collapses.in_baseline(v)).collect(),
            };
            groups.entry([key.dataset, key.method, key.name]).or_default().push(cell);
        }
        for (key, cells) in groups {
            let Some(group) = group(key, &cells) else { continue };
            found.groups.push(group);
            let of_group = |k: &&Key<'_>| [k.dataset, k.method, k.name] == key;
            let checkpoints =
                |k: &Key<'_>| cells.iter().any(|cell| cell.checkpoint == k.checkpoint);
            found.pooled.extend(pairs.keys().filter(of_group).filter(|k| checkpoints(k)).copied());
        }
        found
    }

    pub fn notes(&self) -> Vec<String> {
        let why = "left out of the pooled scores, since";
        let usual = list(self.usual.keys());
        let not_positive = list(self.not_positive.iter());
        let mut notes = Vec::new();
        if !usual.is_empty() {
            notes.push(format!(
                "{why} most seeds of the baseline have the same value: cells {usual}"
            ));
        }
        if !not_positive.is_empty() {
            notes.push(format!(
                "{why} the baseline has values without a logarithm: cells {not_positive}"
            ));
        }
        notes
    }
}

/// How many cells of each metric.
fn list<'a>(cells: impl Iterator<Item = &'a Key<'a>>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    cells.for_each(|key| *counts.entry(key.name).or_default() += 1);
    let texts: Vec<String> = counts.iter().map(|(name, n)| format!("{n} of {name}")).collect();
    texts.join(", ")
}

/// The value that more than half of the seeds have.
fn usual(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let n = values.clone().count();
    let count = |value: f64| values.clone().filter(|v| *v == value).count();
    values.clone().find(|value| 2 * count(*value) > n)
}

/// Differences for what is no metric of ours.
fn scale(name: &str) -> Scale {
    ganbench_metrics::metric(name).map_or(Scale::Difference, |metric| metric.scale)
}

/// None where a side has no run left, or the baseline fewer than two.
fn group([dataset, method, name]: [&str; 3], cells: &[Cell<'_>]) -> Option<Group> {
    let scale = scale(name);
    // The mean over the checkpoints that a run has.
    let of_runs = |values: Vec<&GuardedValue>| -> Vec<f64> {
        let mut runs: BTreeMap<Option<u64>, Vec<f64>> = BTreeMap::new();
        for value in values {
            runs.entry(value.seed).or_default().extend(value.value.map(|v| on_scale(v, scale)));
        }
        runs.values().map(|values| mean(values)).collect()
    };
    let baseline = of_runs(cells.iter().flat_map(|cell| cell.baseline.iter().copied()).collect());
    let candidate =
        of_runs(cells.iter().flat_map(|cell| cell.candidate.iter().map(|[c, _]| *c)).collect());
    let same = |[c, b]: &[&GuardedValue; 2]| c.value.map(f64::to_bits) == b.value.map(f64::to_bits);
    let group = Group {
        dataset: dataset.into(),
        method: method.into(),
        name: name.into(),
        metric: bare_name(name).into(),
        scale,
        cells: cells.len(),
        is_identical: cells.iter().flat_map(|cell| &cell.candidate).all(same),
        baseline,
        candidate,
    };
    (group.baseline.len() > 1 && !group.candidate.is_empty()).then_some(group)
}

/// The methods of some groups.
pub fn methods<'a>(groups: &[&'a Group]) -> BTreeSet<&'a str> {
    groups.iter().map(|group| group.method.as_str()).collect()
}
