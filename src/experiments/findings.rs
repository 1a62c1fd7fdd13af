//! From the runs of an experiment to a verdict on each of its claims.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use ganbench_files::write_atomic;
use ganbench_reports::claim::{Judged, Pair, Scale, Verdict};
use ganbench_reports::statistics::exact::{Outcomes, deciding_permutation_p, fisher_p};
use ganbench_reports::statistics::typical::typical_and_apart;
use ganbench_reports::statistics::{Row, Rows, spending};
use serde::{Deserialize, Serialize};

use super::experiment::{Claim, Counts, Experiment};
use super::measure::{Run, Value};
use super::{FINDINGS_NAME, Folder};

/// What an experiment found so far: `verdicts.json` in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// Name of the experiment.
    pub name: String,
    /// What the runs are to answer, in words.
    pub question: String,
    /// How far each part is, in the experiment's order.
    pub parts: Vec<PartState>,
    /// Of all finished runs, evaluation not counted.
    pub train_s: f64,
    /// Of all invocations, evaluation and what was stopped included; a part whose runs were made
    /// otherwise counts by their training.
    pub machine_s: f64,
    /// What the runs say of each claim, in the experiment's order.
    pub findings: Vec<Finding>,
}

impl Findings {
    /// Machine time.
    pub fn hours(&self) -> f64 {
        self.machine_s / 3600.0
    }
}

/// How far a part is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartState {
    /// Name of the part.
    pub name: String,
    /// Runs that the part asks for.
    pub runs_planned: usize,
    /// Finished runs, those that diverged included.
    pub runs_done: usize,
    /// Finished runs that diverged.
    pub runs_diverged: usize,
    /// Seconds of training of the finished runs.
    pub train_s: f64,
    /// Of the invocations on it.
    pub wall_s: f64,
}

/// A claim with its verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    pub claim: String,
    pub source: String,
    pub measure: String,
    /// `confirmed`, `contradicted` or `undecided`.
    pub verdict: String,
    /// `ratio` or `difference`, of the row claimed of to the other, or `share`, the difference of
    /// shares of runs.
    pub scale: String,
    pub effect: Option<f64>,
    /// Ends of its 95 % interval over seeds.
    pub effect_low: Option<f64>,
    pub effect_high: Option<f64>,
    /// Two-sided p of no difference: of the moderated t, of shares McNemar's exact one.
    pub p: Option<f64>,
    /// Of the permutation test, which assumes nothing; of one pair of rows with four runs each or
    /// more.
    #[serde(default)]
    pub p_permutation: Option<f64>,
    /// The level that p was held against: less than 0.05 where the verdict is looked at more than
    /// once.
    #[serde(default = "one_look")]
    pub level: f64,
    /// `registered`, `afterwards` or `by construction`: only the first count.
    #[serde(default)]
    pub counts: String,
    /// The commit that wrote the claim down, of a registered one.
    #[serde(default)]
    pub registered_in: Option<String>,
    /// Constants that are not the paper's.
    #[serde(default)]
    pub our_constants: Option<String>,
    /// Whether rows were compared seed by seed.
    #[serde(default)]
    pub paired: bool,
    /// Of the row claimed and of the other: runs that collapsed, and all. None of them is in the
    /// effect, unless most of a row's did.
    #[serde(default)]
    pub claimed_collapsed: [u64; 2],
    #[serde(default)]
    pub other_collapsed: [u64; 2],
    /// Two-sided p of Fisher's exact test that both collapse equally often.
    #[serde(default)]
    pub collapse_p: Option<f64>,
    /// Means over seeds and rows: geometric ones of ratios, so that theirs is the effect.
    pub claimed_mean: Option<f64>,
    pub other_mean: Option<f64>,
    pub seeds: usize,
    pub seeds_planned: usize,
    /// Seeds whose runs are done and where one of them has no value.
    pub seeds_without_value: Vec<u64>,
    /// Where it is undecided.
    pub leans_to_claim: bool,
    pub seeds_to_decide: Option<u64>,
    /// The same at the ends of the interval of the effect.
    #[serde(default)]
    pub seeds_range: [Option<u64>; 2],
    /// Of the experiment's folder.
    pub picture: String,
}

