//! From the runs of an experiment to a verdict on each of its claims.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use ganbench_reports::claim::{Judged, Pair, Scale, Verdict};
use ganbench_reports::write_atomic;
use serde::{Deserialize, Serialize};

use super::experiment::{Claim, Experiment};
use super::measure::{Run, Value};
use super::{FINDINGS_NAME, Folder};
use crate::commands::reproduce;
use crate::recipe::FIGURE3;

/// What an experiment found so far: `verdicts.json` in its folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    pub name: String,
    pub question: String,
    pub parts: Vec<PartState>,
    /// Of all finished runs, evaluation not counted.
    pub train_s: f64,
    /// Of all invocations, evaluation and what was stopped included; a part whose runs were made otherwise counts by
    /// their training.
    pub machine_s: f64,
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
    pub name: String,
    pub runs_planned: usize,
    pub runs_done: usize,
    pub runs_diverged: usize,
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
    /// `ratio` or `difference`, of the row claimed of to the other, or `share`, the difference of shares of runs.
    pub scale: String,
    pub effect: Option<f64>,
    /// Ends of its 95 % interval over seeds.
    pub effect_low: Option<f64>,
    pub effect_high: Option<f64>,
    /// Two-sided p of no difference: Student's, of shares McNemar's exact one.
    pub p: Option<f64>,
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
    /// Of the experiment's folder.
    pub picture: String,
}

impl Finding {
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
        let args = part.reproduce()?;
        let runs = folder.runs(part)?;
        let (planned, done, seeds) = if args.table == FIGURE3 {
            (1, usize::from(folder.has_toy(part)?), args.seeds.map_or(1, |seeds| seeds.len()))
        } else {
            let plans = reproduce::planned(&args)?;
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
        Ok(Finding { measure: label, seeds_planned: planned, ..judged(claim, &values) })
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

/// The verdict on a claim, from the values of each of its parts.
fn judged(claim: &Claim, parts: &[Vec<Value>]) -> Finding {
    let scale = claim.scale();
    let (mut effects, mut pairs, mut without) = (Vec::new(), Vec::new(), Vec::new());
    let mut seeds: Vec<u64> = parts.iter().flatten().map(|value| value.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    'seeds: for seed in seeds {
        let (mut of_seed, mut missing) = (Vec::new(), false);
        for values in parts {
            let find = |row: &str| values.iter().find(|v| v.row == row && v.seed == seed);
            for (row, other) in claim.pairs() {
                // Not trained yet.
                let (Some(row), Some(other)) = (find(row), find(other)) else { continue 'seeds };
                match (row.value, other.value) {
                    (Some(claimed), Some(other)) => of_seed.push(Pair { claimed, other }),
                    _ => missing = true,
                }
            }
        }
        let of_pairs: Option<Vec<f64>> = of_seed.iter().map(|pair| scale.effect(*pair)).collect();
        match of_pairs {
            Some(of_pairs) if !missing => {
                effects.push(of_pairs.iter().sum::<f64>() / of_pairs.len() as f64);
                pairs.extend(of_seed);
            }
            _ => without.push(seed),
        }
    }
    let judged = match scale {
        Scale::Share => Judged::of_outcomes(&pairs, effects.len() as u64, claim.side()),
        Scale::Difference | Scale::Ratio => Judged::of(&effects, claim.side()),
    };
    let mean = |of: fn(&Pair) -> f64| {
        let each = pairs.iter().map(|pair| scale.taken(of(pair)));
        (!pairs.is_empty()).then(|| scale.shown(each.sum::<f64>() / pairs.len() as f64))
    };
    let [low, high] = judged.interval.map_or([None; 2], |ends| ends.map(|e| Some(scale.shown(e))));
    // Seeds that have no value because a run diverged are not evidence for anything, and not nothing either.
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
        claimed_mean: mean(|pair| pair.claimed),
        other_mean: mean(|pair| pair.other),
        seeds: effects.len(),
        seeds_planned: 0,
        seeds_without_value: without,
        leans_to_claim: judged.leans_to_claim,
        seeds_to_decide: judged.seeds_to_decide,
        picture: claim.picture.clone(),
    }
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
        }
    }

    fn value(row: &str, seed: u64, value: f64) -> Value {
        Value { row: row.into(), seed, value: value.is_finite().then_some(value) }
    }

    #[test]
    fn a_claim_of_several_rows_is_judged_by_each_seeds_mean_over_them() {
        let mut values = Vec::new();
        for (seed, lift) in [(0, 4.0), (1, 5.0), (2, 6.0)] {
            values.push(value("a", seed, 10.0 + lift - 1.0));
            values.push(value("x", seed, 10.0));
            values.push(value("b", seed, 20.0 + lift + 1.0));
            values.push(value("y", seed, 20.0));
        }
        // A seed that is not trained whole.
        values.push(value("a", 3, 0.0));
        let found = judged(&claim(["a", "b"], ["x", "y"]), &[values]);
        assert_eq!((found.verdict.as_str(), found.seeds), ("confirmed", 3));
        assert!((found.effect.unwrap() - 5.0).abs() < 1e-12);
        // Differences 4, 5, 6: half width 2.484.
        assert!((found.effect_low.unwrap() - (5.0 - 2.4841377118)).abs() < 1e-9);
        assert_eq!((found.claimed_mean, found.other_mean), (Some(20.0), Some(15.0)));
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
        values.extend((0..3).map(|s| value("x", s, 1.0)));
        let claim = claim(["a", "a"], ["x", "x"]);
        assert_eq!(judged(&claim, &[values.clone()]).verdict, "confirmed");
        values.extend([value("a", 3, 5.0), value("x", 3, f64::NAN)]);
        let found = judged(&claim, &[values]);
        assert_eq!((found.verdict.as_str(), found.seeds), ("undecided", 3));
        assert_eq!(found.seeds_without_value, [3]);
    }
}
