//! Named ways of measuring, read from `metrics/protocols.toml`.
//!
//! [`crate::measurement`] goes from a protocol to settings, and says whether it was followed.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::MetricError;
use crate::families::fid::Divisor;
use crate::families::inception_score::{self, Splits};
use crate::settings::{NearestReal, Settings, Subset};

/// How numbers are measured: what makes two of them comparable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// As `--protocol` takes it, and as results print it.
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// Where it was read.
    pub source: String,
    /// None where the data set decides.
    pub extractor: Option<String>,
    /// Bare names of the metrics that are computed where nobody names others.
    pub metrics: Vec<String>,
    /// Whether it defines every other metric too. A published protocol defines its own only.
    #[serde(default)]
    pub any_metric: bool,
    /// Split of the real images, `train` or `test`; None where it is not said.
    pub split: Option<String>,
    /// Real images behind the moments.
    pub n_real: Option<RealCount>,
    /// Fakes in each set; None where it is not said.
    pub n_fake: Option<FakeCount>,
    /// Sets of fakes whose mean is reported.
    #[serde(default = "one")]
    pub repeats: usize,
    #[serde(default = "below_5")]
    nearest: String,
    #[serde(default = "all")]
    nearest_real: NearestCount,
    #[serde(default)]
    nearest_fake: Option<usize>,
    #[serde(default)]
    subset: SubsetRule,
    #[serde(default = "n_minus_1")]
    fid_divisor: String,
    #[serde(default = "ten")]
    is_splits: usize,
    /// Images of a part of IS, in the place of `is_splits`.
    is_chunk: Option<usize>,
    #[serde(default = "yes")]
    is_shuffle: bool,
    /// Whether the Inception score's logits hold the classifier's bias.
    #[serde(default)]
    pub is_bias: bool,
    /// Which classes a conditional generator is asked for.
    #[serde(default)]
    pub labels: LabelRule,
    /// Of the generator's batch norms: `running`, `batch` or `standing`.
    #[serde(default = "running")]
    pub statistics: String,
    /// What the fakes' values go through.
    #[serde(default)]
    pub samples: Samples,
    /// Whether FID takes `mu` and `sigma` of an archive that holds images too.
    #[serde(default)]
    pub stored_statistics: bool,
    /// In words, what the fakes' values go through, where the protocol says.
    pub quantise: Option<String>,
    /// Which checkpoint is reported, where the protocol says.
    pub checkpoint: Option<String>,
    /// What of it cannot be had here.
    #[serde(default)]
    pub lacks: Vec<Lack>,
}

/// How many real images stand behind the moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RealCount {
    /// So many images, whatever the split holds.
    Exactly(usize),
    /// All images of the split.
    Whole(WholeSplit),
}

/// All images of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WholeSplit {
    /// Written `split`.
    #[serde(rename = "split")]
    Split,
}

/// How many fakes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FakeCount {
    /// So many fakes, whatever the number of reals.
    Exactly(usize),
    /// The number of reals decides.
    AsManyAsReals(AsManyAsReals),
}

/// As many fakes as reals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AsManyAsReals {
    /// Written `n_real`.
    #[serde(rename = "n_real")]
    NReal,
}

impl FakeCount {
    /// The number for so many reals; none where their number is not known.
    pub fn count(self, n_real: Option<usize>) -> Option<usize> {
        match self {
            Self::Exactly(n) => Some(n),
            Self::AsManyAsReals(_) => n_real,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum NearestCount {
    Number(usize),
    Named(NamedCount),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedCount {
    All,
    NFake,
}

/// Which images make up a part of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubsetRule {
    /// Drawn with seed 0.
    #[default]
    Drawn,
    First,
}

/// Which classes a conditional generator is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// Each class equally often.
    #[default]
    Uniform,
    /// As often as the data has it.
    Data,
}

impl std::fmt::Display for LabelRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uniform => "uniform",
            Self::Data => "data",
        })
    }
}

/// What the fakes' values go through before the extractor sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// They are rounded to 8 bits.
    #[default]
    Rounded,
    /// They stay floats.
    Float,
    /// They are stretched to the least and largest value of all fakes, then rounded.
    Stretched,
}

/// A part of a protocol that ganbench cannot follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lack {
    /// The metrics whose values it changes; none where only something else is missing.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// As a difference: what is here, and what is there.
    pub what: String,
}

/// The name under which numbers go that follow no protocol.
pub const CUSTOM: &str = "custom";

/// The protocol of `eval` where none is named.
pub const DEFAULT: &str = "ganbench";

/// The protocol of this program's tables.
pub const TABLES: &str = "tables";

