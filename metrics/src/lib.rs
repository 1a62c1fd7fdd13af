//! Images in, numbers out: feature extractors and the metrics of generated images.
//!
//! [`load`] gives an [`Extractor`] by name, which turns an `ImageBatch` into [`Features`]; a
//! [`RealReference`] holds what is needed of the real images; [`evaluate`] computes all metrics of
//! a set of fakes against it. Each metric is also a function of its own, which takes plain
//! [`Rows`].
//!
//! Progress goes through callbacks, nothing is printed.
//!
//! # Example
//!
//! ```
//! use ganbench_data::{DatasetRequest, Split, load as load_images};
//! use ganbench_metrics::{EvaluationInput, ExtractorId, RealReference, Settings, WeightsSource};
//! use ganbench_metrics::{evaluate, load};
//!
//! let images = |split| {
//!     let request = DatasetRequest { limit: Some(60), ..DatasetRequest::new("shapes", split) };
//!     load_images(&request, &mut |_| {}).map(|set| set.images)
//! };
//! // This network comes with the crate; `inception` looks for its weights, or downloads them.
//! let extractor = load("small-shapes", &WeightsSource::find(None))?;
//! let real = extractor.extract(&images(Split::Test)?, &mut |_, _| {})?;
//! let fake = extractor.extract(&images(Split::Train)?, &mut |_, _| {})?;
//! let values = evaluate(EvaluationInput {
//!     real: &RealReference::whole(real, None)?,
//!     fake: &fake,
//!     extractor: ExtractorId::from_extractor(extractor.as_ref()),
//!     metrics: Some(&["fid", "coverage"]),
//!     settings: Settings::default(),
//!     labels: None,
//! })?;
//! assert_eq!(values[0].metric, "fid@small-shapes");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bootstrap;
pub mod card;
pub mod class_pairs;
mod error;
mod evaluate;
pub mod extractor;
mod extractors;
mod families;
mod features;
pub mod files;
pub mod instance_selection;
pub mod measurement;
mod metric;
mod numerics;
pub mod protocol;
mod recognition;
mod reference;
mod resize;
mod settings;
pub mod version;
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
pub use evaluate::{evaluate, evaluate_timed};
pub use extractor::{
    EXTRACTORS, Extractor, ExtractorEntry, ExtractorError, ExtractorId, ExtractorOptions, load,
    load_asked, load_with,
};
pub use extractors::{inception, pixels, small, vit};
pub use families::{
    ALL, FAMILIES, authenticity, cmmd, default_metrics, fid, inception_score, intra_fid, kid,
    metric, metrics, modes, named_metrics, needs, prdc, precision_recall, vendi,
};
pub use features::{Features, Logits};
pub use measurement::{Deviations, Done, Label, Measurement, Sampling};
pub use metric::{
    Evaluation, EvaluationInput, Labels, MetricFamily, MetricValue, Needs, bare_name,
};
pub use numerics::rows::Rows;
pub use numerics::statistics::Statistics;
pub use numerics::{numpy_random, statistics};
pub use recognition::Recognition;
pub use reference::{Keep, RealReference, ReferenceBuilder};
pub use resize::{RESIZES, Resize};
pub use settings::{NearestReal, Settings, Subset};
pub use version::ExtractorRequest;
pub use weights::source::WeightsSource;
