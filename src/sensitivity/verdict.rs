//! Whether a metric sees a fault, and from which strength on.

use ganbench_reports::rank_correlation;

/// Standard deviations of clean draws that a value has to be off.
///
/// With twenty clean draws, an unchanged set of images is so far off on one side in 1 of 2,100
/// cases (Student's t of 19 degrees of freedom, of a value beside a mean of twenty); with six draws
/// it would be 1 of 140.
pub const THRESHOLD: f64 = 4.0;

/// Rank correlation of strength and "worse" below which the order of levels counts as broken.
pub const ORDERED: f64 = 0.9;

/// What a metric makes of a fault. Levels are counted from the weakest, 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The first level from which on all are at least [`THRESHOLD`] worse than clean images; None
    /// if the metric is blind to the strongest.
    pub sees_from: Option<usize>,
    /// The first level that is at least [`THRESHOLD`] *better* than clean images.
    pub prefers_from: Option<usize>,
    /// Spearman's correlation of strength and "worse": 1 where every stronger level is worse. None
    /// where all levels are alike, or fewer than two were measured.
    pub order: Option<f64>,
}

impl Verdict {
    /// `worse` holds, from the weakest level to the strongest, by how many standard deviations of
    /// clean draws a level is worse than clean images; None where it could not be measured.
    pub fn new(worse: &[Option<f64>]) -> Self {
        let sees = |z: &Option<f64>| z.is_some_and(|z| z >= THRESHOLD);
        let blind = worse.iter().rposition(|z| !sees(z)).map_or(0, |last| last + 1);
        let ranked = worse.iter().enumerate().filter_map(|(i, z)| Some((i as f64, (*z)?)));
        Self {
            sees_from: (blind < worse.len()).then_some(blind),
            prefers_from: worse.iter().position(|z| z.is_some_and(|z| z <= -THRESHOLD)),
            order: rank_correlation(&ranked.collect::<Vec<_>>()),
        }
    }

    /// Whether a stronger level is not always worse, of a metric that sees the fault.
    pub fn is_out_of_order(&self) -> bool {
        self.sees_from.is_some() && self.order.is_some_and(|order| order < ORDERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(worse: &[f64]) -> Verdict {
        Verdict::new(&worse.iter().map(|&z| Some(z)).collect::<Vec<_>>())
    }

    #[test]
    fn a_fault_is_seen_from_the_level_on_behind_which_no_level_escapes() {
        assert_eq!(verdict(&[0.0, 5.0, 9.0]).sees_from, Some(1));
        assert_eq!(verdict(&[5.0, 3.9, 4.0]).sees_from, Some(2));
        assert_eq!(verdict(&[4.0, 4.0]).sees_from, Some(0));
        assert_eq!(verdict(&[9.0, 9.0, 3.9]).sees_from, None);
        assert_eq!(Verdict::new(&[Some(9.0), None]).sees_from, None);
        assert_eq!(verdict(&[]).sees_from, None);
    }

    #[test]
    fn a_fault_is_preferred_from_the_first_level_that_is_better() {
        let verdict = verdict(&[0.0, -4.0, 9.0]);
        assert_eq!((verdict.prefers_from, verdict.sees_from), (Some(1), Some(2)));
        assert_eq!(Verdict::new(&[None, Some(-3.9)]).prefers_from, None);
    }

    #[test]
    fn the_order_is_broken_where_a_stronger_level_is_less_bad() {
        assert_eq!(verdict(&[1.0, 2.0, 30.0]).order, Some(1.0));
        assert!(!verdict(&[1.0, 2.0, 30.0]).is_out_of_order());
        assert_eq!(verdict(&[9.0, 8.0, 7.0]).order, Some(-1.0));
        assert!(verdict(&[9.0, 8.0, 7.0]).is_out_of_order());
        // What is not seen has no order.
        assert!(!verdict(&[0.3, 0.2, 0.1]).is_out_of_order());
        assert_eq!(verdict(&[1.0, 1.0]).order, None);
    }
}
