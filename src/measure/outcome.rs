//! What `eval` and `metrics` print: one flat JSON object, or lines for people.

use std::fmt::Write as _;

use ganbench_metrics::{Label, MetricValue, WithInterval, bare_name, metric};
use ganbench_reports::short_hash;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize as SerializeDerive};

use super::numbers::{ClassValue, Missing};
use super::reading::Sides;

/// Wall-clock seconds of each part of the work, in the order in which the parts were first met.
/// They do not overlap: their sum is the time of the whole.
#[derive(Clone, Debug, Default)]
pub struct Seconds(Vec<(&'static str, f64)>);

impl Seconds {
    /// Adds seconds to a part, which comes last where it is new.
    pub fn add(&mut self, part: &'static str, seconds: f64) {
        match self.0.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += seconds,
            None => self.0.push((part, seconds)),
        }
    }

    /// Adds all parts of another measurement.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|(part, seconds)| self.add(part, *seconds));
    }

    /// Runs `work` on the clock of `part`.
    pub fn time<T>(&mut self, part: &'static str, work: impl FnOnce() -> T) -> T {
        let started = std::time::Instant::now();
        let out = work();
        self.add(part, started.elapsed().as_secs_f64());
        out
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (part, seconds) in &self.0 {
            map.serialize_entry(part, seconds)?;
        }
        map.end()
    }
}

/// The network behind the features.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ExtractorUsed {
    /// Name of the extractor.
    pub name: String,
    /// SHA-256 of its weights, as [`ganbench_metrics::Extractor::weights_sha256`].
    pub sha256: String,
    /// Whether Winograd's convolution was left out.
    pub exact: bool,
}

/// What was asked for beside the metrics' names: `compare` measures with it again.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDerive, Deserialize)]
pub struct Asked {
    /// Name of the protocol.
    pub protocol: String,
    /// `--nearest-k`; None as the protocol says.
    pub nearest_k: Option<usize>,
    /// `--kid-subset`; None as the protocol says.
    pub kid_subset: Option<usize>,
    /// Resamplings behind the intervals; 0 for none.
    pub bootstrap: usize,
    /// Whether intervals are of other fakes alone.
    pub hold_reals: bool,
    /// Where the network worked.
    pub device: String,
}

/// Everything that is told of a measurement.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each metric.
    pub values: Vec<WithInterval>,
    /// The FID of each class, where intra-class FID was computed.
    pub classes: Vec<ClassValue>,
    /// What rounding in stored statistics did to FID at most; 0 where they are sound.
    pub fid_error: f64,
    /// What the protocol has and could not be computed.
    pub missing: Vec<Missing>,
    /// None where a file of statistics does not say.
    pub n_real: Option<usize>,
    /// None where a file of statistics does not say.
    pub n_fake: Option<usize>,
    /// Sets of fakes whose mean the values are.
    pub repeats: usize,
    /// Which part of an archive was used that holds both images and statistics.
    pub real_used: Option<&'static str>,
    /// The same of the fakes.
    pub fake_used: Option<&'static str>,
    /// Hash of the images as given, encoded where they are; None where features came from
    /// elsewhere.
    pub real_sha256: Option<String>,
    /// The same of the fakes.
    pub fake_sha256: Option<String>,
    /// What was left out or converted on the way to pixels.
    pub images_read: Sides,
    /// None where the features come from elsewhere.
    pub extractor: Option<ExtractorUsed>,
    /// The protocol that the numbers follow.
    pub label: Label,
    /// None of files of features.
    pub asked: Option<Asked>,
    /// Time of each part of the work.
    pub seconds: Seconds,
    /// Peak resident memory in 2^20 bytes.
    pub peak_rss_mb: f64,
}

/// Goes up when a key of the JSON changes its meaning or goes away.
const FORMAT: u32 = 1;

