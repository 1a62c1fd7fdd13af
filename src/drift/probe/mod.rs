//! Layers `metric` and `trace`: fixed images through every resize, extractor and metric; the first
//! steps of every method, and the end of a short run of it.
//!
//! What is looked at comes in as [`Pieces`], the shipped ones unless a test plants a fault in one.

mod end;
mod images;
mod metric;
mod moments;
mod trace;

use anyhow::Result;
use candle_core::Tensor;
use ganbench_baselines::train::{SampleRequest, TrainPlan, Trainer};
use ganbench_metrics::{
    EvaluationInput, Extractor, ExtractorId, Features, Labels, MetricValue, RESIZES, RealReference,
    Resize, Settings, WeightsSource, evaluate, load,
};
pub use images::{FixedImages, cifar10_is_there};
pub use trace::TracedRun;

use super::value::GuardedValue;
use crate::run::session::Surroundings;

/// The definition of the probe: raised where its images, counts or settings change, so that values
/// of two definitions are not compared.
const DEFINITION: &str = "probe-1";

/// What [`Pieces::measure`] is given. As many reals as fakes, in the same order of classes.
pub struct Measured<'a> {
    /// Features of the fixed real images.
    pub real: &'a Features,
    /// Features of the disturbed images.
    pub fake: &'a Features,
    /// The extractor that both come from.
    pub extractor: ExtractorId<'a>,
    /// Bare names.
    pub metrics: &'a [&'a str],
    /// The conventions of the metrics.
    pub settings: Settings,
    /// The classes of both sides.
    pub labels: Labels<'a>,
}

type Load = dyn Fn(&str) -> Result<Box<dyn Extractor>>;
type Measure = dyn Fn(&Measured<'_>) -> Result<Vec<MetricValue>>;
type Plan = dyn Fn(&TracedRun) -> TrainPlan;
type Outputs = dyn Fn(&Trainer<'_>, Weights) -> candle_core::Result<Tensor>;

/// Which generator is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The moving average of the generator's weights.
    Averaged,
    /// The weights that the optimiser changes.
    Live,
}

/// What the probe looks at.
pub struct Pieces {
    /// The resizes of the extractors.
    pub resizes: Vec<Resize>,
    /// An extractor by its name.
    pub extractor: Box<Load>,
    /// The metrics of the fixed images' features.
    pub measure: Box<Measure>,
    /// What a run trains by.
    pub plan: Box<Plan>,
    /// f32 `[n, channels, h, w]` from a trainer's generator.
    pub outputs: Box<Outputs>,
}

/// Images of a trace.
const SAMPLED: usize = 32;

impl Default for Pieces {
    fn default() -> Self {
        Self {
            resizes: RESIZES.to_vec(),
            extractor: Box::new(|name| {
                let inception = name.starts_with("inception");
                let embedded =
                    WeightsSource::Published { file: None, variable: None, download: false };
                Ok(load(
                    name,
                    if inception { &WeightsSource::Made { seed: 0 } } else { &embedded },
                )?)
            }),
            measure: Box::new(|m| {
                Ok(evaluate(EvaluationInput {
                    real: &RealReference::whole(m.real.clone(), None)?,
                    fake: m.fake,
                    extractor: m.extractor,
                    metrics: Some(m.metrics),
                    settings: m.settings,
                    labels: Some(m.labels),
                })?)
            }),
            plan: Box::new(|run| run.train.clone()),
            outputs: Box::new(|trainer, weights| {
                let request = SampleRequest { n: SAMPLED, seed: 0, class: None };
                trainer.sampler(weights == Weights::Live).outputs(request)
            }),
        }
    }
}

/// Everything: the metrics on each of `sets`; on `shapes` every method's first steps and the end of
/// a short run.
///
/// # Errors
/// If a piece fails, or a metric is not finite.
pub fn probe(
    pieces: &Pieces,
    sets: &[FixedImages],
    at: &Surroundings,
) -> Result<Vec<GuardedValue>> {
    let mut values = Vec::new();
    for set in sets {
        values.extend(metric::resizes(pieces, set));
        values.extend(metric::metrics(pieces, set, metric::PROBED)?);
    }
    let (runs, dataset) = trace::runs(at)?;
    for run in &runs {
        values.extend(trace::trace(pieces, run, &dataset)?);
        values.extend(end::end(pieces, run, &dataset)?);
    }
    Ok(values)
}

#[cfg(test)]
pub mod parts {
    //! What tests of single faults need of it.
    pub use super::end::end;
    pub use super::metric::{PROBED, Probed, metrics, resizes};
    pub use super::trace::{runs, trace};
}
