//! Every architecture trains, samples and starts again as it was.

use candle_core::Device;
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::optim::Rule;

use super::same_start_tests;
use super::{
    Budget, EmaPlan, NetworkPlan, RunMark, SampleRequest, TrainPlan, Trainer, Unit, ZPrior,
};
use crate::methods::method;
use crate::networks::{ARCHITECTURES, Architecture};

fn plan(a: &Architecture, method_name: &str) -> TrainPlan {
    let adam = Rule::Adam { lr: 1e-3, beta1: 0.0, beta2: 0.99, eps: 1e-8 };
    TrainPlan {
        seed: 7,
        batch: 4,
        n_dis: 1,
        log_every_steps: 1,
        checkpoint_kimg: 1.0,
        flip_reals: false,
        network: NetworkPlan {
            architecture: a.name.into(),
            width: 4,
            z_dim: 20,
            z_prior: ZPrior::Normal,
            head_hidden: 8,
            conv: Algorithm::default(),
            ..same_start_tests::plan(method(method_name).unwrap()).network
        },
        optimizer_g: adam,
        optimizer_d: adam,
        ema: EmaPlan { half_life_kimg: 1.0, ramp_up: 0.05, decay: None, start_kimg: 0.0 },
        budget: Budget { unit: Unit::GSteps, amount: 8.0 },
        parts: (method(method_name).unwrap().parts)(),
        replay: None,
    }
}

fn images(a: &Architecture) -> ImageBatch {
    let side = a.image_sizes[0];
    let n = 8 * side * side * 3;
    let pixels = Stream::new(0, "test").uniforms(n, 0.0, 256.0).iter().map(|&v| v as u8).collect();
    let labels = (0..8).map(|i| i % 2).collect();
    ImageBatch::new(ImageSize::new(side, side, 3), pixels, Some(labels), None).unwrap()
}

/// The losses of two steps, and samples after them.
fn run(a: &Architecture, method: &str) -> (Vec<f64>, Vec<u8>) {
    let images = images(a);
    let mut trainer = Trainer::new(&plan(a, method), &images, 2, &Device::Cpu).unwrap();
    let mut losses = Vec::new();
    for _ in 0..2 {
        let record = trainer.step().unwrap().unwrap();
        losses.extend(record.losses.values());
        assert!(trainer.damage(&record).unwrap().is_none(), "{} {method}", a.name);
    }
    let request = SampleRequest { n: 3, seed: 1, class: None };
    let samples = trainer.sampler(true).sample(request, &mut |_| {}).unwrap();
    (losses, samples.pixels.to_vec())
}

#[test]
fn every_architecture_trains_twice_alike() {
    for a in ARCHITECTURES {
        let first = run(a, "gan");
        assert!(first.0.iter().all(|loss| loss.is_finite()), "{}", a.name);
        assert!(first == run(a, "gan"), "{}", a.name);
    }
}

#[test]
fn a_run_that_goes_on_from_a_state_makes_the_steps_it_would_have_made() {
    for a in ARCHITECTURES {
        let (images, dir) = (images(a), tempfile::tempdir().unwrap());
        let trainer = || Trainer::new(&plan(a, "gan"), &images, 2, &Device::Cpu).unwrap();
        let (mut whole, mut again) = (trainer(), trainer());
        whole.step().unwrap().unwrap();
        whole.save(dir.path(), RunMark::default()).unwrap();
        again.load_newest(dir.path()).unwrap().unwrap();
        for _ in 0..2 {
            assert_eq!(
                whole.step().unwrap().unwrap(),
                again.step().unwrap().unwrap(),
                "{}",
                a.name
            );
        }
    }
}

#[test]
fn networks_that_draw_train_with_labels_and_with_all_batches_in_one_pass() {
    for a in ARCHITECTURES.iter().filter(|a| a.noise) {
        for method in ["reacgan", "contrad"] {
            assert!(run(a, method).0.iter().all(|loss| loss.is_finite()), "{} {method}", a.name);
        }
    }
}

#[test]
fn only_networks_that_draw_take_a_key_from_the_stream_of_z() {
    for a in ARCHITECTURES {
        let images = images(a);
        let mut trainer = Trainer::new(&plan(a, "gan"), &images, 2, &Device::Cpu).unwrap();
        trainer.step().unwrap().unwrap();
        // What one batch draws without a key: z, then labels.
        let mut plain = Stream::new(7, "z/generator-step");
        plain.normal(4 * 20);
        for _ in 0..4 {
            plain.below(2);
        }
        let key = if a.noise { 2 } else { 0 };
        assert_eq!(trainer.streams.z_g.position(), plain.position() + key, "{}", a.name);
    }
}

#[test]
fn samples_are_truncated_by_style_or_by_a_normal_z() {
    for a in ARCHITECTURES {
        let images = images(a);
        let mut uniform = plan(a, "gan");
        uniform.network.z_prior = ZPrior::Uniform;
        for plan in [plan(a, "gan"), uniform] {
            let mut trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
            trainer.step().unwrap().unwrap();
            let request = SampleRequest { n: 3, seed: 1, class: None };
            let whole = trainer.sampler(true).outputs(request).unwrap();
            let truncated = trainer.sampler(true).truncated(0.5).outputs(request);
            if plan.network.z_prior == ZPrior::Uniform && !a.name.starts_with("stylegan2") {
                let error = truncated.unwrap_err().to_string();
                assert!(error.contains("this run's is uniform"), "{error}");
                continue;
            }
            let difference = (whole - truncated.unwrap()).unwrap().abs().unwrap();
            let largest = difference.max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(largest > 0.0, "{}: {largest}", a.name);
        }
    }
}
