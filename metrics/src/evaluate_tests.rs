use ganbench_data::rng::Stream;

use super::*;
use crate::extractor::ExtractorId;
use crate::families::{fid, kid, metrics, needs, prdc};
use crate::features::Features;
use crate::features::Logits;
use crate::metric::Labels;
use crate::recognition::recognitions_of_the_truth;
use crate::reference::RealReference;
use crate::settings::NearestReal;
use crate::settings::Settings;

fn features(purpose: &str, n: usize, classes: Option<usize>) -> Features {
    let mut stream = Stream::new(0, purpose);
    let pool = stream.normal(n * 8);
    let logits = classes.map(|classes| Logits { classes, values: stream.normal(n * classes) });
    Features::new(8, pool, logits).unwrap()
}

fn input<'a>(real: &'a RealReference, fake: &'a Features) -> EvaluationInput<'a> {
    let settings = Settings::default();
    EvaluationInput { real, fake, extractor: INCEPTION, metrics: None, settings, labels: None }
}

/// The published Inception network.
const INCEPTION: ExtractorId<'static> = ExtractorId {
    name: "inception",
    weights_sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
};

#[test]
fn a_metric_has_its_arrow_with_any_extractor() {
    assert_eq!(metric("fid@small-cifar10").unwrap().arrow(), "↓");
    assert_eq!(metric("coverage").unwrap().arrow(), "↑");
}

#[test]
fn one_call_gives_all_metrics_with_the_counts_of_the_protocol() {
    let real = RealReference::new(&features("real", 120, None), 50).unwrap();
    let fake = features("fake", 50, Some(10));
    let values = evaluate(input(&real, &fake)).unwrap();
    let rows: Vec<_> = values.iter().map(|v| (v.metric.as_str(), v.n_real, v.n_fake)).collect();
    assert_eq!(
        rows,
        [
            ("fid", 120, 50),
            ("is", 0, 50),
            ("precision", 50, 50),
            ("recall", 50, 50),
            ("density", 50, 50),
            ("coverage", 50, 50)
        ]
    );
    assert!(values[1].std.is_some() && values[0].std.is_none());
    // The reference, now with its radii at hand, gives the same again.
    assert_eq!(evaluate(input(&real, &fake)).unwrap(), values);
    // Each is what the metric's own function gives.
    let first = features("real", 120, None);
    let alone = prdc::prdc(prdc::PrdcInput {
        real: first.pool_rows().take(50),
        fake: fake.pool_rows(),
        k: 5,
    });
    assert_eq!(values[5].value, alone.unwrap().coverage);
}

#[test]
fn few_samples_take_the_exact_form_of_fid() {
    let (real, fake) = (features("real", 6, None), features("fake", 7, None));
    let reference = RealReference::new(&real, 0).unwrap();
    let input = EvaluationInput { metrics: Some(&["fid"]), ..input(&reference, &fake) };
    let few = fid::FewSamples { real: real.pool_rows(), fake: fake.pool_rows() };
    assert_eq!(evaluate(input).unwrap()[0].value, fid::fid_of_few(few).unwrap());
}

#[test]
fn without_logits_there_is_no_inception_score_unless_asked() {
    let real = RealReference::new(&features("real", 60, None), 60).unwrap();
    let fake = features("fake", 50, None);
    let values = evaluate(input(&real, &fake)).unwrap();
    assert!(values.iter().all(|v| v.metric != "is"));
    let asked = EvaluationInput { metrics: Some(&["is"]), ..input(&real, &fake) };
    assert_eq!(
        evaluate(asked).unwrap_err().to_string(),
        "is needs class logits, which these features do not have; choose another extractor"
    );
}