fn one_look() -> f64 {
    spending::level_at(&[], 0)
}

impl Finding {
    /// Whether it is one of the claims that are counted and corrected together.
    pub fn is_registered(&self) -> bool {
        self.counts == Counts::Registered.name()
    }

    /// Whether too few seeds are trained to say anything.
    pub fn is_open(&self) -> bool {
        self.seeds + self.seeds_without_value.len() < 2
    }
}

/// Judges every claim of an experiment by its finished runs and writes `verdicts.json`.
///
/// # Errors
/// If a run is damaged or the file cannot be written.
pub fn find(folder: &Folder, experiment: &Experiment) -> Result<Findings> {
    let (mut parts, slices) = (Vec::new(), folder.slices()?);
    let (mut runs_of, mut seeds_of) = (BTreeMap::new(), BTreeMap::new());
    for part in &experiment.parts {
        let request = part.request();
        let runs = folder.runs(part)?;
        let (planned, done, seeds) = if request.is_toy() {
            (1, usize::from(folder.has_toy(part)?), request.seeds.as_ref().map_or(1, Vec::len))
        } else {
            let plans = request.plans()?;
            let seeds: BTreeSet<u64> = plans.iter().map(|plan| plan.train.seed).collect();
            (plans.len(), runs.len(), seeds.len())
        };
        seeds_of.insert(part.name.as_str(), seeds);
        parts.push(PartState {
            name: part.name.clone(),
            runs_planned: planned,
            runs_done: done,
            runs_diverged: runs.iter().filter(|run| run.diverged()).count(),
            train_s: runs.iter().map(Run::train_s).fold(0.0, |sum, s| sum + s),
            wall_s: slices
                .iter()
                .filter(|slice| slice.part == part.name)
                .fold(0.0, |sum, slice| sum + slice.wall_s),
        });
        runs_of.insert(part.name.as_str(), runs);
    }
    let judge = |claim: &Claim| -> Result<Finding> {
        let (mut values, mut label, mut planned) = (Vec::new(), String::new(), usize::MAX);
        for part in experiment.parts.iter().filter(|part| claim.parts.contains(&part.name)) {
            let runs: &[Run] = runs_of.get(part.name.as_str()).map_or(&[], Vec::as_slice);
            values.push(claim.measure.values(runs, &folder.part(part))?);
            label = claim.measure.label(runs);
            planned = planned.min(seeds_of[part.name.as_str()]);
        }
        let first_run = claim.parts.iter().filter_map(|part| first_start(folder, part)).min();
        let counts = claim.counts(first_run);
        let registered = claim.registered.as_ref().filter(|_| counts == Counts::Registered);
        Ok(Finding {
            measure: label,
            seeds_planned: planned,
            counts: counts.name().to_string(),
            registered_in: registered.map(|registered| registered.commit.clone()),
            ..judged(claim, &values)
        })
    };
    let findings = Findings {
        name: experiment.name.clone(),
        question: experiment.question.clone(),
        train_s: parts.iter().fold(0.0, |sum, part| sum + part.train_s),
        machine_s: parts.iter().fold(0.0, |sum, part| sum + part.wall_s.max(part.train_s)),
        parts,
        findings: experiment.claims.iter().map(judge).collect::<Result<_>>()?,
    };
    let text = serde_json::to_string_pretty(&findings)? + "\n";
    write_atomic(&folder.path().join(FINDINGS_NAME), text.as_bytes())?;
    Ok(findings)
}

/// When the first run of a part was started; `None` where that is not known.
fn first_start(folder: &Folder, part: &str) -> Option<u64> {
    let runs = folder.run_folders(part).ok()?;
    runs.iter().filter_map(|run| Some(run.provenance().ok()?.started_unix_s)).min()
}

/// A row of a part, with the runs that are done.
struct PartRow<'a> {
    part: usize,
    name: &'a str,
    all: Vec<&'a Value>,
    /// Of the typical run, with a value on the scale of comparison.
    row: Row,
}

