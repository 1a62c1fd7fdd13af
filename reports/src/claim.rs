//! Whether what a paper claims of two rows holds over seeds that both rows share.
//!
//! Runs of one seed share the initial networks and the order of the images, so rows are compared seed by seed:
//! the interval is Student's, of the mean of the paired differences (or of the logarithms of the paired ratios). What
//! a run did or did not do is compared run by run (McNemar's exact test).

use crate::shares::Shares;
use crate::statistics::{Interval, student_t_975, student_t_exceeds, student_t_two_sided};

/// Beyond so many seeds the number that would decide is not looked for: there is no sign of a difference.
pub const MOST_SEEDS: u64 = 100;

/// The share of repeats in which the number of seeds that is told would decide.
const POWER: f64 = 0.8;

/// Which side of the other row the claim puts its row on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Lower,
    Higher,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By the row's value minus the other's.
    Difference,
    /// By the row's value over the other's; both must be above 0.
    Ratio,
    /// By the difference of the shares of runs that have the outcome: values are 1 with it and 0 without.
    Share,
}

/// The values of one seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Of the row that the claim speaks of.
    pub claimed: f64,
    /// Of the row that it is held against.
    pub other: f64,
}

impl Scale {
    pub fn name(self) -> &'static str {
        match self {
            Self::Difference => "difference",
            Self::Ratio => "ratio",
            Self::Share => "share",
        }
    }

    /// What is averaged over seeds: the difference, or the logarithm of the ratio. `None` where that is not finite.
    pub fn effect(self, pair: Pair) -> Option<f64> {
        let effect = match self {
            Self::Difference | Self::Share => pair.claimed - pair.other,
            Self::Ratio if pair.claimed > 0.0 && pair.other > 0.0 => {
                (pair.claimed / pair.other).ln()
            }
            Self::Ratio => return None,
        };
        effect.is_finite().then_some(effect)
    }

    /// What is averaged of a value: itself, or its logarithm.
    pub fn taken(self, value: f64) -> f64 {
        match self {
            Self::Difference | Self::Share => value,
            Self::Ratio => value.ln(),
        }
    }

    /// The way back: a mean value or effect in the unit that is printed.
    pub fn shown(self, effect: f64) -> f64 {
        match self {
            Self::Difference | Self::Share => effect,
            Self::Ratio => effect.exp(),
        }
    }
}

/// What the seeds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole 95 % interval lies on the side that was claimed.
    Confirmed,
    /// The whole interval lies on the other side.
    Contradicted,
    /// The interval holds "no difference", there are fewer than two seeds, or all say the same to the last digit
    /// (as counts may), which leaves no spread to judge by.
    Undecided,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Contradicted => "contradicted",
            Self::Undecided => "undecided",
        }
    }
}

/// A verdict with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    pub verdict: Verdict,
    /// Mean of the effects; `None` where there are none.
    pub effect: Option<f64>,
    /// Ends of its 95 % interval; `None` without a spread to judge by.
    pub interval: Option<[f64; 2]>,
    /// Whether the mean lies on the side that was claimed.
    pub leans_to_claim: bool,
    /// Two-sided p of "no difference"; `None` without a spread.
    pub p: Option<f64>,
    /// How many seeds would decide, either way, in four of five repeats, if mean and spread stayed as they are; `None`
    /// where that is more than [`MOST_SEEDS`], or there is no spread to judge by.
    pub seeds_to_decide: Option<u64>,
}

impl Judged {
    /// Of the effects of the seeds (see [`Scale::effect`]), by Student's test.
    pub fn of(effects: &[f64], side: Side) -> Self {
        let Some(Interval { mean, half_width, n }) = Interval::of(effects) else {
            return Self::new(None, None, side);
        };
        let n = n as u64;
        let spread = half_width.filter(|half| *half > 1e-12 * mean.abs());
        // Of the mean.
        let error = spread.map(|half| half / student_t_975(n - 1));
        Self {
            p: error.map(|error| student_t_exceeds(mean / error, n - 1)),
            seeds_to_decide: error
                .and_then(|error| seeds_to_decide(mean.abs(), error * (n as f64).sqrt())),
            ..Self::new(Some(mean), spread.map(|half| [mean - half, mean + half]), side)
        }
    }

