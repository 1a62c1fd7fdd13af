//! What the runs of one invocation share: the real images, the extractor, the real features.

use std::path::PathBuf;

use anyhow::{Result, bail};
use candle_core::Device;
use ganbench_baselines::train::{TrainError, check};
use ganbench_data::images::ImageBatch;
use ganbench_data::sources::Reading;
use ganbench_data::{self as data, Dataset, DatasetRequest, Fit, Places, Split, Stage};
use ganbench_metrics::version::agrees;
use ganbench_metrics::{
    Extractor, ExtractorId, ExtractorOptions, ExtractorRequest, Measurement, RealReference,
    ReferenceBuilder, WeightsSource, load_asked, needs,
};
use ganbench_reports::short_hash;

use super::reals::{RealImages, Reals, kept_rows};
use crate::machine::UsageError;
use crate::measure::tell_skipped;
use crate::plan::{DatasetPlan, EvaluationPlan, Plan, PlannedExtractor};
use crate::progress::Progress;

/// Where things are and how they are computed: nothing here changes a result.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// `--data DIR`; None where the environment says it.
    pub data: Option<PathBuf>,
    /// A file, or `made:SEED` for weights from a formula (tests and benchmarks).
    pub weights: Option<String>,
    /// Where the networks work.
    pub device: Device,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// Loads a split with a progress bar.
///
/// # Errors
/// If the data cannot be had.
pub fn read_dataset(request: &DatasetRequest, quiet: bool) -> Result<Dataset> {
    read_dataset_from(request, &Places::from_env(), quiet)
}