impl PartRow<'_> {
    fn collapsed(&self) -> Outcomes {
        let with = self.all.iter().filter(|value| value.collapsed).count() as u64;
        Outcomes { with, runs: self.all.len() as u64 }
    }
}

/// Every row of every part.
fn rows_of<'a>(parts: &'a [Vec<Value>], scale: Scale) -> Vec<PartRow<'a>> {
    let mut rows: Vec<PartRow<'a>> = Vec::new();
    for (part, values) in parts.iter().enumerate() {
        for value in values {
            match rows.iter_mut().find(|row| row.part == part && row.name == value.row) {
                Some(row) => row.all.push(value),
                None => rows.push(PartRow {
                    part,
                    name: &value.row,
                    all: vec![value],
                    row: Row::default(),
                }),
            }
        }
    }
    for row in &mut rows {
        row.all.sort_by_key(|value| value.seed);
        let (typical, _) = typical_and_apart(row.all.clone(), |value| value.collapsed);
        for value in typical {
            if let Some(transformed) = value.value.and_then(|v| scale.transformed(v)) {
                row.row.seeds.push(value.seed);
                row.row.values.push(transformed);
            }
        }
    }
    rows
}

/// The verdict on a claim, from the values of each of its parts.
fn judged(claim: &Claim, parts: &[Vec<Value>]) -> Finding {
    let scale = claim.scale();
    let rows = rows_of(parts, scale);
    let mut terms: Vec<[usize; 2]> = Vec::new();
    let mut is_whole = true;
    for part in 0..parts.len() {
        for (claimed, other) in claim.pairs() {
            let find = |name: &str| rows.iter().position(|r| r.part == part && r.name == name);
            match (find(claimed), find(other)) {
                (Some(claimed), Some(other)) => terms.push([claimed, other]),
                // Not trained yet.
                _ => is_whole = false,
            }
        }
    }
    let side = |k: usize| {
        let mut of_side: Vec<usize> = terms.iter().map(|pair| pair[k]).collect();
        of_side.sort_unstable();
        of_side.dedup();
        of_side
    };
    let used: Vec<&PartRow<'_>> = [side(0), side(1)].concat().iter().map(|&i| &rows[i]).collect();
    let without = |value: &&&Value| value.value.and_then(|v| scale.transformed(v)).is_none();
    let mut without: Vec<u64> =
        used.iter().flat_map(|row| row.all.iter().filter(without)).map(|v| v.seed).collect();
    without.sort_unstable();
    without.dedup();
    let seeds =
        used.iter().map(|row| row.all.len()).min().unwrap_or(0).saturating_sub(without.len());
    let fallen = |k: usize| {
        side(k).iter().map(|&i| rows[i].collapsed()).fold(Outcomes { with: 0, runs: 0 }, |a, b| {
            Outcomes { with: a.with + b.with, runs: a.runs + b.runs }
        })
    };
    let level = spending::level_at(&claim.looks, seeds as u64);
    let model = Rows::new(&rows.iter().map(|row| row.row.clone()).collect::<Vec<_>>());
    let mean = |k: usize| {
        let means = terms.iter().map(|pair| model.mean(pair[k]).map(|mean| mean.effect));
        let means: Option<Vec<f64>> = means.collect();
        let means = means.filter(|means| is_whole && !means.is_empty())?;
        Some(scale.shown(means.iter().sum::<f64>() / means.len() as f64))
    };
    let judged = if scale == Scale::Share {
        let pairs = outcome_pairs(&rows, &terms);
        Judged::of_outcomes(if is_whole { &pairs } else { &[] }, seeds as u64, level, claim.side())
    } else {
        let share = 1.0 / terms.len().max(1) as f64;
        let each: Vec<(usize, f64)> =
            terms.iter().flat_map(|&[a, b]| [(a, share), (b, -share)]).collect();
        let estimate = model.contrast(&each).filter(|_| is_whole && !terms.is_empty());
        Judged::of_estimate(estimate.as_ref(), seeds as u64, level, claim.side())
    };
    let p_permutation = match terms[..] {
        [[a, b]] if scale != Scale::Share => {
            let (a, b) = (&rows[a].row.values, &rows[b].row.values);
            deciding_permutation_p(a, b)
        }
        _ => None,
    };
    let [low, high] = judged.interval.map_or([None; 2], |ends| ends.map(|e| Some(scale.shown(e))));
    let (claimed, other) = (fallen(0), fallen(1));
    // Seeds that have no value because a run diverged are not evidence for anything, and not
    // nothing either.
    let verdict = match judged.verdict {
        Verdict::Confirmed | Verdict::Contradicted if !without.is_empty() => Verdict::Undecided,
        verdict => verdict,
    };
    Finding {
        claim: claim.text.clone(),
        source: claim.source.clone(),
        measure: String::new(),
        verdict: verdict.name().to_string(),
        scale: scale.name().to_string(),
        effect: judged.effect.map(|e| scale.shown(e)),
        effect_low: low,
        effect_high: high,
        p: judged.p.filter(|_| without.is_empty()),
        p_permutation,
        level,
        counts: Counts::Afterwards.name().to_string(),
        registered_in: None,
        our_constants: claim.our_constants.clone(),
        paired: scale == Scale::Share || model.is_paired(),
        claimed_collapsed: [claimed.with, claimed.runs],
        other_collapsed: [other.with, other.runs],
        collapse_p: fisher_p(claimed, other).filter(|_| claimed.with + other.with > 0),
        claimed_mean: mean(0),
        other_mean: mean(1),
        seeds,
        seeds_planned: 0,
        seeds_without_value: without,
        leans_to_claim: judged.leans_to_claim,
        seeds_to_decide: judged.seeds_to_decide,
        seeds_range: judged.seeds_range,
        picture: claim.picture.clone(),
    }
}

