//! The table of metrics.
//!
//! A metric is one file here with a `FAMILY`, which holds the card of each of its metrics
//! (`card.rs`), and one line in [`FAMILIES`].

pub mod authenticity;
pub mod cmmd;
pub mod fid;
pub mod inception_score;
pub mod intra_fid;
pub mod kid;
pub mod modes;
pub mod prdc;
pub mod precision_recall;
pub mod vendi;

use crate::card::Metric;
use crate::error::MetricError;
use crate::metric::{MetricFamily, Needs, bare_name};

/// All metrics, in the order of tables.
pub const FAMILIES: &[MetricFamily] = &[
    fid::FAMILY,
    inception_score::FAMILY,
    prdc::FAMILY,
    kid::FAMILY,
    fid::infinity::FAMILY,
    precision_recall::FAMILY,
    authenticity::FAMILY,
    vendi::FAMILY,
    cmmd::FAMILY,
    intra_fid::FAMILY,
    modes::FAMILY,
];

/// All metrics, in the order of tables.
pub fn metrics() -> impl Iterator<Item = &'static Metric> {
    FAMILIES.iter().flat_map(|family| family.metrics)
}

/// Those that [`crate::evaluate()`] computes where nobody says which are wanted (IS only where
/// there are logits).
pub fn default_metrics() -> impl Iterator<Item = &'static Metric> {
    FAMILIES.iter().filter(|family| family.by_default).flat_map(|family| family.metrics)
}

/// What a metric needs, by its name, bare or with an extractor; features alone for an unknown one.
pub fn needs(name: &str) -> Needs {
    let bare = bare_name(name);
    let family = FAMILIES.iter().find(|family| family.metrics.iter().any(|m| m.name == bare));
    family.map_or(Needs::POOL, |family| family.needs)
}

/// What asks for every metric that there is.
pub const ALL: &str = "all";

/// The metrics that names as typed stand for, in their order, each once: a metric, a family of
/// several (`prdc`), or [`ALL`]; upper case counts as lower case. What is none of these stays as it
/// is, for the error that follows.
pub fn named_metrics(typed: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for typed in typed {
        let (bare, extractor) = match typed.split_once('@') {
            Some((bare, extractor)) => (bare, format!("@{extractor}")),
            None => (typed.as_str(), String::new()),
        };
        let bare = bare.to_lowercase();
        let of_family = |family: &&MetricFamily| family.name == bare || bare == ALL;
        let metric = metrics().find(|m| m.name == bare);
        let found: Vec<&str> = match metric {
            Some(metric) => vec![metric.name],
            None => {
                FAMILIES.iter().filter(of_family).flat_map(|f| f.metrics).map(|m| m.name).collect()
            }
        };
        let found = match found.is_empty() {
            true => vec![typed.clone()],
            false => found.iter().map(|name| format!("{name}{extractor}")).collect(),
        };
        for name in found {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// The metric of a name, bare or with an extractor (`fid`, `fid@small-cifar10`).
///
/// # Errors
/// If there is none: lists the known ones.
pub fn metric(name: &str) -> Result<&'static Metric, MetricError> {
    let bare = bare_name(name);
    metrics().find(|m| m.name == bare).ok_or_else(|| MetricError::UnknownMetric {
        name: name.into(),
        known: metrics().map(|m| m.name).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(typed: &[&str]) -> Vec<String> {
        named_metrics(&typed.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn families_all_and_upper_case_are_names_of_metrics() {
        assert_eq!(named(&["FID", "prdc"]), ["fid", "precision", "recall", "density", "coverage"]);
        assert_eq!(named(&["coverage", "prdc"])[0], "coverage");
        assert_eq!(named(&["coverage", "prdc"]).len(), 4);
        assert_eq!(named(&["all"]).len(), metrics().count());
        assert_eq!(named(&["IS@small-cifar10"]), ["is@small-cifar10"]);
        assert_eq!(named(&["Fidd"]), ["Fidd"]);
    }
}