impl Serialize for Outcome {
    /// `fid`, `is`, `is_std`, `fid_ci_low`, …, flat. The extractor is part of the name unless it is
    /// the published Inception: `fid@small-cifar10`. A metric that could not be computed is null,
    /// with the reason beside it: `kid`, `kid_reason`.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("format", &FORMAT)?;
        for (value, interval) in &self.values {
            let name = &value.metric;
            map.serialize_entry(name, &value.value)?;
            if let Some(std) = value.std {
                map.serialize_entry(&format!("{name}_std"), &std)?;
            }
            if let Some(interval) = interval {
                map.serialize_entry(&format!("{name}_ci_low"), &interval.low)?;
                map.serialize_entry(&format!("{name}_ci_high"), &interval.high)?;
                map.serialize_entry(&format!("{name}_ci_of"), &self.interval_of(value))?;
            }
            if self.has_error(name) {
                map.serialize_entry(&format!("{name}_error_at_most"), &self.fid_error)?;
            }
        }
        for missing in &self.missing {
            map.serialize_entry(&missing.metric, &None::<f64>)?;
            map.serialize_entry(&format!("{}_reason", missing.metric), &missing.reason)?;
        }
        if !self.classes.is_empty() {
            map.serialize_entry("intra_fid_classes", &self.classes)?;
        }
        map.serialize_entry("n_real", &self.n_real)?;
        map.serialize_entry("n_fake", &self.n_fake)?;
        map.serialize_entry("repeats", &self.repeats)?;
        for (key, used) in [("real_used", self.real_used), ("fake_used", self.fake_used)] {
            if let Some(used) = used {
                map.serialize_entry(key, used)?;
            }
        }
        map.serialize_entry("real_sha256", &self.real_sha256)?;
        map.serialize_entry("fake_sha256", &self.fake_sha256)?;
        map.serialize_entry("images", &self.images_read.json())?;
        map.serialize_entry("hints", &self.images_read.hints())?;
        map.serialize_entry("extractor", &self.extractor)?;
        map.serialize_entry("protocol", &self.label.protocol)?;
        if let Some(nearest) = &self.label.nearest {
            map.serialize_entry("nearest_protocol", nearest)?;
            map.serialize_entry("protocol_differences", &self.label.differences)?;
        }
        if let Some(asked) = &self.asked {
            map.serialize_entry("asked", asked)?;
        }
        map.serialize_entry("version", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("seconds", &self.seconds)?;
        map.serialize_entry("peak_rss_mb", &self.peak_rss_mb)?;
        map.end()
    }
}

/// Below so many images a side FID lies visibly above its limit: published FIDs take 50,000.
const MANY: usize = 50_000;

impl Outcome {
    /// What the interval of a value holds: the metric's expectation, which for most metrics depends
    /// on the number of images.
    fn interval_of(&self, value: &MetricValue) -> String {
        let MetricValue { metric: name, n_real, n_fake, .. } = value;
        let card = metric(name).ok();
        if card.is_some_and(|card| !card.depends_on_counts()) {
            return "the mean at any number of images".into();
        }
        let counts = match card.is_some_and(|card| card.looks_at_reals()) {
            true => format!("{n_real} real, {n_fake} fake"),
            false => format!("{n_fake} fake"),
        };
        let held = self.asked.as_ref().is_some_and(|asked| asked.hold_reals);
        let held = if held { ", reals held" } else { "" };
        let extrapolated = self.values.iter().any(|(v, _)| bare_name(&v.metric) == "fid_inf");
        let limit = match bare_name(name) == "fid" && *n_real.min(n_fake) < MANY && !extrapolated {
            true => "; less with more: --metrics fid_inf extrapolates",
            false => "",
        };
        format!("the mean at {counts}{held}{limit}")
    }

    /// Whether this value carries the error of stored statistics.
    fn has_error(&self, metric: &str) -> bool {
        self.fid_error > 0.0 && bare_name(metric) == "fid"
    }

    /// A table for a terminal, in lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let names = self.values.iter().map(|(v, _)| &v.metric);
        let names = names.chain(self.missing.iter().map(|missing| &missing.metric));
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0).max(14);
        for (value, interval) in &self.values {
            let std = value.std.map_or(String::new(), |std| format!(" ± {}", short(std)));
            let interval = interval.map_or(String::new(), |i| {
                let of = self.interval_of(value);
                format!("   95 % interval {} to {} (of {of})", short(i.low), short(i.high))
            });
            let error = match self.has_error(&value.metric) {
                true => format!("   off by at most {} (an upper bound)", short(self.fid_error)),
                false => String::new(),
            };
            let _ = writeln!(
                text,
                "{:<width$} {}{std}{interval}{error}",
                value.metric,
                short(value.value)
            );
        }
        for class in &self.classes {
            let name = class.name.clone().unwrap_or_else(|| class.class.to_string());
            let (value, n_real, n_fake) = (short(class.value), class.n_real, class.n_fake);
            let _ = writeln!(
                text,
                "{:<width$} {value}   {n_real} real, {n_fake} fake",
                format!("  {name}")
            );
        }
        for Missing { metric, reason } in &self.missing {
            let _ = writeln!(text, "{metric:<width$} not computed: {reason}");
        }
        let count = |n: Option<usize>| n.map_or("?".to_string(), |n| n.to_string());
        let sets = match self.repeats {
            0 | 1 => String::new(),
            n => format!(", mean of {n} sets"),
        };
        let (n_real, n_fake) = (count(self.n_real), count(self.n_fake));
        let _ = writeln!(text, "{:<width$} {n_real} real, {n_fake} fake{sets}", "images");
        for (side, used) in [("real", self.real_used), ("fake", self.fake_used)] {
            if let Some(used) = used {
                let _ = writeln!(text, "{:<width$} of the {side} file: {used}", "");
            }
        }
        for line in self.images_read.lines() {
            let _ = writeln!(text, "{:<width$} {line}", "");
        }
        if let Some(extractor) = &self.extractor {
            let sha256 = short_hash(&extractor.sha256);
            let _ = writeln!(text, "{:<width$} {} (weights {sha256})", "extractor", extractor.name);
        }
        let _ = writeln!(text, "{:<width$} {}", "protocol", self.label.protocol);
        if self.label.nearest.is_some() {
            let _ = writeln!(text, "{:<width$} {}", "", self.label.differences_text());
        }
        let parts = self.seconds.0.iter().map(|(part, s)| format!("{part} {s:.1} s"));
        let _ = writeln!(text, "{:<width$} {}", "time", parts.collect::<Vec<_>>().join(", "));
        let _ = writeln!(text, "{:<width$} {:.0} MB", "peak memory", self.peak_rss_mb);
        text
    }
}

