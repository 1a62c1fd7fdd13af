//! The residual networks and the DCGANs, images, features and gradients, against an independent
//! implementation in PyTorch: `tests-data/networks.py`, which made `tests-data/networks.json`.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::ParamStore;

use super::tests::PAPER_32;
use super::*;

/// Of f32 against f64, relative to the largest number compared with. Most are within 2e-6; where
/// rounding moves a value across a ReLU's kink or another one to the top of a pool, a gradient's
/// norm moves by some 3e-4.
const TOLERANCE: f64 = 1e-3;

/// A hash of the index and the name.
fn fill(name: &str, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let phase = name.bytes().map(u64::from).sum::<u64>() % 97;
    let hash = |i: usize| (12.9898 * i as f64 + phase as f64).sin() * 43758.5453;
    let wave: Vec<f64> = (0..n).map(|i| (hash(i) - hash(i).floor()) * 2.0 - 1.0).collect();
    let norm = wave.iter().map(|v| v * v).sum::<f64>().sqrt();
    let value = |v: f64| match name.rsplit('.').next() {
        Some("weight_u" | "weight_v") => v / norm,
        Some("running_mean") => 0.0,
        Some("running_var") => 1.0,
        Some("gamma") => 0.7,
        _ if shape.len() > 1 => v * (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt(),
        Some("bias") => 0.1 * v,
        _ => 1.0 + 0.1 * v,
    };
    let values: Vec<f32> = wave.into_iter().map(|v| value(v) as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn fill_all(store: &ParamStore) {
    let state = store.state().unwrap();
    let filled = state.iter().map(|(name, t)| (name.clone(), fill(name, t.dims())));
    store.load(&filled.collect()).unwrap();
}

/// Some numbers of a tensor, evenly spaced.
fn some(t: &Tensor) -> Vec<f64> {
    let values = t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.iter().step_by(values.len() / 24).map(|&v| f64::from(v)).collect()
}

fn norms(store: &ParamStore, grads: &GradStore) -> BTreeMap<String, f64> {
    let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
    let of = |var: &candle_core::Var| f64::from(norm(grads.get(var).unwrap())).sqrt();
    store.params().into_iter().map(|(name, var)| (name, of(&var))).collect()
}

fn close(what: &str, got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    let off = got.iter().zip(expected).fold(0.0f64, |m, (g, e)| m.max((g - e).abs())) / largest;
    assert!(off < TOLERANCE, "{what}: {off}");
    off
}

fn agrees(case: &str, a: &Architecture, options: NetworkOptions, classes: Option<usize>) {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../tests-data/networks.json")).unwrap();
    let golden = &golden[case];
    let image_size = a.image_sizes[0];
    let s = NetworkSizes { width: 4, image_size, z_dim: 20, classes, options, ..PAPER_32 };
    let g = ParamStore::new("generator", 0, &Device::Cpu);
    let d = ParamStore::new("discriminator", 0, &Device::Cpu);
    let generator = (a.generator)(&g.root(), s).unwrap();
    let trunk = (a.trunk)(&d.root(), s).unwrap();
    fill_all(&g);
    fill_all(&d);
    let z = (0..80).map(|k| (1.3 * f64::from(k / 20) + 0.7 * f64::from(k % 20)).sin() as f32);
    let z = Tensor::from_vec(z.collect::<Vec<_>>(), (4, 20), &Device::Cpu).unwrap();
    let labels = classes.map(|_| Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
    let latent = Latent { z, labels, noise: None };

    let x = generator.forward(&latent, Pass::Train).unwrap();
    let features = trunk.features(&x, Pass::Train).unwrap();
    let loss = features.sqr().unwrap().mean_all().unwrap();
    let grads = loss.backward().unwrap();
    let fixed = generator.forward(&latent, Pass::Eval).unwrap();

    let list = |key: &str| -> Vec<f64> { serde_json::from_value(golden[key].clone()).unwrap() };
    let mut worst = 0.0f64;
    for (key, got) in [("images", &x), ("fixed_images", &fixed), ("features", &features)] {
        worst = worst.max(close(&format!("{case} {key}"), &some(got), &list(key)));
    }
    let loss = f64::from(loss.to_scalar::<f32>().unwrap());
    worst = worst.max(close(case, &[loss], &[golden["loss"].as_f64().unwrap()]));
    for (key, store) in [("generator_grads", &g), ("trunk_grads", &d)] {
        let expected: BTreeMap<String, f64> = serde_json::from_value(golden[key].clone()).unwrap();
        let got = norms(store, &grads);
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{case}");
        let values = |m: &BTreeMap<String, f64>| m.values().copied().collect::<Vec<_>>();
        worst = worst.max(close(&format!("{case} {key}"), &values(&got), &values(&expected)));
    }
    println!("{case}: largest difference {worst:.1e}");
}

const OWN: NetworkOptions = PAPER_32.options;

#[test]
fn resnet_agrees_with_pytorch() {
    let a = &resnet::ARCHITECTURE;
    agrees("resnet", a, OWN, Some(3));
    let options = NetworkOptions { spectral_norm_d: Some(false), ..OWN };
    agrees("resnet_batch_norm", a, options, Some(3));
    let options = NetworkOptions { spectral_norm_g: Some(true), attention: Some(true), ..OWN };
    agrees("resnet_sagan", a, options, Some(3));
}

#[test]
fn big_resnet_agrees_with_pytorch() {
    agrees("big_resnet", &big_resnet::ARCHITECTURE, OWN, Some(3));
}

#[test]
fn biggan_cifar_agrees_with_pytorch() {
    agrees("biggan_cifar", &biggan_cifar::ARCHITECTURE, OWN, Some(3));
}

#[test]
fn sagan64_agrees_with_pytorch() {
    agrees("sagan64", &sagan64::ARCHITECTURE, OWN, Some(3));
}

#[test]
fn snresnet18_agrees_with_pytorch() {
    let a = &snresnet18::ARCHITECTURE;
    agrees("snresnet18", a, OWN, None);
    let options = NetworkOptions { spectral_norm_g: Some(true), ..OWN };
    agrees("snresnet18_spectral_generator", a, options, None);
}

#[test]
fn deep_conv_agrees_with_pytorch() {
    let a = &deep_conv::ARCHITECTURE;
    agrees("deep_conv", a, OWN, None);
    let spectral = Some(true);
    let options = NetworkOptions { spectral_norm_g: spectral, spectral_norm_d: spectral, ..OWN };
    agrees("deep_conv_spectral", a, options, None);
}

#[test]
fn dcgan_agrees_with_pytorch() {
    agrees("dcgan", &dcgan::ARCHITECTURE, OWN, None);
}
