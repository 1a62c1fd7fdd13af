//! Runs that collapsed, which are counted apart.
//!
//! A run collapses where its last FID is above twice the FID of its own best checkpoint. What it
//! ends with says so and nothing else: its final scores enter neither the pooled statistics nor the
//! means, and how many runs collapsed is a statistic of its own.

use std::collections::{BTreeSet, HashMap};

use ganbench_metrics::bare_name;
use ganbench_reports::statistics::typical::FALLEN;

use super::compare::Sides;
use super::value::{GuardedValue, Layer};

/// A run of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run<'a> {
    pub dataset: &'a str,
    pub method: &'a str,
    pub seed: Option<u64>,
}

impl<'a> Run<'a> {
    /// The run that a score belongs to.
    pub fn new(value: &'a GuardedValue) -> Self {
        Self { dataset: &value.dataset, method: &value.method, seed: value.seed }
    }
}

/// Which runs of each side collapsed, and how many times their best FID they ended with.
pub struct Collapses<'a> {
    baseline: HashMap<Run<'a>, f64>,
    candidate: HashMap<Run<'a>, f64>,
}

impl<'a> Collapses<'a> {
    pub fn new(sides: Sides<'a>) -> Self {
        Self { baseline: collapsed(sides.baseline), candidate: collapsed(sides.candidate) }
    }

    /// How many of the baseline's of these runs collapsed, and how many of the candidate's.
    pub fn counts(&self, baseline: &BTreeSet<Run<'_>>, candidate: &BTreeSet<Run<'_>>) -> [u64; 2] {
        let count = |runs: &BTreeSet<Run<'_>>, collapsed: &HashMap<Run<'_>, f64>| {
            runs.iter().filter(|run| collapsed.contains_key(run)).count() as u64
        };
        [count(baseline, &self.baseline), count(candidate, &self.candidate)]
    }

    pub fn in_baseline(&self, value: &GuardedValue) -> bool {
        is_final(value) && self.baseline.contains_key(&Run::new(value))
    }

    pub fn in_candidate(&self, value: &GuardedValue) -> bool {
        is_final(value) && self.candidate.contains_key(&Run::new(value))
    }

    /// Why a pair is not judged; none where it is.
    pub fn why(&self, baseline: &GuardedValue, candidate: Option<&GuardedValue>) -> Option<String> {
        let run = Run::new(baseline);
        let of = |side: &str, times: &f64| {
            format!("the {side}'s run collapsed: its last FID is {times:.1} times its best")
        };
        let in_candidate = candidate.and_then(|_| self.candidate.get(&run));
        let why = match (self.baseline.get(&run), in_candidate) {
            (_, Some(times)) => of("candidate", times),
            (Some(times), None) => of("baseline", times),
            (None, None) => return None,
        };
        is_final(baseline).then_some(why)
    }
}

/// Whether a value is a score of the end of a run.
fn is_final(value: &GuardedValue) -> bool {
    value.layer == Layer::Score && value.checkpoint == "last"
}

fn collapsed(values: &[GuardedValue]) -> HashMap<Run<'_>, f64> {
    let fid = |checkpoint: &'static str| {
        values.iter().filter(move |v| {
            let is_fid = v.layer == Layer::Score && bare_name(&v.name) == "fid";
            is_fid && v.checkpoint == checkpoint
        })
    };
    let best: HashMap<Run<'_>, f64> =
        fid("best").filter_map(|v| Some((Run::new(v), v.value?))).collect();
    let times = fid("last").filter_map(|last| {
        let run = Run::new(last);
        Some((run, last.value? / best.get(&run).filter(|fid| **fid > 0.0)?))
    });
    times.filter(|(_, times)| *times > FALLEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_above_twice_its_best_fid_collapsed() {
        let fid = |seed, checkpoint: &str, value| GuardedValue {
            seed: Some(seed),
            checkpoint: checkpoint.into(),
            ..GuardedValue::new(Layer::Score, "fid@small-shapes", value)
        };
        let values = [fid(0, "best", 10.0), fid(0, "last", 20.0), fid(1, "best", 10.0)];
        let worse = [&values[..], &[fid(1, "last", 20.1)]].concat();
        let collapses = Collapses::new(Sides { baseline: &values, candidate: &worse });
        assert!(collapses.why(&values[1], Some(&worse[1])).is_none());
        let why = collapses.why(&worse[3], Some(&worse[3])).unwrap();
        assert_eq!(why, "the candidate's run collapsed: its last FID is 2.0 times its best");
        assert!(collapses.why(&worse[2], Some(&worse[2])).is_none(), "best scores count");
    }
}