/// The outcomes of the runs that two rows have of the same seeds.
fn outcome_pairs(rows: &[PartRow<'_>], terms: &[[usize; 2]]) -> Vec<Pair> {
    let pair = |&[a, b]: &[usize; 2]| {
        let of = |i: usize, seed: u64| rows[i].all.iter().find(|v| v.seed == seed)?.value;
        let seeds = rows[a].all.iter().map(|value| value.seed);
        seeds
            .filter_map(|seed| Some(Pair { claimed: of(a, seed)?, other: of(b, seed)? }))
            .collect::<Vec<_>>()
    };
    terms.iter().flat_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(rows: [&str; 2], than: [&str; 2]) -> Claim {
        let own = |names: [&str; 2]| names.map(String::from).to_vec();
        Claim {
            text: "a".into(),
            source: "b".into(),
            parts: vec!["p".into()],
            measure: "is".to_string().try_into().unwrap(),
            lower: Vec::new(),
            higher: own(rows),
            than: own(than),
            picture: String::new(),
            registered: None,
            by_construction: None,
            our_constants: None,
            looks: Vec::new(),
        }
    }

    fn value(row: &str, seed: u64, value: f64) -> Value {
        let value = value.is_finite().then_some(value);
        Value { row: row.into(), seed, value, collapsed: false }
    }

    fn one(rows: [&str; 1], than: [&str; 1]) -> Claim {
        let own = |names: [&str; 1]| names.map(String::from).to_vec();
        Claim { higher: own(rows), than: own(than), ..claim(["", ""], ["", ""]) }
    }

    #[test]
    fn a_claim_of_several_rows_is_judged_by_the_mean_over_their_pairs() {
        let mut values = Vec::new();
        for (seed, lift) in [(0, 4.0), (1, 5.0), (2, 6.0)] {
            values.push(value("a", seed, 10.0 + lift - 1.0));
            values.push(value("x", seed, 10.0 + 0.1 * lift));
            values.push(value("b", seed, 20.0 + lift + 1.0));
            values.push(value("y", seed, 20.0 - 0.1 * lift));
        }
        let found = judged(&claim(["a", "b"], ["x", "y"]), &[values]);
        assert_eq!((found.verdict.as_str(), found.seeds), ("confirmed", 3));
        assert!((found.effect.unwrap() - 5.0).abs() < 1e-12);
        let [low, high] = [found.effect_low.unwrap(), found.effect_high.unwrap()];
        assert!((low + high - 10.0).abs() < 1e-9 && low > 2.5, "{low} {high}");
        assert!((found.claimed_mean.unwrap() - 20.0).abs() < 1e-12);
        assert!((found.other_mean.unwrap() - 15.0).abs() < 1e-12);
    }

    #[test]
    fn a_row_that_is_not_trained_yet_leaves_the_claim_open() {
        let values = (0..3).map(|s| value("a", s, s as f64)).collect();
        let found = judged(&one(["a"], ["x"]), &[values]);
        assert_eq!((found.verdict.as_str(), found.effect), ("undecided", None));
    }

    #[test]
    fn means_of_ratios_are_geometric_and_theirs_is_the_effect() {
        let mut claim = claim(["a", "a"], ["x", "x"]);
        claim.measure = "fid".to_string().try_into().unwrap();
        let values = [(0, 1.0, 4.0), (1, 4.0, 4.0), (2, 2.0, 32.0)];
        let of = |(seed, a, x)| [value("a", seed, a), value("x", seed, x)];
        let found = judged(&claim, &[values.into_iter().flat_map(of).collect()]);
        let (a, x) = (found.claimed_mean.unwrap(), found.other_mean.unwrap());
        assert!((a - 2.0).abs() < 1e-12 && (x - 8.0).abs() < 1e-12, "{a} {x}");
        assert!((found.effect.unwrap() - a / x).abs() < 1e-12);
    }

    #[test]
    fn a_seed_without_a_value_leaves_the_claim_undecided_and_is_named() {
        let mut values: Vec<Value> = (0..3).map(|s| value("a", s, 5.0 + s as f64)).collect();
        values.extend((0..3).map(|s| value("x", s, 1.0 + 0.1 * s as f64)));
        let claim = claim(["a", "a"], ["x", "x"]);
        assert_eq!(judged(&claim, &[values.clone()]).verdict, "confirmed");
        values.extend([value("a", 3, 5.0), value("x", 3, f64::NAN)]);
        let found = judged(&claim, &[values]);
        assert_eq!((found.verdict.as_str(), found.seeds), ("undecided", 3));
        assert_eq!(found.seeds_without_value, [3]);
    }

    #[test]
    fn collapsed_runs_are_counted_apart_from_the_typical_run() {
        let mut values: Vec<Value> = (0..5).map(|s| value("a", s, 6.0 + 0.1 * s as f64)).collect();
        values.extend((0..5).map(|s| value("x", s, 10.0 + 0.2 * s as f64)));
        // Two of five runs of x fell to FIDs that would make any mean meaningless.
        for (i, fid) in [(5, 105.0), (7, 45.0)] {
            values[i] = Value { collapsed: true, ..value("x", i as u64 - 5, fid) };
        }
        let mut claim = one(["x"], ["a"]);
        claim.measure = "fid".to_string().try_into().unwrap();
        let found = judged(&claim, &[values]);
        assert_eq!(found.verdict, "confirmed");
        assert_eq!((found.claimed_collapsed, found.other_collapsed), ([2, 5], [0, 5]));
        assert!((found.collapse_p.unwrap() - 4.0 / 9.0).abs() < 1e-9);
        assert!(found.effect.unwrap() < 2.0, "{:?}", found.effect);
    }

    #[test]
    fn a_verdict_that_is_looked_at_twice_has_a_stricter_level_each_time() {
        let values = |seeds: u64| -> Vec<Value> {
            let a = (0..seeds).map(|s| value("a", s, 5.0 + s as f64));
            a.chain((0..seeds).map(|s| value("x", s, s as f64))).collect()
        };
        let claim = Claim { looks: vec![3, 5], ..one(["a"], ["x"]) };
        let level = |seeds| judged(&claim, &[values(seeds)]).level;
        assert!((level(3) - 0.0114).abs() < 1e-4 && (level(5) - 0.0386).abs() < 1e-4);
        assert_eq!(judged(&one(["a"], ["x"]), &[values(3)]).level, 0.05);
    }
}
