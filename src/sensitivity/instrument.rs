//! What faults are measured with: reals, an extractor and the metrics' settings.

use std::path::Path;

use anyhow::{Context as _, Result};
use ganbench_data::images::ImageBatch;
use ganbench_data::{Dataset, DatasetRequest, Split, default_extractor, draw_subset};
use ganbench_metrics::protocol::DEFAULT;
use ganbench_metrics::{
    Deviations, Done, EvaluationInput, Extractor, ExtractorId, Features, Label, Measurement,
    Metric, MetricError, RealReference, WeightsSource, bare_name, evaluate, load, metric, metrics,
    needs,
};

use super::faults::{Reals, SEED};
use crate::machine::UsageError;
use crate::run::session::read_dataset;

/// The data sets that faults are planted into: those with an extractor in the program, and colour.
pub const DATASETS: [&str; 2] = ["shapes", "cifar10"];

/// Real images that the metrics compare with.
pub const REFERENCE: usize = 4000;
/// The split that real images and faults are made of.
pub const SPLIT: Split = Split::Train;
/// Of the images of `shapes`: others than those that `small-shapes` was trained on.
const SHAPES_SEED: u64 = 1;
/// Images of `shapes` beside the reference, for each image of a set: so many that two sets share
/// few.
const SHAPES_OTHERS: usize = 20;

/// Which images are measured.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// One of [`DATASETS`].
    pub dataset: &'a str,
    /// Of a set of fakes.
    pub n: usize,
    /// Folder that holds the data set, where it needs one.
    pub data: Option<&'a Path>,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// Reference and extractor with all that is computed once.
pub struct Instrument {
    /// One of [`DATASETS`].
    pub dataset: String,
    /// Hash of the data set's content.
    pub dataset_sha256: String,
    reference_images: ImageBatch,
    others: ImageBatch,
    reference: RealReference,
    /// The network behind the features.
    pub extractor: Box<dyn Extractor>,
    measurement: Measurement,
    /// Images of a set of fakes.
    pub n: usize,
}

impl Instrument {
    /// Reads the images and computes the reference's features. The metrics are those of `names`, or
    /// all that the extractor allows but for those of single classes.
    ///
    /// # Errors
    /// If the data set or a metric is unknown, the images cannot be had, or are too few.
    pub fn new(images: Images<'_>, names: Option<&[String]>) -> Result<Self> {
        let Images { dataset: name, n, .. } = images;
        if !DATASETS.contains(&name) {
            let known = DATASETS.join(", ");
            let text = format!("faults cannot be planted into \"{name}\"; known: {known}");
            return Err(UsageError::new(text).into());
        }
        let least = 100;
        if !(least..=REFERENCE).contains(&n) {
            let text = format!("--n is {n}, expected {least} to {REFERENCE} images");
            return Err(UsageError::new(text).into());
        }
        let measurement = measurement(name, n, names)?;
        let mut request = DatasetRequest::new(name, SPLIT);
        request.root = images.data.map(Path::to_path_buf);
        if name == "shapes" {
            request.shapes_seed = SHAPES_SEED;
            request.limit = Some(REFERENCE + SHAPES_OTHERS * n);
        }
        let Dataset { name: dataset, images: all, sha256: dataset_sha256, .. } =
            read_dataset(&request, images.quiet)?;
        let labels = all.labels.as_deref();
        let order = draw_subset(labels, all.len(), all.len(), SEED);
        let (reference, others) = order.split_at(REFERENCE.min(order.len()));
        let (reference_images, others) = (all.select(reference), all.select(others));
        check_counts(name, &others, n)?;
        let extractor = load(default_extractor(name), &WeightsSource::find(None))?;
        let features = extractor.extract(&reference_images, &mut |_, _| {})?;
        let reference = RealReference::whole(features, reference_images.labels.clone())?;
        Ok(Self {
            dataset,
            dataset_sha256,
            reference_images,
            others,
            reference,
            extractor,
            measurement,
            n,
        })
    }

