//! The one way from a protocol to numbers: which settings it stands for, which metrics are
//! computed, and whether what was done is what it says.
//!
//! A result carries the name of a protocol only where all of it was followed. Otherwise it is
//! [`CUSTOM`], with each difference in words.

use crate::card::{Metric, ProtocolField};
use crate::error::MetricError;
use crate::extractor;
use crate::families::inception_score::Splits;
use crate::families::metric;
use crate::protocol::{
    CUSTOM, LabelRule, Protocol, RealCount, Samples, TABLES_0_1, protocol as by_name,
};
use crate::settings::Settings;

/// What is measured otherwise than a protocol says, or where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Names of the metrics, with or without an extractor.
    pub metrics: Option<Vec<String>>,
    /// As [`Settings::nearest_k`]; None as the protocol says.
    pub nearest_k: Option<usize>,
    /// Parts of the Inception score; None as the protocol says.
    pub is_splits: Option<usize>,
    /// Images in each of KID's subsets; None as the protocol says.
    pub kid_subset: Option<usize>,
    /// Number of KID's subsets; None as the protocol says.
    pub kid_subsets: Option<usize>,
}

/// How something is measured: a protocol with its settings, after the deviations from it.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The protocol before the deviations.
    pub protocol: &'static Protocol,
    /// The conventions after the deviations.
    pub settings: Settings,
    metrics: Vec<&'static Metric>,
    /// A plan of ganbench 0.1 may be called `custom`, which says of nothing what it was.
    custom: bool,
}

/// What was done, to be held against a protocol.
#[derive(Clone, Debug)]
pub struct Done<'a> {
    /// Name of the extractor, as in [`crate::EXTRACTORS`].
    pub extractor: &'a str,
    /// As [`crate::Extractor::weights_sha256`].
    pub weights_sha256: &'a str,
    /// Of the real images, where it is known.
    pub split: Option<&'a str>,
    /// Whether the real images are all of their split, where that is known.
    pub whole_split: Option<bool>,
    /// Real images behind the moments, where their number is known.
    pub n_real: Option<usize>,
    /// Fakes in each set, where their number is known.
    pub n_fake: Option<usize>,
    /// Sets of fakes.
    pub repeats: usize,
    /// Whether the logits have their bias.
    pub is_bias: bool,
    /// Names of the metrics that were computed, with or without an extractor.
    pub metrics: &'a [&'a str],
    /// How the fakes were sampled, where a generator of our own made them.
    pub sampling: Option<Sampling<'a>>,
    /// Further differences, in words.
    pub further: &'a [String],
}

/// How a generator of our own was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling<'a> {
    /// Of its batch norms: `running`, `batch` or `standing`. None where it has no batch norm.
    pub statistics: Option<&'a str>,
    /// Which classes it was asked for. None of an unconditional generator, and of even classes.
    pub labels: Option<LabelRule>,
}

/// The protocol of a result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Label {
    /// The name of a protocol that was followed, or `custom`.
    pub protocol: String,
    /// Of a custom result, the protocol that was asked for.
    pub nearest: Option<String>,
    /// In what the result differs from `nearest`, one text each.
    pub differences: Vec<String>,
}

impl Label {
    /// Empty where a protocol was followed, else `differs from kdd in: n_fake 500 (expected
    /// 50000)`.
    pub fn differences_text(&self) -> String {
        self.nearest.as_ref().map_or_else(String::new, |nearest| {
            format!("differs from {nearest} in: {}", self.differences.join("; "))
        })
    }
}

impl Measurement {
    /// The measurement of a protocol with these deviations.
    ///
    /// # Errors
    /// If the protocol or a metric is unknown: lists the known ones.
    pub fn new(protocol: &str, deviations: &Deviations) -> Result<Self, MetricError> {
        let custom = protocol == CUSTOM;
        let protocol = by_name(if custom { TABLES_0_1 } else { protocol })?;
        let mut settings = protocol.settings();
        let d = deviations;
        settings.nearest_k = d.nearest_k.unwrap_or(settings.nearest_k);
        if let Some(splits) = d.is_splits {
            settings.inception_score.splits = Splits::Equal(splits);
        }
        settings.kid.subset = d.kid_subset.unwrap_or(settings.kid.subset);
        settings.kid.subsets = d.kid_subsets.unwrap_or(settings.kid.subsets);
        let names = d.metrics.as_deref().unwrap_or(&protocol.metrics);
        let mut metrics: Vec<&'static Metric> = Vec::new();
        for name in names {
            let metric = metric(name)?;
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        Ok(Self { protocol, settings, metrics, custom })
    }

    /// The metrics that are computed, in the order in which they were named.
    pub fn metrics(&self) -> &[&'static Metric] {
        &self.metrics
    }

    /// Bare names of the metrics.
    pub fn metric_names(&self) -> Vec<&'static str> {
        self.metrics.iter().map(|metric| metric.name).collect()
    }

    /// Whether the logits get their bias.
    pub fn is_bias(&self, extractor: &dyn extractor::Extractor) -> bool {
        self.protocol.is_bias && extractor.logit_bias().is_some()
    }

    /// The name that a result may carry.
    pub fn label(&self, done: &Done<'_>) -> Label {
        let mut differences = self.differences(done);
        if self.custom && differences.is_empty() {
            differences.push("the plan calls its protocol custom".into());
        }
        if differences.is_empty() {
            let protocol = self.protocol.name.clone();
            return Label { protocol, nearest: None, differences };
        }
        let nearest = Some(self.protocol.name.clone());
        Label { protocol: CUSTOM.into(), nearest, differences }
    }