#[test]
fn a_chosen_metric_comes_alone() {
    let real = RealReference::new(&features("real", 60, None), 60).unwrap();
    let fake = features("fake", 50, None);
    let shapes = crate::extractor::published_sha256("small-shapes").unwrap();
    let asked = EvaluationInput {
        metrics: Some(&["density"]),
        extractor: ExtractorId { name: "small-shapes", weights_sha256: &shapes },
        ..input(&real, &fake)
    };
    let values = evaluate(asked).unwrap();
    assert_eq!(values.len(), 1);
    assert_eq!(values[0].metric, "density@small-shapes");
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let real = RealReference::new(&features("real", 60, None), 20).unwrap();
    let fake = features("fake", 50, None);
    assert_eq!(
        evaluate(input(&real, &fake)).unwrap_err().to_string(),
        "the real reference keeps 20 of 60 feature rows but 50 are needed; build it with as many rows as \
         the largest fake set, or with all for the metrics of all real images"
    );
    let unknown = EvaluationInput { metrics: Some(&["fidd"]), ..input(&real, &fake) };
    let names: Vec<&str> = metrics().map(|metric| metric.name).collect();
    assert_eq!(
        evaluate(unknown).unwrap_err().to_string(),
        format!("unknown metric \"fidd\"; known: {}", names.join(", "))
    );
    let other = Features::new(4, vec![0.0; 40], None).unwrap();
    assert_eq!(
        evaluate(input(&real, &other)).unwrap_err().to_string(),
        "real features have 8 dimensions but fake features 4; extract both alike"
    );
}

#[test]
fn each_family_that_is_computed_has_its_seconds() {
    let real = RealReference::new(&features("real", 60, None), 60).unwrap();
    let fake = features("fake", 50, Some(10));
    let got = evaluate_timed(input(&real, &fake)).unwrap();
    let names: Vec<_> = got.seconds.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["fid", "is", "prdc"]);
    assert!(got.seconds.iter().all(|(_, s)| s.is_finite() && *s >= 0.0));
    assert_eq!(got.values, evaluate(input(&real, &fake)).unwrap());
}

#[test]
fn all_real_images_are_compared_where_asked() {
    let real = RealReference::new(&features("real", 120, None), 120).unwrap();
    let fake = features("fake", 50, None);
    let settings = Settings { nearest_real: NearestReal::All, ..Settings::default() };
    let asked = EvaluationInput { settings, metrics: Some(&["recall"]), ..input(&real, &fake) };
    let got = &evaluate(asked).unwrap()[0];
    let all = features("real", 120, None);
    let alone = prdc::prdc(prdc::PrdcInput { real: all.pool_rows(), fake: fake.pool_rows(), k: 5 });
    assert_eq!((got.n_real, got.value), (120, alone.unwrap().recall));
}

#[test]
fn every_metric_can_be_asked_for_by_name() {
    let (real, fake) = (features("real", 60, None), features("fake", 50, Some(10)));
    let fake = fake.with_recognitions(recognitions_of_the_truth("fake", 50)).unwrap();
    let reference = RealReference::new(&real, usize::MAX).unwrap();
    let names: Vec<&str> = metrics().map(|m| m.name).collect();
    let kid = kid::Options { subset: 40, subsets: 5, seed: 2020 };
    let (labels_real, labels_fake): (Vec<u32>, Vec<u32>) =
        ((0..60).map(|i| i % 3).collect(), (0..50).map(|i| i % 3).collect());
    let asked = EvaluationInput {
        metrics: Some(&names),
        settings: Settings { kid, ..Settings::default() },
        labels: Some(Labels { real: &labels_real, fake: &labels_fake }),
        ..input(&reference, &fake)
    };
    let got = evaluate(asked).unwrap();
    assert_eq!(got.iter().map(|v| v.metric.as_str()).collect::<Vec<_>>(), names);
    assert!(got.iter().all(|v| v.value.is_finite() && v.n_fake == 50), "{got:?}");
    // KID, CMMD and intra-class FID take all real images, FID infinity all statistics, the
    // neighbours 50.
    let n_real: Vec<usize> = got.iter().map(|v| v.n_real).collect();
    assert_eq!(n_real[..14], [60, 0, 50, 50, 50, 50, 60, 60, 50, 50, 50, 0, 60, 60]);
    assert!(n_real[14..].iter().all(|n| *n == 0));
    let without = EvaluationInput { labels: None, ..asked };
    assert_eq!(
        evaluate(without).unwrap_err().to_string(),
        "intra_fid needs the class of each image, which was not given"
    );
}

#[test]
fn a_metric_needs_the_same_whether_its_extractor_is_named_or_not() {
    assert!(needs("modes_kl").recognitions && needs("modes_kl@small-shapes").recognitions);
    assert!(!needs("fid@small-shapes").recognitions);
}
