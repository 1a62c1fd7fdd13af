//! SNDCGAN as ContraD's official code has it: batch norm in the generator, spectral norm on every
//! layer of the discriminator.
//!
//! Source: `gan-recipes.md` §2 (jh-jeong/ContraD, `models/gan/sndcgan.py`). At width 64: generator
//! 3,828,739 parameters, trunk 5,852,672. Initial weights N(0, 0.02²), biases 0.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, Scope};

use super::{Architecture, Follows, Generator, HeadLayers, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "sndcgan",
    summary: "ContraD's SNDCGAN: batch norm in G, spectral norm in D",
    spectral_norm_g: false,
    spectral_norm: true,
    spectral_eps: 1e-12,
    attention: false,
    follows: Follows::LAYERS,
    heads: HeadLayers::Plain,
    slope: SLOPE,
    weight_init: Init::normal(INIT_STD),
    bias_init: Init::Zeros,
    noise: false,
    image_sizes: &[32],
    generator: |scope, sizes| Ok(Box::new(SndcganGenerator::new(scope, sizes)?)),
    trunk: |scope, sizes| Ok(Box::new(SndcganTrunk::new(scope, sizes)?)),
    generator_layers: |sizes| {
        let mut layers = vec![LayerSize::linear(sizes.z_dim, 8 * sizes.width * 16)];
        layers.extend(LayerSize::transposed_convolutions(&generator_kernels(sizes), 4));
        layers
    },
    trunk_layers: |sizes| LayerSize::convolutions(&trunk_kernels(sizes), sizes.image_size),
};

const SLOPE: f64 = 0.1;
const INIT_STD: f64 = 0.02;

fn options(spectral_norm: bool, activation: Activation) -> LayerOptions {
    LayerOptions {
        weight: Init::normal(INIT_STD),
        bias: Some(Init::Zeros),
        spectral_norm,
        activation,
    }
}

/// The transposed convolutions, the one that makes the image last.
fn generator_kernels(s: NetworkSizes) -> [Kernel; 4] {
    let w = s.width;
    let up = |inputs, outputs| Kernel { inputs, outputs, size: 4, stride: 2, padding: 1 };
    let out = Kernel { inputs: w, outputs: s.channels, size: 3, stride: 1, padding: 1 };
    [up(8 * w, 4 * w), up(4 * w, 2 * w), up(2 * w, w), out]
}

fn trunk_kernels(s: NetworkSizes) -> [Kernel; 7] {
    let w = s.width;
    let same = |inputs, outputs| Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 };
    let half = |inputs, outputs| Kernel { inputs, outputs, size: 4, stride: 2, padding: 1 };
    [
        same(s.channels, w),
        half(w, 2 * w),
        same(2 * w, 2 * w),
        half(2 * w, 4 * w),
        same(4 * w, 4 * w),
        half(4 * w, 8 * w),
        same(8 * w, 8 * w),
    ]
}

pub(super) struct SndcganGenerator {
    width: usize,
    fc: Linear,
    bn0: BatchNorm,
    up: Vec<(ConvTranspose2d, BatchNorm)>,
    out: ConvTranspose2d,
}

impl SndcganGenerator {
    pub(super) fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let w = s.width;
        let layer = |act| options(s.options.spectral_norm_g.unwrap_or(false), act);
        let plain = layer(Activation::None);
        let norm = |scope, channels| {
            BatchNorm::new(&scope, channels, s.classes, Init::Ones, Activation::Relu)
        };
        let mut up = Vec::new();
        let [kernels @ .., last] = generator_kernels(s);
        for (i, kernel) in kernels.into_iter().enumerate() {
            up.push((
                ConvTranspose2d::new(&scope.at("up").at(i), kernel, plain)?,
                norm(scope.at("bn").at(i + 1), kernel.outputs)?,
            ));
        }
        Ok(Self {
            width: w,
            fc: Linear::new(&scope.at("fc"), s.z_dim, 8 * w * 16, plain)?,
            // Over the units, not the channels, as the official code does before its reshape.
            bn0: norm(scope.at("bn").at(0), 8 * w * 16)?,
            up,
            out: ConvTranspose2d::new(&scope.at("out"), last, layer(Activation::Tanh))?,
        })
    }
}

impl Generator for SndcganGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        let labels = latent.labels.as_ref();
        let h = self.bn0.forward(&self.fc.forward(&latent.z, pass)?, labels, pass)?;
        let mut h = h.reshape((h.dim(0)?, 8 * self.width, 4, 4))?;
        for (up, bn) in &self.up {
            h = bn.forward(&up.forward(&h, pass)?, labels, pass)?;
        }
        self.out.forward(&h, pass)
    }
}

struct SndcganTrunk {
    layers: Vec<Conv2d>,
    feature_dim: usize,
}

impl SndcganTrunk {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let mut layers = Vec::new();
        for (i, kernel) in trunk_kernels(s).into_iter().enumerate() {
            let spectral_norm = s.options.spectral_norm_d.unwrap_or(true);
            let leaky = options(spectral_norm, Activation::LeakyRelu(SLOPE));
            layers.push(Conv2d::new(&scope.at("conv").at(i), kernel, leaky)?);
        }
        Ok(Self { layers, feature_dim: 8 * s.width * 16 })
    }
}

impl Trunk for SndcganTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = x.clone();
        for layer in &self.layers {
            h = layer.forward(&h, pass)?;
        }
        h.flatten_from(1)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use ganbench_nn::params::ParamStore;

    const SIZES: NetworkSizes = crate::networks::tests::PAPER_32;

    #[test]
    fn parameter_counts_are_those_of_the_official_code() {
        let store = ParamStore::new("generator", 0, &Device::Cpu);
        SndcganGenerator::new(&store.root(), SIZES).unwrap();
        assert_eq!(store.parameter_count(), 3_828_739);
        let store = ParamStore::new("discriminator", 0, &Device::Cpu);
        SndcganTrunk::new(&store.root(), SIZES).unwrap();
        assert_eq!(store.parameter_count(), 5_852_672);
    }

    #[test]
    fn a_conditional_generator_starts_as_the_unconditional_one() {
        let image = |classes| {
            let store = ParamStore::new("generator", 3, &Device::Cpu);
            let sizes = NetworkSizes { width: 4, classes, ..SIZES };
            let g = SndcganGenerator::new(&store.root(), sizes).unwrap();
            let z = Tensor::from_vec(
                ganbench_data::rng::Stream::new(0, "z").normal(512),
                (4, 128),
                &Device::Cpu,
            )
            .unwrap();
            let labels = Some(Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
            g.forward(&Latent { z, labels, noise: None }, Pass::Train)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f32>()
                .unwrap()
        };
        assert_eq!(image(None), image(Some(3)));
    }

    #[test]
    fn images_are_32x32_in_minus_1_to_1() {
        let store = ParamStore::new("generator", 0, &Device::Cpu);
        let g =
            SndcganGenerator::new(&store.root(), NetworkSizes { width: 4, channels: 1, ..SIZES })
                .unwrap();
        let z = Tensor::ones((2, 128), DType::F32, &Device::Cpu).unwrap();
        let x = g.forward(&Latent { z, labels: None, noise: None }, Pass::Eval).unwrap();
        assert_eq!(x.dims(), [2, 1, 32, 32]);
        assert!(x.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap() <= 1.0);
    }
}