    fn differences(&self, done: &Done<'_>) -> Vec<String> {
        let from = self.protocol;
        let computed: Vec<&Metric> = done.metrics.iter().filter_map(|m| metric(m).ok()).collect();
        let mut found = Differences { computed: &computed, texts: Vec::new() };
        use ProtocolField as F;
        if let Some(extractor) = &from.extractor {
            found.compare(F::Extractor, "extractor", done.extractor, extractor);
        }
        found.texts.extend(unpublished(done.extractor, done.weights_sha256));
        if let (Some(there), Some(here)) = (&from.split, done.split) {
            found.compare(F::Split, "split", here, there);
        }
        match from.n_real {
            Some(RealCount::Exactly(n)) => {
                found.compare(F::NReal, "n_real", count(done.n_real), count(Some(n)));
            }
            Some(RealCount::Whole(_)) if done.whole_split == Some(false) => {
                found.compare(F::NReal, "n_real", count(done.n_real), "all of the split");
            }
            _ => {}
        }
        if let Some(n_fake) = from.n_fake.map(|n| n.count(done.n_real)) {
            found.compare(F::NFake, "n_fake", count(done.n_fake), count(n_fake));
        }
        found.compare(F::Repeats, "sets of fakes", done.repeats, from.repeats);
        self.settings_differences(&mut found);
        found.compare(F::IsBias, "is_bias", done.is_bias, from.is_bias);
        self.sampling_differences(done, &mut found);
        for lack in &from.lacks {
            if computed.iter().any(|m| lack.metrics.iter().any(|name| name == m.name)) {
                found.texts.push(lack.what.clone());
            }
        }
        if !from.any_metric {
            let further = computed.iter().filter(|m| !from.metrics.iter().any(|n| n == m.name));
            let further: Vec<&str> = further.map(|m| m.name).collect();
            if !further.is_empty() {
                let text = format!("{}, which the protocol does not define", further.join(", "));
                found.texts.push(text);
            }
        }
        found.texts.extend_from_slice(done.further);
        found.texts
    }

    fn settings_differences(&self, found: &mut Differences<'_>) {
        use ProtocolField as F;
        let (here, there) = (self.settings, self.protocol.settings());
        let (is_here, is_there) = (here.inception_score, there.inception_score);
        found.compare(F::IsSplits, "is_splits", is_here.splits, is_there.splits);
        let shuffle = [is_here, is_there].map(|is| is.shuffle_seed.is_some());
        found.compare(F::IsShuffle, "is_shuffle", shuffle[0], shuffle[1]);
        found.compare(F::NearestK, "k", here.nearest_k, there.nearest_k);
        found.compare(F::IprNearestK, "k of ipr", here.ipr_nearest_k, there.ipr_nearest_k);
        found.compare(F::NearestReal, "nearest_real", here.nearest_real, there.nearest_real);
        let fakes = [here, there].map(|s| s.nearest_fake.map_or("all".into(), |n| n.to_string()));
        found.compare(F::NearestReal, "nearest_fake", &fakes[0], &fakes[1]);
        found.compare(F::NearestReal, "subset", here.subset, there.subset);
        found.compare(F::FidDivisor, "fid_divisor", here.fid_divisor, there.fid_divisor);
        found.compare(F::KidSubset, "kid_subset", here.kid.subset, there.kid.subset);
        found.compare(F::KidSubsets, "kid_subsets", here.kid.subsets, there.kid.subsets);
    }

    fn sampling_differences(&self, done: &Done<'_>, found: &mut Differences<'_>) {
        let from = self.protocol;
        match from.samples {
            Samples::Float => found.texts.push("samples of 8 bits (expected floats)".into()),
            Samples::Stretched if done.sampling.is_some() => {
                let text = "samples rounded to 8 bits (expected: stretched to their least and \
                            largest value first)";
                found.texts.push(text.into());
            }
            Samples::Stretched | Samples::Rounded => {}
        }
        let Some(sampling) = done.sampling else { return };
        if let Some(here) = sampling.statistics {
            let what = "statistics of batch norm";
            found.compare(ProtocolField::NFake, what, here, &from.statistics);
        }
        if let Some(here) = sampling.labels {
            found.compare(ProtocolField::NFake, "labels of fakes", here, from.labels);
        }
    }
}

/// Says so where weights are not the published ones.
fn unpublished(extractor: &str, sha256: &str) -> Option<String> {
    if extractor::entry(extractor).is_err() || extractor::is_published(extractor, sha256) {
        return None;
    }
    Some(match sha256.starts_with("made:") {
        true => format!("weights {sha256} (expected the published file)"),
        false => {
            let short = sha256.get(..12).unwrap_or(sha256);
            format!("weights with sha256 {short} (expected the published file)")
        }
    })
}

fn count(n: Option<usize>) -> String {
    n.map_or("unknown".into(), |n| n.to_string())
}

struct Differences<'a> {
    computed: &'a [&'a Metric],
    texts: Vec<String>,
}

impl Differences<'_> {
    /// Notes a difference in a field that any of the computed metrics reads.
    fn compare(
        &mut self,
        field: ProtocolField,
        what: &str,
        here: impl ToString,
        there: impl ToString,
    ) {
        let (here, there) = (here.to_string(), there.to_string());
        if here != there && self.computed.iter().any(|metric| metric.reads(field)) {
            self.texts.push(format!("{what} {here} (expected {there})"));
        }
    }
}

#[cfg(test)]
#[path = "measurement_tests.rs"]
mod tests;
