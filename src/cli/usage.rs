//! Which errors are of what was typed.

use ganbench_baselines::losses::registry::LossError;
use ganbench_baselines::train::TrainError;
use ganbench_data::DataError;
use ganbench_data::sources::SourceError;
use ganbench_metrics::{ExtractorError, MetricError};

use crate::machine;
use crate::plan::PlanError;

/// Whether an error is of what was typed, not of what was found.
pub fn is_usage(error: &anyhow::Error) -> bool {
    let of = |e: &(dyn std::error::Error + 'static)| {
        let plan = e
            .downcast_ref::<PlanError>()
            .is_some_and(|e| !matches!(e, PlanError::Toml { .. } | PlanError::Format { .. }));
        let train = e.downcast_ref::<TrainError>().is_some_and(|e| {
            matches!(
                e,
                TrainError::Architecture { .. } | TrainError::Value { .. } | TrainError::Part(_)
            )
        });
        let extractor = e.downcast_ref::<ExtractorError>();
        let extractor = extractor.is_some_and(|e| matches!(e, ExtractorError::Unknown { .. }));
        // A source passes its dataset's error on as its own.
        let data = match e.downcast_ref::<SourceError>() {
            Some(SourceError::Dataset(data)) => Some(data),
            _ => e.downcast_ref::<DataError>(),
        };
        let data = data.is_some_and(|e| {
            matches!(e, DataError::UnknownDataset { .. } | DataError::UnknownSplit { .. })
        });
        let metric = e.downcast_ref::<MetricError>().is_some_and(|e| {
            matches!(e, MetricError::UnknownMetric { .. } | MetricError::UnknownProtocol { .. })
        });
        let loss = e.downcast_ref::<LossError>().is_some_and(|e| {
            matches!(
                e,
                LossError::Unknown { .. }
                    | LossError::UnknownSetting { .. }
                    | LossError::Setting { .. }
                    | LossError::Form { .. }
            )
        });
        plan || metric
            || loss
            || train
            || extractor
            || data
            || e.downcast_ref::<machine::UsageError>().is_some()
    };
    error.chain().any(of)
}
