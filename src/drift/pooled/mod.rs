//! Scores of trained runs, many together: what single scores are too noisy to show.
//!
//! A run's score is the mean over its checkpoints, on the scale of the metric's card (logarithms
//! where values are compared by their ratio). Seeds are not paired: training amplifies rounding
//! until two runs of one seed differ as two seeds do. So a method's runs on a data set are two
//! samples, of all of the baseline's seeds and of the candidate's, and the difference of their
//! means is judged by Student's t with the variance within both. That the candidate's own scatter
//! counts keeps one odd run from raising the alarm: it widens the noise as fast as it moves the
//! mean.
//!
//! Differences are pooled in three tiers (see [`tiers`]), which share the chance of a false alarm.
//! What is pooled is not judged value by value: single runs have tails that no spread of five seeds
//! knows of. (Of 100 comparisons of unchanged runs, 43 showed a single score beyond 99.9 % limits
//! of Student's t, nearly all of them a recall that was 0 for most seeds.) Cells that are the same
//! for most seeds of the baseline have no noise of use and are left out; how many runs leave that
//! value is counted, as is how many runs collapsed ([`counts`]).
//!
//! Unchanged runs, measured: the recipe `drift` on `shapes` with gan, kdd and supcon and seeds 5 to
//! 44, the first 20 with AVX2 and the others with portable kernels, five seeds as the baseline and
//! two others as the candidate. Of 17 comparisons with disjoint candidates none gave an alarm, of
//! 300 with seeds drawn at random 4 did (1.3 %). In the simulation of `planted_scores.rs`, whose
//! scores have the baseline's spreads, 7, 7 and 8 of 400 did where no run, 2 % and 10 % of runs
//! collapse (1.8 to 2 %): scores near the ends of their range, as inception scores near 1, are not
//! normally distributed.

mod counts;
mod groups;
mod tiers;

use std::collections::{BTreeMap, BTreeSet};

pub use counts::CountLine;
use ganbench_metrics::card::Scale;
use groups::Groups;
use serde::Serialize;
use tiers::Tier;

use super::collapse::Collapses;
use super::compare::Sides;
use super::line::{Line, Pair, Verdict};
use super::noise::FALSE_ALARMS;
use super::value::{Key, Layer};

/// A difference of many scores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PooledLine {
    /// Its bare name.
    pub metric: String,
    /// None of all data sets.
    pub dataset: Option<String>,
    /// None of all methods.
    pub method: Option<String>,
    /// Methods' data sets' checkpoints.
    pub cells: usize,
    pub baseline_runs: usize,
    pub candidate_runs: usize,
    /// `ratio`, or `difference`.
    pub scale: &'static str,
    /// Weighted mean, a geometric one for ratios.
    pub baseline: Option<f64>,
    pub candidate: Option<f64>,
    /// Of logarithms for ratios.
    pub difference: Option<f64>,
    /// |difference| in standard errors, and how many are allowed.
    pub size: Option<f64>,
    pub allowed: f64,
    /// Of the standard error.
    pub df: f64,
    /// The least common move that would be called drift: a ratio above 1, or a difference.
    pub least_seen: f64,
    /// The same relative to the baseline. Empty where that is 0.
    pub least_move: Option<f64>,
    pub verdict: Verdict,
}

impl PooledLine {
    /// Whether a value is part of it.
    pub fn covers(&self, line: &Line) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|w| w == text);
        line.layer == Layer::Score
            && ganbench_metrics::bare_name(&line.name) == self.metric
            && is(&self.dataset, &line.dataset)
            && is(&self.method, &line.method)
    }
}

/// What [`pool`] found.
pub struct Pooled<'a> {
    pub lines: Vec<PooledLine>,
    pub counts: Vec<CountLine>,
    pub notes: Vec<String>,
    /// What is judged together, so that its values are not judged by themselves.
    pub cells: BTreeSet<Key<'a>>,
    /// What is the same for most seeds of the baseline.
    pub usual: BTreeMap<Key<'a>, f64>,
}

/// The pairs of one key, of all seeds that both sides have.
pub type Pairs<'a> = BTreeMap<Key<'a>, Vec<Pair<'a>>>;

/// Pools what can be compared.
pub fn pool<'a>(sides: Sides<'a>, pairs: &Pairs<'a>, collapses: &Collapses<'_>) -> Pooled<'a> {
    let groups = Groups::new(sides, pairs, collapses);
    let mut lines: Vec<PooledLine> = Vec::new();
    for tier in Tier::ALL {
        let statistics = tier.statistics(&groups.groups);
        let alpha = FALSE_ALARMS * tier.share() / statistics.len().max(1) as f64;
        lines.extend(statistics.into_iter().map(|statistic| statistic.line(alpha)));
    }
    let counts = counts::counts(sides, pairs, collapses, &groups.usual);
    let notes = groups.notes();
    Pooled { lines, counts, notes, cells: groups.pooled, usual: groups.usual }
}

/// A value on its metric's scale. Minus infinity for what has no logarithm.
fn on_scale(value: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Ratio if value > 0.0 => value.ln(),
        Scale::Ratio => f64::NEG_INFINITY,
        Scale::Difference => value,
    }
}

#[cfg(test)]
mod tests;
