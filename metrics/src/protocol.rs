//! Named ways of measuring, read from `metrics/protocols.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::error::MetricError;
use crate::fid::Divisor;
use crate::inception_score;
use crate::metric::{NearestReal, Settings};

/// How numbers are measured: what makes two of them comparable.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    pub name: String,
    /// One line for lists.
    pub summary: String,
    /// Where it was read.
    pub source: String,
    /// None where the data set decides.
    pub extractor: Option<String>,
    /// Bare names, in no particular order.
    pub metrics: Vec<String>,
    pub split: Option<String>,
    pub n_real: Option<usize>,
    pub n_fake: Option<usize>,
    /// Sets of fakes whose mean is reported.
    #[serde(default = "one")]
    pub repeats: usize,
    #[serde(default = "below_5")]
    nearest: String,
    #[serde(default = "all")]
    nearest_real: String,
    #[serde(default = "n_minus_1")]
    fid_divisor: String,
    #[serde(default = "ten")]
    is_splits: usize,
    #[serde(default = "yes")]
    is_shuffle: bool,
    #[serde(default)]
    pub is_bias: bool,
    /// What the fakes' values went through, where the protocol says.
    pub quantise: Option<String>,
    /// Which checkpoint is reported, where the protocol says.
    pub checkpoint: Option<String>,
}

/// The name under which numbers go that follow no protocol.
pub const CUSTOM: &str = "custom";

/// The protocol of `eval` where none is named.
pub const DEFAULT: &str = "ganbench";

fn one() -> usize {
    1
}
fn ten() -> usize {
    10
}
fn yes() -> bool {
    true
}
fn below_5() -> String {
    "<5".into()
}
fn all() -> String {
    "all".into()
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
                splits: self.is_splits,
                shuffle_seed: self.is_shuffle.then_some(2020),
            },
            nearest_real: match self.nearest_real.as_str() {
                "n_fake" => NearestReal::AsManyAsFakes,
                _ => NearestReal::All,
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

/// What was done, to be held against a protocol.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    pub extractor: &'a str,
    /// Where it is known.
    pub split: Option<&'a str>,
    pub n_real: Option<usize>,
    pub n_fake: Option<usize>,
    pub is_bias: bool,
    /// Sets of fakes.
    pub repeats: usize,
    pub settings: Settings,
}

impl Measured<'_> {
    /// In what this differs from a protocol, one text each; none where it follows it.
    pub fn differences(&self, from: &Protocol) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: &str, here: String, there: String| {
            if here != there {
                found.push(format!("{what} {here}, not {there}"));
            }
        };
        if let Some(extractor) = &from.extractor {
            differ("extractor", self.extractor.into(), extractor.clone());
        }
        if let (Some(split), Some(here)) = (&from.split, self.split) {
            differ("split", here.into(), split.clone());
        }
        let count = |n: Option<usize>| n.map_or("unknown".into(), |n| n.to_string());
        if from.n_real.is_some() {
            differ("n_real", count(self.n_real), count(from.n_real));
        }
        if from.n_fake.is_some() {
            differ("n_fake", count(self.n_fake), count(from.n_fake));
        }
        differ("sets of fakes", self.repeats.to_string(), from.repeats.to_string());
        let (here, there) = (self.settings, from.settings());
        let splits = |s: Settings| s.inception_score.splits.to_string();
        differ("is_splits", splits(here), splits(there));
        let shuffle = |s: Settings| s.inception_score.shuffle_seed.is_some().to_string();
        differ("is_shuffle", shuffle(here), shuffle(there));
        differ("is_bias", self.is_bias.to_string(), from.is_bias.to_string());
        differ("k", here.nearest_k.to_string(), there.nearest_k.to_string());
        differ("k of ipr", here.ipr_nearest_k.to_string(), there.ipr_nearest_k.to_string());
        differ("nearest_real", here.nearest_real.to_string(), there.nearest_real.to_string());
        differ("fid_divisor", here.fid_divisor.to_string(), there.fid_divisor.to_string());
        differ("kid_subset", here.kid.subset.to_string(), there.kid.subset.to_string());
        differ("kid_subsets", here.kid.subsets.to_string(), there.kid.subsets.to_string());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_names_known_metrics_and_extractors() {
        for protocol in protocols() {
            for name in &protocol.metrics {
                crate::metric(name).unwrap();
            }
            if let Some(name) = &protocol.extractor {
                crate::extractor::entry(name).unwrap();
            }
            let nearest = protocol.nearest.trim_start_matches('<').trim_start_matches('=');
            assert!(nearest.parse::<usize>().is_ok(), "{}: {nearest}", protocol.name);
            assert!(matches!(protocol.nearest_real.as_str(), "all" | "n_fake"));
            assert!(matches!(protocol.fid_divisor.as_str(), "n" | "n-1"));
        }
        assert_eq!(protocol(DEFAULT).unwrap().name, "ganbench");
        let error = protocol("fid50k").unwrap_err().to_string();
        assert!(
            error.starts_with("unknown protocol \"fid50k\"; known: ganbench, table1"),
            "{error}"
        );
    }

    #[test]
    fn what_differs_from_a_protocol_is_named() {
        let prdc = protocol("prdc").unwrap();
        let mut measured = Measured {
            extractor: "inception",
            split: None,
            n_real: Some(10_000),
            n_fake: Some(2000),
            is_bias: false,
            repeats: 1,
            settings: prdc.settings(),
        };
        assert_eq!(measured.differences(prdc), ["n_fake 2000, not 10000"]);
        measured.n_fake = Some(10_000);
        assert!(measured.differences(prdc).is_empty());
        measured.settings.nearest_k = 3;
        assert_eq!(measured.differences(prdc), ["k 3, not 5"]);
    }
}
