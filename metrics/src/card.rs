//! The card of a metric: all that others must know about it, in one place.
//!
//! The file of a family holds the cards of its metrics. Tables, plots, claims, bootstrap intervals,
//! checks of counts and `ganbench list metrics` read the cards and keep no tables of their own. The
//! crate `reports` does not depend on this one, so the harness hands it the parts of each card that
//! it needs.

use crate::error::{MetricError, Side};
use crate::families::FAMILIES;
use crate::metric::MetricFamily;
use crate::settings::Settings;

/// A metric under its bare name, with its card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// As in result files, before the extractor's `@`.
    pub name: &'static str,
    /// As papers print it.
    pub title: &'static str,
    /// Whether the better of two generators has the larger value.
    pub higher_is_better: bool,
    /// Digits behind the point for values of the usual size.
    pub decimals: usize,
    /// How two values are compared.
    pub scale: Scale,
    /// The values that the metric can take.
    pub range: ValueRange,
    /// The axis that plots draw its values on.
    pub axis: ValueAxis,
    /// Orders the columns of tables from left to right. No two metrics share a number.
    pub column: u16,
    /// Whether it stands in results and in the report's table of details only, not in the main
    /// tables and figures: one of many numbers about one thing.
    pub is_detail: bool,
    /// The fewest images that the metric can be computed from.
    pub least_images: LeastImages,
    /// The fields of a protocol that change the value, besides those that concern all metrics. Ask
    /// [`Metric::reads`].
    pub fields: &'static [ProtocolField],
    /// One line for lists.
    pub description: &'static str,
}

/// How two values of a metric are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// By their ratio: the metric grows by factors, as distances do.
    Ratio,
    /// By their difference: the metric is a share, a count or a score.
    Difference,
}

impl Scale {
    /// `ratio` or `difference`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ratio => "ratio",
            Self::Difference => "difference",
        }
    }
}

/// An interval of values, up to rounding. A finite end belongs to it, an infinite end does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    /// The smallest value, or −∞.
    pub low: f64,
    /// The largest value, or ∞.
    pub high: f64,
}

impl ValueRange {
    /// Every finite number.
    pub const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
    /// 0 and above.
    pub const NOT_NEGATIVE: Self = Self { low: 0.0, high: f64::INFINITY };
    /// 1 and above.
    pub const AT_LEAST_1: Self = Self { low: 1.0, high: f64::INFINITY };
    /// From 0 to 1.
    pub const SHARE: Self = Self { low: 0.0, high: 1.0 };
    /// From 0 to 100.
    pub const PERCENT: Self = Self { low: 0.0, high: 100.0 };

    /// Whether a metric can take this value.
    pub fn contains(self, value: f64) -> bool {
        value.is_finite() && self.low <= value && value <= self.high
    }

    /// The closest value in the range.
    pub fn clamp(self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }
}

impl std::fmt::Display for ValueRange {
    /// `[0, 1]`, `[0, ∞)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.low.is_finite() {
            true => write!(f, "[{}, ", self.low)?,
            false => f.write_str("(−∞, ")?,
        }
        match self.high.is_finite() {
            true => write!(f, "{}]", self.high),
            false => f.write_str("∞)"),
        }
    }
}

/// The axis that plots draw the values of a metric on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueAxis {
    /// Logarithmic while all values are above 0. Tables show two significant digits of small
    /// values.
    Log,
    /// Linear from 0.
    FromZero,
    /// Linear around the values.
    Fitted,
}

/// Images on each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCounts {
    /// Real images.
    pub real: usize,
    /// Generated images.
    pub fake: usize,
}

/// The rule for the fewest images that a metric can be computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeastImages {
    /// Always the same; 0 for a side that the metric does not look at.
    Fixed(ImageCounts),
    /// So many of each class on each side, thus at least so many in all.
    OfEachClass(usize),
    /// One fake for each of the splits.
    IsSplits,
    /// The image and [`Settings::nearest_k`] neighbours, on each side.
    NearestK,
    /// The image and [`Settings::ipr_nearest_k`] neighbours, on each side.
    IprNearestK,
    /// As many as a subset of KID holds, on each side.
    KidSubset,
}

impl LeastImages {
    /// Two on each side, which a covariance takes.
    pub(crate) const COVARIANCE: Self = Self::Fixed(ImageCounts { real: 2, fake: 2 });

    /// The counts under some settings.
    pub fn counts(self, settings: &Settings) -> ImageCounts {
        let both = |n| ImageCounts { real: n, fake: n };
        match self {
            Self::Fixed(counts) => counts,
            Self::OfEachClass(n) => both(n),
            Self::IsSplits => {
                ImageCounts { real: 0, fake: settings.inception_score.splits.least_images() }
            }
            Self::NearestK => both(settings.nearest_k.saturating_add(1)),
            Self::IprNearestK => both(settings.ipr_nearest_k.saturating_add(1)),
            Self::KidSubset => both(settings.kid.subset),
        }
    }
}

