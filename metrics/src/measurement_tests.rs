use super::*;
use crate::protocol::protocols;

fn following<'a>(protocol: &'a Protocol, metrics: &'a [&'a str], sha256: &'a str) -> Done<'a> {
    let n_real = match protocol.n_real {
        Some(RealCount::Exactly(n)) => n,
        _ => 50_000,
    };
    Done {
        extractor: protocol.extractor.as_deref().unwrap_or("small-cifar10"),
        weights_sha256: sha256,
        split: protocol.split.as_deref(),
        whole_split: Some(true),
        n_real: Some(n_real),
        n_fake: protocol.n_fake.map_or(Some(300), |n| n.count(Some(n_real))),
        repeats: protocol.repeats,
        is_bias: protocol.is_bias,
        metrics,
        sampling: Some(Sampling {
            statistics: Some(&protocol.statistics),
            labels: Some(protocol.labels),
        }),
        further: &[],
    }
}

fn published(protocol: &Protocol) -> String {
    extractor::published_sha256(protocol.extractor.as_deref().unwrap_or("small-cifar10")).unwrap()
}

fn differences(name: &str, change: impl Fn(&mut Done<'_>)) -> Vec<String> {
    let measurement = Measurement::new(name, &Deviations::default()).unwrap();
    let (names, sha256) = (measurement.metric_names(), published(measurement.protocol));
    let mut done = following(measurement.protocol, &names, &sha256);
    change(&mut done);
    let label = measurement.label(&done);
    assert_eq!(label.protocol == CUSTOM, !label.differences.is_empty());
    assert_eq!(label.nearest.is_some(), !label.differences.is_empty());
    label.differences
}

#[test]
fn a_protocol_that_was_followed_gives_its_name_and_what_cannot_be_had_is_a_difference() {
    for protocol in protocols() {
        let found = differences(&protocol.name, |_| {});
        let expected: &[&str] = match protocol.name.as_str() {
            "contrad-train" | "studiogan-v0.2" => &["samples of 8 bits (expected floats)"],
            "mimicry" => &[
                "samples rounded to 8 bits (expected: stretched to their least and largest value first)",
            ],
            "stylegan" => {
                &["precision and recall of inception features, not of VGG16 features in 16 bits"]
            }
            "torch-fidelity" => {
                &["precision and recall of inception features, not of VGG16 features"]
            }
            _ => &[],
        };
        assert_eq!(found, expected, "{}", protocol.name);
    }
}

#[test]
fn each_thing_that_differs_is_named() {
    assert_eq!(differences("kdd", |d| d.n_fake = Some(500)), ["n_fake 500 (expected 50000)"]);
    assert_eq!(differences("kdd", |d| d.split = Some("test")), ["split test (expected train)"]);
    let some = |d: &mut Done<'_>| (d.n_real, d.whole_split) = (Some(2000), Some(false));
    assert_eq!(differences("kdd", some), ["n_real 2000 (expected all of the split)"]);
    assert_eq!(
        differences("kdd", |d| d.weights_sha256 = "made:0"),
        ["weights made:0 (expected the published file)"]
    );
    assert_eq!(
        differences("tables", |d| d.weights_sha256 = "0123456789abcdef"),
        ["weights with sha256 0123456789ab (expected the published file)"]
    );
    assert_eq!(
        differences("kdd", |d| d.extractor = "inception-clean"),
        ["extractor inception-clean (expected inception)"]
    );
    assert_eq!(
        differences("kdd", |d| d.metrics = &["fid@inception", "vendi"]),
        ["vendi, which the protocol does not define"]
    );
    assert_eq!(
        differences("studiogan-v0.4", |d| {
            let labels = Some(LabelRule::Data);
            d.sampling = Some(Sampling { statistics: Some("running"), labels });
        }),
        [
            "statistics of batch norm running (expected standing)",
            "labels of fakes data (expected uniform)"
        ]
    );
    assert_eq!(
        differences("studiogan-v0.4", |d| (d.n_real, d.n_fake) = (Some(100_000), Some(50_000))),
        ["n_fake 50000 (expected 100000)"]
    );
    assert_eq!(
        differences("mimicry", |d| (d.repeats, d.sampling) = (1, None)),
        ["sets of fakes 1 (expected 3)"]
    );
}

#[test]
fn only_what_a_computed_metric_reads_is_a_difference() {
    let deviations = Deviations {
        nearest_k: Some(3),
        kid_subset: Some(50),
        is_splits: Some(1),
        ..Deviations::default()
    };
    let measurement = Measurement::new("tables", &deviations).unwrap();
    let sha256 = published(measurement.protocol);
    let mut done = following(measurement.protocol, &["fid"], &sha256);
    assert_eq!(measurement.label(&done).protocol, "tables");
    done.metrics = &["fid", "coverage"];
    assert_eq!(measurement.label(&done).differences, ["k 3 (expected 5)"]);
    done.metrics = &["is", "kid"];
    assert_eq!(
        measurement.label(&done).differences_text(),
        "differs from tables in: is_splits 1 (expected 10); kid_subset 50 (expected 1000)"
    );
}

#[test]
fn our_own_protocols_define_every_metric() {
    let all: Vec<String> = crate::metrics().map(|m| m.name.to_string()).collect();
    let deviations = Deviations { metrics: Some(all.clone()), ..Deviations::default() };
    for name in ["tables", "ganbench"] {
        let measurement = Measurement::new(name, &deviations).unwrap();
        assert_eq!(measurement.metric_names(), all);
        let (names, sha256) = (measurement.metric_names(), published(measurement.protocol));
        assert_eq!(
            measurement.label(&following(measurement.protocol, &names, &sha256)).protocol,
            name
        );
    }
}

#[test]
fn unknown_protocols_and_metrics_are_refused_with_the_known_ones() {
    let error = Measurement::new("nonsense", &Deviations::default()).unwrap_err().to_string();
    assert!(error.starts_with("unknown protocol \"nonsense\"; known: ganbench, tables"), "{error}");
    let metrics = Some(vec!["fidd".to_string()]);
    let error = Measurement::new("kdd", &Deviations { metrics, ..Deviations::default() });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("unknown metric \"fidd\"; known: fid, is"), "{error}");
}

#[test]
fn an_old_custom_plan_is_measured_as_its_tables_were_and_stays_custom() {
    let measurement = Measurement::new(CUSTOM, &Deviations::default()).unwrap();
    assert_eq!(measurement.protocol.name, TABLES_0_1);
    let (names, sha256) = (measurement.metric_names(), published(measurement.protocol));
    let label = measurement.label(&following(measurement.protocol, &names, &sha256));
    assert_eq!(label.protocol, CUSTOM);
    assert_eq!(label.differences, ["the plan calls its protocol custom"]);
}
