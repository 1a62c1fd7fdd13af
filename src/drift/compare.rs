//! Two sets of guarded values, value by value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::collapse::Collapses;
use super::line::{Line, Pair, Rule, Verdict, mean};
use super::noise::{FALSE_ALARMS, Noise};
use super::pooled::{CountLine, PooledLine, pool};
use super::value::{GuardedValue, Key, Layer};

/// Of the chance of a false alarm, what values that are judged by themselves have where there are
/// pooled ones.
pub(super) const VALUES_SHARE: f64 = 0.05;

/// What is held against what.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// The values that must not move.
    pub baseline: &'a [GuardedValue],
    /// Today's values.
    pub candidate: &'a [GuardedValue],
}

/// What [`compare`] found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The worst verdict of all.
    pub verdict: Verdict,
    /// In the order of keys, each mean behind its values.
    pub rows: Vec<Line>,
    /// Scores of trained runs, many together.
    pub pooled: Vec<PooledLine>,
    /// How many trained runs did what few of the baseline's did.
    pub counts: Vec<CountLine>,
    /// What was left out, in words.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Of values, of pooled scores and of counts of runs that drifted.
    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        let rows = self.rows.iter().map(|line| line.verdict);
        let pooled = self.pooled.iter().map(|line| line.verdict);
        rows.chain(pooled)
            .chain(self.counts.iter().map(|line| line.verdict).filter(|v| *v == Verdict::Drift))
    }

    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|line| line.verdict == verdict).count()
    }
}

/// Compares by key. What the baseline holds of a data set, or of a seed, that the candidate has
/// nothing of is left out with a note; anything else that is missing is not comparable.
pub fn compare(sides: Sides<'_>) -> Comparison {
    let mut notes = Vec::new();
    let candidates: HashMap<Key<'_>, &GuardedValue> =
        sides.candidate.iter().map(|value| (value.key(), value)).collect();
    let baseline = to_compare(sides, &mut notes);
    let mut groups: BTreeMap<Key<'_>, Vec<&GuardedValue>> = BTreeMap::new();
    for value in sides.baseline {
        groups.entry(value.key().of_all_seeds()).or_default().push(value);
    }
    let noises: HashMap<Key<'_>, Option<Noise>> =
        groups.iter().map(|(key, values)| (*key, Noise::from_values(values))).collect();

    let mut pairs: BTreeMap<Key<'_>, Vec<Pair<'_>>> = BTreeMap::new();
    for value in baseline {
        let pair = Pair { baseline: value, candidate: candidates.get(&value.key()).copied() };
        pairs.entry(value.key().of_all_seeds()).or_default().push(pair);
    }
    let collapses = Collapses::new(sides);
    let pooled = pool(sides, &pairs, &collapses);
    // Means and values that noise judges one by one, which share one chance of a false alarm.
    let by_itself = |key: &Key<'_>| !pooled.cells.contains(key) && !pooled.usual.contains_key(key);
    let judged = |pair: &&Pair<'_>| pair.baseline.tolerance.is_none();
    let count = |pairs: &Vec<Pair<'_>>| pairs.iter().filter(judged).count();
    let families = pairs.iter().filter(|(key, _)| by_itself(key)).map(|(_, pairs)| count(pairs));
    let family: usize = families.map(|n| n + usize::from(n > 1)).sum();
    let share = if pooled.lines.is_empty() { 1.0 } else { VALUES_SHARE };
    let alpha = FALSE_ALARMS * share / family.max(1) as f64;

    let known: BTreeSet<Key<'_>> = sides.baseline.iter().map(GuardedValue::key).collect();
    let new = sides.candidate.iter().filter(|value| !known.contains(&value.key()));
    notes.extend(not_in_the_baseline(new));
    let mut rows = Vec::new();
    for (key, pairs) in &pairs {
        let noise = noises.get(key).copied().flatten();
        let by_noise = match (pooled.usual.contains_key(key), by_itself(key)) {
            (true, _) => Rule::Usual,
            (false, true) => Rule::Noise { noise, alpha: Some(alpha) },
            (false, false) => Rule::Noise { noise, alpha: None },
        };
        rows.extend(pairs.iter().map(|pair| match pair.baseline.tolerance {
            Some(tolerance) => pair.line(Rule::Relative { tolerance }, &collapses),
            None => pair.line(by_noise, &collapses),
        }));
        rows.extend(mean(*key, pairs, by_noise, &collapses));
    }
    notes.extend(pooled.notes);
    let mut comparison = Comparison {
        verdict: Verdict::NotComparable,
        rows,
        pooled: pooled.lines,
        counts: pooled.counts,
        notes,
    };
    comparison.verdict = comparison.verdicts().max().unwrap_or(Verdict::NotComparable);
    comparison
}

/// How many values the baseline lacks, by layer and checkpoint.
fn not_in_the_baseline<'a>(new: impl Iterator<Item = &'a GuardedValue>) -> Option<String> {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for value in new {
        let kind = format!("{} {}", value.layer.name(), value.checkpoint);
        *kinds.entry(kind.trim_end().into()).or_default() += 1;
    }
    let n: usize = kinds.values().sum();
    let kinds: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} of {kind}")).collect();
    (n > 0).then(|| {
        let kinds = kinds.join(", ");
        format!("{n} values are not in the baseline ({kinds}); --update takes them in")
    })
}

type Seeds = BTreeSet<Option<u64>>;

/// The baseline's values without those of data sets and seeds that the candidate never looked at.
fn to_compare<'a>(sides: Sides<'a>, notes: &mut Vec<String>) -> Vec<&'a GuardedValue> {
    let datasets = |values: &'a [GuardedValue]| -> BTreeSet<&'a str> {
        values.iter().map(|value| value.dataset.as_str()).collect()
    };
    let seeds = |values: &'a [GuardedValue], of: &GuardedValue| -> Seeds {
        let same = values.iter().filter(|v| v.layer == of.layer && v.dataset == of.dataset);
        same.map(|value| value.seed).collect()
    };
    let has = datasets(sides.candidate);
    let shared = datasets(sides.baseline).iter().any(|name| has.contains(name));
    let mut kept: Vec<&GuardedValue> = Vec::new();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    // The candidate's, where it shares one with the baseline.
    let mut shared_seeds: HashMap<(Layer, &str), Option<Seeds>> = HashMap::new();
    for value in sides.baseline {
        if shared && !has.contains(value.dataset.as_str()) {
            *left_out.entry(format!("data set {}", value.dataset)).or_default() += 1;
            continue;
        }
        let there = shared_seeds.entry((value.layer, &value.dataset)).or_insert_with(|| {
            let there = seeds(sides.candidate, value);
            (!seeds(sides.baseline, value).is_disjoint(&there)).then_some(there)
        });
        match (value.seed, there) {
            (Some(seed), Some(there)) if !there.contains(&value.seed) => {
                let what = format!("seed {seed} of {} {}", value.layer.name(), value.dataset);
                *left_out.entry(what.trim_end().into()).or_default() += 1;
            }
            _ => kept.push(value),
        }
    }
    notes.extend(left_out.iter().map(|(what, n)| {
        format!("{what}: not in the candidate, the baseline's {n} values are left out")
    }));
    kept
}
