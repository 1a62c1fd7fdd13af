//! What the runs of one invocation share: the real images, the extractor, the real features.

use std::path::PathBuf;

use anyhow::{Result, bail};
use candle_core::Device;
use ganbench_baselines::data::{self, Dataset, DatasetRequest, Split, Stage};
use ganbench_metrics::{Extractor, ExtractorOptions, RealReference, WeightsSource, load_with};
use ganbench_nn::images::ImageBatch;
use ganbench_reports::short_hash;

use crate::machine::UsageError;
use crate::plan::{DatasetPlan, EvaluationPlan, Plan};
use crate::progress::Progress;

/// Where things are and how they are computed: nothing here changes a result.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub data: Option<PathBuf>,
    /// A file, or `made:SEED` for weights from a formula (tests and benchmarks).
    pub weights: Option<String>,
    pub device: Device,
    pub quiet: bool,
}

/// Loads a split with a progress bar.
///
/// # Errors
/// If the data cannot be had.
pub fn read_dataset(request: &DatasetRequest, quiet: bool) -> Result<Dataset> {
    let mut bar: Option<(Stage, Progress)> = None;
    let dataset = data::load(request, &mut |p| {
        if bar.as_ref().is_none_or(|(stage, _)| *stage != p.stage) {
            let verb = match p.stage {
                Stage::Downloading => "download",
                Stage::Decoding => "read",
                Stage::Drawing => "draw",
                Stage::Checking => "check",
            };
            let label = format!("{verb} {} {}", request.name, request.split);
            bar = Some((p.stage, Progress::new(label, p.total.max(1) as f64, quiet)));
        }
        if let Some((_, bar)) = &mut bar {
            bar.set(p.done as f64, &format!("{}/{}", p.done, p.total));
        }
    })?;
    if let Some((_, bar)) = bar {
        bar.finish(&format!("{} images", dataset.images.len()));
    }
    Ok(dataset)
}

fn request(plan: &DatasetPlan, at: &Surroundings) -> DatasetRequest {
    let mut request = DatasetRequest::new(&plan.name, plan.split);
    request.root = at.data.clone();
    request.limit = (plan.limit > 0).then_some(plan.limit);
    request.shapes_seed = plan.shapes_seed;
    request.channels = (plan.channels > 0).then_some(plan.channels);
    request
}

/// Reads or draws the images of a plan, and fills in or checks their hash.
///
/// # Errors
/// If the data cannot be had, or is not what the plan was made with.
pub fn load_dataset(plan: &mut DatasetPlan, at: &Surroundings) -> Result<Dataset> {
    let dataset = read_dataset(&request(plan, at), at.quiet)?;
    plan.channels = dataset.images.size.channels;
    plan.image_size = dataset.images.size.height;
    plan.classes = dataset.class_names.len();
    if plan.sha256.is_empty() {
        plan.sha256 = dataset.sha256.clone();
    } else if plan.sha256 != dataset.sha256 {
        bail!(
            "{} {} has content {}, the plan was made with {}; use the data of that time, or delete \
             dataset.sha256 from the plan to start a new run",
            plan.name,
            plan.split,
            short_hash(&dataset.sha256),
            short_hash(&plan.sha256)
        );
    }
    Ok(dataset)
}

/// The test split's images for a plan's linear evaluation; `None` where it has none.
///
/// # Errors
/// If the data cannot be had or have no labels.
pub fn load_test_split(plan: &Plan, at: &Surroundings) -> Result<Option<ImageBatch>> {
    if plan.evaluation.linear.is_none() {
        return Ok(None);
    }
    let mut request = request(&plan.dataset, at);
    request.split = Split::Test;
    let images = read_dataset(&request, at.quiet)?.images;
    if images.labels.is_none() {
        bail!(
            "linear evaluation needs labels, and {} has none; leave evaluation.linear out of the plan",
            plan.dataset.name
        );
    }
    Ok(Some(images))
}

/// An extractor and the real images seen through it.
pub struct Evaluator {
    pub extractor: Box<dyn Extractor>,
    pub reference: RealReference,
}

/// Loads the extractor of a plan, and fills in or checks its name and hash.
///
/// # Errors
/// If the weights cannot be had, or are not what the plan was made with.
pub fn load_extractor(
    plan: &mut EvaluationPlan,
    dataset: &str,
    at: &Surroundings,
) -> Result<Box<dyn Extractor>> {
    if plan.extractor.is_empty() {
        plan.extractor = data::default_extractor(dataset).to_string();
    }
    let source = weights_source(at.weights.as_deref())?;
    let options = ExtractorOptions { device: at.device.clone(), ..ExtractorOptions::default() };
    let extractor = load_with(&plan.extractor, &source, &options)?;
    let sha256 = extractor.weights_sha256();
    if plan.extractor_sha256.is_empty() {
        plan.extractor_sha256 = sha256.to_string();
    } else if plan.extractor_sha256 != sha256 {
        bail!(
            "extractor {} has weights {sha256}, the plan was made with {}; give those with --weights, or \
             delete evaluation.extractor_sha256 from the plan to start a new run",
            plan.extractor,
            plan.extractor_sha256
        );
    }
    Ok(extractor)
}

/// Where weights come from: `made:SEED`, a file, or where none is given the usual places.
///
/// # Errors
/// If the seed is no number.
pub fn weights_source(text: Option<&str>) -> Result<WeightsSource> {
    Ok(match text.map(|text| (text, text.strip_prefix("made:"))) {
        Some((text, Some(seed))) => {
            let seed = seed.parse().map_err(|_| {
                UsageError::new(format!("--weights {text}: expected a number behind made:"))
            })?;
            WeightsSource::Made { seed }
        }
        given => WeightsSource::find(given.map(|(path, _)| path.into())),
    })
}

/// The real side of every metric of a plan.
///
/// # Errors
/// If the extractor cannot take the images.
pub fn real_reference(
    plan: &Plan,
    extractor: Box<dyn Extractor>,
    real: &ImageBatch,
    quiet: bool,
) -> Result<Evaluator> {
    let n = plan.evaluation.max_real.min(real.len());
    let few;
    let real = if n == real.len() {
        real
    } else {
        few = real.take(n);
        &few
    };
    let label = format!("{} features of reals", extractor.name());
    let mut bar = Progress::new(label, n as f64, quiet);
    let features =
        extractor.extract(real, &mut |done, all| bar.set(done as f64, &format!("{done}/{all}")))?;
    bar.finish(&format!("{n} images"));
    let reference = {
        // The curve may look at more fakes than the final rows.
        let most = plan.evaluation.n_fake.max(plan.evaluation.n_fake_curve);
        // Intervals of FID draw from all reals.
        let all = plan.evaluation.bootstrap > 0;
        RealReference::new(&features, if all { features.len() } else { most })?
    };
    Ok(Evaluator { extractor, reference })
}
