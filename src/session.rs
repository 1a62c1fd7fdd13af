//! What the runs of one invocation share: the real images, the extractor, the real features.

use std::path::PathBuf;

use anyhow::{Result, bail};
use candle_core::Device;
use ganbench_baselines::data::{self, Dataset, DatasetRequest, Split, Stage};
use ganbench_metrics::extractor::entry;
use ganbench_metrics::{
    Extractor, ExtractorId, ExtractorOptions, Keep, Measurement, MetricError, RealReference,
    ReferenceBuilder, Subset, WeightsSource, load_with, needs,
};
use ganbench_nn::images::ImageBatch;
use ganbench_nn::subset::draw_subset;
use ganbench_reports::short_hash;

use crate::machine::UsageError;
use crate::plan::{DatasetPlan, EvaluationPlan, Plan, ReferenceSplit};
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

/// Loads the images of another split that a plan's samples are compared with, and fills in or checks
/// their hash; `None` where they are the training images or a part of them. Of a held-out share, says in
/// `dataset` which images are trained on.
///
/// # Errors
/// If the data cannot be had, or are not what the plan was made with.
pub fn load_reference(
    plan: &mut Plan,
    dataset: &mut Dataset,
    at: &Surroundings,
) -> Result<Option<Dataset>> {
    let split = match plan.reference_split() {
        ReferenceSplit::Of(split) if split == plan.dataset.split => return Ok(None),
        ReferenceSplit::Of(split) => split,
        ReferenceSplit::HeldOut { held_out } => {
            dataset.trained_on = Some(without_share(&dataset.images, held_out)?);
            return Ok(None);
        }
    };
    let mut request = request(&plan.dataset, at);
    request.split = split;
    let other = read_dataset(&request, at.quiet)?;
    let sha256 = &mut plan.evaluation.reference_sha256;
    if sha256.is_empty() {
        sha256.clone_from(&other.sha256);
    } else if *sha256 != other.sha256 {
        bail!(
            "{} {split} has content {}, the plan was made with {}; use the data of that time, or delete \
             evaluation.reference_sha256 from the plan to start a new run",
            plan.dataset.name,
            short_hash(&other.sha256),
            short_hash(sha256)
        );
    }
    if other.images.size != dataset.images.size {
        bail!(
            "the {split} images of {} are {}, those trained on {}; give a reference split of one size",
            plan.dataset.name,
            other.images.size,
            dataset.images.size
        );
    }
    Ok(Some(other))
}

/// Seed of the draw of a held-out share: the same images for every method and seed of a run.
const HELD_OUT_SEED: u64 = 1;

/// The rows that stay for training, rising, where a share of the images is held out.
fn without_share(images: &ImageBatch, share: f64) -> Result<Vec<usize>> {
    let n = images.len();
    let held_out = (share * n as f64).round() as usize;
    if held_out == 0 || held_out == n {
        bail!(
            "a held-out share of {share} of {n} images is {held_out} images; choose one that leaves some \
             on both sides"
        );
    }
    let mut trained_on = vec![true; n];
    for row in draw_subset(images.labels.as_deref(), n, held_out, HELD_OUT_SEED) {
        trained_on[row] = false;
    }
    Ok((0..n).filter(|&row| trained_on[row]).collect())
}

/// The real images that samples are compared with.
pub struct RealImages<'a> {
    images: &'a ImageBatch,
    /// Of `images`, rising; `None` for all.
    rows: Option<Vec<usize>>,
    /// Whether they are all of their split.
    whole: bool,
}

