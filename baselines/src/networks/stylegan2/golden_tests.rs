//! Ops and whole networks, values and gradients, against an independent implementation in PyTorch:
//! `tests-data/stylegan2.py`, which made `tests-data/stylegan2.json`.

use candle_core::{DType, Device, Result, Tensor, Var};
use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::kernels::modulation::{Modulated, modulated_conv2d, modulated_pixels};
use ganbench_nn::kernels::upfirdn::{UpFirDn, upfirdn2d};
use ganbench_nn::layers::Pass;
use ganbench_nn::layers::minibatch_std::minibatch_std;
use ganbench_nn::params::ParamStore;

use super::super::{Architecture, Latent, NetworkSizes};
use super::{ARCHITECTURE, STUDIOGAN};

/// As the script makes them.
fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let mapping = name.starts_with("mapping.fc") && name.ends_with("weight");
    let amplitude = if mapping { 100.0 } else { 1.0 };
    let phase = 0.11 * (name.bytes().map(u64::from).sum::<u64>() % 101) as f64;
    let n: usize = shape.iter().product();
    let x: Vec<f64> = (0..n).map(|k| amplitude * (0.37 * k as f64 + phase).sin()).collect();
    Tensor::from_vec(x, shape, &Device::Cpu).unwrap()
}

/// Relative to the largest of the values, f64 on both sides.
const TOLERANCE: f64 = 1e-12;

fn same(name: &str, got: &Tensor, expected: &serde_json::Value) {
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    let got = got.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let stride = if got.len() > 600 { 37 } else { 1 };
    let got: Vec<f64> = got.into_iter().step_by(stride).collect();
    assert_eq!(got.len(), expected.len(), "{name}");
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(&expected).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
    println!("{name}: {:.1e} of {largest:.2e}", worst / largest);
    assert!(worst <= TOLERANCE * largest, "{name}: {worst} of {largest}");
}

fn agrees(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests-data/stylegan2.json")).unwrap();
    let golden = &golden[name];
    let vars: Vec<Var> = inputs.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let inputs: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let y = f(&inputs).unwrap();
    assert_eq!(serde_json::to_value(y.dims()).unwrap(), golden["shape"], "{name}");
    same(name, &y, &golden["value"]);
    let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    for (i, var) in vars.iter().enumerate() {
        same(&format!("{name}, gradient {i}"), grads.get(var).unwrap(), &golden["grads"][i]);
    }
}

#[test]
fn resampling_agrees_with_pytorch() {
    let taps = vec![0.5, -1.0, 2.0, 0.25];
    let x = [tensor("x", &[2, 3, 6, 6])];
    for (name, filter) in [
        ("upfirdn_same", UpFirDn { taps: taps.clone(), up: 1, padding: [1, 2], down: 1 }),
        ("upfirdn_up", UpFirDn::upsample()),
        ("upfirdn_down", UpFirDn::downsample()),
        ("upfirdn_both", UpFirDn { taps, up: 3, padding: [1, 2], down: 2 }),
    ] {
        agrees(name, &x, |v| upfirdn2d(&v[0], &filter));
    }
}

#[test]
fn modulated_convolution_agrees_with_pytorch() {
    let (x, styles) = (tensor("x", &[3, 4, 5, 5]), tensor("styles", &[3, 4]));
    for (name, shape, upsample) in
        [("modulated_same", [2, 4, 3, 3], false), ("modulated_up", [4, 2, 3, 3], true)]
    {
        let m = Modulated { upsample, gain: 1.0, algorithm: Algorithm::Direct };
        agrees(name, &[x.clone(), tensor("w", &shape), styles.clone()], |v| {
            modulated_conv2d(&v[0], &v[1], &v[2], m)
        });
    }
    agrees("modulated_pixels", &[x, tensor("w", &[3, 4, 1, 1]), styles], |v| {
        modulated_pixels(&v[0], &v[1], &v[2])
    });
}

#[test]
fn the_minibatch_deviation_agrees_with_pytorch() {
    agrees("deviation", &[tensor("x", &[4, 2, 3, 3])], |v| minibatch_std(&v[0], 2));
}

fn store_of(network: &str) -> ParamStore {
    ParamStore::new(network, 0, &Device::Cpu).with_dtype(DType::F64)
}

fn set_weights(store: &ParamStore) {
    for (name, var) in store.params() {
        var.set(&tensor(&name, var.dims())).unwrap();
    }
}

#[test]
fn whole_networks_agree_with_pytorch() {
    let sizes = NetworkSizes {
        width: 8,
        image_size: 32,
        channels: 3,
        z_dim: 6,
        classes: None,
        options: Default::default(),
    };
    let conditional = NetworkSizes { classes: Some(3), ..sizes };
    let networks: [(&Architecture, _); 2] = [(&ARCHITECTURE, sizes), (&STUDIOGAN, conditional)];
    for (a, sizes) in networks {
        let store = store_of("generator");
        let generator = (a.generator)(&store.root(), sizes).unwrap();
        set_weights(&store);
        let labels = Tensor::new(&[0u32, 2, 1, 2], &Device::Cpu).unwrap();
        agrees(&format!("{}_generator", a.name), &[tensor("z", &[4, 6])], |v| {
            let labels = sizes.classes.map(|_| labels.clone());
            let latent = Latent { z: v[0].clone(), labels, noise: None };
            generator.forward(&latent, Pass::Train)
        });
        let store = store_of("discriminator");
        let trunk = (a.trunk)(&store.root(), sizes).unwrap();
        set_weights(&store);
        agrees(&format!("{}_trunk", a.name), &[tensor("x", &[4, 3, 32, 32])], |v| {
            trunk.features(&v[0], Pass::Train)
        });
    }
}
