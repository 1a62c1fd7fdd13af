//! Clean images and planted faults through every metric, and what comes of it.

use anyhow::Result;
use ganbench_data::images::ImageBatch;
use ganbench_metrics::{ExtractorId, Label, Metric};
use serde::Serialize;

use super::faults::{Fault, SEED};
use super::instrument::{Instrument, REFERENCE, SPLIT};
use super::verdict::{THRESHOLD, Verdict};
use crate::progress::Progress;
use crate::run::folder::commit;

/// What is planted.
pub struct Request {
    /// Each with its levels, from weak to strong.
    pub faults: Vec<(&'static Fault, Vec<f64>)>,
    /// Sets of clean images.
    pub draws: usize,
    /// Whether no progress is shown.
    pub quiet: bool,
}

/// All that was measured, and what of it is seen.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// Of this object.
    pub format: u32,
    /// Version of ganbench that measured.
    pub version: &'static str,
    /// Commit of ganbench that measured.
    pub commit: String,
    /// One of [`super::instrument::DATASETS`].
    pub dataset: String,
    /// Hash of the data set's content.
    pub dataset_sha256: String,
    /// Split of the real images.
    pub split: &'static str,
    /// Name of the feature extractor.
    pub extractor: String,
    /// Hash of the extractor's weights.
    pub extractor_sha256: String,
    /// The protocol that the values follow.
    pub label: Label,
    /// Real images that the metrics compare with.
    pub n_real: usize,
    /// Images of a set of fakes.
    pub n_fake: usize,
    /// Sets of clean images.
    pub draws: usize,
    /// Seed of the streams that choose and change images.
    pub seed: u64,
    /// Standard deviations of clean draws that a value has to be off.
    pub threshold: f64,
    /// One for each metric.
    pub clean: Vec<Clean>,
    /// One for each fault, in the order of the request.
    pub faults: Vec<FaultFindings>,
}

/// A metric of clean images.
#[derive(Clone, Debug, Serialize)]
pub struct Clean {
    /// With its extractor: `fid@small-shapes`.
    pub metric: String,
    /// The metric's card.
    #[serde(skip)]
    pub card: &'static Metric,
    /// Mean over the clean draws.
    pub mean: f64,
    /// Over the draws, divisor draws − 1.
    pub sd: f64,
    /// What differences are divided by: the standard deviation, but at least half a unit of the
    /// last digit that tables print. A metric that is the same in every clean draw would otherwise
    /// see a fault in a difference that nobody is shown.
    pub scale: f64,
}

impl Clean {
    /// `values` holds one of each draw.
    fn new(card: &'static Metric, metric: String, values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (squares / (n - 1.0)).sqrt();
        let half_a_digit = 0.5 * 10f64.powi(-(card.decimals as i32));
        Self { metric, card, mean, sd, scale: sd.max(half_a_digit) }
    }

    /// By how many standard deviations a value is worse than clean images; negative where better.
    pub fn worse(&self, value: f64) -> f64 {
        let above = (value - self.mean) / self.scale;
        if self.card.higher_is_better { -above } else { above }
    }
}

/// What the metrics make of a fault.
#[derive(Debug, Serialize)]
pub struct FaultFindings {
    /// The fault, which files name in this place.
    #[serde(rename = "fault", serialize_with = "name_of")]
    pub fault: &'static Fault,
    /// As tables and figures print it.
    pub title: &'static str,
    /// What a level is.
    pub level: &'static str,
    /// What was measured, from weak to strong.
    pub levels: Vec<f64>,
    /// In the order of [`Findings::clean`].
    pub metrics: Vec<MetricFindings>,
}

impl FaultFindings {
    /// The weakest and the strongest level that were measured: `5 … 100 %`.
    pub fn range_text(&self) -> String {
        self.fault.range_text(&self.levels)
    }
}

fn name_of<S: serde::Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(fault.name)
}

/// One metric's values of one fault, level by level.
#[derive(Debug, Serialize)]
pub struct MetricFindings {
    /// With its extractor: `fid@small-shapes`.
    pub metric: String,
    /// The metric at each level; None where it could not be computed.
    pub values: Vec<Option<f64>>,
    /// Standard deviations of clean draws by which each is worse.
    pub worse: Vec<Option<f64>>,
    /// Why values are missing, each reason once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The weakest level from which on each is seen; None if the metric is blind to the strongest.
    pub sees_from: Option<f64>,
    /// The weakest level that the metric takes for an improvement; None if there is none.
    pub prefers_from: Option<f64>,
    /// Spearman's correlation of strength and `worse`: 1 where every stronger level is worse.
    pub rank_correlation: Option<f64>,
    /// The same as places in `levels`.
    #[serde(skip)]
    pub verdict: Verdict,
}

