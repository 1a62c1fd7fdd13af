//! Whether what a paper claims of two rows holds over seeds that both rows share.
//!
//! Runs of one seed share the initial networks and the order of the images, so rows are compared seed by seed:
//! the interval is Student's, of the mean of the paired differences (or of the logarithms of the paired ratios).

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
        }
    }

    /// What is averaged over seeds: the difference, or the logarithm of the ratio. `None` where that is not finite.
    pub fn effect(self, pair: Pair) -> Option<f64> {
        let effect = match self {
            Self::Difference => pair.claimed - pair.other,
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
            Self::Difference => value,
            Self::Ratio => value.ln(),
        }
    }

    /// The way back: a mean value or effect in the unit that is printed.
    pub fn shown(self, effect: f64) -> f64 {
        match self {
            Self::Difference => effect,
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
    /// Of the effects; `None` where there are none.
    pub effect: Option<Interval>,
    /// Whether the mean lies on the side that was claimed.
    pub leans_to_claim: bool,
    /// Student's two-sided p of "no difference"; `None` without a spread.
    pub p: Option<f64>,
    /// How many seeds would decide, either way, in four of five repeats, if mean and spread stayed as they are; `None` where that is more
    /// than [`MOST_SEEDS`], or there is no spread to judge by.
    pub seeds_to_decide: Option<u64>,
}

impl Judged {
    /// Of the effects of the seeds (see [`Scale::effect`]).
    pub fn of(effects: &[f64], side: Side) -> Self {
        let Some(effect) = Interval::of(effects) else {
            let verdict = Verdict::Undecided;
            return Self {
                verdict,
                effect: None,
                leans_to_claim: false,
                p: None,
                seeds_to_decide: None,
            };
        };
        let towards = match side {
            Side::Lower => -effect.mean,
            Side::Higher => effect.mean,
        };
        let half_width = effect.half_width.filter(|half| *half > 1e-12 * effect.mean.abs());
        let decided = half_width.is_some_and(|half| towards.abs() > half);
        let verdict = match decided {
            true if towards > 0.0 => Verdict::Confirmed,
            true => Verdict::Contradicted,
            false => Verdict::Undecided,
        };
        let n = effect.n as u64;
        // Of the mean.
        let error = half_width.map(|half| half / student_t_975(n - 1));
        Self {
            verdict,
            effect: Some(effect),
            leans_to_claim: towards > 0.0,
            p: error.map(|error| student_t_exceeds(towards / error, n - 1)),
            seeds_to_decide: error
                .and_then(|error| seeds_to_decide(towards.abs(), error * (n as f64).sqrt())),
        }
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