/// The protocol of tables until version 0.1, which old plans and results name.
pub const TABLES_0_1: &str = "table1";

fn one() -> usize {
    1
}
fn ten() -> usize {
    10
}
fn yes() -> bool {
    true
}
fn running() -> String {
    "running".into()
}
fn below_5() -> String {
    "<5".into()
}
fn all() -> NearestCount {
    NearestCount::Named(NamedCount::All)
}
fn n_minus_1() -> String {
    "n-1".into()
}

#[derive(Deserialize)]
struct File {
    protocol: Vec<Protocol>,
}

/// All protocols, in the order of lists.
pub fn protocols() -> &'static [Protocol] {
    static PROTOCOLS: OnceLock<Vec<Protocol>> = OnceLock::new();
    PROTOCOLS.get_or_init(|| {
        let file: File = toml::from_str(include_str!("../protocols.toml"))
            .expect("the embedded protocols are read by a test");
        file.protocol
    })
}

/// The protocol of a name.
///
/// # Errors
/// If there is none: lists the known ones.
pub fn protocol(name: &str) -> Result<&'static Protocol, MetricError> {
    protocols().iter().find(|p| p.name == name).ok_or_else(|| MetricError::UnknownProtocol {
        name: name.into(),
        known: protocols().iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

impl Protocol {
    /// Neighbours that set a ball's radius; the comparison is each metric's own.
    pub fn nearest_k(&self) -> usize {
        self.nearest.trim_start_matches(['<', '=']).parse().unwrap_or(5)
    }

    /// The conventions of the metrics.
    pub fn settings(&self) -> Settings {
        let mut settings = Settings {
            inception_score: inception_score::Options {
                splits: self.is_chunk.map_or(Splits::Equal(self.is_splits), Splits::Chunks),
                shuffle_seed: self.is_shuffle.then_some(2020),
            },
            nearest_real: match self.nearest_real {
                NearestCount::Number(n) => NearestReal::AtMost(n),
                NearestCount::Named(NamedCount::NFake) => NearestReal::AsManyAsFakes,
                NearestCount::Named(NamedCount::All) => NearestReal::All,
            },
            nearest_fake: self.nearest_fake,
            subset: match self.subset {
                SubsetRule::Drawn => Subset::Drawn { seed: 0 },
                SubsetRule::First => Subset::First,
            },
            fid_divisor: match self.fid_divisor.as_str() {
                "n" => Divisor::N,
                _ => Divisor::NMinus1,
            },
            ..Settings::default()
        };
        // Metrics with < and with <= have names of their own.
        if self.nearest.starts_with("<=") {
            settings.ipr_nearest_k = self.nearest_k();
        } else {
            settings.nearest_k = self.nearest_k();
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_names_known_metrics_and_extractors() {
        for protocol in protocols() {
            let lacking = protocol.lacks.iter().flat_map(|lack| &lack.metrics);
            for name in protocol.metrics.iter().chain(lacking) {
                crate::metric(name).unwrap();
            }
            if let Some(name) = &protocol.extractor {
                crate::extractor::entry(name).unwrap();
            }
            let nearest = protocol.nearest.trim_start_matches('<').trim_start_matches('=');
            assert!(nearest.parse::<usize>().is_ok(), "{}: {nearest}", protocol.name);
            assert!(matches!(protocol.fid_divisor.as_str(), "n" | "n-1"));
            assert!(matches!(protocol.statistics.as_str(), "running" | "batch" | "standing"));
        }
        for name in [DEFAULT, TABLES, TABLES_0_1] {
            assert_eq!(protocol(name).unwrap().name, name);
        }
        let error = protocol("fid50k").unwrap_err().to_string();
        assert!(
            error.starts_with("unknown protocol \"fid50k\"; known: ganbench, tables, table1"),
            "{error}"
        );
    }

    #[test]
    fn counts_are_numbers_or_follow_the_reals() {
        let kdd = protocol("kdd").unwrap();
        assert_eq!(kdd.n_real, Some(RealCount::Whole(WholeSplit::Split)));
        assert_eq!(kdd.n_fake, Some(FakeCount::Exactly(50_000)));
        let settings = kdd.settings();
        assert_eq!(settings.n_nearest_real(1_281_167, 50_000), 10_000);
        assert_eq!(settings.n_nearest_fake(50_000), 10_000);
        let studiogan = protocol("studiogan-v0.4").unwrap();
        let n_fake = studiogan.n_fake.unwrap();
        assert_eq!((n_fake.count(Some(100_000)), n_fake.count(None)), (Some(100_000), None));
    }
}
