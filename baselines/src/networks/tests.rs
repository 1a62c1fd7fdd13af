//! What every architecture owes, and the published sizes.

use candle_core::{Device, Tensor};
use ganbench_data::rng::Stream;
use ganbench_nn::layers::Pass;
use ganbench_nn::params::{Init, ParamStore};

use super::*;

/// ContraD's and SNGAN's sizes.
pub const PAPER_32: NetworkSizes = NetworkSizes {
    width: 64,
    image_size: 32,
    channels: 3,
    z_dim: 128,
    classes: None,
    options: DEFAULT,
};

pub(super) const DEFAULT: NetworkOptions = NetworkOptions {
    init: Initialisation::Own,
    spectral_norm_g: None,
    spectral_norm_d: None,
    attention: None,
    batch_norm: BatchNormIn::Default,
};

/// Without the cost of orthogonal weights.
fn zeros() -> ParamStore {
    ParamStore::new("test", 0, &Device::Cpu).with_weight_init(Some(Init::Zeros))
}

pub(super) fn generator_count(a: &Architecture, s: NetworkSizes) -> usize {
    let store = zeros();
    (a.generator)(&store.root(), s).unwrap();
    store.parameter_count()
}

pub(super) fn discriminator_count(a: &Architecture, s: NetworkSizes, heads: &[HeadSpec]) -> usize {
    let store = zeros();
    Discriminator::new(&store.root(), a, s, heads).unwrap();
    store.parameter_count()
}

fn head(name: &'static str, kind: HeadKind, outputs: usize) -> HeadSpec {
    HeadSpec { name, kind, outputs, hidden: 1024 }
}

/// Logits, and an embedding of the class for the projection.
fn projection(features: usize) -> [HeadSpec; 2] {
    [head("logits", HeadKind::Linear, 1), head("class", HeadKind::Embedding, features)]
}

#[test]
fn snresnet18_has_the_parameters_of_contrads_code() {
    let a = &snresnet18::ARCHITECTURE;
    assert_eq!(generator_count(a, PAPER_32), 3_828_739);
    assert_eq!(discriminator_count(a, PAPER_32, &[]), 11_164_032);
    let heads = [
        head("linear", HeadKind::Mlp, 1),
        head("projection", HeadKind::Mlp, 128),
        head("projection2", HeadKind::Mlp, 128),
    ];
    assert_eq!(discriminator_count(a, PAPER_32, &heads), 13_003_393);
}

#[test]
fn resnet_has_the_parameters_of_studiogans_logs() {
    let a = &resnet::ARCHITECTURE;
    let classes = NetworkSizes { classes: Some(10), ..PAPER_32 };
    let with = |options| NetworkSizes { options, ..classes };
    let sagan =
        with(NetworkOptions { spectral_norm_g: Some(true), attention: Some(true), ..DEFAULT });
    let batch_norm = with(NetworkOptions { spectral_norm_d: Some(false), ..DEFAULT });
    assert_eq!(generator_count(a, PAPER_32), 4_276_739);
    assert_eq!(generator_count(a, classes), 4_304_387);
    assert_eq!(generator_count(a, sagan), 4_386_308);
    let logits = head("logits", HeadKind::Linear, 1);
    assert_eq!(discriminator_count(a, batch_norm, &[logits]), 1_055_879);
    assert_eq!(discriminator_count(a, classes, &projection(128)), 1_055_105);
    assert_eq!(discriminator_count(a, batch_norm, &projection(128)), 1_057_159);
    assert_eq!(discriminator_count(a, sagan, &projection(128)), 1_075_586);
    let classifier = head("classifier", HeadKind::Linear, 10);
    assert_eq!(discriminator_count(a, batch_norm, &[logits, classifier]), 1_057_169);
}

#[test]
fn resnet_for_64x64_has_the_parameters_of_studiogans_logs() {
    // The unconditional rows for Tiny ImageNet, whose discriminators have batch norm.
    let a = &resnet::ARCHITECTURE;
    let options = NetworkOptions { spectral_norm_d: Some(false), ..DEFAULT };
    let s = NetworkSizes { image_size: 64, options, ..PAPER_32 };
    let logits = head("logits", HeadKind::Linear, 1);
    assert_eq!(generator_count(a, s), 12_220_675);
    assert_eq!(discriminator_count(a, s, &[logits]), 19_550_535);
}

#[test]
fn big_resnet_has_the_parameters_of_studiogans_logs() {
    let a = &big_resnet::ARCHITECTURE;
    let s = NetworkSizes { width: 96, z_dim: 80, classes: Some(10), ..PAPER_32 };
    assert_eq!(generator_count(a, s), 9_416_196);
    assert_eq!(discriminator_count(a, s, &projection(192)), 2_415_170);
    // ContraGAN's and ReACGAN's: logits, an embedding of 512 of the features, one of the class.
    let contrastive = [
        head("logits", HeadKind::Linear, 1),
        head("embedding", HeadKind::Linear, 512),
        head("proxy", HeadKind::Embedding, 512),
    ];
    assert_eq!(discriminator_count(a, s, &contrastive), 2_517_186);
}