impl std::fmt::Display for LeastImages {
    /// `2 real and 2 fake`, `nearest_k + 1 on each side`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(ImageCounts { real: 0, fake }) => write!(f, "{fake} fake"),
            Self::Fixed(ImageCounts { real, fake: 0 }) => write!(f, "{real} real"),
            Self::Fixed(ImageCounts { real, fake }) => write!(f, "{real} real and {fake} fake"),
            Self::OfEachClass(n) => write!(f, "{n} of each class on each side"),
            Self::IsSplits => f.write_str("is_splits fake"),
            Self::NearestK => f.write_str("nearest_k + 1 on each side"),
            Self::IprNearestK => f.write_str("ipr_nearest_k + 1 on each side"),
            Self::KidSubset => f.write_str("kid_subset on each side"),
        }
    }
}

/// A field of a protocol that can change a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolField {
    /// The feature network with its preprocessing and its weights.
    Extractor,
    /// Of the real images.
    Split,
    /// How many real images stand behind the moments.
    NReal,
    /// How many fakes are measured.
    NFake,
    /// Sets of fakes whose mean is reported.
    Repeats,
    /// What the sums of squares behind FID's covariances are divided by.
    FidDivisor,
    /// At how many counts of fakes FID∞ computes FID.
    FidInfinityCounts,
    /// Into how many parts the Inception score splits the fakes.
    IsSplits,
    /// Whether the Inception score shuffles the fakes before it splits them.
    IsShuffle,
    /// Whether the Inception score's logits hold the classifier's bias.
    IsBias,
    /// Neighbours that set a ball's radius in precision, recall, density and coverage.
    NearestK,
    /// Neighbours that set a ball's radius in improved precision and recall.
    IprNearestK,
    /// How many real images the metrics of nearest neighbours look at.
    NearestReal,
    /// Images in each of KID's subsets, on either side.
    KidSubset,
    /// Number of KID's subsets.
    KidSubsets,
}

impl ProtocolField {
    /// All fields, in the order of lists.
    pub const ALL: [Self; 15] = [
        Self::Extractor,
        Self::Split,
        Self::NReal,
        Self::NFake,
        Self::Repeats,
        Self::FidDivisor,
        Self::FidInfinityCounts,
        Self::IsSplits,
        Self::IsShuffle,
        Self::IsBias,
        Self::NearestK,
        Self::IprNearestK,
        Self::NearestReal,
        Self::KidSubset,
        Self::KidSubsets,
    ];

    /// As lists print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extractor => "extractor",
            Self::Split => "split",
            Self::NReal => "n_real",
            Self::NFake => "n_fake",
            Self::Repeats => "repeats",
            Self::FidDivisor => "fid_divisor",
            Self::FidInfinityCounts => "fid_infinity_counts",
            Self::IsSplits => "is_splits",
            Self::IsShuffle => "is_shuffle",
            Self::IsBias => "is_bias",
            Self::NearestK => "nearest_k",
            Self::IprNearestK => "ipr_nearest_k",
            Self::NearestReal => "nearest_real",
            Self::KidSubset => "kid_subset",
            Self::KidSubsets => "kid_subsets",
        }
    }
}

impl Metric {
    /// ↑ where higher is better, else ↓.
    pub fn arrow(&self) -> &'static str {
        if self.higher_is_better { "↑" } else { "↓" }
    }

    /// Whether the metric looks at real images, not at the fakes alone.
    pub fn looks_at_reals(&self) -> bool {
        !matches!(
            self.least_images,
            LeastImages::IsSplits | LeastImages::Fixed(ImageCounts { real: 0, .. })
        )
    }

    /// Whether another value of this field can give another value of the metric.
    pub fn reads(&self, field: ProtocolField) -> bool {
        match field {
            ProtocolField::Extractor | ProtocolField::NFake | ProtocolField::Repeats => true,
            ProtocolField::Split | ProtocolField::NReal => self.looks_at_reals(),
            field => self.fields.contains(&field),
        }
    }

    /// Whether [`crate::bootstrap::intervals`] gives an interval of the metric.
    pub fn has_intervals(&self) -> bool {
        let holds = |family: &&MetricFamily| family.metrics.iter().any(|m| m.name == self.name);
        FAMILIES.iter().find(holds).is_some_and(|family| family.resample.is_some())
    }

    /// Whether other numbers of images give another expectation. Only KID is unbiased at any.
    pub fn depends_on_counts(&self) -> bool {
        self.name != "kid"
    }

    /// Whether these are enough images.
    ///
    /// # Errors
    /// If a side has too few: says which, and how many it takes.
    pub fn check_counts(&self, n: ImageCounts, settings: &Settings) -> Result<(), MetricError> {
        let least = self.least_images.counts(settings);
        for (side, got, needed) in
            [(Side::Real, n.real, least.real), (Side::Fake, n.fake, least.fake)]
        {
            if got < needed {
                return Err(match self.least_images {
                    LeastImages::KidSubset => MetricError::KidTooFew { side, got, subset: needed },
                    _ => MetricError::TooFew { metric: self.name, side, needed, got },
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "card_tests.rs"]
mod tests;
