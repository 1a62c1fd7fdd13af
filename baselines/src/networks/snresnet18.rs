//! ContraD's second pair: the generator of its SNDCGAN, a ResNet-18 with spectral norm and without
//! batch norm for a trunk.
//!
//! Source: `gan-recipes.md` §2 (jh-jeong/ContraD, `models/gan/snresnet.py`). At the paper's width
//! 64: trunk of 11,164,032 parameters and 512 features, heads with a hidden layer of 1024
//! (`head_hidden`). The discriminator starts as PyTorch's layers do by themselves, the generator as
//! SNDCGAN's.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use ganbench_nn::kernels::resample::avg_pool;
use ganbench_nn::layers::{Conv2d, Kernel, LayerOptions, Pass};
use ganbench_nn::params::{Init, Scope};

use super::sndcgan::{self, SndcganGenerator};
use super::{Architecture, Follows, HeadLayers, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "snresnet18",
    summary: "ContraD's SNDCGAN generator with a spectrally normalised ResNet-18 for D",
    spectral_norm_g: false,
    spectral_norm: true,
    spectral_eps: 1e-12,
    attention: false,
    follows: Follows::LAYERS,
    heads: HeadLayers::Plain,
    slope: SLOPE,
    weight_init: Init::TorchDefault,
    bias_init: Init::TorchDefault,
    noise: false,
    image_sizes: &[32],
    generator: |scope, s| Ok(Box::new(SndcganGenerator::new(scope, s)?)),
    trunk: |scope, s| Ok(Box::new(SnresnetTrunk::new(scope, s)?)),
    generator_layers: sndcgan::ARCHITECTURE.generator_layers,
    trunk_layers,
};

const SLOPE: f64 = 0.1;
/// Two blocks of each; the first halves the size from the second pair on.
const MULTIPLES: [usize; 4] = [1, 2, 4, 8];
/// Side of the maps that are averaged.
const LAST_SIDE: usize = 4;

fn kernel(inputs: usize, outputs: usize, size: usize, stride: usize) -> Kernel {
    Kernel { inputs, outputs, size, stride, padding: size / 2 }
}

/// Inputs, outputs and stride of each block.
fn blocks(s: NetworkSizes) -> Vec<(usize, usize, usize)> {
    let mut inputs = s.width;
    let mut blocks = Vec::new();
    for (i, multiple) in MULTIPLES.into_iter().enumerate() {
        let outputs = multiple * s.width;
        blocks.push((inputs, outputs, if i == 0 { 1 } else { 2 }));
        blocks.push((outputs, outputs, 1));
        inputs = outputs;
    }
    blocks
}

fn trunk_layers(s: NetworkSizes) -> Vec<LayerSize> {
    let mut side = s.image_size;
    let mut layers = vec![LayerSize::convolution(kernel(s.channels, s.width, 3, 1), side)];
    for (inputs, outputs, stride) in blocks(s) {
        if (inputs, stride) != (outputs, 1) {
            layers.push(LayerSize::convolution(kernel(inputs, outputs, 1, stride), side));
        }
        layers.push(LayerSize::convolution(kernel(inputs, outputs, 3, stride), side));
        side /= stride;
        layers.push(LayerSize::convolution(kernel(outputs, outputs, 3, 1), side));
    }
    layers
}

struct Block {
    conv1: Conv2d,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Block {
    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let h = self.conv2.forward(&self.conv1.forward(x, pass)?, pass)?;
        let h = match &self.shortcut {
            None => (h + x)?,
            Some(conv) => (h + conv.forward(x, pass)?)?,
        };
        activate(&h, Activation::LeakyRelu(SLOPE))
    }
}

struct SnresnetTrunk {
    first: Conv2d,
    blocks: Vec<Block>,
    feature_dim: usize,
}

impl SnresnetTrunk {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let layer = |activation| LayerOptions {
            weight: Init::TorchDefault,
            bias: Some(Init::TorchDefault),
            spectral_norm: s.options.spectral_norm_d.unwrap_or(true),
            activation,
        };
        let (none, leaky) = (layer(Activation::None), layer(Activation::LeakyRelu(SLOPE)));
        let mut made = Vec::new();
        for (i, (inputs, outputs, stride)) in blocks(s).into_iter().enumerate() {
            let at = scope.at("block").at(i);
            let shortcut = ((inputs, stride) != (outputs, 1))
                .then(|| Conv2d::new(&at.at("shortcut"), kernel(inputs, outputs, 1, stride), none));
            made.push(Block {
                conv1: Conv2d::new(&at.at("conv1"), kernel(inputs, outputs, 3, stride), leaky)?,
                conv2: Conv2d::new(&at.at("conv2"), kernel(outputs, outputs, 3, 1), none)?,
                shortcut: shortcut.transpose()?,
            });
        }
        Ok(Self {
            first: Conv2d::new(&scope.at("conv"), kernel(s.channels, s.width, 3, 1), leaky)?,
            blocks: made,
            feature_dim: MULTIPLES[MULTIPLES.len() - 1] * s.width,
        })
    }
}

impl Trunk for SnresnetTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = self.first.forward(x, pass)?;
        for block in &self.blocks {
            h = block.forward(&h, pass)?;
        }
        avg_pool(&h, LAST_SIDE)?.flatten_from(1)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}