impl<'a> RealImages<'a> {
    /// Those of a plan. `other` is what [`load_reference`] gave.
    ///
    /// # Errors
    /// If the plan's protocol is unknown.
    pub fn new(
        plan: &Plan,
        dataset: &'a Dataset,
        other: Option<&'a Dataset>,
    ) -> Result<Self, MetricError> {
        let images = &other.unwrap_or(dataset).images;
        let held_out = matches!(plan.reference_split(), ReferenceSplit::HeldOut { .. });
        let mut rows = dataset.trained_on.as_ref().filter(|_| held_out).map(|trained_on| {
            let mut is_trained_on = vec![false; images.len()];
            trained_on.iter().for_each(|&row| is_trained_on[row] = true);
            (0..images.len()).filter(|&row| !is_trained_on[row]).collect::<Vec<usize>>()
        });
        let n = rows.as_ref().map_or(images.len(), Vec::len);
        let most = plan.evaluation.max_real.unwrap_or(n);
        if most < n {
            rows = Some(match plan.evaluation.measurement()?.settings.subset {
                Subset::First => (0..most).map(|i| rows.as_ref().map_or(i, |r| r[i])).collect(),
                Subset::Drawn { seed } => {
                    let all = rows.unwrap_or_else(|| (0..n).collect());
                    let labels = images.labels.as_ref();
                    let labels: Option<Vec<u32>> =
                        labels.map(|labels| all.iter().map(|&row| labels[row]).collect());
                    let drawn = draw_subset(labels.as_deref(), n, most, seed);
                    let mut drawn: Vec<usize> = drawn.into_iter().map(|i| all[i]).collect();
                    drawn.sort_unstable();
                    drawn
                }
            });
        }
        let whole = rows.is_none() && plan.dataset.limit == 0;
        Ok(Self { images, rows, whole })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.as_ref().map_or(self.images.len(), Vec::len)
    }

    /// What a protocol asks of them.
    pub fn reals(&self) -> Reals {
        let mut counts: Vec<u64> = Vec::new();
        for class in self.labels().into_iter().flatten() {
            let class = class as usize;
            counts.resize(counts.len().max(class + 1), 0);
            counts[class] += 1;
        }
        let uneven = counts.iter().min() != counts.iter().max();
        let uneven_class_counts = uneven.then_some(counts);
        Reals { n: self.len(), whole_split: self.whole, uneven_class_counts }
    }

    /// The class of each, where the data set has classes.
    pub fn labels(&self) -> Option<Vec<u32>> {
        let labels = self.images.labels.as_ref()?;
        Some(match &self.rows {
            None => labels.clone(),
            Some(rows) => rows.iter().map(|&row| labels[row]).collect(),
        })
    }
}

/// An extractor and the real images seen through it.
pub struct Evaluator {
    pub extractor: Box<dyn Extractor>,
    pub reference: RealReference,
    pub reals: Reals,
}

/// What a protocol asks of the real images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reals {
    pub n: usize,
    /// Whether they are all of their split.
    pub whole_split: bool,
    /// How many there are of each class, where the classes are uneven.
    pub uneven_class_counts: Option<Vec<u64>>,
}

impl Evaluator {
    /// What the features of both sides come from.
    pub fn extractor_id(&self) -> ExtractorId<'_> {
        ExtractorId::from_extractor(self.extractor.as_ref())
    }
}

/// The metrics of a measurement that an extractor allows: IS takes logits.
pub fn metric_names(
    measurement: &Measurement,
    plan: &EvaluationPlan,
    extractor: &dyn Extractor,
) -> Vec<&'static str> {
    let mut names = measurement.metric_names();
    // Who names metrics gets them, or an error.
    if plan.metrics.is_none() {
        names.retain(|name| !needs(name).logits || extractor.classes() > 0);
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
            let (name, description) = (&plan.extractor, entry(&plan.extractor)?.description);
            tell!(
                "extractor {name}: {description}; for comparisons within this table only (evaluation.extractor \
                 chooses another)"
            );
        }
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

/// The real side of every metric of a plan. Memory does not grow with the number of images, unless a
/// metric or an interval needs the features of all of them.
///
/// # Errors
/// If the extractor cannot take the images.
pub fn real_reference(
    plan: &Plan,
    extractor: Box<dyn Extractor>,
    real: &RealImages<'_>,
    quiet: bool,
) -> Result<Evaluator> {
    let n = real.len();
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

/// The feature rows of `n_real` real images that a plan's metrics need one by one.
///
/// # Errors
/// If the plan's protocol or a metric is unknown.
pub fn kept_rows(plan: &EvaluationPlan, n_real: usize) -> Result<Keep, MetricError> {
    let measurement = plan.measurement()?;
    let settings = measurement.settings;
    // Intervals of FID draw from all reals.
    let all = plan.bootstrap > 0
        || measurement.metric_names().iter().any(|name| needs(name).all_real_rows);
    // The curve may look at more fakes than the final rows.
    let n_fake = plan.n_fake.max(plan.n_fake_curve);
    let n = if all { n_real } else { settings.n_nearest_real(n_real, n_fake) };
    Ok(Keep { n, subset: settings.subset })
}
