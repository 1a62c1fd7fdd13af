//! Whether what a paper claims of two rows holds over seeds: verdicts on estimates and on outcomes
//! of runs.

use serde::Serialize;

use crate::statistics::shares::Shares;
use crate::statistics::{Estimate, student_t_975, student_t_two_sided};
pub use crate::statistics::{Scale, holm};

/// Beyond so many seeds the number that would decide is not looked for: there is no sign of a
/// difference.
pub const MOST_SEEDS: u64 = 100;

/// The share of repeats in which the number of seeds that is told would decide.
const POWER: f64 = 0.8;

/// Which side of the other row the claim puts its row on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The claimed row has the smaller mean, or the smaller share of runs with the outcome.
    Lower,
    /// The claimed row has the larger mean, or the larger share of runs with the outcome.
    Higher,
}

/// The outcomes of the two runs of one seed: 1 with the outcome and 0 without.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Of the row that the claim speaks of.
    pub claimed: f64,
    /// Of the row that it is held against.
    pub other: f64,
}

/// What the seeds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The effect differs from 0 at the level asked for and lies on the side that was claimed.
    Confirmed,
    /// It lies on the other side.
    Contradicted,
    /// The effect does not differ from 0 at that level, or there is no spread to judge by: fewer
    /// than two seeds, or all say the same to the last digit (as counts may).
    Undecided,
}

impl Verdict {
    /// In lower case, as pages print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Contradicted => "contradicted",
            Self::Undecided => "undecided",
        }
    }
}

/// A number of seeds that would decide; `None` is more than [`MOST_SEEDS`].
pub type Seeds = Option<u64>;

/// A number of seeds in words: `5`, `over 100`.
pub fn seeds_text(seeds: Seeds) -> String {
    seeds.map_or_else(|| format!("over {MOST_SEEDS}"), |n| n.to_string())
}

/// A verdict with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// What the effect and its interval say of the claim.
    pub verdict: Verdict,
    /// Mean of the effects on the scale of comparison; `None` where there are none.
    pub effect: Option<f64>,
    /// Ends of its 95 % interval; `None` without a spread to judge by.
    pub interval: Option<[f64; 2]>,
    /// Whether the mean lies on the side that was claimed.
    pub leans_to_claim: bool,
    /// Two-sided p of "no difference"; `None` without a spread.
    pub p: Option<f64>,
    /// How many seeds per row would decide, either way, in four of five repeats, if mean and spread
    /// stayed as they are; `None` also without a spread to judge by.
    pub seeds_to_decide: Seeds,
    /// The same if the true effect were the far and the near end of its interval; the near end is
    /// no effect at all where the interval holds 0.
    pub seeds_range: [Seeds; 2],
}

impl Judged {
    /// Of a difference of rows with `seeds` runs each, called a difference at level `alpha`.
    pub fn of_estimate(estimate: Option<&Estimate>, seeds: u64, alpha: f64, side: Side) -> Self {
        let Some(estimate) = estimate else { return Self::undecided(None, side) };
        let (effect, interval, p) = (estimate.effect, estimate.interval(), estimate.p());
        let Some([low, high]) = interval else { return Self::undecided(Some(effect), side) };
        // The standard error and degrees of freedom whose Student interval this is, per seed.
        let df = estimate.df();
        let deviation = 0.5 * (high - low) / student_t_975(df) * (seeds as f64).sqrt();
        let needed = |effect: f64| seeds_to_decide(effect.abs(), deviation, df / seeds as f64);
        let (near, far) = (low.abs().min(high.abs()), low.abs().max(high.abs()));
        let near = if low < 0.0 && high > 0.0 { 0.0 } else { near };
        Self {
            verdict: verdict(effect, p.is_some_and(|p| p <= alpha), side),
            interval,
            p,
            seeds_to_decide: needed(effect),
            seeds_range: [needed(far), needed(near)],
            ..Self::undecided(Some(effect), side)
        }
    }

    /// Of the runs' outcomes (see [`Scale::Share`]) over `seeds` seeds, by McNemar's exact test.
    pub fn of_outcomes(pairs: &[Pair], seeds: u64, alpha: f64, side: Side) -> Self {
        let only = |claimed: f64, other: f64| {
            pairs.iter().filter(|pair| **pair == Pair { claimed, other }).count() as u64
        };
        let n = pairs.len() as u64;
        if n == 0 {
            return Self::undecided(None, side);
        }
        let shares = Shares { pairs: n, first_only: only(1.0, 0.0), second_only: only(0.0, 1.0) };
        let effect = shares.difference();
        if seeds < 2 {
            return Self::undecided(Some(effect), side);
        }
        let most = MOST_SEEDS * n / seeds;
        let needed = shares.pairs_to_decide(POWER, most).map(|pairs| (pairs * seeds).div_ceil(n));
        Self {
            verdict: verdict(effect, shares.p().is_some_and(|p| p <= alpha), side),
            p: shares.p(),
            interval: shares.interval(),
            seeds_to_decide: needed,
            ..Self::undecided(Some(effect), side)
        }
    }

    fn undecided(effect: Option<f64>, side: Side) -> Self {
        let leans_to_claim = effect.is_some_and(|effect| is_on(effect, side));
        Self {
            verdict: Verdict::Undecided,
            effect,
            interval: None,
            leans_to_claim,
            p: None,
            seeds_to_decide: None,
            seeds_range: [None; 2],
        }
    }
}

fn is_on(effect: f64, side: Side) -> bool {
    match side {
        Side::Lower => effect < 0.0,
        Side::Higher => effect > 0.0,
    }
}

