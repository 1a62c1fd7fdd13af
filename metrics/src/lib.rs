//! Images in, numbers out: feature extractors and the metrics of generated images.
//!
//! [`load`] gives an [`Extractor`] by name, which turns an `ImageBatch` into [`Features`]; a
//! [`RealReference`] holds what is needed of the real images; [`evaluate`] computes all metrics of
//! a set of fakes against it. Each metric is also a function of its own, which takes plain
//! [`Rows`].
//!
//! Progress goes through callbacks, nothing is printed.

pub mod authenticity;
mod balls;
pub mod bootstrap;
pub mod card;
pub mod class_fid;
pub mod class_pairs;
pub mod cmmd;
mod error;
mod estimates;
pub mod extractor;
mod extractors;
mod features;
pub mod fid;
pub mod fid_infinity;
pub mod fid_stored;
pub mod files;
pub mod inception_score;
pub mod instance_selection;
pub mod kid;
mod kid_influence;
mod kid_stacked;
mod kid_whole;
pub mod measurement;
mod metric;
pub mod modes;
mod neighbours;
pub mod numpy_random;
pub mod prdc;
pub mod precision_recall;
mod products;
pub mod protocol;
mod recognition;
mod reference;
mod resize;
mod rows;
mod settings;
mod spectrum;
pub mod statistics;
pub mod vendi;
pub mod weights;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tiny_fixture;

pub use bootstrap::{
    Bootstrap, Interval, Reals, WithInterval, difference_intervals, with_intervals,
};
pub use card::{ImageCounts, Metric};
pub use error::{MetricError, Side};
pub use extractor::{
    EXTRACTORS, Extractor, ExtractorEntry, ExtractorError, ExtractorId, ExtractorOptions, load,
    load_with,
};
pub use extractors::{inception, pixels, small, vit};
pub use features::{Features, Logits};
pub use measurement::{Deviations, Done, Label, Measurement, Sampling};
pub use metric::{
    Evaluation, EvaluationInput, FAMILIES, Labels, MetricFamily, MetricValue, Needs, bare_name,
    default_metrics, evaluate, evaluate_timed, metric, metrics, needs,
};
pub use recognition::Recognition;
pub use reference::{Keep, RealReference, ReferenceBuilder};
pub use resize::{RESIZES, Resize};
pub use rows::Rows;
pub use settings::{NearestReal, Settings, Subset};
pub use statistics::Statistics;
pub use weights::source::WeightsSource;