    /// Of the runs' outcomes (see [`Scale::Share`]) over `seeds` seeds, by McNemar's exact test.
    pub fn of_outcomes(pairs: &[Pair], seeds: u64, side: Side) -> Self {
        let only = |claimed: f64, other: f64| {
            pairs.iter().filter(|pair| **pair == Pair { claimed, other }).count() as u64
        };
        let n = pairs.len() as u64;
        if n == 0 {
            return Self::new(None, None, side);
        }
        let shares = Shares { pairs: n, first_only: only(1.0, 0.0), second_only: only(0.0, 1.0) };
        if seeds < 2 {
            return Self::new(Some(shares.difference()), None, side);
        }
        let most = MOST_SEEDS * n / seeds;
        Self {
            p: shares.p(),
            seeds_to_decide: shares
                .pairs_to_decide(POWER, most)
                .map(|pairs| (pairs * seeds).div_ceil(n)),
            ..Self::new(Some(shares.difference()), shares.interval(), side)
        }
    }

    fn new(effect: Option<f64>, interval: Option<[f64; 2]>, side: Side) -> Self {
        let (lower, higher) = match interval {
            Some([low, high]) => (high < 0.0, low > 0.0),
            None => (false, false),
        };
        let verdict = match (side, lower, higher) {
            (Side::Lower, true, _) | (Side::Higher, _, true) => Verdict::Confirmed,
            (_, false, false) => Verdict::Undecided,
            _ => Verdict::Contradicted,
        };
        let leans_to_claim = effect.is_some_and(|effect| match side {
            Side::Lower => effect < 0.0,
            Side::Higher => effect > 0.0,
        });
        Self { verdict, effect, interval, leans_to_claim, p: None, seeds_to_decide: None }
    }
}

