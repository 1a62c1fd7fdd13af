//! The first steps of every method: what the losses were and what the generators then draw.

use anyhow::{Context as _, Result};
use candle_core::Device;
use ganbench_baselines::methods::METHODS;
use ganbench_baselines::train::{StepRecord, TrainPlan, Trainer};
use ganbench_data::Dataset;
use ganbench_nn::optim::Rule;

use super::moments::{NAMES, moments};
use super::{DEFINITION, Pieces, Weights};
use crate::drift::value::{GuardedValue, Layer};
use crate::plan::Plan;
use crate::plan::recipe::Recipe;
use crate::run::session::{Surroundings, load_dataset, load_extractor};

/// Each further step multiplies what rounding did to the one before by about ten.
const STEPS: usize = 2;

/// Of what is computed before the first update.
const TOLERANCE: f64 = 1e-4;

/// Of what comes behind an update. AVX2 and AVX-512 give the same bits; portable kernels were seen
/// to move a gradient norm by 1.6e-4, since near a kink of a ReLU rounding decides which way a
/// gradient goes.
const TOLERANCE_AFTER: f64 = 1e-3;

/// Adam's eps in a trace. Some gradients are rounding and nothing else (biases ahead of batch
/// norm); at 1e-8 they would move their weights as far as any other does, in a direction that the
/// CPU chooses.
pub(super) const EPS: f64 = 1e-2;

/// A run under its identity.
pub struct TracedRun {
    /// Name of the method.
    pub method: String,
    /// Hash of the plan.
    pub run_id: String,
    /// Hash of the data set's content.
    pub dataset_sha256: String,
    /// The plan's training, with [`EPS`] for Adam's eps.
    pub train: TrainPlan,
}

/// Every method under the recipe `drift` with seed 0 (but for [`EPS`]), and the images.
///
/// # Errors
/// If a plan cannot be made.
pub fn runs(at: &Surroundings) -> Result<(Vec<TracedRun>, Dataset)> {
    let recipe = Recipe::by_name("drift")?;
    let plans: Result<Vec<Plan>, _> = METHODS.iter().map(|m| recipe.plan(m.name, 0)).collect();
    let mut plans = plans?;
    let first = plans.first_mut().context("there are no methods")?;
    let dataset = load_dataset(&mut first.dataset, at)?;
    load_extractor(&mut first.evaluation, &first.dataset.name, at)?;
    let (data, evaluation) = (first.dataset.clone(), first.evaluation.clone());
    let runs = plans.into_iter().map(|mut plan| {
        plan.dataset.clone_from(&data);
        plan.evaluation.clone_from(&evaluation);
        TracedRun {
            run_id: plan.run_id(),
            dataset_sha256: plan.dataset.sha256,
            method: plan.method,
            train: TrainPlan {
                optimizer_g: steady(plan.train.optimizer_g),
                optimizer_d: steady(plan.train.optimizer_d),
                ..plan.train
            },
        }
    });
    Ok((runs.collect(), dataset))
}

fn steady(rule: Rule) -> Rule {
    match rule {
        Rule::Adam { lr, beta1, beta2, .. } => Rule::Adam { lr, beta1, beta2, eps: EPS },
        other => other,
    }
}

/// Terms, totals and gradient norms of each step, and moments of the generators' images after the
/// last.
///
/// # Errors
/// If a step fails for a reason other than divergence.
pub fn trace(pieces: &Pieces, run: &TracedRun, dataset: &Dataset) -> Result<Vec<GuardedValue>> {
    let plan = (pieces.plan)(run);
    let of = |step: usize, name: String, value: f64| GuardedValue {
        run_id: run.run_id.clone(),
        dataset: dataset.name.clone(),
        dataset_sha256: run.dataset_sha256.clone(),
        method: run.method.clone(),
        seed: Some(run.train.seed),
        checkpoint: format!("step {step}"),
        tolerance: Some(match step == 1 && name.starts_with("d_") {
            true => TOLERANCE,
            false => TOLERANCE_AFTER,
        }),
        protocol: DEFINITION.into(),
        ..GuardedValue::new(Layer::Trace, name, value)
    };
    let classes = dataset.class_names.len();
    let mut trainer = Trainer::new(&plan, &dataset.images, classes, &Device::Cpu)?;
    let mut values = Vec::new();
    for step in 1..=STEPS {
        match trainer.step()? {
            Ok(record) => {
                values.extend(numbers(record).into_iter().map(|(name, v)| of(step, name, v)));
            }
            Err(_) => {
                values.push(of(step, "d_loss".into(), f64::NAN));
                return Ok(values);
            }
        }
    }
    for (what, weights) in [("averaged", Weights::Averaged), ("live", Weights::Live)] {
        let x = (pieces.outputs)(&trainer, weights)?;
        let width = x.dims().last().copied().unwrap_or(1);
        let x = x.flatten_all()?.to_vec1::<f32>()?;
        for (name, value) in NAMES.iter().zip(moments(&x, width)) {
            values.push(of(STEPS, format!("{what} generator {name}"), value));
        }
    }
    Ok(values)
}

pub(super) fn numbers(record: StepRecord) -> Vec<(String, f64)> {
    let outputs = [("d_real", record.d_real), ("d_fake", record.d_fake)];
    let norms = [("d_grad_norm", record.d_grad_norm), ("g_grad_norm", record.g_grad_norm)];
    let outputs = outputs.into_iter().filter_map(|(name, v)| Some((name.to_string(), v?)));
    let norms = norms.into_iter().map(|(name, v)| (name.to_string(), v));
    record.losses.into_iter().chain(norms).chain(outputs).collect()
}