#[test]
fn big_resnet_for_64x64_has_the_parameters_of_studiogans_logs() {
    let a = &big_resnet::ARCHITECTURE;
    let tiny = NetworkSizes { width: 80, image_size: 64, z_dim: 100, ..PAPER_32 };
    let s = NetworkSizes { classes: Some(200), ..tiny };
    assert_eq!(generator_count(a, s), 17_335_204);
    assert_eq!(discriminator_count(a, s, &projection(1280)), 30_796_722);
}

#[test]
fn biggan_cifar_has_the_parameters_of_the_official_layers() {
    let a = &biggan_cifar::ARCHITECTURE;
    let s = NetworkSizes { classes: Some(10), ..PAPER_32 };
    assert_eq!(generator_count(a, s), 4_304_387);
    assert_eq!(discriminator_count(a, s, &[]), 4_204_544);
    assert_eq!(discriminator_count(a, s, &projection(256)), 4_207_361);
}

#[test]
fn sagan64_has_the_parameters_of_the_official_layers() {
    let a = &sagan64::ARCHITECTURE;
    let with =
        |classes| NetworkSizes { width: 32, image_size: 64, classes: Some(classes), ..PAPER_32 };
    assert_eq!(generator_count(a, with(1000)), 13_293_188);
    assert_eq!(generator_count(a, with(200)), 9_504_388);
    assert_eq!(discriminator_count(a, with(1000), &projection(512)), 5_401_186);
}

/// Small sizes of every architecture and what changes its layers.
fn variants() -> Vec<(&'static Architecture, NetworkSizes)> {
    let mut variants = Vec::new();
    for a in ARCHITECTURES {
        for &image_size in a.image_sizes {
            let s = NetworkSizes { width: 4, image_size, z_dim: 20, ..PAPER_32 };
            let mut options = vec![DEFAULT];
            if a.follows.attention {
                options.push(NetworkOptions { attention: Some(!a.attention), ..DEFAULT });
            }
            if a.follows.spectral_norm {
                let spectral_norm_g = Some(!a.spectral_norm_g);
                let spectral_norm_d = Some(!a.spectral_norm);
                options.push(NetworkOptions { spectral_norm_g, spectral_norm_d, ..DEFAULT });
            }
            for options in options {
                variants.push((a, NetworkSizes { options, ..s }));
                variants.push((a, NetworkSizes { options, classes: Some(3), ..s }));
            }
            variants.push((a, NetworkSizes { channels: 1, ..s }));
            if a.follows.batch_norm {
                let options = NetworkOptions { batch_norm: BatchNormIn::None, ..DEFAULT };
                variants.push((a, NetworkSizes { options, ..s }));
            }
        }
    }
    variants
}

/// Four latents, the classes 0, 1, 2, 1.
pub(super) fn latent(s: NetworkSizes) -> Latent {
    let z = Stream::new(0, "z").normal(4 * s.z_dim);
    let labels = s.classes.map(|_| Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
    Latent { z: Tensor::from_vec(z, (4, s.z_dim), &Device::Cpu).unwrap(), labels, noise: None }
}

#[test]
fn every_variant_makes_images_and_every_parameter_has_a_finite_gradient() {
    for (a, s) in variants() {
        let name = format!("{} {s:?}", a.name);
        let g = s.options.generator_store(ParamStore::new("generator", 1, &Device::Cpu));
        let d = s.options.discriminator_store(ParamStore::new("discriminator", 1, &Device::Cpu));
        let generator = (a.generator)(&g.root(), s).unwrap();
        let trunk = (a.trunk)(&d.root(), s).unwrap();
        let latent = Latent { noise: a.noise.then_some(7), ..latent(s) };
        let x = generator.forward(&latent, Pass::Train).unwrap();
        assert_eq!(x.dims(), [4, s.channels, s.image_size, s.image_size], "{name}");
        let features = trunk.features(&x, Pass::Train).unwrap();
        assert_eq!(features.dims(), [4, trunk.feature_dim()], "{name}");
        let loss = features.sqr().unwrap().mean_all().unwrap();
        assert!(loss.to_scalar::<f32>().unwrap().is_finite(), "{name}");
        let grads = loss.backward().unwrap();
        for (parameter, var) in g.params().into_iter().chain(d.params()) {
            let grad = grads.get(&var).unwrap_or_else(|| panic!("{name}: {parameter} has none"));
            let sum = grad.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(sum.is_finite(), "{name}: {parameter} has {sum}");
        }
        // In evaluation, from the averages of that one pass.
        let x = generator.forward(&latent, Pass::Eval).unwrap();
        let x = x.abs().unwrap();
        let sum = x.sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(sum.is_finite(), "{name}: {sum}");
        let largest = x.max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest <= 1.0 && largest > 0.0, "{name}: {largest}");
    }
}

