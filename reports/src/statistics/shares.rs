//! Whether of two rows one fails more often, over runs that pair up by seed.
//!
//! A pair in which both runs fail, or neither, says nothing of the difference; of the others, each
//! side's would be half if there were none. That is McNemar's test (Psychometrika 12, 1947), here
//! the exact one, and the interval is Clopper's and Pearson's of that share (Biometrika 26, 1934).
//! Student's interval would need means that scatter as a normal variable does, which those of a few
//! zeros and ones do not.

/// Pairs of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// All pairs, those that agree included.
    pub pairs: u64,
    /// Pairs whose first run alone has the outcome.
    pub first_only: u64,
    /// Pairs whose second run alone has the outcome.
    pub second_only: u64,
}

impl Shares {
    fn differing(self) -> u64 {
        self.first_only + self.second_only
    }

    /// The first side's share of the outcome minus the second's; NaN without pairs.
    pub fn difference(self) -> f64 {
        (self.first_only as f64 - self.second_only as f64) / self.pairs as f64
    }

    /// The 95 % interval of [`Shares::difference`], given how many pairs differ; `None` if none
    /// does.
    pub fn interval(self) -> Option<[f64; 2]> {
        let (n, k) = (self.differing(), self.first_only);
        let in_pairs = |share: f64| (2.0 * share - 1.0) * n as f64 / self.pairs as f64;
        let low = if k == 0 { 0.0 } else { root(|share| 0.975 - at_most(k - 1, n, share)) };
        let high = if k == n { 1.0 } else { root(|share| 0.025 - at_most(k, n, share)) };
        (n > 0).then(|| [low, high].map(in_pairs))
    }

    /// The two-sided p of no difference; `None` if no pair differs.
    pub fn p(self) -> Option<f64> {
        let less = self.first_only.min(self.second_only);
        (self.differing() > 0).then(|| (2.0 * at_most(less, self.differing(), 0.5)).min(1.0))
    }

    /// The least number of pairs, `most` at most, of which the test finds the difference with
    /// probability `power` if pairs went on to differ as often and as one-sidedly as these.
    pub fn pairs_to_decide(self, power: f64, most: u64) -> Option<u64> {
        let (n, more) = (self.differing(), self.first_only.max(self.second_only));
        if 2 * more == n {
            return None;
        }
        let share = more as f64 / n as f64;
        let decides = |n: u64| {
            let allowed = (0..n).take_while(|&k| 2.0 * at_most(k, n, 0.5) <= 0.05).last();
            allowed.is_some_and(|allowed| at_most(allowed, n, 1.0 - share) >= power)
        };
        let differing = (1..=most * n / self.pairs).find(|&n| decides(n))?;
        Some((differing * self.pairs).div_ceil(n))
    }
}

/// P(X ≤ k) of n draws with this share.
fn at_most(k: u64, n: u64, share: f64) -> f64 {
    let (mut ways_ln, mut sum) = (0.0, 0.0);
    for i in 0..=k.min(n) {
        if i > 0 {
            ways_ln += ((n - i + 1) as f64 / i as f64).ln();
        }
        // 0·ln 0 is 0 here.
        let times =
            |count: u64, share: f64| if count == 0 { 0.0 } else { count as f64 * share.ln() };
        sum += (ways_ln + times(i, share) + times(n - i, 1.0 - share)).exp();
    }
    sum
}

/// Where a function that grows from below 0 to above it between 0 and 1 passes 0.
fn root(of: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if of(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(first_only: u64, second_only: u64) -> Shares {
        Shares { pairs: 12, first_only, second_only }
    }

    #[test]
    fn five_differing_pairs_of_one_side_are_too_few_and_six_are_enough() {
        // 2/2⁵ and 2/2⁶.
        assert!((shares(0, 5).p().unwrap() - 0.0625).abs() < 1e-15);
        assert!((shares(0, 6).p().unwrap() - 0.03125).abs() < 1e-15);
        assert!(shares(0, 5).interval().unwrap()[1] > 0.0);
        assert!(shares(0, 6).interval().unwrap()[1] < 0.0);
        assert_eq!(shares(3, 3).p(), Some(1.0));
        assert_eq!((shares(0, 0).p(), shares(0, 0).interval()), (None, None));
    }

    #[test]
    fn the_interval_is_cloppers_and_pearsons() {
        // 0 of 5: the upper end solves (1 − s)⁵ = 0.025.
        let [low, high] = shares(0, 5).interval().unwrap();
        let end = 1.0 - 0.025f64.powf(0.2);
        assert!((low + 5.0 / 12.0).abs() < 1e-12, "{low}");
        assert!((high - (2.0 * end - 1.0) * 5.0 / 12.0).abs() < 1e-12, "{high}");
        // 1 of 8 (Clopper and Pearson; R's binom.test(1, 8)): 0.0031597 … 0.5265097.
        let [low, high] = shares(1, 7).interval().unwrap();
        for (end, share) in [(low, 0.0031597235), (high, 0.5265096709)] {
            assert!((end - (2.0 * share - 1.0) * 8.0 / 12.0).abs() < 1e-8, "{end}");
        }
        // Sides swap.
        let [other_low, other_high] = shares(7, 1).interval().unwrap();
        assert!((low + other_high).abs() < 1e-12 && (high + other_low).abs() < 1e-12);
    }

    #[test]
    fn the_pairs_that_would_decide_on_paper() {
        // All five of a side: six differing ones always decide, of 6·12/5 = 14.4 pairs.
        assert_eq!(shares(0, 5).pairs_to_decide(0.8, 1000), Some(15));
        assert_eq!(shares(0, 5).pairs_to_decide(0.8, 14), None);
        assert_eq!(shares(3, 3).pairs_to_decide(0.8, 1000), None);
        assert_eq!(shares(0, 0).pairs_to_decide(0.8, 1000), None);
        // 9 of 10 go one way; of 12 that differ the test allows 2: P(X ≤ 2 | 0.1) = 0.889, of 11,
        // and of 9 and 10, it allows 1: 0.697, 0.775, 0.736; of 8 none: 0.43.
        let found = Shares { pairs: 10, first_only: 9, second_only: 1 }.pairs_to_decide(0.8, 1000);
        assert_eq!(found, Some(12));
    }

    #[test]
    fn binomial_sums_on_paper() {
        assert!((at_most(1, 3, 0.5) - 0.5).abs() < 1e-15);
        assert!((at_most(2, 3, 0.2) - (1.0 - 0.008)).abs() < 1e-15);
        assert_eq!((at_most(0, 4, 0.0), at_most(4, 4, 1.0)), (1.0, 1.0));
    }
}
