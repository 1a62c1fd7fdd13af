//! From a generator to numbers, and from numbers to rows.

use std::collections::HashMap;

use anyhow::Result;
use ganbench_baselines::train::{SampleRequest, Sampler, Spent};
use ganbench_metrics::bootstrap::{Bootstrap, intervals};
use ganbench_metrics::{
    EvaluationInput, Interval, MetricValue, Settings, evaluate, inception_score,
};
use ganbench_reports::{ResultRow, Status};

use crate::machine;
use crate::plan::Plan;
use crate::run_folder::commit;
use crate::session::Evaluator;

/// How many fakes, and how many resamplings of them for intervals.
#[derive(Clone, Copy)]
pub struct Fakes {
    pub n: usize,
    pub bootstrap: usize,
}

pub type Measured = (MetricValue, Option<Interval>);

/// Samples with the run's seed, extracts, and computes every metric.
///
/// # Errors
/// If the samples cannot be made or measured.
pub fn measure(
    plan: &Plan,
    evaluator: &Evaluator,
    sampler: &Sampler<'_>,
    fakes: Fakes,
) -> Result<Vec<Measured>> {
    let request = SampleRequest { n: fakes.n, seed: plan.train.seed, class: None };
    let images = sampler.sample(request, &mut |_| {})?;
    let fake = evaluator.extractor.extract(&images, &mut |_, _| {})?;
    let e = &plan.evaluation;
    let settings = Settings {
        inception_score: inception_score::Options { splits: e.is_splits, ..Default::default() },
        nearest_k: e.nearest_k,
        ..Settings::default()
    };
    let input = EvaluationInput {
        real: &evaluator.reference,
        fake: &fake,
        extractor: evaluator.extractor.name(),
        metrics: None,
        settings,
        labels: None,
    };
    let values = evaluate(input)?;
    if fakes.bootstrap == 0 {
        return Ok(values.into_iter().map(|value| (value, None)).collect());
    }
    let request = Bootstrap { replicates: fakes.bootstrap, seed: 0 };
    let intervals: HashMap<_, _> = intervals(&input, &values, request)?.into_iter().collect();
    let of = |value: MetricValue| {
        let interval = intervals.get(&value.metric).copied();
        (value, interval)
    };
    Ok(values.into_iter().map(of).collect())
}

/// A row of the results.
pub fn row(plan: &Plan, spent: &Spent, checkpoint: &str, (v, interval): &Measured) -> ResultRow {
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
        split: plan.dataset.split.to_string(),
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
        protocol: plan.evaluation.protocol.clone(),
        status: Status::Ok,
        version: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit(),
        d_image_forwards_g_step: spent.d_image_forwards_g_step,
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
    }
}