#[test]
fn a_frozen_discriminator_passes_the_gradient_on_and_keeps_none() {
    for (a, s) in variants().into_iter().filter(|(_, s)| s.classes.is_none()) {
        let name = format!("{} {s:?}", a.name);
        let g = s.options.generator_store(ParamStore::new("generator", 1, &Device::Cpu));
        let d = s.options.discriminator_store(ParamStore::new("discriminator", 1, &Device::Cpu));
        let latent = Latent { noise: a.noise.then_some(7), ..latent(s) };
        let x = (a.generator)(&g.root(), s).unwrap().forward(&latent, Pass::Train).unwrap();
        let features = (a.trunk)(&d.root(), s).unwrap().features(&x, Pass::Frozen).unwrap();
        let grads = features.sum_all().unwrap().backward().unwrap();
        assert!(d.params().iter().all(|(_, var)| grads.get(var).is_none()), "{name}");
        assert!(g.params().iter().all(|(_, var)| grads.get(var).is_some()), "{name}");
    }
}

#[test]
fn options_of_initial_weights_reach_every_weight_and_head() {
    for a in ARCHITECTURES.iter().filter(|a| a.follows.init) {
        let options = NetworkOptions { init: Initialisation::Orthogonal, ..DEFAULT };
        let s =
            NetworkSizes { width: 4, image_size: a.image_sizes[0], z_dim: 20, options, ..PAPER_32 };
        let store = options.discriminator_store(ParamStore::new("discriminator", 1, &Device::Cpu));
        let heads = [head("logits", HeadKind::Linear, 1)];
        Discriminator::new(&store.root(), a, s, &heads).unwrap();
        let weights: Vec<_> =
            store.params().into_iter().filter(|(_, var)| var.rank() > 1).collect();
        assert!(weights.iter().any(|(name, _)| name.starts_with("logits")), "{}", a.name);
        for (name, var) in weights {
            // k orthonormal vectors have the squared norm k.
            let rows = var.dims()[0];
            let k = rows.min(var.elem_count() / rows) as f32;
            let norm =
                var.as_tensor().sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!((norm - k).abs() < 1e-3 * k, "{} {name}: {norm}, expected {k}", a.name);
        }
    }
}

#[test]
fn batch_norm_left_out_of_the_generator_stays_in_the_discriminator() {
    let parts = |batch_norm| {
        let options = NetworkOptions { batch_norm, ..DEFAULT };
        let s = NetworkSizes { width: 4, z_dim: 20, options, ..PAPER_32 };
        let a = &dcgan::ARCHITECTURE;
        let g = options.generator_store(zeros());
        let d = options.discriminator_store(zeros());
        (a.generator)(&g.root(), s).unwrap();
        (a.trunk)(&d.root(), s).unwrap();
        let norms = |store: &ParamStore| {
            store.state().unwrap().keys().filter(|name| name.ends_with("running_mean")).count()
        };
        (norms(&g), norms(&d))
    };
    assert_eq!(parts(BatchNormIn::Default), (3, 2));
    assert_eq!(parts(BatchNormIn::DOnly), (0, 2));
    assert_eq!(parts(BatchNormIn::None), (0, 0));
}

#[test]
fn a_hierarchical_z_that_does_not_divide_is_refused() {
    let s = NetworkSizes { width: 4, z_dim: 30, ..PAPER_32 };
    let made = (big_resnet::ARCHITECTURE.generator)(&zeros().root(), s);
    let error = made.err().unwrap().to_string();
    assert!(error.contains("network.z_dim must be a multiple of 4"), "{error}");
    assert!(error.contains("got 30"), "{error}");
}

#[test]
fn an_option_is_refused_where_the_networks_cannot_follow_it() {
    let attention = |asked| NetworkOptions { attention: Some(asked), ..DEFAULT };
    let refused = |a: &Architecture, o| a.cannot_follow(&o);
    assert_eq!(
        refused(&sndcgan::ARCHITECTURE, attention(true)),
        Some(("attention", "true".to_string()))
    );
    // What they are anyway they may be asked to be.
    assert_eq!(refused(&sndcgan::ARCHITECTURE, attention(false)), None);
    let none = NetworkOptions { batch_norm: BatchNormIn::DOnly, ..DEFAULT };
    assert_eq!(
        refused(&big_resnet::ARCHITECTURE, none),
        Some(("batch_norm", "d-only".to_string()))
    );
    assert_eq!(refused(&dcgan::ARCHITECTURE, none), None);
}
