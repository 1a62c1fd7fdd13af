use std::collections::BTreeSet;

use ganbench_data::rng::Stream;

use super::*;
use crate::evaluate::evaluate_timed;
use crate::families::inception_score::Splits;
use crate::families::metrics;
use crate::features::{Features, Logits};
use crate::metric::{Evaluation, EvaluationInput, Labels};
use crate::recognition::recognitions_of_the_truth;
use crate::reference::RealReference;
use crate::settings::NearestReal;
use crate::{inception_score, kid};

const DIM: usize = 8;

fn features(purpose: &str, n: usize) -> Features {
    let mut stream = Stream::new(0, purpose);
    let pool = stream.normal(n * DIM);
    let logits = Logits { classes: 5, values: stream.normal(n * 5) };
    let features = Features::new(DIM, pool, Some(logits)).unwrap();
    features.with_recognitions(recognitions_of_the_truth(purpose, n)).unwrap()
}

fn settings() -> Settings {
    Settings {
        nearest_real: NearestReal::All,
        kid: kid::Options { subset: 20, subsets: 4, seed: 2020 },
        inception_score: inception_score::Options {
            splits: Splits::Equal(4),
            shuffle_seed: Some(2020),
        },
        ..Settings::default()
    }
}

/// Of drawn features, all of one class.
fn evaluated(
    names: &[&str],
    n: ImageCounts,
    settings: Settings,
) -> Result<Evaluation, MetricError> {
    let real = RealReference::new(&features("real", n.real), usize::MAX)?;
    let fake = features("fake", n.fake);
    let (real_labels, fake_labels) = (vec![0; n.real], vec![0; n.fake]);
    evaluate_timed(EvaluationInput {
        real: &real,
        fake: &fake,
        extractor: crate::extractor::ExtractorId { name: "pixels", weights_sha256: "none" },
        metrics: Some(names),
        settings,
        labels: Some(Labels { real: &real_labels, fake: &fake_labels }),
    })
}

fn value(metric: &Metric, settings: Settings) -> f64 {
    let n = ImageCounts { real: 150, fake: 50 };
    evaluated(&[metric.name], n, settings).unwrap().values[0].value
}

#[test]
fn every_family_has_a_whole_card_for_each_of_its_metrics() {
    let (mut names, mut columns) = (BTreeSet::new(), BTreeSet::new());
    for family in FAMILIES {
        assert!(!family.metrics.is_empty(), "{}", family.name);
        for card in family.metrics {
            let name = card.name;
            assert!(!name.is_empty() && !name.contains('@') && *name == name.to_lowercase());
            assert!(names.insert(name), "two cards are called {name}");
            assert!(columns.insert(card.column), "{name} shares its column {}", card.column);
            assert!(!card.title.trim().is_empty() && !card.description.trim().is_empty(), "{name}");
            assert!(card.decimals <= 6, "{name}");
            assert!(card.range.low < card.range.high, "{name}");
            let (low, got) = (card.range.low, value(card, settings()));
            assert!(card.range.contains(got), "{name}: {got} outside of {}", card.range);
            assert!(!card.range.contains(f64::NAN) && !card.range.contains(low - 1.0), "{name}");
            assert_eq!(card.arrow(), if card.higher_is_better { "↑" } else { "↓" });
        }
    }
    assert_eq!(names.len(), 29);
}