    /// The images that faults are made from.
    pub fn reals(&self) -> Reals<'_> {
        Reals { reference: &self.reference_images, others: &self.others }
    }

    /// The metrics that are measured.
    pub fn metrics(&self) -> &[&'static Metric] {
        self.measurement.metrics()
    }

    /// Which protocol the values follow.
    pub fn label(&self) -> Label {
        self.measurement.label(&Done {
            extractor: self.extractor.name(),
            weights_sha256: self.extractor.weights_sha256(),
            split: Some(SPLIT.as_str()),
            whole_split: Some(false),
            n_real: Some(REFERENCE),
            n_fake: Some(self.n),
            repeats: 1,
            is_bias: false,
            metrics: &self.measurement.metric_names(),
            sampling: None,
            further: &[],
        })
    }

    /// The value of each metric of a set of images, in the order of [`Self::metrics`]; of one that
    /// cannot be computed or is not finite, the reason.
    ///
    /// # Errors
    /// If the images cannot go through the extractor.
    pub fn values(&self, images: &ImageBatch) -> Result<Vec<Result<f64, String>>> {
        let features = self.extractor.extract(images, &mut |_, _| {})?;
        let names = self.measurement.metric_names();
        if let Ok(values) = self.evaluated(&features, &names) {
            return Ok(values.into_iter().map(finite).collect());
        }
        // One of them fails: each by itself.
        let alone = |name: &&str| {
            let values = self.evaluated(&features, &[name]).map_err(|error| error.to_string())?;
            finite(values[0])
        };
        Ok(names.iter().map(alone).collect())
    }

    fn evaluated(&self, fake: &Features, names: &[&str]) -> Result<Vec<f64>, MetricError> {
        let values = evaluate(EvaluationInput {
            real: &self.reference,
            fake,
            extractor: ExtractorId::from_extractor(self.extractor.as_ref()),
            metrics: Some(names),
            settings: self.measurement.settings,
            labels: None,
        })?;
        let of_name = |name: &&str| values.iter().find(|value| bare_name(&value.metric) == *name);
        Ok(names.iter().filter_map(of_name).map(|value| value.value).collect())
    }
}

fn finite(value: f64) -> Result<f64, String> {
    if value.is_finite() { Ok(value) } else { Err(format!("its value is {value}")) }
}

/// The protocol of `eval`, which compares with all reals: under that of tables, copies of reals
/// that are not drawn would stay unseen. KID's subsets hold all images where there are fewer than
/// it has.
fn measurement(dataset: &str, n: usize, names: Option<&[String]>) -> Result<Measurement> {
    let known = known_metrics(dataset);
    for name in names.unwrap_or_default() {
        metric(name)?;
        if !known.contains(&name.as_str()) {
            let text = format!(
                "metric \"{name}\" cannot be computed of {dataset} here; known: {}",
                known.join(", ")
            );
            return Err(UsageError::new(text).into());
        }
    }
    let wanted = |name: &&&str| names.is_none_or(|names| names.iter().any(|n| n == **name));
    let metrics = known.iter().filter(wanted).map(|name| (*name).to_owned()).collect();
    let usual = Measurement::new(DEFAULT, &Deviations::default())?.settings.kid.subset;
    let kid_subset = (n < usual).then_some(n);
    let deviations = Deviations { metrics: Some(metrics), kid_subset, ..Deviations::default() };
    Ok(Measurement::new(DEFAULT, &deviations)?)
}

/// Bare names of all metrics that the data set's extractor allows, but for those that look at each
/// class by itself, in the order of tables' columns.
fn known_metrics(dataset: &str) -> Vec<&'static str> {
    let allowed = |metric: &&Metric| {
        let needs = needs(metric.name);
        !needs.labels && (!needs.recognitions || dataset == "shapes")
    };
    let mut known: Vec<&Metric> = metrics().filter(allowed).collect();
    known.sort_by_key(|metric| metric.column);
    known.into_iter().map(|metric| metric.name).collect()
}

/// That a fault can take all its images from one class.
fn check_counts(name: &str, others: &ImageBatch, n: usize) -> Result<()> {
    let labels = others.labels.as_deref().with_context(|| format!("{name} has no classes"))?;
    let mut counts = vec![0; labels.iter().max().map_or(1, |&most| most as usize + 1)];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let least: usize = counts.into_iter().min().unwrap_or_default();
    if least < n {
        let text = format!(
            "--n is {n}, but the smallest class of {name} has {least} images beside the reference; \
             lower --n"
        );
        return Err(UsageError::new(text).into());
    }
    Ok(())
}
