//! From a generator to numbers, and from numbers to rows.

use anyhow::Result;
use ganbench_baselines::networks::BatchNormIn;
use ganbench_baselines::train::{SampleRequest, Sampler, Spent};
use ganbench_data::images::ImageBatch;
use ganbench_data::rng::Stream;
use ganbench_metrics::bootstrap::{self, Bootstrap, WithInterval, with_intervals};
use ganbench_metrics::protocol::LabelRule;
use ganbench_metrics::{
    Done, EvaluationInput, Extractor, ExtractorId, Features, Label, Labels, Measurement,
    MetricValue, Sampling, evaluate,
};
use ganbench_reports::{ResultRow, Status};

use crate::machine;
use crate::plan::Plan;
use crate::run::folder::commit;
use crate::run::reals::Reals;
use crate::run::session::{Evaluator, metric_names};

/// How many fakes are measured.
#[derive(Clone, Copy)]
pub struct Fakes {
    /// Fakes of a set.
    pub n: usize,
    /// Sets of so many fakes whose mean is reported.
    pub repeats: usize,
    /// Resamplings of the images behind the intervals; 0 for none.
    pub bootstrap: usize,
    /// Which latents the fakes are made from.
    pub noise: Noise,
}

/// Which latents the fakes are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Those of the run's seed, at every point of the curve and at the last checkpoint.
    OfRun,
    /// Others, for the checkpoint that the curve's scores chose: scores of the latents that chose
    /// it are too good.
    OfChosen,
}

impl Fakes {
    /// How a plan measures the last checkpoint.
    ///
    /// # Errors
    /// If the plan's protocol is unknown.
    pub fn at_the_end(plan: &Plan) -> Result<Self> {
        let e = &plan.evaluation;
        let repeats = e.measurement()?.protocol.repeats;
        Ok(Self { n: e.n_fake, repeats, bootstrap: e.bootstrap, noise: Noise::OfRun })
    }

    /// How a plan measures the best checkpoint.
    ///
    /// # Errors
    /// As of [`Self::at_the_end`].
    pub fn of_the_chosen(plan: &Plan) -> Result<Self> {
        Ok(Self { noise: Noise::OfChosen, ..Self::at_the_end(plan)? })
    }

    /// A seed for each set of fakes of a run.
    fn seeds(self, run_seed: u64) -> impl Iterator<Item = u64> {
        let first = match self.noise {
            Noise::OfRun => run_seed,
            Noise::OfChosen => Stream::new(run_seed, "sample/chosen").u64(),
        };
        sample_seeds(first, self.repeats)
    }
}

/// The numbers of a checkpoint, and the protocol that they follow.
#[derive(Clone)]
pub struct Measured {
    /// One for each metric of the plan.
    pub values: Vec<WithInterval>,
    /// The protocol that they follow.
    pub label: Label,
}

/// Samples with seeds of the run, extracts, and computes every metric of the plan.
///
/// # Errors
/// If the samples cannot be made or measured.
pub fn measure(
    plan: &Plan,
    evaluator: &Evaluator,
    sampler: &Sampler<'_>,
    fakes: Fakes,
) -> Result<Measured> {
    let label = label(plan, evaluator.extractor.as_ref(), &evaluator.reals, sampler, fakes)?;
    let by_data = plan.evaluation.measurement()?.protocol.labels == LabelRule::Data;
    let counts = evaluator.reals.uneven_class_counts.clone().filter(|_| by_data);
    let drawing_by_data;
    let sampler = match counts {
        None => sampler,
        Some(counts) => {
            drawing_by_data = sampler.through(sampler.generator()).with_class_counts(counts);
            &drawing_by_data
        }
    };
    let mut sets = Vec::new();
    for seed in fakes.seeds(plan.train.seed) {
        let request = SampleRequest { n: fakes.n, seed, class: None };
        let images = sampler.sample(request, &mut |_| {})?;
        sets.push(measure_set(plan, evaluator, &images, fakes.bootstrap)?);
    }
    Ok(Measured { values: mean(sets), label })
}

