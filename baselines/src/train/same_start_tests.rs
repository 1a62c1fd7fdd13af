//! What a seed gives is the same for every method.

use std::collections::BTreeMap;

use candle_core::Device;
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::optim::Rule;
use ganbench_nn::params::ParamStore;

use super::{Budget, EmaPlan, NetworkPlan, SampleRequest, TrainPlan, Trainer, Unit, ZPrior};
use crate::methods::{METHODS, Method};
use crate::networks::{BatchNormIn, Initialisation};

const IMAGES: usize = 8;
const BATCH: usize = 2;

pub(super) fn plan(method: &Method) -> TrainPlan {
    let adam = Rule::Adam { lr: 1e-9, beta1: 0.5, beta2: 0.999, eps: 1e-8 };
    TrainPlan {
        seed: 7,
        batch: BATCH,
        n_dis: 1,
        log_every_steps: 1,
        checkpoint_kimg: 1.0,
        flip_reals: false,
        network: NetworkPlan {
            architecture: "sndcgan".into(),
            width: 2,
            z_dim: 4,
            z_prior: ZPrior::Normal,
            head_hidden: 8,
            conv: Algorithm::default(),
            init: Initialisation::default(),
            spectral_norm_g: None,
            spectral_norm_d: None,
            attention: None,
            batch_norm: BatchNormIn::default(),
        },
        optimizer_g: adam,
        optimizer_d: adam,
        ema: EmaPlan { half_life_kimg: 1.0, ramp_up: 0.05, decay: None, start_kimg: 0.0 },
        budget: Budget { unit: Unit::GSteps, amount: 8.0 },
        parts: (method.parts)(),
        replay: None,
    }
}

/// Grey images of two classes; `other` is much lighter than it was.
pub(super) fn images(other: Option<usize>) -> ImageBatch {
    let size = ImageSize::new(32, 32, 3);
    let grey = |i: usize| if Some(i) == other { 250 } else { 10 * i as u8 };
    let pixels = (0..IMAGES).flat_map(|i| vec![grey(i); 32 * 32 * 3]).collect();
    let labels = (0..IMAGES as u32).map(|i| i % 2).collect();
    ImageBatch::new(size, pixels, Some(labels), None).unwrap()
}

fn values(store: &ParamStore) -> BTreeMap<String, Vec<f32>> {
    let values = |t: candle_core::Tensor| t.flatten_all().unwrap().to_vec1().unwrap();
    store.state().unwrap().into_iter().map(|(name, t)| (name, values(t))).collect()
}

#[test]
fn every_method_starts_from_the_same_generator_and_trunk() {
    let images = images(None);
    let start = |method| {
        let trainer = Trainer::new(&plan(method), &images, 2, &Device::Cpu).unwrap();
        (values(&trainer.generator.store), values(&trainer.discriminator.store))
    };
    let (generator, discriminator) = start(&METHODS[0]);
    for method in METHODS {
        let (g, d) = start(method);
        let shared = |name: &&String| name.starts_with("trunk");
        let trunk: Vec<_> = discriminator.keys().filter(shared).collect();
        assert!(trunk.len() > 10, "{:?}", discriminator.keys());
        assert!(trunk.iter().all(|name| d[*name] == discriminator[*name]), "{}", method.name);
        // Norms of class-conditional generators have a line a class, all alike at first.
        let norms: Vec<_> =
            generator.keys().filter(|name| g.get(*name) != generator.get(*name)).collect();
        let conditional = (method.parts)().conditional();
        assert!(norms.is_empty() || conditional, "{}: {norms:?}", method.name);
        assert!(norms.iter().all(|name| name.starts_with("bn.")), "{norms:?}");
    }
}

#[test]
fn every_method_is_measured_on_the_same_noise() {
    let images = images(None);
    let samples = |method| {
        let trainer = Trainer::new(&plan(method), &images, 2, &Device::Cpu).unwrap();
        let request = SampleRequest { n: 5, seed: 7, class: None };
        trainer.sampler(true).sample(request, &mut |_| {}).unwrap().pixels
    };
    let first = samples(&METHODS[0]);
    for method in METHODS {
        assert!(samples(method) == first, "{}", method.name);
    }
}

/// The losses of two epochs.
fn losses(method: &Method, images: &ImageBatch) -> Vec<BTreeMap<String, f64>> {
    let mut trainer = Trainer::new(&plan(method), images, 2, &Device::Cpu).unwrap();
    (0..2 * IMAGES / BATCH).map(|_| trainer.step().unwrap().unwrap().losses).collect()
}

/// An image's place in the order is the first step that notices that it changed.
#[test]
fn every_method_sees_the_reals_in_the_same_order() {
    let order = |method| {
        let before = losses(method, &images(None));
        let noticed = |i| {
            let after = losses(method, &images(Some(i)));
            before.iter().zip(&after).position(|(a, b)| a != b).unwrap()
        };
        (0..IMAGES).map(noticed).collect::<Vec<_>>()
    };
    let first = order(&METHODS[0]);
    assert!((0..IMAGES / BATCH).all(|step| first.iter().filter(|&&s| s == step).count() == BATCH));
    for method in METHODS {
        assert_eq!(order(method), first, "{}", method.name);
    }
}

#[test]
fn rows_that_are_not_trained_on_are_never_seen() {
    let plan = plan(&METHODS[0]);
    let losses = |other| {
        let images = images(other);
        let trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
        let mut trainer = trainer.on(vec![0, 2, 4, 6]).unwrap();
        (0..4).map(|_| trainer.step().unwrap().unwrap().losses).collect::<Vec<_>>()
    };
    assert_eq!(losses(None), losses(Some(3)));
    assert_ne!(losses(None), losses(Some(4)));
    let images = images(None);
    let refusal = |rows: Vec<usize>| {
        let trainer = Trainer::new(&plan, &images, 2, &Device::Cpu).unwrap();
        trainer.on(rows).err().unwrap().to_string()
    };
    assert!(refusal(vec![1]).contains("batches of 2, the data set has 1 images"));
    assert!(refusal(vec![1, 8]).contains("a row to train on must be of the data set, got 8 of 8"));
}
