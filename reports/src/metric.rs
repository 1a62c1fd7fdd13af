//! How a metric is written: name, direction, digits.

use std::cmp::Ordering;

use serde::{Serialize, Serializer};

use crate::card::{MetricCard, MetricCards, ValueAxis};
use crate::statistics::{Scale, ValueRange};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Lower values are better.
    Lower,
    /// Higher values are better.
    Higher,
    /// Nothing is known; no arrow is drawn and no value is marked best.
    Unknown,
}

impl Direction {
    /// The arrow that stands behind the metric's name; empty where nothing is known.
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Lower => "↓",
            Self::Higher => "↑",
            Self::Unknown => "",
        }
    }
}

/// The name of a metric as it stands in the result files, with the metric's card where there is
/// one: `fid`, or `fid@small-shapes` where the extractor is not the FID Inception network.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricName {
    full: String,
    card: Option<MetricCard>,
}

/// Digits behind the point of a metric without a card.
const DECIMALS: usize = 3;

/// The part of a metric's name before `@`.
pub(crate) fn base_name(full: &str) -> &str {
    full.split('@').next().unwrap_or_default()
}

/// As in the result files.
impl Serialize for MetricName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.full)
    }
}

impl MetricName {
    /// A metric's full name, such as `fid@small-shapes`, with the card of the part before the `@`.
    pub fn new(full: &str, cards: MetricCards) -> Self {
        Self { full: full.to_string(), card: cards.find(base_name(full)) }
    }

    /// As in the result files.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The part before `@`.
    pub fn base(&self) -> &str {
        base_name(&self.full)
    }

    /// `@small-shapes`, or nothing.
    pub fn extractor_suffix(&self) -> &str {
        &self.full[self.base().len()..]
    }

    /// The name before `@` as a paper prints it.
    pub fn short_title(&self) -> &str {
        self.card.map_or_else(|| self.base(), |card| card.title)
    }

    /// As a paper prints it, with the extractor: `FID`, `FID@small-shapes`.
    pub fn title(&self) -> String {
        format!("{}{}", self.short_title(), self.extractor_suffix())
    }

    /// Which way is better; [`Direction::Unknown`] of a metric without a card.
    pub fn direction(&self) -> Direction {
        self.card.map_or(Direction::Unknown, |card| card.direction)
    }

    /// Whether the main tables leave it to the table of details.
    pub fn is_detail(&self) -> bool {
        self.card.is_some_and(|card| card.is_detail)
    }

    /// How values are averaged and compared; differences where nothing is known of the metric.
    pub fn scale(&self) -> Scale {
        self.card.map_or(Scale::Difference, |card| card.scale)
    }

    /// The values that the metric can take.
    pub fn range(&self) -> ValueRange {
        self.card.map_or(ValueRange::ANY, |card| card.range)
    }

    /// The axis that plots draw the values on.
    pub fn axis(&self) -> ValueAxis {
        self.card.map_or(ValueAxis::Fitted, |card| card.axis)
    }

    /// Digits behind the point for values of the usual size.
    pub fn decimals(&self) -> usize {
        self.card.map_or(DECIMALS, |card| card.decimals)
    }

    /// Digits behind the point for a column with these values: the usual number, or, where the
    /// smallest value would keep fewer than two significant digits (small extractors can give tiny
    /// distances), as many more as show two, at most four more.
    pub fn decimals_for(&self, values: impl IntoIterator<Item = f64>) -> usize {
        let base = self.decimals();
        let smallest = values
            .into_iter()
            .map(f64::abs)
            .filter(|v| *v > 0.0)
            .min_by(f64::total_cmp)
            .unwrap_or(f64::INFINITY);
        if self.axis() != ValueAxis::Log || !smallest.is_finite() {
            return base;
        }
        let needed = (1.0 - smallest.log10().floor()).max(0.0) as usize;
        needed.clamp(base, base + 4)
    }

    /// The order of columns: metrics with a card in the order of their cards, then the others by
    /// name.
    pub(crate) fn by_column(&self, other: &Self) -> Ordering {
        let place = |name: &Self| name.card.map_or(u32::MAX, |card| card.column.into());
        place(self).cmp(&place(other)).then_with(|| self.full.cmp(&other.full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::test_cards;

    fn name(full: &str) -> MetricName {
        MetricName::new(full, test_cards())
    }

    #[test]
    fn a_name_keeps_its_extractor_in_the_title() {
        let metric = name("fid@small-shapes");
        assert_eq!(metric.title(), "FID@small-shapes");
        assert_eq!((metric.base(), metric.extractor_suffix()), ("fid", "@small-shapes"));
        assert_eq!(metric.direction().arrow(), "↓");
        assert_eq!(name("is").title(), "IS");
        let other = name("my_metric");
        assert_eq!((other.title().as_str(), other.direction()), ("my_metric", Direction::Unknown));
        assert_eq!((other.decimals(), other.direction().arrow()), (3, ""));
    }

    #[test]
    fn columns_stand_in_a_fixed_order_whatever_order_rows_come_in() {
        let names = ["zeta", "recall", "is", "fid", "coverage", "fid", "density", "alpha"];
        let ordered = test_cards().ordered(names.to_vec());
        let ordered: Vec<&str> = ordered.iter().map(MetricName::full).collect();
        assert_eq!(ordered, ["fid", "is", "density", "coverage", "recall", "alpha", "zeta"]);
    }

    #[test]
    fn tiny_distances_keep_two_significant_digits() {
        let fid = name("fid@small-mnist");
        assert_eq!(fid.decimals_for([31.2, 105.0]), 2);
        assert_eq!(fid.decimals_for([0.5]), 2);
        assert_eq!(fid.decimals_for([0.031, 4.0]), 3);
        assert_eq!(fid.decimals_for([1e-12]), 6);
        assert_eq!(fid.decimals_for([0.0]), 2);
        assert_eq!(name("coverage").decimals_for([0.0001]), 3);
    }
}
