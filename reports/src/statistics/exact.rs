//! Exact tests: of values without any assumption on their distribution, and of outcomes of runs.

/// Assignments that are looked at, at most; more are not needed for a few seeds.
const MOST_ASSIGNMENTS: u64 = 200_000;

/// Two-sided p of the permutation test of the difference of two means (Fisher, The Design of
/// Experiments, 1935, §21): the share of all ways to deal the values to two rows of these sizes
/// whose means differ at least as much. `None` for an empty row and where there are more than
/// 200,000 ways. With n runs per row it cannot fall below 2·n!²/(2n)!, which is 0.1 at three runs:
/// below four runs per row it decides nothing.
pub fn permutation_p(a: &[f64], b: &[f64]) -> Option<f64> {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (k, n) = (a.len(), all.len());
    if k == 0 || k == n || ways(n as u64, k as u64)? > MOST_ASSIGNMENTS {
        return None;
    }
    let total: f64 = all.iter().sum();
    let distance = |sum: f64| (sum / k as f64 - (total - sum) / (n - k) as f64).abs();
    let observed = distance(a.iter().sum()) * (1.0 - 1e-12);
    let (mut as_far, mut count) = (0u64, 0u64);
    let mut chosen: Vec<usize> = (0..k).collect();
    loop {
        count += 1;
        as_far += u64::from(distance(chosen.iter().map(|&i| all[i]).sum()) >= observed);
        // The next combination in lexicographic order.
        let Some(i) = (0..k).rev().find(|&i| chosen[i] < n - k + i) else { break };
        chosen[i] += 1;
        for j in i + 1..k {
            chosen[j] = chosen[j - 1] + 1;
        }
    }
    Some(as_far as f64 / count as f64)
}

/// The fewest runs per row of which the permutation test can decide.
const LEAST_TO_DECIDE: usize = 4;

/// As [`permutation_p`], where both rows have enough runs for it to decide.
pub fn deciding_permutation_p(a: &[f64], b: &[f64]) -> Option<f64> {
    (a.len().min(b.len()) >= LEAST_TO_DECIDE).then(|| permutation_p(a, b))?
}

/// n choose k; `None` where that overflows.
fn ways(n: u64, k: u64) -> Option<u64> {
    (0..k).try_fold(1u64, |ways, i| Some(ways.checked_mul(n - i)? / (i + 1)))
}

/// Runs of a row of which some have an outcome, such as a collapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcomes {
    /// Runs that have the outcome, at most `runs`.
    pub with: u64,
    /// All runs of the row.
    pub runs: u64,
}

/// Two-sided p of Fisher's exact test that two rows have the outcome equally often: the probability
/// of all tables that are at most as likely as this one, given the totals. `None` without runs.
pub fn fisher_p(a: Outcomes, b: Outcomes) -> Option<f64> {
    if a.runs == 0 || b.runs == 0 {
        return None;
    }
    let with = a.with + b.with;
    let ln_choose =
        |n: u64, k: u64| -> f64 { (0..k).map(|i| ((n - i) as f64 / (i + 1) as f64).ln()).sum() };
    let ln_likely = |k: u64| ln_choose(a.runs, k) + ln_choose(b.runs, with - k);
    let all = ln_choose(a.runs + b.runs, with);
    let observed = ln_likely(a.with) + 1e-9;
    let possible = with.saturating_sub(b.runs)..=with.min(a.runs);
    let p = possible.map(ln_likely).filter(|ln| *ln <= observed).map(|ln| (ln - all).exp());
    Some(p.sum::<f64>().min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_on_paper() {
        // Three against three, fully apart: 2 of 20 ways.
        assert_eq!(permutation_p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), Some(0.1));
        // Four against four: 2 of 70.
        let p = permutation_p(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]).unwrap();
        assert!((p - 2.0 / 70.0).abs() < 1e-15);
        // 1 + 4 against 2 + 3: as far as any of the 6 ways.
        assert_eq!(permutation_p(&[1.0, 4.0], &[2.0, 3.0]), Some(1.0));
        assert_eq!(permutation_p(&[], &[1.0]), None);
        assert_eq!(permutation_p(&[0.0; 20], &[1.0; 20]), None);
    }

    #[test]
    fn fishers_test_on_paper() {
        // scipy 1.17.1: fisher_exact([[2, 3], [0, 5]]) = 0.4444; [[5, 0], [0, 5]] = 2/252.
        let p = |a, b, runs| fisher_p(Outcomes { with: a, runs }, Outcomes { with: b, runs });
        assert!((p(2, 0, 5).unwrap() - 4.0 / 9.0).abs() < 1e-9);
        assert!((p(5, 0, 5).unwrap() - 2.0 / 252.0).abs() < 1e-9);
        assert!((p(0, 0, 5).unwrap() - 1.0).abs() < 1e-9);
        assert_eq!(p(0, 0, 0), None);
        // scipy.stats.fisher_exact of [[8, 2], [1, 5]] and [[0, 70], [28, 0]]; a table without any.
        let p = |with: [u64; 2], runs: [u64; 2]| {
            let side = |i: usize| Outcomes { with: with[i], runs: runs[i] };
            fisher_p(side(0), side(1)).unwrap()
        };
        assert!((p([2, 5], [10, 6]) - 0.034_965_034_965).abs() < 1e-10);
        assert!(p([0, 28], [70, 28]) < 1e-20);
        assert_eq!(p([0, 0], [70, 28]), 1.0);
    }
}
