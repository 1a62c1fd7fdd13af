//! Which differences are pooled, and what judges them.
//!
//! - [`Tier::Everything`]: the mean over all methods, on each data set and over all of them. Its
//!   variance is the sum of the methods' own, so that it holds however much these differ (degrees
//!   of freedom by Satterthwaite 1946, doi:10.2307/3002019). Data sets are weighted by the inverse
//!   of their variances.
//! - [`Tier::Method`]: one method, over all data sets.
//! - [`Tier::Cell`]: one method on one data set.
//!
//! The last two have few runs. Their variance is the larger of their own and of that pooled over
//! the methods of the data set, with the degrees of freedom of the latter: a cell whose seeds lie
//! close by chance is not believed, and one that is noisier than the others keeps its own.

use std::collections::{BTreeMap, BTreeSet};

use ganbench_metrics::card::Scale;
use ganbench_reports::student_t_two_sided;

use super::groups::{Group, methods};
use super::{PooledLine, Verdict};

/// What is pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Everything,
    Method,
    Cell,
}

impl Tier {
    pub const ALL: [Self; 3] = [Self::Everything, Self::Method, Self::Cell];

    /// Of the chance of a false alarm, within which it is divided equally. With a twentieth for
    /// counts of runs and one for scores that are judged by themselves this is four fifths; the
    /// rest is left to scores that are not normally distributed.
    pub fn share(self) -> f64 {
        match self {
            Self::Everything => 0.5,
            Self::Method | Self::Cell => 0.1,
        }
    }

    pub fn statistics(self, groups: &[Group]) -> Vec<Statistic> {
        let mut by_metric: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
        for group in groups {
            by_metric.entry(&group.metric).or_default().push(group);
        }
        by_metric.values().flat_map(|groups| self.of_metric(groups)).collect()
    }

    fn of_metric(self, groups: &[&Group]) -> Vec<Statistic> {
        let mut sets: BTreeMap<[&str; 2], Vec<&Group>> = BTreeMap::new();
        for group in groups {
            sets.entry([&group.dataset, &group.name]).or_default().push(group);
        }
        let sets: Vec<Set<'_>> = sets.into_values().map(Set::new).collect();
        let methods = methods(groups);
        match self {
            Self::Everything => {
                // What is one cell, or one method, stands in the other tiers.
                let each = sets.iter().filter(|set| set.groups.len() > 1).map(Set::everything);
                let all = (sets.len() > 1 && methods.len() > 1).then(|| everything(&sets));
                all.into_iter().chain(each).collect()
            }
            Self::Method => {
                let of = |method: &&str| {
                    let sets: Vec<_> = sets.iter().filter_map(|set| set.cell(method)).collect();
                    (sets.len() > 1).then(|| weighted(&sets))
                };
                methods.iter().filter_map(of).collect()
            }
            Self::Cell => {
                let of = |method: &&str| {
                    sets.iter().filter_map(|set| set.cell(method)).collect::<Vec<_>>()
                };
                methods.iter().flat_map(of).collect()
            }
        }
    }
}

/// The methods of one data set, and the variance of one of their runs.
struct Set<'a> {
    groups: Vec<&'a Group>,
    variance: f64,
    df: f64,
}

impl<'a> Set<'a> {
    fn new(groups: Vec<&'a Group>) -> Self {
        let squares: f64 = groups.iter().map(|group| group.variance() * group.df()).sum();
        let variance = squares / groups.iter().map(|group| group.df()).sum::<f64>();
        let df = satterthwaite(groups.iter().map(|group| (group.variance(), group.df())));
        Self { groups, variance, df }
    }

    /// The mean over methods.
    fn everything(&self) -> Statistic {
        let weight = 1.0 / self.groups.len() as f64;
        let terms = self.groups.iter().map(|group| Term {
            weight,
            statistic: Statistic::new(group, group.variance(), group.df()),
        });
        Statistic { method: None, ..combined(&terms.collect::<Vec<_>>()) }
    }

    fn cell(&self, method: &str) -> Option<Statistic> {
        let group = self.groups.iter().find(|group| group.method == method)?;
        Some(Statistic::new(group, self.variance.max(group.variance()), self.df))
    }
}