/// [`read_dataset`] with places of the caller's choice.
///
/// # Errors
/// As [`read_dataset`].
pub fn read_dataset_from(
    request: &DatasetRequest,
    places: &Places,
    quiet: bool,
) -> Result<Dataset> {
    let mut bar: Option<(Stage, Progress)> = None;
    let dataset = data::load_from(request, places, &mut |p| {
        if bar.as_ref().is_none_or(|(stage, _)| *stage != p.stage) {
            let verb = match p.stage {
                Stage::Downloading => "download",
                Stage::Decoding => "read",
                Stage::Drawing => "draw",
                Stage::Checking => "check",
                Stage::Waiting => "wait for another process that reads",
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
    tell_reading(&request.name, &dataset.reading);
    Ok(dataset)
}

/// On stderr, whatever else is quiet.
fn tell_reading(name: &str, reading: &Reading) {
    tell_skipped(name, &reading.skipped);
    let Reading { upper_8_of_16_bits, clipped_16_bit_grey, .. } = reading;
    if *upper_8_of_16_bits > 0 {
        log::info!(
            "note: {upper_8_of_16_bits} images of {name} have 16 bits per channel, of which the upper 8 are taken"
        );
    }
    if *clipped_16_bit_grey > 0 {
        log::info!(
            "hint: {clipped_16_bit_grey} images of {name} have 16 bits of grey, of which PIL's convert(\"RGB\"), and so \
             this program, makes white whatever is above 255; divide them by 257 and save them with 8 bits"
        );
    }
}

pub(crate) fn request(plan: &DatasetPlan, at: &Surroundings) -> DatasetRequest {
    let mut request = DatasetRequest::new(&plan.name, plan.split);
    request.root = at.data.clone();
    request.limit = (plan.limit > 0).then_some(plan.limit);
    request.draw_seed = plan.draw_seed;
    request.size = (plan.image_size > 0).then_some(plan.image_size);
    request.shapes_seed = plan.shapes_seed;
    request.channels = (plan.channels > 0).then_some(plan.channels);
    request.skip_damaged = plan.skip_damaged;
    request
}

/// Reads or draws the images of a plan, and fills in or checks their hash.
///
/// # Errors
/// If the data cannot be had, or is not what the plan was made with.
pub fn load_dataset(plan: &mut DatasetPlan, at: &Surroundings) -> Result<Dataset> {
    let mut dataset = read_dataset(&request(plan, at), at.quiet)?;
    if plan.fit.is_some() && plan.fit != dataset.fit {
        bail!(
            "dataset.fit is {}, but {} has images of its own size only; leave it out",
            plan.fit.map_or("", Fit::as_str),
            plan.name
        );
    }
    dataset.name = plan.label();
    plan.fit = dataset.fit;
    plan.channels = dataset.images.size.channels;
    plan.image_size = dataset.images.size.height;
    plan.classes = dataset.class_names.len();
    plan.damaged = dataset.reading.skipped.count;
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

/// Checks that a plan can be trained on its data set.
///
/// # Errors
/// If it cannot, with what can be done about the data set.
pub fn check_training(plan: &Plan, dataset: &Dataset) -> Result<()> {
    let Err(error) = check(&plan.train, &dataset.images, plan.dataset.classes) else {
        return Ok(());
    };
    match (&error, &dataset.label_fault) {
        (TrainError::NoLabels, Some(fault)) => bail!("{error}: {fault}"),
        (TrainError::ImageSize { .. }, _) if plan.dataset.name.starts_with("folder:") => bail!(
            "{error}; --image-size N, or dataset.image_size in the plan, crops the square in the middle of each \
             image and resizes it"
        ),
        _ => Err(error.into()),
    }
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
    let test = read_dataset(&request, at.quiet)?;
    if test.images.labels.is_none() {
        bail!(
            "linear evaluation needs labels, and the test split of {} has none{}; leave evaluation.linear out \
             of the plan",
            plan.dataset.name,
            test.label_fault.map_or_else(String::new, |fault| format!(" ({fault})"))
        );
    }
    Ok(Some(test.images))
}

/// An extractor and the real images seen through it.
pub struct Evaluator {
    /// The network.
    pub extractor: Box<dyn Extractor>,
    /// Moments and features of the real images.
    pub reference: RealReference,
    /// How the protocol describes them.
    pub reals: Reals,
}

impl Evaluator {
    /// What the features of both sides come from.
    pub fn extractor_id(&self) -> ExtractorId<'_> {
        ExtractorId::from_extractor(self.extractor.as_ref())
    }
}

/// The metrics of a measurement that an extractor allows: IS takes logits, those of known truth
/// take what images of `shapes` show.
pub fn metric_names(
    measurement: &Measurement,
    plan: &EvaluationPlan,
    extractor: &dyn Extractor,
) -> Vec<&'static str> {
    let mut names = measurement.metric_names();
    // Who names metrics gets them, or an error.
    if plan.metrics.is_none() {
        names.retain(|name| {
            let needs = needs(name);
            (!needs.logits || extractor.classes() > 0)
                && (!needs.recognitions || extractor.recognises())
        });
    }
    names
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
        // No data set's own network, and so no choice that anybody would know of.
        if dataset.starts_with("folder:") && !at.quiet {
            let request = ExtractorRequest::parse(&plan.extractor)?;
            let (name, description) = (&plan.extractor, request.entry()?.description);
            log::info!(
                "extractor {name}: {description}; for comparisons within this table only (evaluation.extractor \
                 chooses another)"
            );
        }
    }
    load_planned(plan.extractor(), at.weights.as_deref(), &at.device)
}

/// Loads the extractor that a plan names, of the version whose hash it holds, and fills in or
/// checks the hash. `weights`: as [`weights_source`].
///
/// # Errors
/// If the weights cannot be had, or are not what the plan was made with.
pub fn load_planned(
    mut planned: PlannedExtractor<'_>,
    weights: Option<&str>,
    device: &Device,
) -> Result<Box<dyn Extractor>> {
    planned.settle()?;
    let request = match weights {
        Some(_) => ExtractorRequest::parse(planned.name)?,
        None => ExtractorRequest::for_weights(planned.name, planned.sha256)?,
    };
    let options = ExtractorOptions { device: device.clone(), ..ExtractorOptions::default() };
    let extractor = load_asked(&request, &weights_source(weights)?, &options)?;
    let got = extractor.weights_sha256();
    if !agrees(got, planned.sha256) {
        let PlannedExtractor { name, sha256, field } = planned;
        bail!(
            "{field} {name} has weights {got}, the plan was made with {sha256}; give those with --weights, or \
             delete {field}_sha256 from the plan to start a new run"
        );
    }
    *planned.sha256 = got.to_string();
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

/// The real side of every metric of a plan. Memory does not grow with the number of images, unless
/// a metric or an interval needs the features of all of them.
///
/// # Errors
/// If the extractor cannot take the images.
pub fn real_reference(
    plan: &Plan,
    extractor: Box<dyn Extractor>,
    real: &RealImages<'_>,
    quiet: bool,
) -> Result<Evaluator> {
    let n = real.n_images();
    let keep = kept_rows(&plan.evaluation, n)?;
    let label = format!("{} features of reals", extractor.name());
    let mut bar = Progress::new(label, n as f64, quiet);
    let mut builder = ReferenceBuilder::new(extractor.feature_dim(), n, real.labels(), keep);
    let batch = extractor.batch();
    for first in (0..n).step_by(batch) {
        let end = (first + batch).min(n);
        let features = match &real.rows {
            None => extractor.extract_batch(&real.images.views(first..end))?,
            Some(rows) => {
                let part = real.images.select(&rows[first..end]);
                extractor.extract_batch(&part.views(0..part.len()))?
            }
        };
        builder.push(features.pool_rows())?;
        bar.set(end as f64, &format!("{end}/{n}"));
    }
    bar.finish(&format!("{n} images"));
    Ok(Evaluator { extractor, reference: builder.finish(), reals: real.reals() })
}
