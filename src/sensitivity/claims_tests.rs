//! What the metrics are said to see, on `shapes` with few images.

use std::sync::LazyLock;

use super::faults::Fault;
use super::instrument::{Images, Instrument};
use super::measure::{Findings, Request, measure};
use super::verdict::THRESHOLD;

/// Each fault at the levels that a claim speaks of.
const PLANTED: &[(&str, &[f64])] = &[
    ("none", &[1.0, 2.0]),
    ("noise", &[16.0]),
    ("blur", &[1.0]),
    ("contrast", &[0.75]),
    ("wrong_size", &[0.2]),
    ("wrong_hue", &[0.2]),
    ("blends", &[0.2]),
    ("unique", &[50.0, 10.0]),
    ("hues", &[1.0]),
    ("backgrounds", &[1.0]),
    ("textures", &[1.0]),
    ("modes", &[360.0, 180.0]),
    ("hue_tied", &[1.0]),
    ("texture_tied", &[1.0]),
    ("copies", &[1.0]),
];

/// Those that a claim speaks of: others would take as long again.
const METRICS: [&str; 15] = [
    "fid",
    "kid",
    "is",
    "precision",
    "recall",
    "coverage",
    "authpct",
    "recognised",
    "faithful",
    "modes_kl",
    "tv_shape",
    "tv_hue",
    "tv_background",
    "tv_texture",
    "factor_mi",
];

static FINDINGS: LazyLock<Findings> = LazyLock::new(|| {
    let images = Images { dataset: "shapes", n: 500, data: None, quiet: true };
    let metrics = METRICS.map(str::to_owned);
    let instrument = Instrument::new(images, Some(&metrics)).unwrap();
    let fault = |(name, levels): &(&str, &[f64])| {
        (Fault::by_name(name, "shapes").unwrap(), levels.to_vec())
    };
    let faults = PLANTED.iter().map(fault).collect();
    measure(&instrument, &Request { faults, draws: 12, quiet: true }).unwrap()
});

/// By how many standard deviations of clean draws a metric is worse.
fn worse(metric: &str, fault: &str, level: f64) -> f64 {
    let findings = &*FINDINGS;
    let fault = findings.faults.iter().find(|found| found.fault.name == fault).unwrap();
    let i = fault.levels.iter().position(|known| *known == level).unwrap();
    let metric = format!("{metric}@small-shapes");
    let metric = fault.metrics.iter().find(|found| found.metric == metric).unwrap();
    metric.worse[i].unwrap()
}

#[track_caller]
fn sees(metric: &str, fault: &str, level: f64) {
    let z = worse(metric, fault, level);
    assert!(z >= THRESHOLD, "{metric} of {fault} {level}: {z}");
}

#[track_caller]
fn is_blind(metric: &str, fault: &str, level: f64) {
    let z = worse(metric, fault, level);
    assert!(z < THRESHOLD, "{metric} of {fault} {level}: {z}");
}

#[track_caller]
fn prefers(metric: &str, fault: &str, level: f64) {
    let z = worse(metric, fault, level);
    assert!(z <= -THRESHOLD, "{metric} of {fault} {level}: {z}");
}

const TOTAL_VARIATIONS: [&str; 4] = ["tv_shape", "tv_hue", "tv_background", "tv_texture"];

#[test]
fn fid_sees_every_factor_that_is_restricted_or_tied() {
    for fault in ["hues", "backgrounds", "textures", "hue_tied", "texture_tied"] {
        sees("fid", fault, 1.0);
    }
    sees("fid", "modes", 180.0);
}

#[test]
fn the_divergence_of_modes_sees_half_of_the_modes_dropped_where_fid_of_so_few_images_does_not() {
    sees("modes_kl", "modes", 360.0);
    sees("modes_kl", "modes", 180.0);
    is_blind("fid", "modes", 360.0);
}

#[test]
fn the_mutual_information_sees_tied_factors_where_each_by_itself_is_as_in_truth() {
    for fault in ["hue_tied", "texture_tied"] {
        sees("factor_mi", fault, 1.0);
        TOTAL_VARIATIONS.iter().for_each(|metric| is_blind(metric, fault, 1.0));
    }
    sees("tv_hue", "hues", 1.0);
    sees("tv_background", "backgrounds", 1.0);
    sees("tv_texture", "textures", 1.0);
}

#[test]
fn copies_of_reals_are_seen_by_authenticity_alone() {
    sees("authpct", "copies", 1.0);
    for clean in FINDINGS.clean.iter().filter(|clean| clean.card.name != "authpct") {
        is_blind(clean.card.name, "copies", 1.0);
    }
}

#[test]
fn authenticity_takes_spoilt_images_for_better_ones() {
    for (fault, level) in [("noise", 16.0), ("blur", 1.0), ("contrast", 0.75)] {
        prefers("authpct", fault, level);
        sees("fid", fault, level);
    }
}

#[test]
fn coverage_and_modes_see_few_images_repeated_and_precision_does_not() {
    for level in [50.0, 10.0] {
        sees("coverage", "unique", level);
        sees("modes_kl", "unique", level);
        is_blind("precision", "unique", level);
    }
}

#[test]
fn images_that_the_set_does_not_hold_are_not_faithful() {
    for (fault, level) in [
        ("noise", 16.0),
        ("blur", 1.0),
        ("contrast", 0.75),
        ("wrong_size", 0.2),
        ("wrong_hue", 0.2),
        ("blends", 0.2),
    ] {
        sees("faithful", fault, level);
    }
    for fault in ["hues", "modes", "hue_tied", "copies"] {
        is_blind("recognised", fault, if fault == "modes" { 180.0 } else { 1.0 });
    }
}

#[test]
fn further_clean_images_are_no_fault_to_any_metric() {
    for clean in &FINDINGS.clean {
        for level in [1.0, 2.0] {
            let z = worse(clean.card.name, "none", level);
            assert!(z.abs() < THRESHOLD, "{} of draw {level}: {z}", clean.card.name);
        }
    }
}
