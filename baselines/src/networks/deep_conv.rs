//! StudioGAN's `deep_conv`, the networks of its DCGAN, LSGAN and GGAN: batch norm in both, ReLU in both, and a
//! discriminator that sums over the pixels before its head. Not the DCGAN of Radford et al., which is
//! `dcgan` here.
//!
//! Source: `gan-recipes.md` §2 (POSTECH-CVLab/PyTorch-StudioGAN, `src/models/deep_conv.py`). At width 64:
//! generator 3,812,355 parameters, trunk 2,930,496, with its linear head 2,931,009.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, Scope};

use super::{Architecture, Follows, Generator, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "deep_conv",
    summary: "StudioGAN's deep_conv (DCGAN, LSGAN, GGAN): batch norm and ReLU in both, sum pooling",
    spectral_norm_g: false,
    spectral_norm: false,
    spectral_eps: 1e-6,
    attention: false,
    follows: Follows::LAYERS,
    // Of heads with a hidden layer, which StudioGAN has none of.
    slope: 0.1,
    weight_init: Init::normal(INIT_STD),
    bias_init: Init::Zeros,
    noise: false,
    image_sizes: &[32],
    generator: |scope, sizes| Ok(Box::new(DeepConvGenerator::new(scope, sizes)?)),
    trunk: |scope, sizes| Ok(Box::new(DeepConvTrunk::new(scope, sizes)?)),
    generator_layers: |sizes| {
        let [up @ .., last] = generator_kernels(sizes);
        let mut layers = vec![LayerSize::linear(sizes.z_dim, 8 * sizes.width * 16)];
        layers.extend(LayerSize::transposed_convolutions(&up, 4));
        layers.push(LayerSize::convolution(last, 32));
        layers
    },
    trunk_layers: |sizes| LayerSize::convolutions(&trunk_kernels(sizes), sizes.image_size),
};

const INIT_STD: f64 = 0.02;

fn options(activation: Activation) -> LayerOptions {
    LayerOptions {
        weight: Init::normal(INIT_STD),
        bias: Some(Init::Zeros),
        spectral_norm: false,
        activation,
    }
}

/// The transposed convolutions, then the convolution that makes the image.
fn generator_kernels(s: NetworkSizes) -> [Kernel; 4] {
    let w = s.width;
    let up = |inputs, outputs| Kernel { inputs, outputs, size: 4, stride: 2, padding: 1 };
    let out = Kernel { inputs: w, outputs: s.channels, size: 3, stride: 1, padding: 1 };
    [up(8 * w, 4 * w), up(4 * w, 2 * w), up(2 * w, w), out]
}

fn trunk_kernels(s: NetworkSizes) -> [Kernel; 7] {
    let w = s.width;
    let same = |inputs, outputs| Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 };
    let half =
        |channels| Kernel { inputs: channels, outputs: channels, size: 4, stride: 2, padding: 1 };
    [
        same(s.channels, w),
        half(w),
        same(w, 2 * w),
        half(2 * w),
        same(2 * w, 4 * w),
        half(4 * w),
        same(4 * w, 8 * w),
    ]
}

fn norm(scope: &Scope, channels: usize, classes: Option<usize>) -> Result<BatchNorm> {
    BatchNorm::new(scope, channels, classes, Init::Ones, Activation::Relu)
}

struct DeepConvGenerator {
    width: usize,
    fc: Linear,
    up: Vec<(ConvTranspose2d, BatchNorm)>,
    out: Conv2d,
}

impl DeepConvGenerator {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let [kernels @ .., last] = generator_kernels(s);
        let mut up = Vec::new();
        for (i, kernel) in kernels.into_iter().enumerate() {
            let conv =
                ConvTranspose2d::new(&scope.at("up").at(i), kernel, options(Activation::None))?;
            up.push((conv, norm(&scope.at("bn").at(i), kernel.outputs, s.classes)?));
        }
        let fc =
            Linear::new(&scope.at("fc"), s.z_dim, 8 * s.width * 16, options(Activation::None))?;
        let out = Conv2d::new(&scope.at("out"), last, options(Activation::Tanh))?;
        Ok(Self { width: s.width, fc, up, out })
    }
}

impl Generator for DeepConvGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        // Neither norm nor activation before the first transposed convolution, as the official code has it.
        let h = self.fc.forward(&latent.z, pass)?;
        let mut h = h.reshape((h.dim(0)?, 8 * self.width, 4, 4))?;
        for (up, bn) in &self.up {
            h = bn.forward(&up.forward(&h, pass)?, latent.labels.as_ref(), pass)?;
        }
        self.out.forward(&h, pass)
    }
}

struct DeepConvTrunk {
    layers: Vec<(Conv2d, BatchNorm)>,
    feature_dim: usize,
}

impl DeepConvTrunk {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let mut layers = Vec::new();
        for (i, kernel) in trunk_kernels(s).into_iter().enumerate() {
            let conv = Conv2d::new(&scope.at("conv").at(i), kernel, options(Activation::None))?;
            layers.push((conv, norm(&scope.at("bn").at(i), kernel.outputs, None)?));
        }
        Ok(Self { layers, feature_dim: 8 * s.width })
    }
}

impl Trunk for DeepConvTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = x.clone();
        for (conv, bn) in &self.layers {
            h = bn.forward(&conv.forward(&h, pass)?, None, pass)?;
        }
        h.flatten_from(2)?.sum(2)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::super::network_tests::{SIZES, assert_trains, parameter_counts};
    use super::*;

    #[test]
    fn parameter_counts_are_those_of_the_official_logs() {
        let sizes = NetworkSizes { width: 64, z_dim: 128, ..SIZES };
        // The linear head on 512 features is 513 of the discriminator's 2,931,009.
        assert_eq!(parameter_counts(&ARCHITECTURE, sizes), (3_812_355, 2_931_009 - 513));
    }

    #[test]
    fn the_networks_make_images_and_every_parameter_learns() {
        assert_trains(&ARCHITECTURE, NetworkSizes { width: 4, z_dim: 16, ..SIZES });
        assert_trains(&ARCHITECTURE, NetworkSizes { channels: 1, classes: Some(3), ..SIZES });
    }
}
