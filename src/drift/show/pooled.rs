//! Pooled scores and counts of runs in words.

use std::collections::BTreeMap;

use super::number;
use crate::drift::compare::Comparison;
use crate::drift::line::Verdict;
use crate::drift::pooled::{CountLine, PooledLine};

/// Pooled scores that are told when they drifted.
const POOLED: usize = 12;

/// What the pooled scores and the counts of runs say, in a sentence each: everything that drifted,
/// else the least moves that would have been seen.
pub fn pooled(comparison: &Comparison) -> Vec<String> {
    let drifted = |line: &&PooledLine| line.verdict == Verdict::Drift;
    let mut found: Vec<&PooledLine> = comparison.pooled.iter().filter(drifted).collect();
    // The widest first: what moved everywhere moved in every part.
    found.sort_by_key(|line| std::cmp::Reverse(line.cells));
    let mut texts: Vec<String> =
        found.iter().take(POOLED).map(|line| format!("DRIFT of {}", pooled_text(line))).collect();
    if found.len() > POOLED {
        texts.push(format!(
            "and {} more pooled scores drifted; --json has all",
            found.len() - POOLED
        ));
    }
    let judged = comparison.pooled.len();
    if judged > 0 && found.is_empty() {
        texts.push(format!("pooled scores: none of {judged} moved beyond what is allowed"));
    }
    let everything = comparison.pooled.iter().filter(|line| line.method.is_none());
    texts.extend(everything.map(|line| format!("least move seen of {}", least(line))));
    for scope in [Scope::Method, Scope::Cell] {
        texts.extend(scope.least_moves(comparison));
    }
    texts.extend(comparison.counts.iter().map(counted));
    texts
}

/// Parts of which only the range of least moves is told.
#[derive(Clone, Copy)]
enum Scope {
    Method,
    Cell,
}

impl Scope {
    fn least_moves(self, comparison: &Comparison) -> Vec<String> {
        let (is_cell, words) = match self {
            Self::Method => (false, "one method on all data sets"),
            Self::Cell => (true, "one method on one data set"),
        };
        let mut by_metric: BTreeMap<&str, Vec<&PooledLine>> = BTreeMap::new();
        let of = |line: &&PooledLine| line.method.is_some() && line.dataset.is_some() == is_cell;
        for line in comparison.pooled.iter().filter(of) {
            by_metric.entry(&line.metric).or_default().push(line);
        }
        let range = |(metric, lines): (&&str, &Vec<&PooledLine>)| {
            let by_size =
                |a: &&&PooledLine, b: &&&PooledLine| a.least_seen.total_cmp(&b.least_seen);
            let low = lines.iter().min_by(by_size)?;
            let high = lines.iter().max_by(by_size)?;
            Some(format!(
                "least move seen of {metric}, {words}: {} to {}",
                amount(low, low.least_seen),
                amount(high, high.least_seen)
            ))
        };
        by_metric.iter().filter_map(range).collect()
    }
}

/// A ratio, or a difference.
fn amount(line: &PooledLine, value: f64) -> String {
    match line.scale {
        "ratio" => format!("× {value:.2}"),
        _ => format!("± {value:.3}"),
    }
}

/// Whose, and over how many cells.
fn scope(line: &PooledLine) -> String {
    let datasets = line.dataset.as_deref().unwrap_or("all data sets");
    let methods = line.method.as_deref().unwrap_or("all methods");
    format!("{}, {methods}, {datasets} ({} cells)", line.metric, line.cells)
}

fn least(line: &PooledLine) -> String {
    format!("{}: {}", scope(line), amount(line, line.least_seen))
}

fn pooled_text(line: &PooledLine) -> String {
    let moved = match (line.difference, line.scale) {
        (None, _) => "without bound".into(),
        (Some(d), "ratio") => format!("× {:.3}", d.exp()),
        (Some(d), _) => format!("{d:+.4}"),
    };
    format!(
        "{}: moved {moved}, from {} to {}, {} standard errors where {:.1} are allowed; the least move seen is {}",
        scope(line),
        number(line.baseline),
        number(line.candidate),
        line.size.map_or("∞".into(), |size| format!("{size:.1}")),
        line.allowed,
        amount(line, line.least_seen)
    )
}

fn counted(line: &CountLine) -> String {
    let drift = if line.verdict == Verdict::Drift { "DRIFT of " } else { "" };
    format!(
        "{drift}{}: {} of {} in the baseline, {} of {} in the candidate, p {:.1e} where up to {:.0e} is drift",
        line.what,
        line.baseline,
        line.baseline_runs,
        line.candidate,
        line.candidate_runs,
        line.p,
        line.alpha
    )
}
