//! The card of every metric that stands in result files.
//!
//! Most are those of `ganbench_metrics`. The linear evaluation belongs to `ganbench_baselines`,
//! which does not know cards, so its cards stand here. `ganbench_reports` depends on neither crate:
//! it is handed [`for_reports`].

use ganbench_metrics::card::{LeastImages, Scale, ValueAxis, ValueRange};
use ganbench_metrics::{ImageCounts, Metric, bare_name, metrics};
use ganbench_reports::{Direction, MetricCard, MetricCards, statistics};

/// Test accuracy of a linear classifier on D's features, each image augmented anew in each epoch.
const LINEAR: Metric = Metric {
    name: "linear_accuracy_percent",
    title: "Linear acc. %",
    higher_is_better: true,
    decimals: 2,
    scale: Scale::Difference,
    range: ValueRange::PERCENT,
    axis: ValueAxis::Fitted,
    column: 130,
    is_detail: false,
    least_images: LeastImages::Fixed(ImageCounts { real: 1, fake: 0 }),
    fields: &[],
    description: "percentage of test images that a linear classifier on D's features gets right",
};

/// The same with the features of N epochs, over and over. Each N is a metric of its own with this
/// card.
const LINEAR_CACHED: Metric = Metric {
    name: "linear_accuracy_cachedN_percent",
    title: "Linear acc. (cached) %",
    column: 140,
    description: "the same, trained on the features of N epochs over and over",
    ..LINEAR
};

/// Top-5 accuracy, which ContraD's Table 9 prints of ImageNet. Nothing here computes it.
const LINEAR_TOP5: Metric = Metric {
    name: "linear_top5_accuracy_percent",
    title: "Linear top-5 acc. %",
    column: 135,
    description: "percentage of test images whose class is among the classifier's first five",
    ..LINEAR
};

/// The number of cached epochs, where the name is that of an evaluation with such.
fn cached_epochs(bare: &str) -> Option<u64> {
    let epochs = bare.strip_prefix("linear_accuracy_cached")?.strip_suffix("_percent")?;
    epochs.parse().ok()
}

/// All cards.
pub fn cards() -> impl Iterator<Item = &'static Metric> {
    metrics().chain([&LINEAR, &LINEAR_TOP5, &LINEAR_CACHED])
}

/// The card of a metric by its name, bare or with an extractor; `None` for an unknown one.
pub fn card(name: &str) -> Option<&'static Metric> {
    let bare = bare_name(name);
    if cached_epochs(bare).is_some() {
        return Some(&LINEAR_CACHED);
    }
    cards().find(|card| card.name == bare)
}

/// What a sentence calls a linear evaluation, which has no extractor; `None` for other metrics.
pub fn linear_in_words(name: &str) -> Option<String> {
    if name == LINEAR.name {
        return Some("linear accuracy, %".into());
    }
    cached_epochs(name).map(|epochs| format!("linear accuracy ({epochs} cached epochs), %"))
}

/// The cards as tables and plots read them.
pub fn for_reports() -> MetricCards {
    MetricCards::new(|name| {
        card(name).map(|card| MetricCard {
            title: card.title,
            direction: match card.higher_is_better {
                true => Direction::Higher,
                false => Direction::Lower,
            },
            decimals: card.decimals,
            axis: match card.axis {
                ValueAxis::Log => ganbench_reports::ValueAxis::Log,
                ValueAxis::FromZero => ganbench_reports::ValueAxis::FromZero,
                ValueAxis::Fitted => ganbench_reports::ValueAxis::Fitted,
            },
            scale: match card.scale {
                Scale::Ratio => statistics::Scale::Ratio,
                Scale::Difference => statistics::Scale::Difference,
            },
            range: statistics::ValueRange { low: card.range.low, high: card.range.high },
            column: card.column,
            is_detail: card.is_detail,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ganbench_baselines::linear_evaluation::LinearEvaluation;
    use ganbench_metrics::protocol::protocols;
    use ganbench_reports::{MetricName, reported};

    use super::*;

    #[test]
    fn no_two_metrics_share_a_name_or_a_column() {
        let names: BTreeSet<&str> = cards().map(|card| card.name).collect();
        let columns: BTreeSet<u16> = cards().map(|card| card.column).collect();
        assert_eq!((names.len(), columns.len()), (cards().count(), cards().count()));
    }

    #[test]
    fn every_metric_of_papers_and_protocols_is_a_cards() {
        for row in reported::all().unwrap() {
            let card = card(&row.metric).unwrap_or_else(|| panic!("no card for {}", row.metric));
            assert!(card.range.contains(row.value), "{}: {} {}", row.source, card.name, row.value);
        }
        for protocol in protocols() {
            for name in &protocol.metrics {
                assert_eq!(card(name).map(|card| card.name), Some(name.as_str()));
            }
        }
    }

    #[test]
    fn tables_print_every_metric_as_its_card_says() {
        for card in cards() {
            let name = card.name.replace('N', "4");
            for (full, suffix) in [(name.clone(), ""), (format!("{name}@small"), "@small")] {
                let printed = MetricName::new(&full, for_reports());
                assert_eq!(printed.title(), format!("{}{suffix}", card.title));
                assert_eq!(printed.direction().arrow(), card.arrow(), "{full}");
                assert_eq!(printed.decimals(), card.decimals, "{full}");
                assert_eq!(printed.base(), bare_name(&full));
            }
        }
        let unknown = MetricName::new("my_metric", for_reports());
        assert_eq!(unknown.direction(), Direction::Unknown);
    }

    #[test]
    fn fourteen_metrics_have_an_arrow_a_title_and_their_digits() {
        let line = |name: &str| {
            let metric = MetricName::new(name, for_reports());
            format!("{} {} {}", metric.title(), metric.direction().arrow(), metric.decimals())
        };
        for (name, expected) in [
            ("fid", "FID ↓ 2"),
            ("fid_inf", "FID-inf ↓ 2"),
            ("kid", "KID ↓ 5"),
            ("is", "IS ↑ 2"),
            ("precision", "Precision ↑ 3"),
            ("recall", "Recall ↑ 3"),
            ("density", "Density ↑ 3"),
            ("coverage", "Coverage ↑ 3"),
            ("ipr_precision", "Improved precision ↑ 3"),
            ("ipr_recall", "Improved recall ↑ 3"),
            ("authpct", "AuthPct ↑ 2"),
            ("vendi", "Vendi ↑ 2"),
            ("cmmd", "CMMD ↓ 3"),
            ("intra_fid", "iFID ↓ 2"),
            ("linear_accuracy_percent", "Linear acc. % ↑ 2"),
            ("linear_accuracy_cached4_percent", "Linear acc. (cached) % ↑ 2"),
        ] {
            assert_eq!(line(name), expected);
        }
    }

    #[test]
    fn a_linear_evaluation_has_a_card_whatever_it_caches() {
        for cached_epochs in [0, 1, 4, 12] {
            let evaluation = LinearEvaluation { cached_epochs, ..LinearEvaluation::default() };
            let name = evaluation.metric();
            let expected = if cached_epochs == 0 { &LINEAR } else { &LINEAR_CACHED };
            assert_eq!(card(&name), Some(expected), "{name}");
            assert!(linear_in_words(&name).is_some(), "{name}");
        }
        assert_eq!(linear_in_words("fid"), None);
        for unknown in ["linear_accuracy_cachedN_percents", "linear_accuracy_cached_percent"] {
            assert_eq!(card(unknown), None);
        }
    }
}