/// Six digits, without an exponent where it can be read without.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 1e5 => 0,
        v if v >= 100.0 => 3,
        v if v >= 1.0 => 4,
        v if v >= 1e-3 || v == 0.0 => 6,
        _ => return format!("{value:.4e}"),
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use ganbench_metrics::{Interval, MetricValue};

    use super::*;

    #[test]
    fn json_is_flat_with_the_extractor_in_the_names_and_null_for_what_is_missing() {
        let value = |metric: &str, value, std| MetricValue {
            metric: metric.into(),
            value,
            std,
            n_real: 10,
            n_fake: 20,
        };
        let interval = Some(Interval { low: 1.0, high: 3.0 });
        let mut seconds = Seconds::default();
        seconds.add("load", 0.5);
        seconds.add("fid", 1.0);
        seconds.add("load", 0.25);
        let outcome = Outcome {
            values: vec![
                (value("fid@pixels", 2.0, None), interval),
                (value("is", 4.5, Some(0.5)), None),
            ],
            classes: vec![ClassValue {
                class: 3,
                name: Some("cat".into()),
                value: 1.5,
                n_real: 4,
                n_fake: 5,
            }],
            fid_error: 0.25,
            missing: vec![Missing { metric: "kid@pixels".into(), reason: "too few".into() }],
            n_real: Some(10),
            n_fake: Some(20),
            repeats: 3,
            real_used: Some("the images"),
            fake_used: None,
            real_sha256: Some("cd".into()),
            fake_sha256: None,
            images_read: Sides::default(),
            extractor: Some(ExtractorUsed {
                name: "pixels".into(),
                sha256: "ab".into(),
                exact: false,
            }),
            label: Label {
                protocol: "custom".into(),
                nearest: Some("prdc".into()),
                differences: vec!["k 3 (expected 5)".into()],
            },
            asked: Some(Asked {
                protocol: "prdc".into(),
                nearest_k: Some(3),
                kid_subset: None,
                bootstrap: 40,
                hold_reals: true,
                device: "Cpu".into(),
            }),
            seconds,
            peak_rss_mb: 12.0,
        };
        assert_eq!(
            serde_json::to_string(&outcome).unwrap(),
            format!(
                "{{\"format\":1,\"fid@pixels\":2.0,\"fid@pixels_ci_low\":1.0,\"fid@pixels_ci_high\":3.0,\
                 \"fid@pixels_ci_of\":\"the mean at 10 real, 20 fake, reals held; less with more: --metrics fid_inf extrapolates\",\
                 \"fid@pixels_error_at_most\":0.25,\
                 \"is\":4.5,\"is_std\":0.5,\"kid@pixels\":null,\"kid@pixels_reason\":\"too few\",\
                 \"intra_fid_classes\":[{{\"class\":3,\"name\":\"cat\",\"value\":1.5,\"n_real\":4,\"n_fake\":5}}],\
                 \"n_real\":10,\"n_fake\":20,\"repeats\":3,\"real_used\":\"the images\",\"real_sha256\":\"cd\",\"fake_sha256\":null,\
                 \"images\":{{\"fake\":null,\"real\":null}},\"hints\":[],\
                 \"extractor\":{{\"name\":\"pixels\",\"sha256\":\"ab\",\"exact\":false}},\
                 \"protocol\":\"custom\",\"nearest_protocol\":\"prdc\",\
                 \"protocol_differences\":[\"k 3 (expected 5)\"],\
                 \"asked\":{{\"protocol\":\"prdc\",\"nearest_k\":3,\"kid_subset\":null,\"bootstrap\":40,\"hold_reals\":true,\"device\":\"Cpu\"}},\"version\":\"{}\",\
                 \"seconds\":{{\"load\":0.75,\"fid\":1.0}},\"peak_rss_mb\":12.0}}",
                env!("CARGO_PKG_VERSION")
            )
        );
        let of = |metric: &str| outcome.interval_of(&value(metric, 1.0, None));
        assert_eq!(of("kid@pixels"), "the mean at any number of images");
        assert_eq!(of("is"), "the mean at 20 fake, reals held");
        assert_eq!(of("recall"), "the mean at 10 real, 20 fake, reals held");
        let shown = [123_456.7, 12.345_678, 0.012_345_67, 0.0, -2.5e-7].map(short);
        assert_eq!(shown, ["123457", "12.3457", "0.012346", "0.000000", "-2.5000e-7"]);
    }
}
