//! Whole steps of training against an independent implementation in PyTorch,
//! `tests-data/training.py`, which is given nothing but the seed and made
//! `tests-data/training.json`: initial weights, order of the images, z, both losses, both
//! optimisers, spectral norm, batch norm and the average.

use candle_core::Device;
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::optim::Rule;
use serde::Deserialize;

use super::same_start_tests::plan;
use super::{EmaPlan, NetworkPlan, SampleRequest, StepRecord, TrainPlan, Trainer, ZPrior};
use crate::methods::METHODS;

#[derive(Deserialize)]
struct Golden {
    steps: Vec<Step>,
    pixels: Vec<f64>,
}

#[derive(Deserialize)]
struct Step {
    d_loss: f64,
    g_loss: f64,
    d_grad_norm: f64,
    g_grad_norm: f64,
    d_real: f64,
    d_fake: f64,
    d_feature_norm: f64,
}

impl Step {
    fn values(&self) -> [f64; 7] {
        let Self { d_loss, g_loss, d_grad_norm, g_grad_norm, d_real, d_fake, d_feature_norm } =
            *self;
        [d_loss, g_loss, d_grad_norm, g_grad_norm, d_real, d_fake, d_feature_norm]
    }

    fn of(record: &StepRecord) -> Self {
        Self {
            d_loss: record.losses["d_loss"],
            g_loss: record.losses["g_loss"],
            d_grad_norm: record.d_grad_norm,
            g_grad_norm: record.g_grad_norm,
            d_real: record.d_real.unwrap(),
            d_fake: record.d_fake.unwrap(),
            d_feature_norm: record.d_feature_norm.unwrap(),
        }
    }
}

/// Of f32 against f64, relative to each number's largest over the steps; reached are 1e-6.
const TOLERANCE: f64 = 2e-5;

/// PyTorch's own f32 is as far from its f64: biases in front of a batch norm have no gradient but
/// rounding, which Adam makes steps of, and running statistics lag behind them.
const PIXEL_TOLERANCE: f64 = 0.02;

fn images() -> ImageBatch {
    let pixel = |i: usize, k: usize| ((k * (i + 3) / 7 + 31 * i + k % 3 * 50) % 256) as u8;
    let size = ImageSize::new(32, 32, 3);
    let pixels = (0..12).flat_map(|i| (0..size.bytes()).map(move |k| pixel(i, k))).collect();
    ImageBatch::new(size, pixels, Some((0..12).map(|i| i % 2).collect()), None).unwrap()
}

fn agrees(method: &str, n_dis: usize) {
    let golden: std::collections::BTreeMap<String, Golden> =
        serde_json::from_str(include_str!("../../tests-data/training.json")).unwrap();
    let golden = &golden[method];
    let method = METHODS.iter().find(|m| m.name == method).unwrap();
    let adam = Rule::Adam { lr: 2e-4, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    let base = plan(method);
    let plan = TrainPlan {
        batch: 4,
        n_dis,
        network: NetworkPlan {
            width: 4,
            z_dim: 8,
            z_prior: ZPrior::Uniform,
            head_hidden: 16,
            conv: Algorithm::Direct,
            ..base.network
        },
        optimizer_g: adam,
        optimizer_d: adam,
        ema: EmaPlan { decay: Some(0.9), ..base.ema },
        ..base
    };
    let images = images();
    let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
    let steps: Vec<[f64; 7]> =
        golden.steps.iter().map(|_| Step::of(&trainer.step().unwrap().unwrap()).values()).collect();
    let expected: Vec<[f64; 7]> = golden.steps.iter().map(Step::values).collect();
    let mut worst = (0.0f64, 0.0f64);
    for k in 0..7 {
        let largest = expected.iter().fold(0.0f64, |m, step| m.max(step[k].abs()));
        for (i, (got, expected)) in steps.iter().zip(&expected).enumerate() {
            let off = (got[k] - expected[k]).abs() / largest;
            worst = if i == 0 { (worst.0.max(off), worst.1) } else { (worst.0, worst.1.max(off)) };
            assert!(off < TOLERANCE, "{}, step {i}, value {k}: {off}", method.name);
        }
    }
    let request = SampleRequest { n: 4, seed: 7, class: None };
    let x = trainer.sampler(false).outputs(request).unwrap().flatten_all().unwrap();
    let x: Vec<f32> = x.to_vec1::<f32>().unwrap().into_iter().step_by(97).collect();
    let off = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs();
    let pixels = x.iter().zip(&golden.pixels).map(off).fold(0.0, f64::max);
    let largest = golden.pixels.iter().fold(0.0f64, |m, p| m.max(p.abs()));
    assert_eq!(x.len(), golden.pixels.len());
    assert!(pixels / largest < PIXEL_TOLERANCE, "{}: {pixels} of {largest}", method.name);
    let name = method.name;
    println!(
        "{name}: first step {:.1e}, later {:.1e}, pixels {:.1e}",
        worst.0,
        worst.1,
        pixels / largest
    );
}

#[test]
fn steps_of_the_hinge_gan_are_those_of_pytorch() {
    agrees("hinge", 1);
}

#[test]
fn steps_of_the_gan_with_two_steps_of_d_are_those_of_pytorch() {
    agrees("gan", 2);
}
