//! The scale that values of a metric are averaged and compared on.

use serde::Serialize;

use super::rows::Estimate;

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// By their difference.
    Difference,
    /// By their ratio: values are averaged as logarithms, so that means are geometric. Both values
    /// must be above 0.
    Ratio,
    /// By the difference of the shares of runs that have the outcome: values are 1 with it and 0
    /// without.
    Share,
}

impl Scale {
    /// In lower case, as pages print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Difference => "difference",
            Self::Ratio => "ratio",
            Self::Share => "share",
        }
    }

    /// What is averaged of a value: itself, or its logarithm; `None` where that is not finite.
    pub fn transformed(self, value: f64) -> Option<f64> {
        let value = match self {
            Self::Difference | Self::Share => value,
            Self::Ratio => value.ln(),
        };
        value.is_finite().then_some(value)
    }

    /// The way back: a mean or an effect in the unit that is printed.
    pub fn shown(self, transformed: f64) -> f64 {
        match self {
            Self::Difference | Self::Share => transformed,
            Self::Ratio => transformed.exp(),
        }
    }

    /// This scale, or differences where not every value has a logarithm.
    pub fn for_values<'a>(self, values: impl IntoIterator<Item = &'a f64>) -> Self {
        match values.into_iter().all(|&value| self.transformed(value).is_some()) {
            true => self,
            false => Self::Difference,
        }
    }

    /// A row's mean and interval in the unit that is printed, within the values that the metric can
    /// take.
    pub fn interval(self, estimate: &Estimate, n: usize, range: ValueRange) -> Interval {
        let shown = |v: f64| range.clamp(self.shown(v));
        Interval {
            mean: self.shown(estimate.effect),
            ends: estimate.interval().map(|ends| ends.map(shown)),
            n,
        }
    }
}

/// The values that a metric can take; ends may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    /// The smallest value.
    pub low: f64,
    /// The largest value.
    pub high: f64,
}

impl ValueRange {
    /// Every number.
    pub const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    fn clamp(self, value: f64) -> f64 {
        value.max(self.low).min(self.high)
    }
}

/// Mean of a few values with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Of a ratio scale the geometric mean.
    pub mean: f64,
    /// `None` without a spread to judge by, as for a single value.
    pub ends: Option<[f64; 2]>,
    /// Number of values.
    pub n: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{Row, Rows};

    fn estimate(values: &[f64], scale: Scale) -> Estimate {
        let values = values.iter().filter_map(|v| scale.transformed(*v)).collect();
        Rows::new(&[Row { seeds: vec![], values }]).mean(0).unwrap()
    }

    #[test]
    fn intervals_of_distances_stay_above_0_and_those_of_shares_within_0_and_1() {
        // The hinge's 37.1 ± 50.8 of the first kept results.
        let fids = [105.6, 11.2, 44.7, 9.6, 14.5];
        let fid = Scale::Ratio.interval(&estimate(&fids, Scale::Ratio), 5, ValueRange::ANY);
        let [low, high] = fid.ends.unwrap();
        assert!(low > 0.0 && low < fid.mean && fid.mean < high, "{low} {high}");
        let geometric = (fids.iter().map(|v| v.ln()).sum::<f64>() / 5.0).exp();
        assert!((fid.mean - geometric).abs() < 1e-9);
        let share = ValueRange { low: 0.0, high: 1.0 };
        let shares = estimate(&[0.9, 0.99, 0.999], Scale::Difference);
        let [low, high] = Scale::Difference.interval(&shares, 3, share).ends.unwrap();
        assert!(low > 0.0 && high == 1.0, "{low} {high}");
    }

    #[test]
    fn a_column_with_a_value_that_has_no_logarithm_is_compared_by_differences() {
        assert_eq!(Scale::Ratio.for_values(&[1.0, 0.5]), Scale::Ratio);
        assert_eq!(Scale::Ratio.for_values(&[1.0, -0.5]), Scale::Difference);
        assert_eq!(Scale::Ratio.for_values(&[1.0, 0.0]), Scale::Difference);
    }
}
