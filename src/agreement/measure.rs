//! The rank correlation of each metric with the truth, and how sure it is.

use ganbench_data::rng::Stream;
use ganbench_reports::statistics::kendall_tau_b;
use ganbench_reports::{Direction, MetricName};
use serde::Serialize;

use super::runs::{AgreementError, Points, Run, Runs};
use crate::report::cards;
use crate::run::folder::commit;

/// Fewer runs give intervals that cover nearly everything.
const FEWEST_RUNS: usize = 5;

/// The share of bootstrap draws that lie below and above a 95 % interval.
const TAIL: f64 = 0.025;

/// A rank correlation with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tau {
    /// Kendall's τ-b of the metric and the truth, −1..=1; above 0 where both agree on what is
    /// better.
    pub tau: f64,
    /// Empty where fewer than half of the draws have a τ, because all values of a side are equal.
    pub interval: Option<[f64; 2]>,
    /// Runs that have both values.
    pub n_runs: usize,
}

impl Tau {
    /// Whether the interval lies above 0: the metric orders runs as the truth does rather than by
    /// chance.
    pub fn is_positive(&self) -> bool {
        self.interval.is_some_and(|[low, _]| low > 0.0)
    }
}

/// What one metric says of the truth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// With its extractor, as in the result rows.
    pub metric: String,
    /// Whether the metric itself knows the modes of `shapes`.
    pub knows_truth: bool,
    /// How it was measured.
    pub measure: String,
    /// One for each truth: over all runs. `None` where all values of a side are equal.
    pub all: Vec<Option<Tau>>,
    /// The same over the better half of the runs by that truth.
    pub better_half: Vec<Option<Tau>>,
}

/// The answer of the study.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    /// Metrics that stand for the truth.
    pub truths: Vec<String>,
    /// One for each metric whose better direction is known: those blind to the truth first, each
    /// group from the best agreement down.
    pub agreements: Vec<Agreement>,
    /// Runs whose values were read.
    pub n_runs: usize,
    /// Checkpoints of all runs.
    pub n_points: usize,
    /// Methods with the number of their runs.
    pub methods: Vec<(String, usize)>,
    /// Recipes with the number of their runs.
    pub recipes: Vec<(String, usize)>,
    /// Which checkpoints are compared: `last`, `best` or `curve`.
    pub checkpoint: &'static str,
    /// Draws of the bootstrap over runs.
    pub draws: usize,
    /// Seed of the bootstrap's draws.
    pub seed: u64,
    /// Version of ganbench that judged.
    pub version: &'static str,
    /// Commit of ganbench that judged.
    pub commit: String,
}

/// How to judge.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Names of the metrics that stand for the truth.
    pub truths: &'a [String],
    /// Draws of the bootstrap over runs.
    pub draws: usize,
    /// Seed of the bootstrap's draws.
    pub seed: u64,
}

/// A value of a metric and one of the truth, both higher where better.
#[derive(Clone, Copy, Debug)]
struct Pair {
    run: usize,
    metric: f64,
    truth: f64,
}

/// Correlates every metric whose better direction is known with each truth.
///
/// Intervals are percentiles of a bootstrap that draws whole runs, since the checkpoints of a run
/// depend on one another (Field and Welsh 2007, the cluster bootstrap). They hold for further runs
/// of the same methods and recipes.
///
/// # Errors
/// If a truth was not measured, or on fewer than five runs.
pub fn measure(runs: &Runs, request: &Request<'_>) -> Result<Findings, AgreementError> {
    let truths =
        request.truths.iter().map(|name| truth(runs, name)).collect::<Result<Vec<_>, _>>()?;
    let agreement = |(i, metric): (usize, &String)| {
        let tau = |half: bool| {
            let of_truth = |&truth: &usize| {
                let pairs = pairs(runs, [i, truth]);
                let pairs = if half { better_half(pairs) } else { pairs };
                tau(&pairs, request)
            };
            truths.iter().map(of_truth).collect()
        };
        is_better_higher(metric).is_some().then(|| Agreement {
            metric: metric.clone(),
            knows_truth: ganbench_metrics::metric(metric).is_ok()
                && ganbench_metrics::needs(metric).recognitions,
            measure: runs.measures[i].clone(),
            all: tau(false),
            better_half: tau(true),
        })
    };
    let mut agreements: Vec<Agreement> =
        runs.metrics.iter().enumerate().filter_map(agreement).collect();
    agreements.sort_by(|a, b| {
        let tau = |a: &Agreement| a.all[0].map_or(f64::NEG_INFINITY, |tau| tau.tau);
        a.knows_truth.cmp(&b.knows_truth).then(tau(b).total_cmp(&tau(a)))
    });
    Ok(Findings {
        truths: truths.iter().map(|&i| runs.metrics[i].clone()).collect(),
        agreements,
        n_runs: runs.runs.len(),
        n_points: runs.points.len(),
        methods: counts(&runs.runs, |run| &run.method),
        recipes: counts(&runs.runs, |run| &run.recipe),
        checkpoint: Points::as_str(runs.checkpoints),
        draws: request.draws,
        seed: request.seed,
        version: env!("CARGO_PKG_VERSION"),
        commit: commit(),
    })
}