/// A seed for each set of samples. The first is `seed` itself.
pub fn sample_seeds(seed: u64, repeats: usize) -> impl Iterator<Item = u64> {
    let mut further = Stream::new(seed, "sample/repeats");
    std::iter::once(seed).chain(std::iter::repeat_with(move || further.u64())).take(repeats.max(1))
}

/// Extracts images of any origin and computes every metric of the plan.
///
/// # Errors
/// If they cannot be measured.
pub fn measure_set(
    plan: &Plan,
    evaluator: &Evaluator,
    images: &ImageBatch,
    bootstrap: usize,
) -> Result<Vec<WithInterval>> {
    let measurement = plan.evaluation.measurement()?;
    let extractor = evaluator.extractor.as_ref();
    let mut fake: Features = extractor.extract(images, &mut |_, _| {})?;
    if let (true, Some(bias)) = (measurement.is_bias(extractor), extractor.logit_bias()) {
        fake.add_to_logits(bias)?;
    }
    let names = metric_names(&measurement, &plan.evaluation, extractor);
    let labels = evaluator.reference.labels().zip(images.labels.as_deref());
    let input = EvaluationInput {
        real: &evaluator.reference,
        fake: &fake,
        extractor: evaluator.extractor_id(),
        metrics: Some(&names),
        settings: measurement.settings,
        labels: labels.map(|(real, fake)| Labels { real, fake }),
    };
    let values = evaluate(input)?;
    // All methods of a table meet the same reals.
    let request = Bootstrap { replicates: bootstrap, seed: 0, reals: bootstrap::Reals::Held };
    Ok(with_intervals(&input, values, request)?)
}

/// The mean over sets of samples. One set keeps its intervals.
pub fn mean(mut sets: Vec<Vec<WithInterval>>) -> Vec<WithInterval> {
    if sets.len() < 2 {
        return sets.pop().unwrap_or_default();
    }
    let n = sets.len() as f64;
    let of_metric = |i: usize| {
        let each = || sets.iter().map(|set| &set[i].0);
        let std: Option<f64> = each().map(|v| v.std).sum();
        let value = each().map(|v| v.value).sum::<f64>() / n;
        (MetricValue { value, std: std.map(|sum| sum / n), ..sets[0][i].0.clone() }, None)
    };
    (0..sets[0].len()).map(of_metric).collect()
}

/// The protocol of a run's numbers of so many fakes.
///
/// # Errors
/// If the plan's protocol or a metric is unknown.
pub fn label(
    plan: &Plan,
    extractor: &dyn Extractor,
    reals: &Reals,
    sampler: &Sampler<'_>,
    fakes: Fakes,
) -> Result<Label> {
    let measurement = plan.evaluation.measurement()?;
    let batch_norm = plan.train.network.options().batch_norm == BatchNormIn::Default
        && !sampler.generator().has_style();
    let names = metric_names(&measurement, &plan.evaluation, extractor);
    let is_bias = measurement.is_bias(extractor);
    let id = ExtractorId::from_extractor(extractor);
    Ok(label_of_plan(
        plan,
        &measurement,
        &Facts { id, names: &names, is_bias, reals, batch_norm, fakes },
    ))
}

/// What a plan alone does not say of how its numbers are measured.
pub struct Facts<'a> {
    /// The extractor of both sides.
    pub id: ExtractorId<'a>,
    /// Bare names of the metrics.
    pub names: &'a [&'a str],
    /// Whether logits hold the classifier's bias.
    pub is_bias: bool,
    /// The real images.
    pub reals: &'a Reals,
    /// Whether the generator has batch norm.
    pub batch_norm: bool,
    /// The generated images.
    pub fakes: Fakes,
}

