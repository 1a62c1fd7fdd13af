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

/// Those that [`crate::evaluate()`] computes where nobody says which are wanted (IS only where there are
/// logits).
pub fn default_metrics() -> impl Iterator<Item = &'static Metric> {
    FAMILIES.iter().filter(|family| family.by_default).flat_map(|family| family.metrics)
}

/// What a metric needs, by its name, bare or with an extractor; features alone for an unknown one.
pub fn needs(name: &str) -> Needs {
    let bare = bare_name(name);
    let family = FAMILIES.iter().find(|family| family.metrics.iter().any(|m| m.name == bare));
    family.map_or(Needs::POOL, |family| family.needs)
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
