//! StudioGAN's `deep_conv`, the networks of its DCGAN, LSGAN and GGAN: batch norm in both, ReLU in
//! both, and a discriminator that sums over the pixels before its head. Not the DCGAN of Radford et
//! al., which is `dcgan` here.
//!
//! Source: `gan-recipes.md` §2 (POSTECH-CVLab/PyTorch-StudioGAN, `src/models/deep_conv.py`). At
//! width 64: generator 3,812,355 parameters, trunk 2,930,496, with its linear head 2,931,009.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, Scope};

use super::studiogan::{BATCH_NORM_EPS, SPECTRAL_EPS};
use super::{Architecture, Follows, Generator, HeadLayers, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "deep_conv",
    summary: "StudioGAN's deep_conv (DCGAN, LSGAN, GGAN): batch norm and ReLU in both, sum pooling",
    spectral_norm_g: false,
    spectral_norm: false,
    spectral_eps: SPECTRAL_EPS,
    attention: false,
    follows: Follows::LAYERS,
    // Of heads with a hidden layer, which StudioGAN has none of.
    heads: HeadLayers::Plain,
    slope: 0.1,
    weight_init: Init::Orthogonal,
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

fn options(spectral_norm: Option<bool>, activation: Activation) -> LayerOptions {
    LayerOptions {
        weight: Init::Orthogonal,
        bias: Some(Init::Zeros),
        spectral_norm: spectral_norm.unwrap_or(false),
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
    let scope = scope.clone().with_batch_norm_eps(BATCH_NORM_EPS);
    BatchNorm::new(&scope, channels, classes, Init::Ones, Activation::Relu)
}

struct DeepConvGenerator {
    width: usize,
    fc: Linear,
    up: Vec<(ConvTranspose2d, BatchNorm)>,
    out: Conv2d,
}

impl DeepConvGenerator {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let scope = &scope.clone().with_spectral_eps(SPECTRAL_EPS);
        let layer = |activation| options(s.options.spectral_norm_g, activation);
        let plain = layer(Activation::None);
        let [kernels @ .., last] = generator_kernels(s);
        let mut up = Vec::new();
        for (i, kernel) in kernels.into_iter().enumerate() {
            let conv = ConvTranspose2d::new(&scope.at("up").at(i), kernel, plain)?;
            up.push((conv, norm(&scope.at("bn").at(i), kernel.outputs, s.classes)?));
        }
        let fc = Linear::new(&scope.at("fc"), s.z_dim, 8 * s.width * 16, plain)?;
        let out = Conv2d::new(&scope.at("out"), last, layer(Activation::Tanh))?;
        Ok(Self { width: s.width, fc, up, out })
    }
}

impl Generator for DeepConvGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        // Neither norm nor activation before the first transposed convolution, as the official code
        // has it.
        let h = self.fc.forward(&latent.z, pass)?;
        let mut h = h.reshape((h.dim(0)?, 8 * self.width, 4, 4))?;
        for (up, bn) in &self.up {
            h = bn.forward(&up.forward(&h, pass)?, latent.labels.as_ref(), pass)?;
        }
        self.out.forward(&h, pass)
    }
}

struct DeepConvTrunk {
    /// Without a norm the activation is the convolution's.
    layers: Vec<(Conv2d, Option<BatchNorm>)>,
    feature_dim: usize,
}

impl DeepConvTrunk {
    /// With spectral norm there is no batch norm, as in the official code.
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let scope = &scope.clone().with_spectral_eps(SPECTRAL_EPS);
        let spectral_norm = s.options.spectral_norm_d.unwrap_or(false);
        let activation = if spectral_norm { Activation::Relu } else { Activation::None };
        let mut layers = Vec::new();
        for (i, kernel) in trunk_kernels(s).into_iter().enumerate() {
            let options = options(Some(spectral_norm), activation);
            let conv = Conv2d::new(&scope.at("conv").at(i), kernel, options)?;
            let norm = || norm(&scope.at("bn").at(i), kernel.outputs, None);
            layers.push((conv, (!spectral_norm).then(norm).transpose()?));
        }
        Ok(Self { layers, feature_dim: 8 * s.width })
    }
}

impl Trunk for DeepConvTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = x.clone();
        for (conv, bn) in &self.layers {
            h = conv.forward(&h, pass)?;
            if let Some(bn) = bn {
                h = bn.forward(&h, None, pass)?;
            }
        }
        h.flatten_from(2)?.sum(2)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PAPER_32, discriminator_count, generator_count};
    use super::super::{HeadKind, HeadSpec};
    use super::*;

    #[test]
    fn parameter_counts_are_those_of_the_official_logs() {
        let head = HeadSpec { name: "logits", kind: HeadKind::Linear, outputs: 1, hidden: 0 };
        assert_eq!(generator_count(&ARCHITECTURE, PAPER_32), 3_812_355);
        assert_eq!(discriminator_count(&ARCHITECTURE, PAPER_32, &[head]), 2_931_009);
    }
}