/// The least number of seeds whose interval leaves out 0 with probability [`POWER`], by the usual sum of two
/// quantiles.
fn seeds_to_decide(mean: f64, deviation: f64) -> Option<u64> {
    let decides = |n: u64| {
        let quantiles = student_t_975(n - 1) + student_t_two_sided(2.0 * (1.0 - POWER), n - 1);
        quantiles * deviation / (n as f64).sqrt() < mean
    };
    // More seeds only narrow the interval.
    if !decides(MOST_SEEDS) {
        return None;
    }
    let (mut low, mut high) = (1, MOST_SEEDS);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if decides(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// Which of the claims with these p hold together: Holm's correction, under which one wrong call among all of them
/// has a probability of 5 % at most.
pub fn holm(p: &[f64]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut holds = vec![false; p.len()];
    for (rank, &i) in order.iter().enumerate() {
        if p[i] > 0.05 / (p.len() - rank) as f64 {
            break;
        }
        holds[i] = true;
    }
    holds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_on_the_claimed_side_confirms_and_on_the_other_contradicts() {
        // 1, 2, 3: mean 2, half width 2.484; 4, 5, 6: mean 5.
        let undecided = Judged::of(&[1.0, 2.0, 3.0], Side::Higher);
        assert_eq!((undecided.verdict, undecided.leans_to_claim), (Verdict::Undecided, true));
        assert_eq!(Judged::of(&[4.0, 5.0, 6.0], Side::Higher).verdict, Verdict::Confirmed);
        assert_eq!(Judged::of(&[4.0, 5.0, 6.0], Side::Lower).verdict, Verdict::Contradicted);
        assert_eq!(Judged::of(&[-4.0, -5.0, -6.0], Side::Lower).verdict, Verdict::Confirmed);
    }

    #[test]
    fn one_seed_and_equal_rows_decide_nothing() {
        let one = Judged::of(&[5.0], Side::Higher);
        assert_eq!((one.verdict, one.seeds_to_decide), (Verdict::Undecided, None));
        assert_eq!(Judged::of(&[], Side::Lower).effect, None);
        for same in [0.0, 0.25] {
            let equal = Judged::of(&[same; 3], Side::Higher);
            assert_eq!((equal.verdict, equal.seeds_to_decide), (Verdict::Undecided, None));
            assert_eq!(equal.p, None);
        }
    }

    #[test]
    fn the_seeds_that_would_decide_are_the_least_that_do_in_four_of_five_repeats() {
        // Mean 2, deviation 1, quantiles 0.975 and 0.8: (3.182 + 0.978)/√4 = 2.08, (2.776 + 0.941)/√5 = 1.66.
        assert_eq!(Judged::of(&[1.0, 2.0, 3.0], Side::Higher).seeds_to_decide, Some(5));
        // Mean 0.01, deviation 1: about (2.8/0.01)² = 78,400.
        assert_eq!(Judged::of(&[-0.99, 0.01, 1.01], Side::Higher).seeds_to_decide, None);
    }

    #[test]
    fn p_is_that_of_students_test() {
        // t = 2·√3 with 2 degrees of freedom: p = 1 − t/√(2 + t²) = 1 − √12/√14.
        let p = Judged::of(&[1.0, 2.0, 3.0], Side::Lower).p.unwrap();
        assert!((p - (1.0 - (12.0f64 / 14.0).sqrt())).abs() < 1e-12, "{p}");
    }

    #[test]
    fn outcomes_are_judged_run_by_run() {
        let pair = |claimed: u8, other: u8| Pair { claimed: claimed.into(), other: other.into() };
        let mut pairs = vec![pair(0, 1); 5];
        pairs.extend([pair(1, 1), pair(0, 0)].repeat(2));
        // Five of nine pairs differ: p = 2/2⁵. Six do, which decide, of 6·9/5 = 10.8 pairs, at three a seed in four.
        let five = Judged::of_outcomes(&pairs, 3, Side::Lower);
        assert_eq!((five.verdict, five.leans_to_claim), (Verdict::Undecided, true));
        assert_eq!((five.p, five.seeds_to_decide), (Some(0.0625), Some(4)));
        assert!((five.effect.unwrap() + 5.0 / 9.0).abs() < 1e-15);
        pairs.push(pair(0, 1));
        assert_eq!(Judged::of_outcomes(&pairs, 3, Side::Lower).verdict, Verdict::Confirmed);
        assert_eq!(Judged::of_outcomes(&pairs, 3, Side::Higher).verdict, Verdict::Contradicted);
        let none = Judged::of_outcomes(&[pair(0, 0); 6], 3, Side::Lower);
        assert_eq!((none.verdict, none.effect, none.p), (Verdict::Undecided, Some(0.0), None));
        assert_eq!(Judged::of_outcomes(&[], 0, Side::Lower).effect, None);
    }

    #[test]
    fn holms_correction_on_paper() {
        // Thresholds 0.0125, 0.0167, 0.025, 0.05: the third fails, and with it the fourth.
        assert_eq!(holm(&[0.03, 0.012, 0.04, 0.016]), [false, true, false, true]);
        assert_eq!(holm(&[0.04]), [true]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn a_ratio_is_averaged_in_logarithms_and_has_none_at_zero() {
        let effect = |claimed, other| Scale::Ratio.effect(Pair { claimed, other });
        // 2 and 1/2 cancel.
        let mean = (effect(2.0, 1.0).unwrap() + effect(1.0, 2.0).unwrap()) / 2.0;
        assert!((Scale::Ratio.shown(mean) - 1.0).abs() < 1e-15);
        assert_eq!(effect(0.0, 1.0), None);
        assert_eq!(effect(f64::NAN, 1.0), None);
        assert_eq!(Scale::Difference.effect(Pair { claimed: 3.0, other: 5.0 }), Some(-2.0));
    }
}
