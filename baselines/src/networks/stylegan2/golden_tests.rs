//! Ops and whole networks, values and gradients, against an independent implementation in PyTorch:
//! `tests-data/stylegan2.py`, which made `tests-data/stylegan2.json`.

use candle_core::{Device, Result, Tensor};
use ganbench_nn::kernels::conv::Algorithm;
use ganbench_nn::kernels::modulation::{Modulated, modulated_conv2d, modulated_pixels};
use ganbench_nn::kernels::upfirdn::{UpFirDn, upfirdn2d};
use ganbench_nn::layers::Pass;
use ganbench_nn::layers::minibatch_std::minibatch_std;

use super::super::golden::{self, f64_store, set_weights, tensor};
use super::super::{Architecture, Latent, NetworkSizes};
use super::{ARCHITECTURE, STUDIOGAN};

fn agrees(name: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    golden::agrees(include_str!("../../../tests-data/stylegan2.json"), name, inputs, f);
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
        let store = f64_store();
        let generator = (a.generator)(&store.root(), sizes).unwrap();
        set_weights(&store);
        let labels = Tensor::new(&[0u32, 2, 1, 2], &Device::Cpu).unwrap();
        agrees(&format!("{}_generator", a.name), &[tensor("z", &[4, 6])], |v| {
            let labels = sizes.classes.map(|_| labels.clone());
            let latent = Latent { z: v[0].clone(), labels, noise: None };
            generator.forward(&latent, Pass::Train)
        });
        let store = f64_store();
        let trunk = (a.trunk)(&store.root(), sizes).unwrap();
        set_weights(&store);
        agrees(&format!("{}_trunk", a.name), &[tensor("x", &[4, 3, 32, 32])], |v| {
            trunk.features(&v[0], Pass::Train)
        });
    }
}
