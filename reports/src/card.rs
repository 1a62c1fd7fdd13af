//! What a report knows about a metric.
//!
//! This crate has no table of metrics: it does not depend on the crate that computes them. Who asks
//! for a report hands over [`MetricCards`], a look-up from a metric's name to its [`MetricCard`],
//! which the harness fills from the metrics' own cards. A metric without a card (a column of
//! somebody's own CSV) is printed under its bare name with three digits; it has no arrow, and none
//! of its values is marked best.

use crate::metric::{Direction, MetricName};
use crate::statistics::{Scale, ValueRange};

/// How a metric is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricCard {
    /// As papers print it, without an extractor.
    pub title: &'static str,
    /// Whether lower or higher values are better.
    pub direction: Direction,
    /// Digits behind the point for values of the usual size.
    pub decimals: usize,
    /// The axis that plots draw the values on.
    pub axis: ValueAxis,
    /// How values are averaged and compared.
    pub scale: Scale,
    /// The values that the metric can take.
    pub range: ValueRange,
    /// Orders the columns of tables from left to right.
    pub column: u16,
    /// Whether it stands in the table of details only, not in the main tables and figures.
    pub is_detail: bool,
}

/// The axis that plots draw the values of a metric on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueAxis {
    /// Logarithmic while all values are above 0. Tables show two significant digits of small
    /// values.
    Log,
    /// Linear from 0 while no value is below.
    FromZero,
    /// Linear around the values.
    Fitted,
}

/// The card of each metric, by its name without an extractor.
#[derive(Clone, Copy, Debug)]
pub struct MetricCards {
    find: fn(&str) -> Option<MetricCard>,
}

impl MetricCards {
    /// `find` gives the card of a bare name.
    pub fn new(find: fn(&str) -> Option<MetricCard>) -> Self {
        Self { find }
    }

    /// The card of a bare name.
    pub fn find(self, bare_name: &str) -> Option<MetricCard> {
        (self.find)(bare_name)
    }

    /// The distinct metrics of `names` that the main tables show, in their order.
    pub(crate) fn main(self, names: Vec<&str>) -> Vec<MetricName> {
        let mut metrics = self.ordered(names);
        metrics.retain(|metric| !metric.is_detail());
        metrics
    }

    /// The distinct metrics of `names`, in the order of tables.
    pub(crate) fn ordered(self, names: Vec<&str>) -> Vec<MetricName> {
        let mut metrics: Vec<MetricName> = Vec::new();
        for name in names {
            if !metrics.iter().any(|m| m.full() == name) {
                metrics.push(MetricName::new(name, self));
            }
        }
        metrics.sort_by(MetricName::by_column);
        metrics
    }
}

/// A few cards, as the harness would give them.
#[cfg(test)]
pub(crate) fn test_cards() -> MetricCards {
    use Direction::{Higher, Lower};
    use ValueAxis::{Fitted, FromZero, Log};
    MetricCards::new(|name| {
        let (title, direction, decimals, axis, column) = match name {
            "fid" => ("FID", Lower, 2, Log, 1),
            "is" => ("IS", Higher, 2, Fitted, 2),
            "density" => ("Density", Higher, 3, FromZero, 3),
            "coverage" => ("Coverage", Higher, 3, FromZero, 4),
            "precision" => ("Precision", Higher, 3, FromZero, 5),
            "recall" => ("Recall", Higher, 3, FromZero, 6),
            "detail" => ("Detail", Lower, 3, FromZero, 8),
            "intra_fid" => ("iFID", Lower, 2, Log, 7),
            _ => return None,
        };
        let (scale, high) = match axis {
            Log => (Scale::Ratio, f64::INFINITY),
            Fitted => (Scale::Difference, f64::INFINITY),
            FromZero if name == "density" => (Scale::Difference, f64::INFINITY),
            FromZero => (Scale::Difference, 1.0),
        };
        let range = ValueRange { low: 0.0, high };
        Some(MetricCard {
            title,
            direction,
            decimals,
            axis,
            scale,
            range,
            column,
            is_detail: name == "detail",
        })
    })
}