/// Measures the clean draws, then every level of every fault.
///
/// # Errors
/// If images cannot go through the extractor, or a metric cannot be computed of clean ones.
pub fn measure(instrument: &Instrument, request: &Request) -> Result<Findings> {
    let sets = request.draws + request.faults.iter().map(|(_, l)| l.len()).sum::<usize>();
    let label = format!("sensitivity on {}", instrument.dataset);
    let mut bar = Progress::new(label, sets as f64, request.quiet);
    let mut done = 0;
    let mut values = |images: &ImageBatch| {
        let values = instrument.values(images);
        done += 1;
        bar.set(f64::from(done), &format!("{done}/{sets} sets of {} images", instrument.n));
        values
    };
    let n = instrument.n;
    let mut draws = Vec::new();
    for draw in 0..request.draws {
        draws.push(values(&instrument.reals().clean(n, draw))?);
    }
    let clean = clean(instrument, &draws)?;
    let mut faults = Vec::new();
    for (fault, levels) in &request.faults {
        let images = |level: &f64| fault.images(instrument.reals(), n, *level);
        let each: Vec<_> = levels.iter().map(|l| values(&images(l))).collect::<Result<_>>()?;
        faults.push(of_fault(fault, levels, &clean, &each));
    }
    bar.finish(&format!("{sets} sets of {n} images"));
    let id = ExtractorId::from_extractor(instrument.extractor.as_ref());
    Ok(Findings {
        format: 1,
        version: env!("CARGO_PKG_VERSION"),
        commit: commit(),
        dataset: instrument.dataset.clone(),
        dataset_sha256: instrument.dataset_sha256.clone(),
        split: SPLIT.as_str(),
        extractor: id.name.into(),
        extractor_sha256: id.weights_sha256.into(),
        label: instrument.label(),
        n_real: REFERENCE,
        n_fake: n,
        draws: request.draws,
        seed: SEED,
        threshold: THRESHOLD,
        clean,
        faults,
    })
}

/// The values of a set of images, by metric.
type Values = Vec<Result<f64, String>>;

fn clean(instrument: &Instrument, draws: &[Values]) -> Result<Vec<Clean>> {
    let id = ExtractorId::from_extractor(instrument.extractor.as_ref());
    let of_metric = |(i, card): (usize, &&'static Metric)| {
        let value = |draw: &Values| draw[i].clone();
        let values = draws.iter().map(value).collect::<Result<Vec<f64>, String>>();
        let values = values.map_err(|reason| {
            anyhow::anyhow!("{} cannot be computed of clean images: {reason}", card.name)
        })?;
        Ok(Clean::new(card, id.reported_name(card.name), &values))
    };
    instrument.metrics().iter().enumerate().map(of_metric).collect()
}

fn of_fault(
    fault: &'static Fault,
    levels: &[f64],
    clean: &[Clean],
    each: &[Values],
) -> FaultFindings {
    let of_metric = |(i, clean): (usize, &Clean)| {
        let values: Vec<Option<f64>> = each.iter().map(|v| v[i].as_ref().ok().copied()).collect();
        let worse: Vec<Option<f64>> = values.iter().map(|v| v.map(|v| clean.worse(v))).collect();
        let mut reasons: Vec<String> =
            each.iter().filter_map(|v| v[i].as_ref().err().cloned()).collect();
        reasons.sort();
        reasons.dedup();
        let verdict = Verdict::new(&worse);
        let level = |index: Option<usize>| index.map(|index| levels[index]);
        MetricFindings {
            metric: clean.metric.clone(),
            sees_from: level(verdict.sees_from),
            prefers_from: level(verdict.prefers_from),
            rank_correlation: verdict.order,
            values,
            worse,
            reasons,
            verdict,
        }
    };
    FaultFindings {
        fault,
        title: fault.title,
        level: fault.level,
        levels: levels.to_vec(),
        metrics: clean.iter().enumerate().map(of_metric).collect(),
    }
}