/// The place of a metric that stands for the truth.
fn truth(runs: &Runs, name: &str) -> Result<usize, AgreementError> {
    let points = runs.checkpoints.as_str();
    let place = runs.metric(name);
    let place = place.ok_or_else(|| AgreementError::NoTruth { truth: name.into(), points })?;
    let got = count_runs(&pairs(runs, [place, place]));
    if got < FEWEST_RUNS {
        let needed = FEWEST_RUNS;
        return Err(AgreementError::TooFewRuns { truth: name.into(), got, needed });
    }
    Ok(place)
}

/// Whether higher values of a metric are better; `None` where nothing is known of it.
fn is_better_higher(metric: &str) -> Option<bool> {
    match MetricName::new(metric, cards::for_reports()).direction() {
        Direction::Higher => Some(true),
        Direction::Lower => Some(false),
        Direction::Unknown => None,
    }
}

/// The points that have both metrics, each turned so that higher is better.
fn pairs(runs: &Runs, [metric, truth]: [usize; 2]) -> Vec<Pair> {
    let signs = [metric, truth].map(|i| match is_better_higher(&runs.metrics[i]) {
        Some(false) => -1.0,
        _ => 1.0,
    });
    let pair = |point: &super::runs::Point| {
        let (metric, truth) = (point.values[metric]?, point.values[truth]?);
        Some(Pair { run: point.run, metric: signs[0] * metric, truth: signs[1] * truth })
    };
    runs.points.iter().filter_map(pair).collect()
}

/// The points whose truth is above the middle one.
fn better_half(mut pairs: Vec<Pair>) -> Vec<Pair> {
    let mut truths: Vec<f64> = pairs.iter().map(|pair| pair.truth).collect();
    truths.sort_by(f64::total_cmp);
    if let Some(&middle) = truths.get(truths.len() / 2) {
        pairs.retain(|pair| pair.truth >= middle);
    }
    pairs
}

fn count_runs(pairs: &[Pair]) -> usize {
    let mut runs: Vec<usize> = pairs.iter().map(|pair| pair.run).collect();
    runs.sort_unstable();
    runs.dedup();
    runs.len()
}

fn tau(pairs: &[Pair], request: &Request<'_>) -> Option<Tau> {
    let tau = kendall_tau_b(&values(pairs.iter()))?;
    let mut runs: Vec<Vec<&Pair>> = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for pair in pairs {
        let place = *places.entry(pair.run).or_insert_with(|| {
            runs.push(Vec::new());
            runs.len() - 1
        });
        runs[place].push(pair);
    }
    // The same runs are drawn for every metric, so that their intervals can be held side by side.
    let mut stream = Stream::new(request.seed, "agreement");
    let mut draw = || {
        let drawn = (0..runs.len()).flat_map(|_| &runs[stream.below(runs.len() as u64) as usize]);
        kendall_tau_b(&values(drawn.copied()))
    };
    let mut draws: Vec<f64> = (0..request.draws).filter_map(|_| draw()).collect();
    draws.sort_by(f64::total_cmp);
    let quantile = |share: f64| draws[((draws.len() - 1) as f64 * share).round() as usize];
    let enough = !draws.is_empty() && 2 * draws.len() >= request.draws;
    let interval = enough.then(|| [quantile(TAIL), quantile(1.0 - TAIL)]);
    Some(Tau { tau, interval, n_runs: runs.len() })
}

fn values<'a>(pairs: impl Iterator<Item = &'a Pair>) -> Vec<(f64, f64)> {
    pairs.map(|pair| (pair.metric, pair.truth)).collect()
}

/// Each name with the number of runs that have it, the most frequent first.
fn counts(runs: &[Run], name: impl Fn(&Run) -> &String) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::<&String, usize>::new();
    runs.iter().for_each(|run| *counts.entry(name(run)).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().map(|(name, n)| (name.clone(), n)).collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    counts
}