/// [`label`] of these facts.
pub fn label_of_plan(plan: &Plan, measurement: &Measurement, facts: &Facts<'_>) -> Label {
    let Facts { id, names, is_bias, reals, batch_norm, fakes } = *facts;
    let conditional = plan.train.parts.conditional() && reals.uneven_class_counts.is_some();
    measurement.label(&Done {
        extractor: id.name,
        weights_sha256: id.weights_sha256,
        split: Some(&plan.reference_split().to_string()),
        whole_split: Some(reals.whole_split),
        n_real: Some(reals.n),
        n_fake: Some(fakes.n),
        repeats: fakes.repeats,
        is_bias,
        metrics: names,
        sampling: Some(Sampling {
            statistics: batch_norm.then(|| plan.evaluation.statistics.name()),
            labels: conditional.then_some(measurement.protocol.labels),
        }),
        further: &[],
    })
}

/// A row of the results.
pub fn row(
    plan: &Plan,
    spent: &Spent,
    checkpoint: &str,
    label: &Label,
    (v, interval): &WithInterval,
) -> ResultRow {
    let train = &plan.train;
    ResultRow {
        run_id: plan.run_id(),
        table: plan.table.clone(),
        method: plan.row_name().to_string(),
        conditional: train.parts.conditional(),
        architecture: train.network.architecture.clone(),
        width: train.network.width as u64,
        dataset: plan.dataset.label(),
        dataset_sha256: plan.dataset.sha256.clone(),
        split: plan.reference_split().to_string(),
        seed: train.seed,
        budget_unit: train.budget.unit.name().to_string(),
        budget_amount: train.budget.amount,
        batch: train.batch as u64,
        g_steps: spent.g_steps,
        d_steps: spent.d_steps,
        real_images: spent.real_images,
        d_image_forwards: spent.d_image_forwards,
        g_image_forwards: spent.g_image_forwards,
        train_s: spent.train_s,
        peak_rss_mb: machine::peak_rss_mb(),
        checkpoint: checkpoint.to_string(),
        metric: v.metric.clone(),
        value: Some(v.value),
        ci_low: interval.map(|i| i.low),
        ci_high: interval.map(|i| i.high),
        n_real: v.n_real as u64,
        n_fake: v.n_fake as u64,
        extractor: plan.evaluation.extractor.clone(),
        extractor_sha256: plan.evaluation.extractor_sha256.clone(),
        protocol: label.protocol.clone(),
        status: Status::Ok,
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        d_image_forwards_g_step: spent.d_image_forwards_g_step,
        protocol_differences: label.differences_text(),
        tflops: Some(spent.flops / 1e12),
        cpu_s: Some(spent.cpu_s),
        other_cpu_s: None,
    }
}

/// What a row says was spent up to its checkpoint.
pub fn spent_up_to(row: &ResultRow) -> Spent {
    Spent {
        g_steps: row.g_steps,
        d_steps: row.d_steps,
        real_images: row.real_images,
        d_image_forwards: row.d_image_forwards,
        d_image_forwards_g_step: row.d_image_forwards_g_step,
        g_image_forwards: row.g_image_forwards,
        train_s: row.train_s,
        flops: row.tflops.unwrap_or_default() * 1e12,
        cpu_s: row.cpu_s.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_checkpoint_is_measured_with_other_latents_than_chose_it() {
        let seeds = |noise, run_seed| -> Vec<u64> {
            let fakes = Fakes { n: 10, repeats: 3, bootstrap: 0, noise };
            fakes.seeds(run_seed).collect()
        };
        for run_seed in 0..20 {
            let (own, chosen) = (seeds(Noise::OfRun, run_seed), seeds(Noise::OfChosen, run_seed));
            assert_eq!(own, sample_seeds(run_seed, 3).collect::<Vec<_>>());
            assert_eq!(own[0], run_seed);
            assert_eq!(chosen.len(), 3);
            assert!(chosen.iter().all(|seed| !own.contains(seed)), "{own:?} {chosen:?}");
        }
    }
}