fn verdict(effect: f64, differs: bool, side: Side) -> Verdict {
    match (differs, is_on(effect, side)) {
        (false, _) => Verdict::Undecided,
        (true, true) => Verdict::Confirmed,
        (true, false) => Verdict::Contradicted,
    }
}

/// The least number of seeds whose interval leaves out 0 with probability [`POWER`], by the usual
/// sum of two quantiles; the degrees of freedom grow with the seeds.
fn seeds_to_decide(effect: f64, deviation: f64, df_per_seed: f64) -> Seeds {
    let decides = |n: u64| {
        let df = df_per_seed * n as f64;
        let quantiles = student_t_975(df) + student_t_two_sided(2.0 * (1.0 - POWER), df);
        quantiles * deviation / (n as f64).sqrt() < effect
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Row, Rows};

    fn judged(a: &[f64], b: &[f64], side: Side) -> Judged {
        let row = |values: &[f64]| Row { seeds: vec![], values: values.to_vec() };
        let estimate = Rows::new(&[row(a), row(b)]).difference(0, 1);
        Judged::of_estimate(estimate.as_ref(), a.len() as u64, 0.05, side)
    }

    #[test]
    fn an_interval_on_the_claimed_side_confirms_and_on_the_other_contradicts() {
        let (low, high) = ([1.0, 2.0, 3.0], [7.0, 8.0, 9.5]);
        let undecided = judged(&[2.0, 3.0, 4.5], &low, Side::Higher);
        assert_eq!((undecided.verdict, undecided.leans_to_claim), (Verdict::Undecided, true));
        assert_eq!(judged(&high, &low, Side::Higher).verdict, Verdict::Confirmed);
        assert_eq!(judged(&high, &low, Side::Lower).verdict, Verdict::Contradicted);
        assert_eq!(judged(&low, &high, Side::Lower).verdict, Verdict::Confirmed);
    }

    #[test]
    fn a_stricter_level_leaves_a_close_call_undecided() {
        let row = |values: &[f64]| Row { seeds: vec![], values: values.to_vec() };
        let rows = Rows::new(&[row(&[1.0, 2.0, 3.0]), row(&[4.0, 6.0, 11.0, 9.0])]);
        let estimate = rows.difference(0, 1);
        let at = |alpha| Judged::of_estimate(estimate.as_ref(), 3, alpha, Side::Lower).verdict;
        // p is 0.032.
        assert_eq!((at(0.05), at(0.03)), (Verdict::Confirmed, Verdict::Undecided));
    }

    #[test]
    fn one_seed_and_equal_rows_decide_nothing() {
        let one = judged(&[5.0], &[1.0], Side::Higher);
        assert_eq!((one.verdict, one.seeds_to_decide), (Verdict::Undecided, None));
        assert_eq!(Judged::of_estimate(None, 0, 0.05, Side::Lower).effect, None);
        for same in [0.0, 0.25] {
            let equal = judged(&[1.0 + same; 3], &[1.0; 3], Side::Higher);
            assert_eq!((equal.verdict, equal.seeds_to_decide), (Verdict::Undecided, None));
            assert_eq!(equal.p, None);
        }
    }

    #[test]
    fn the_seeds_that_would_decide_come_with_those_of_the_intervals_ends() {
        // A difference of 0.5 where the deviation of a value is √(4/7): n = (2.8/0.5)²·8/7 = 36 in
        // the textbook.
        let a = [0.0, 1.0, 2.0, 1.0, 1.0, 0.0, 2.0, 1.0];
        let b = a.map(|v| v - 0.5);
        let found = judged(&a, &b, Side::Higher);
        let n = found.seeds_to_decide.unwrap();
        assert!((34..40).contains(&n), "{n}");
        let [far, near] = found.seeds_range;
        assert!(far.unwrap() < n && near.is_none(), "{far:?} {near:?}");
        // A clear difference needs few, at either end.
        let clear = judged(&[10.0, 11.0, 10.5, 10.2], &[1.0, 1.5, 0.5, 1.2], Side::Higher);
        assert!(clear.seeds_range[1].unwrap() <= 4, "{clear:?}");
    }

    #[test]
    fn outcomes_are_judged_run_by_run() {
        let pair = |claimed: u8, other: u8| Pair { claimed: claimed.into(), other: other.into() };
        let mut pairs = vec![pair(0, 1); 5];
        pairs.extend([pair(1, 1), pair(0, 0)].repeat(2));
        // Five of nine pairs differ: p = 2/2⁵. Six do, which decide, of 6·9/5 = 10.8 pairs, at
        // three a seed in four.
        let judged = |pairs: &[Pair], side| Judged::of_outcomes(pairs, 3, 0.05, side);
        let five = judged(&pairs, Side::Lower);
        assert_eq!((five.verdict, five.leans_to_claim), (Verdict::Undecided, true));
        assert_eq!((five.p, five.seeds_to_decide), (Some(0.0625), Some(4)));
        assert!((five.effect.unwrap() + 5.0 / 9.0).abs() < 1e-15);
        pairs.push(pair(0, 1));
        assert_eq!(judged(&pairs, Side::Lower).verdict, Verdict::Confirmed);
        assert_eq!(judged(&pairs, Side::Higher).verdict, Verdict::Contradicted);
        let none = judged(&[pair(0, 0); 6], Side::Lower);
        assert_eq!((none.verdict, none.effect, none.p), (Verdict::Undecided, Some(0.0), None));
        assert_eq!(Judged::of_outcomes(&[], 0, 0.05, Side::Lower).effect, None);
    }
}
