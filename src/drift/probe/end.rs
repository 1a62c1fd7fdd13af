//! The end of a short run of every method: what acts only after the second step.
//!
//! A run as it is multiplies rounding until two kinds of machine share no digit after a hundred
//! steps. This one learns so slowly that rounding stays rounding, and packs into its few steps all
//! that acts late: several epochs of few images, a warm-up of the learning rates that ends half
//! way, and an average of the generator that starts late, then has a half-life that grows, then one
//! at its bound. That the rates are small hides no fault: the weights are looked at by how far they
//! moved.

use anyhow::{Context as _, Result};
use candle_core::Device;
use ganbench_baselines::train::{Budget, EmaPlan, SampleRequest, TrainPlan, Trainer, Unit};
use ganbench_data::Dataset;
use ganbench_nn::optim::Rule;

use super::moments::{NAMES, moments};
use super::trace::{EPS, numbers};
use super::{DEFINITION, Pieces, SAMPLED, TracedRun, Weights};
use crate::drift::value::{GuardedValue, Layer};

/// Under which its values stand.
const CHECKPOINT: &str = "end";

const STEPS: u32 = 12;

/// So few that a second epoch begins with the third batch.
const IMAGES: usize = 40;

/// Of the recipe's learning rates.
const LR_SHARE: f64 = 3e-3;

/// Measured on all 254 values of all methods: AVX2 and AVX-512 give the same bits, and portable
/// kernels move a gradient's norm by up to 9.2e-4 (contragan's generator) and everything else by up
/// to 2.5e-4. With 1e-2 of the recipe's learning rates it is 3.0e-3.
const TOLERANCE: f64 = 3e-3;

/// Weights move by millionths; in this unit their moves are above the layer's floor.
const MOVE_UNIT: f64 = 1e-6;

fn slow(rule: Rule) -> Rule {
    match rule {
        Rule::Adam { lr, beta1, beta2, .. } => {
            Rule::Adam { lr: lr * LR_SHARE, beta1, beta2, eps: EPS }
        }
        Rule::RmsProp { lr, alpha, .. } => Rule::RmsProp { lr: lr * LR_SHARE, alpha, eps: EPS },
    }
}

/// The run that is looked at in place of `plan`'s.
fn short(plan: TrainPlan) -> TrainPlan {
    let mut plan = TrainPlan {
        optimizer_g: slow(plan.optimizer_g),
        optimizer_d: slow(plan.optimizer_d),
        // Of 12 steps of 16 images the first has no average, and from the ninth on the half-life is
        // at its bound.
        ema: EmaPlan { half_life_kimg: 0.04, ramp_up: 0.3, decay: None, start_kimg: 0.02 },
        budget: Budget { unit: Unit::GSteps, amount: f64::from(STEPS) },
        ..plan
    };
    plan.parts.lr_warmup_share = 0.5;
    plan
}

/// Terms, totals and gradient norms of the last step, how far the weights moved, and moments of the
/// generators' images and of the averaged one's bytes.
///
/// # Errors
/// If a step fails for a reason other than divergence.
pub fn end(pieces: &Pieces, run: &TracedRun, dataset: &Dataset) -> Result<Vec<GuardedValue>> {
    let plan = (pieces.plan)(&TracedRun {
        method: run.method.clone(),
        run_id: run.run_id.clone(),
        dataset_sha256: run.dataset_sha256.clone(),
        train: short(run.train.clone()),
    });
    let guarded = |name: String, value: f64| GuardedValue {
        run_id: run.run_id.clone(),
        dataset: dataset.name.clone(),
        dataset_sha256: run.dataset_sha256.clone(),
        method: run.method.clone(),
        seed: Some(run.train.seed),
        checkpoint: CHECKPOINT.into(),
        tolerance: Some(TOLERANCE),
        protocol: DEFINITION.into(),
        ..GuardedValue::new(Layer::Trace, name, value)
    };
    let classes = dataset.class_names.len();
    let trainer = Trainer::new(&plan, &dataset.images, classes, &Device::Cpu)?;
    let mut trainer = trainer.on((0..IMAGES).collect())?;
    let start = trainer.weights()?;
    let mut last = None;
    while trainer.progress() < 1.0 {
        match trainer.step()? {
            Ok(record) => last = Some(record),
            Err(_) => return Ok(vec![guarded("d_loss".into(), f64::NAN)]),
        }
    }
    let record = last.context("the short run of the probe made no step")?;
    let mut values: Vec<GuardedValue> =
        numbers(record).into_iter().map(|(name, v)| guarded(name, v)).collect();
    for ((network, from), (_, to)) in start.iter().zip(trainer.weights()?) {
        let moved: Vec<f32> = from.iter().zip(&to).map(|(a, b)| b - a).collect();
        let [_, rms, _] = moments(&moved, moved.len());
        values.push(guarded(format!("{network} moved rms in millionths"), rms / MOVE_UNIT));
    }
    let mut images = Vec::new();
    for (what, weights) in [("averaged", Weights::Averaged), ("live", Weights::Live)] {
        let x = (pieces.outputs)(&trainer, weights)?;
        let width = x.dims().last().copied().unwrap_or(1);
        images.push((format!("{what} generator"), x.flatten_all()?.to_vec1::<f32>()?, width));
    }
    let request = SampleRequest { n: SAMPLED, seed: 0, class: None };
    let sample = trainer.sampler(false).sample(request, &mut |_| {})?;
    let bytes = sample.pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    images.push(("sample".into(), bytes, sample.size.width * sample.size.channels));
    for (what, numbers, width) in images {
        for (name, value) in NAMES.iter().zip(moments(&numbers, width)) {
            values.push(guarded(format!("{what} {name}"), value));
        }
    }
    Ok(values)
}
