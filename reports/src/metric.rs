//! How a metric is written: name, direction, digits.

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Lower,
    Higher,
    /// Nothing is known; no arrow is drawn and no value is marked best.
    Unknown,
}

impl Direction {
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Lower => "↓",
            Self::Higher => "↑",
            Self::Unknown => "",
        }
    }
}

/// The name of a metric as it stands in the result files: `fid`, or `fid@small-shapes` where the
/// extractor is not the FID Inception network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricName {
    full: String,
}

const LINEAR_CACHED: &str = "linear_accuracy_cached";

struct Known {
    name: &'static str,
    title: &'static str,
    direction: Direction,
    decimals: usize,
}

/// In the order in which tables show them.
const KNOWN: &[Known] = &[
    Known { name: "fid", title: "FID", direction: Direction::Lower, decimals: 2 },
    Known { name: "fid_inf", title: "FID-inf", direction: Direction::Lower, decimals: 2 },
    Known { name: "kid", title: "KID", direction: Direction::Lower, decimals: 5 },
    Known { name: "is", title: "IS", direction: Direction::Higher, decimals: 2 },
    Known { name: "density", title: "Density", direction: Direction::Higher, decimals: 3 },
    Known { name: "coverage", title: "Coverage", direction: Direction::Higher, decimals: 3 },
    Known { name: "precision", title: "Precision", direction: Direction::Higher, decimals: 3 },
    Known { name: "recall", title: "Recall", direction: Direction::Higher, decimals: 3 },
    Known { name: "ifid", title: "iFID", direction: Direction::Lower, decimals: 2 },
    Known {
        name: "linear_accuracy_percent",
        title: "Linear acc. %",
        direction: Direction::Higher,
        decimals: 2,
    },
    Known {
        name: LINEAR_CACHED,
        title: "Linear acc. (cached) %",
        direction: Direction::Higher,
        decimals: 2,
    },
    Known { name: "vendi", title: "Vendi", direction: Direction::Higher, decimals: 2 },
];

impl MetricName {
    pub fn new(full: &str) -> Self {
        Self { full: full.to_string() }
    }

    /// Of an extractor whose weights are made, not trained: no such number may look like the one that papers print.
    pub(crate) fn of_made_weights(self) -> Self {
        match self.extractor_suffix() {
            "" => Self { full: format!("{}@made-weights", self.full) },
            _ => self,
        }
    }

    /// As in the result files.
    pub fn full(&self) -> &str {
        &self.full
    }

    /// The part before `@`.
    pub fn base(&self) -> &str {
        self.full.split('@').next().unwrap_or_default()
    }

    /// `@small-shapes`, or nothing.
    pub fn extractor_suffix(&self) -> &str {
        &self.full[self.base().len()..]
    }

    fn known(&self) -> Option<(usize, &'static Known)> {
        // `linear_accuracy_cached4_percent`: of four cached epochs.
        let cached = self.base().starts_with(LINEAR_CACHED);
        let name = if cached { LINEAR_CACHED } else { self.base() };
        KNOWN.iter().enumerate().find(|(_, known)| known.name == name)
    }

    /// The name before `@` as a paper prints it.
    pub fn short_title(&self) -> &str {
        self.known().map_or_else(|| self.base(), |(_, known)| known.title)
    }

    /// As a paper prints it, with the extractor: `FID`, `FID@small-shapes`.
    pub fn title(&self) -> String {
        format!("{}{}", self.short_title(), self.extractor_suffix())
    }

    pub fn direction(&self) -> Direction {
        self.known().map_or(Direction::Unknown, |(_, known)| known.direction)
    }

    /// Whether the metric is a Fréchet distance, which plots show on a log axis.
    pub fn is_distance(&self) -> bool {
        matches!(self.base(), "fid" | "fid_inf" | "ifid")
    }

    /// Digits behind the point for values of the usual size.
    pub fn decimals(&self) -> usize {
        self.known().map_or(3, |(_, known)| known.decimals)
    }

    /// Digits behind the point for a column with these values: the usual number, or, where the smallest
    /// value would keep fewer than two significant digits (small extractors can give tiny distances), as
    /// many more as show two, at most four more.
    pub fn decimals_for(&self, values: impl IntoIterator<Item = f64>) -> usize {
        let base = self.decimals();
        let smallest = values
            .into_iter()
            .map(f64::abs)
            .filter(|v| *v > 0.0)
            .min_by(f64::total_cmp)
            .unwrap_or(f64::INFINITY);
        if !self.is_distance() || !smallest.is_finite() {
            return base;
        }
        let needed = (1.0 - smallest.log10().floor()).max(0.0) as usize;
        needed.clamp(base, base + 4)
    }

    /// Where the column stands: known metrics in their fixed order, then the others.
    pub fn rank(&self) -> usize {
        self.known().map_or(KNOWN.len(), |(rank, _)| rank)
    }
}

/// The distinct metrics of `names`, in the order of tables.
pub(crate) fn ordered<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<MetricName> {
    let mut metrics: Vec<MetricName> = Vec::new();
    for name in names {
        if !metrics.iter().any(|m| m.full == name) {
            metrics.push(MetricName::new(name));
        }
    }
    metrics.sort_by(|a, b| a.rank().cmp(&b.rank()).then_with(|| a.full.cmp(&b.full)));
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_extractor_in_the_title() {
        let metric = MetricName::new("fid@small-shapes");
        assert_eq!(metric.title(), "FID@small-shapes");
        assert_eq!((metric.base(), metric.extractor_suffix()), ("fid", "@small-shapes"));
        assert_eq!(metric.direction().arrow(), "↓");
        assert_eq!(MetricName::new("is").title(), "IS");
        let other = MetricName::new("my_metric");
        assert_eq!((other.title().as_str(), other.direction()), ("my_metric", Direction::Unknown));
    }

    #[test]
    fn columns_stand_in_a_fixed_order_whatever_order_rows_come_in() {
        let names = ["zeta", "recall", "is", "fid", "coverage", "fid", "density", "alpha"];
        let ordered: Vec<String> = ordered(names).iter().map(|m| m.full().to_string()).collect();
        assert_eq!(ordered, ["fid", "is", "density", "coverage", "recall", "alpha", "zeta"]);
    }

    #[test]
    fn tiny_distances_keep_two_significant_digits() {
        let fid = MetricName::new("fid@small-mnist");
        assert_eq!(fid.decimals_for([31.2, 105.0]), 2);
        assert_eq!(fid.decimals_for([0.5]), 2);
        assert_eq!(fid.decimals_for([0.031, 4.0]), 3);
        assert_eq!(fid.decimals_for([1e-12]), 6);
        assert_eq!(fid.decimals_for([0.0]), 2);
        assert_eq!(MetricName::new("coverage").decimals_for([0.0001]), 3);
    }
}