#[test]
fn a_metric_takes_as_many_images_as_its_card_says_and_refuses_one_fewer() {
    for card in metrics() {
        let name = card.name;
        let least = card.least_images.counts(&settings());
        let enough = ImageCounts { real: least.real.max(1), fake: least.fake.max(1) };
        card.check_counts(enough, &settings()).unwrap();
        evaluated(&[name], enough, settings()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(card.looks_at_reals(), least.real > 0, "{name}");
        for (side, fewer) in [
            (Side::Real, ImageCounts { real: least.real.saturating_sub(1), ..enough }),
            (Side::Fake, ImageCounts { fake: least.fake.saturating_sub(1), ..enough }),
        ] {
            let needed = if side == Side::Real { least.real } else { least.fake };
            if needed == 0 {
                continue;
            }
            let said = card.check_counts(fewer, &settings()).unwrap_err().to_string();
            assert!(said.contains(&format!("{side}")) && said.starts_with(name), "{said}");
            let refused = evaluated(&[name], fewer, settings()).unwrap_err();
            assert!(
                matches!(
                    refused,
                    MetricError::TooFew { .. }
                        | MetricError::KidTooFew { .. }
                        | MetricError::ClassTooFew { .. }
                ),
                "{name} of {fewer:?}: {refused}"
            );
        }
    }
}

#[test]
fn a_card_names_every_setting_that_changes_its_metric_and_no_other() {
    let base = settings();
    let splits = |n| inception_score::Options { splits: Splits::Equal(n), ..base.inception_score };
    let order = inception_score::Options { shuffle_seed: None, ..base.inception_score };
    let fid_infinity = crate::families::fid::infinity::Options { counts: 5, ..base.fid_infinity };
    // `IsBias` is no setting: it comes with the logits.
    for (field, changed) in [
        (ProtocolField::IsSplits, Settings { inception_score: splits(5), ..base }),
        (ProtocolField::IsShuffle, Settings { inception_score: order, ..base }),
        (ProtocolField::NearestK, Settings { nearest_k: 3, ..base }),
        (ProtocolField::IprNearestK, Settings { ipr_nearest_k: 5, ..base }),
        (ProtocolField::NearestReal, Settings { nearest_real: NearestReal::AsManyAsFakes, ..base }),
        (
            ProtocolField::FidDivisor,
            Settings { fid_divisor: crate::families::fid::Divisor::N, ..base },
        ),
        (ProtocolField::FidInfinityCounts, Settings { fid_infinity, ..base }),
        (
            ProtocolField::KidSubset,
            Settings { kid: kid::Options { subset: 10, ..base.kid }, ..base },
        ),
        (
            ProtocolField::KidSubsets,
            Settings { kid: kid::Options { subsets: 3, ..base.kid }, ..base },
        ),
    ] {
        for card in metrics() {
            let moves = value(card, base) != value(card, changed);
            assert_eq!(moves, card.reads(field), "{} and {}", card.name, field.name());
        }
    }
}

#[test]
fn a_metric_of_fakes_alone_reads_nothing_of_the_real_images() {
    let of_fakes: Vec<&str> = metrics().filter(|m| !m.looks_at_reals()).map(|m| m.name).collect();
    assert_eq!(of_fakes[..2], ["is", "vendi"]);
    // The metrics of known truth have it in the place of real images.
    let of_truth = crate::families::modes::FAMILY.metrics.iter().map(|metric| metric.name);
    assert!(of_fakes[2..].iter().copied().eq(of_truth));
    for card in metrics() {
        assert!(card.reads(ProtocolField::Extractor) && card.reads(ProtocolField::NFake));
        for field in [ProtocolField::Split, ProtocolField::NReal] {
            assert_eq!(card.reads(field), card.looks_at_reals(), "{}", card.name);
        }
    }
}

#[test]
fn too_few_images_are_refused_by_what_is_needed() {
    let said = |name: &str, real, fake| {
        let n = ImageCounts { real, fake };
        let error = crate::metric(name).unwrap().check_counts(n, &Settings::default());
        error.unwrap_err().to_string()
    };
    assert_eq!(said("coverage", 100, 5), "coverage needs at least 6 fake images, got 5");
    assert_eq!(said("ipr_recall", 3, 100), "ipr_recall needs at least 4 real images, got 3");
    assert_eq!(said("is", 0, 9), "is needs at least 10 fake images, got 9");
    assert_eq!(
        said("kid", 40, 2000),
        "kid draws subsets of 1000 images but there are only 40 real ones; lower --kid-subset"
    );
}

#[test]
fn ranges_and_least_numbers_read_as_they_are_meant() {
    let shown = |name: &str| {
        let card = crate::metric(name).unwrap();
        format!("{}; {}", card.range, card.least_images)
    };
    assert_eq!(shown("kid"), "(−∞, ∞); kid_subset on each side");
    assert_eq!(shown("precision"), "[0, 1]; nearest_k + 1 on each side");
    assert_eq!(shown("is"), "[1, ∞); is_splits fake");
    assert_eq!(shown("authpct"), "[0, 100]; 2 real and 1 fake");
    assert_eq!(shown("vendi"), "[1, ∞); 1 fake");
    assert_eq!(shown("intra_fid"), "[0, ∞); 2 of each class on each side");
    let range = ValueRange::AT_LEAST_1;
    assert!(range.contains(1.0) && !range.contains(0.99) && !range.contains(f64::INFINITY));
    assert_eq!((range.clamp(0.5), range.clamp(7.0)), (1.0, 7.0));
}
