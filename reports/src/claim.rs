//! Whether what a paper claims of two rows holds over seeds that both rows share.
//!
//! Runs of one seed share the initial networks and the order of the images, so rows are compared seed by seed:
//! the interval is Student's, of the mean of the paired differences (or of the logarithms of the paired ratios).

use crate::statistics::{Interval, student_t_975};

/// Beyond so many seeds the number that would decide is not looked for.
pub const MOST_SEEDS: u64 = 1000;

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

    /// A mean effect in the unit that is printed: the difference, or the ratio.
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
    /// The interval holds "no difference", or there are fewer than two seeds.
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
    /// How many seeds would decide, either way, if mean and spread stayed as they are; `None` where that is more
    /// than [`MOST_SEEDS`], or there is no spread to judge by.
    pub seeds_to_decide: Option<u64>,
}

impl Judged {
    /// Of the effects of the seeds (see [`Scale::effect`]).
    pub fn of(effects: &[f64], side: Side) -> Self {
        let Some(effect) = Interval::of(effects) else {
            let verdict = Verdict::Undecided;
            return Self { verdict, effect: None, leans_to_claim: false, seeds_to_decide: None };
        };
        let towards = match side {
            Side::Lower => -effect.mean,
            Side::Higher => effect.mean,
        };
        let decided = effect.half_width.is_some_and(|half| towards.abs() > half);
        let verdict = match decided {
            true if towards > 0.0 => Verdict::Confirmed,
            true => Verdict::Contradicted,
            false => Verdict::Undecided,
        };
        let seeds_to_decide = effect.half_width.and_then(|half| {
            let n = effect.n as u64;
            let deviation = half / student_t_975(n - 1) * (n as f64).sqrt();
            seeds_to_decide(towards.abs(), deviation)
        });
        Self { verdict, effect: Some(effect), leans_to_claim: towards > 0.0, seeds_to_decide }
    }
}

/// The least number of seeds whose interval around `mean` leaves out 0.
fn seeds_to_decide(mean: f64, deviation: f64) -> Option<u64> {
    let decides = |n: u64| student_t_975(n - 1) * deviation / (n as f64).sqrt() < mean;
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
        let equal = Judged::of(&[0.0, 0.0, 0.0], Side::Higher);
        assert_eq!((equal.verdict, equal.seeds_to_decide), (Verdict::Undecided, None));
    }

    #[test]
    fn the_seeds_that_would_decide_are_the_least_whose_interval_leaves_out_zero() {
        // Mean 2, deviation 1: t(2)/√3 = 2.48 and t(3)/√4 = 1.59.
        assert_eq!(Judged::of(&[1.0, 2.0, 3.0], Side::Higher).seeds_to_decide, Some(4));
        // Mean 0.01, deviation 1: about (1.96/0.01)² = 38,416.
        assert_eq!(Judged::of(&[-0.99, 0.01, 1.01], Side::Higher).seeds_to_decide, None);
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