/// The mean over data sets of the means over methods.
fn everything(sets: &[Set<'_>]) -> Statistic {
    weighted(&sets.iter().map(Set::everything).collect::<Vec<_>>())
}

/// The mean over data sets, each by the inverse of its standard error: then each has the same say,
/// though a share may be a thousand times noisier on one than on the other.
fn weighted(sets: &[Statistic]) -> Statistic {
    let total: f64 = sets.iter().map(|set| 1.0 / set.variance.sqrt()).sum();
    let term = |set: &Statistic| Term {
        weight: 1.0 / set.variance.sqrt() / total,
        statistic: set.clone(),
    };
    Statistic { dataset: None, ..combined(&sets.iter().map(term).collect::<Vec<_>>()) }
}

/// Degrees of freedom of a sum of variances.
fn satterthwaite(variances: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let sum: f64 = variances.clone().map(|(variance, _)| variance).sum();
    sum * sum / variances.map(|(variance, df)| variance * variance / df).sum::<f64>()
}

struct Term {
    weight: f64,
    statistic: Statistic,
}

fn combined(terms: &[Term]) -> Statistic {
    let variances =
        terms.iter().map(|t| (t.weight * t.weight * t.statistic.variance, t.statistic.df));
    let sum = |number: &dyn Fn(&Statistic) -> f64| {
        terms.iter().map(|term| term.weight * number(&term.statistic)).sum::<f64>()
    };
    let count =
        |number: &dyn Fn(&Statistic) -> usize| terms.iter().map(|t| number(&t.statistic)).sum();
    let datasets: BTreeSet<_> = terms.iter().map(|t| t.statistic.dataset.clone()).collect();
    let methods: BTreeSet<_> = terms.iter().map(|t| t.statistic.method.clone()).collect();
    let only = |names: BTreeSet<Option<String>>| match names.len() {
        1 => names.into_iter().next().flatten(),
        _ => None,
    };
    Statistic {
        metric: terms[0].statistic.metric.clone(),
        scale: terms[0].statistic.scale,
        dataset: only(datasets),
        method: only(methods),
        cells: count(&|s| s.cells),
        runs: [count(&|s| s.runs[0]), count(&|s| s.runs[1])],
        means: [sum(&|s| s.means[0]), sum(&|s| s.means[1])],
        variance: variances.clone().map(|(variance, _)| variance).sum(),
        df: satterthwaite(variances),
        is_identical: terms.iter().all(|t| t.statistic.is_identical),
    }
}

/// A difference of means with its noise.
#[derive(Clone)]
pub struct Statistic {
    metric: String,
    scale: Scale,
    dataset: Option<String>,
    method: Option<String>,
    cells: usize,
    /// The baseline's and the candidate's.
    runs: [usize; 2],
    means: [f64; 2],
    /// Of the difference.
    variance: f64,
    df: f64,
    is_identical: bool,
}

impl Statistic {
    /// Of a group, where a run has this variance.
    fn new(group: &Group, variance: f64, df: f64) -> Self {
        Self {
            metric: group.metric.clone(),
            scale: group.scale,
            dataset: Some(group.dataset.clone()),
            method: Some(group.method.clone()),
            cells: group.cells,
            runs: [group.baseline.len(), group.candidate.len()],
            means: group.means(),
            variance: variance * group.of_means(),
            df,
            is_identical: group.is_identical,
        }
    }

    /// Judged at a chance `alpha` of a false alarm.
    pub fn line(self, alpha: f64) -> PooledLine {
        let [baseline, candidate] = self.means;
        let difference = candidate - baseline;
        let error = self.variance.sqrt();
        let allowed = student_t_two_sided(alpha, self.df.max(1.0));
        let size = difference.abs() / error;
        let verdict = match self.is_identical {
            true => Verdict::Identical,
            false if size <= allowed => Verdict::Within,
            // What is not finite too.
            false => Verdict::Drift,
        };
        let finite = |v: f64| Some(v).filter(|v| v.is_finite());
        let least = allowed * error;
        let (level, least_seen, least_move) = match self.scale {
            Scale::Ratio => (f64::exp as fn(f64) -> f64, least.exp(), finite(least.exp_m1())),
            Scale::Difference => {
                (std::convert::identity as fn(f64) -> f64, least, finite(least / baseline.abs()))
            }
        };
        PooledLine {
            metric: self.metric,
            dataset: self.dataset,
            method: self.method,
            cells: self.cells,
            baseline_runs: self.runs[0],
            candidate_runs: self.runs[1],
            scale: self.scale.name(),
            baseline: finite(level(baseline)),
            candidate: finite(level(candidate)),
            difference: finite(difference),
            size: finite(size),
            allowed,
            df: self.df,
            least_seen,
            least_move,
            verdict,
        }
    }
}
