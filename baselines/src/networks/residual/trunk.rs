//! The trunk: residual blocks, of which the first ones halve the size, ReLU, the sum over all
//! places.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use ganbench_nn::kernels::resample::avg_pool;
use ganbench_nn::layers::{BatchNorm, Conv2d, Pass, SelfAttention};
use ganbench_nn::params::{Init, Scope};

use super::{Style, attention_layers, conv, one, three};
use crate::networks::{LayerSize, NetworkSizes, Trunk};

/// What a trunk of the family is made of.
pub(in crate::networks) struct TrunkSpec {
    /// Of each block's output.
    pub channels: Vec<usize>,
    /// How many blocks, the first ones, halve the size.
    pub halving: usize,
    /// After how many blocks self-attention stands.
    pub attention: Option<usize>,
    pub batch_norm: bool,
    /// Whether the shortcuts of all blocks but the first start from the rectified maps too, where
    /// no batch norm stands before the ReLU.
    pub rectified_shortcut: bool,
    pub style: Style,
}

impl TrunkSpec {
    /// Inputs and outputs of each block, and whether it halves the size.
    fn blocks(&self, s: NetworkSizes) -> impl Iterator<Item = (usize, usize, bool)> {
        let inputs = std::iter::once(s.channels).chain(self.channels.iter().copied());
        let pairs = inputs.zip(self.channels.iter().copied()).enumerate();
        pairs.map(|(i, (inputs, outputs))| (inputs, outputs, i < self.halving))
    }

    /// The layers with weights, from the image to the features.
    pub fn layers(&self, s: NetworkSizes) -> Vec<LayerSize> {
        let mut side = s.image_size;
        let mut layers = Vec::new();
        for (i, (inputs, outputs, halves)) in self.blocks(s).enumerate() {
            layers.push(LayerSize::convolution(three(inputs, outputs), side));
            layers.push(LayerSize::convolution(three(outputs, outputs), side));
            if halves {
                side /= 2;
            }
            if halves || inputs != outputs {
                layers.push(LayerSize::convolution(one(inputs, outputs), side));
            }
            if self.attention == Some(i + 1) {
                layers.extend(attention_layers(outputs, side));
            }
        }
        layers
    }
}

struct Block {
    /// Before the first ReLU; the first block has neither.
    bn1: Option<BatchNorm>,
    /// With its ReLU, where no batch norm follows.
    conv1: Conv2d,
    bn2: Option<BatchNorm>,
    conv2: Conv2d,
    shortcut: Option<Shortcut>,
    first: bool,
    halves: bool,
    rectified_shortcut: bool,
}

struct Shortcut {
    bn: Option<BatchNorm>,
    conv: Conv2d,
}

impl Block {
    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let h = match (&self.bn1, self.first) {
            (Some(norm), _) => norm.forward(x, None, pass)?,
            (None, true) => x.clone(),
            (None, false) => activate(x, Activation::Relu)?,
        };
        let around = if self.rectified_shortcut { &h } else { x };
        let mut inner = self.conv1.forward(&h, pass)?;
        if let Some(norm) = &self.bn2 {
            inner = norm.forward(&inner, None, pass)?;
        }
        let inner = self.pool(&self.conv2.forward(&inner, pass)?)?;
        inner + self.around(around, pass)?
    }

    fn around(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let Some(Shortcut { bn, conv }) = &self.shortcut else { return Ok(x.clone()) };
        // The first block normalises what is pooled, the others pool what is normalised.
        let x = match bn {
            None => self.pool(x)?,
            Some(norm) if self.first => norm.forward(&self.pool(x)?, None, pass)?,
            Some(norm) => self.pool(&norm.forward(x, None, pass)?)?,
        };
        conv.forward(&x, pass)
    }

    fn pool(&self, x: &Tensor) -> Result<Tensor> {
        if self.halves { avg_pool(x, 2) } else { Ok(x.clone()) }
    }
}

/// A trunk of the family; its features are `[n, channels of the last block]`.
pub(in crate::networks) struct ResidualTrunk {
    blocks: Vec<Block>,
    attention: Option<(usize, SelfAttention)>,
    feature_dim: usize,
}

impl ResidualTrunk {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, spec: &TrunkSpec, s: NetworkSizes) -> Result<Self> {
        let (style, scope) = (&spec.style, &spec.style.at(scope));
        let (none, relu) = (Activation::None, Activation::Relu);
        let norm = |scope: Scope, channels, activation| {
            let made = || BatchNorm::new(&scope, channels, None, Init::Ones, activation);
            spec.batch_norm.then(made).transpose()
        };
        let mut blocks = Vec::new();
        for (i, (inputs, outputs, halves)) in spec.blocks(s).enumerate() {
            let (at, first) = (scope.at("block").at(i), i == 0);
            let shortcut = (halves || inputs != outputs).then(|| -> Result<_> {
                Ok(Shortcut {
                    bn: norm(at.at("bn0"), inputs, none)?,
                    conv: conv(&at.at("shortcut"), one(inputs, outputs), style, none)?,
                })
            });
            let after1 = if spec.batch_norm { none } else { relu };
            blocks.push(Block {
                bn1: if first { None } else { norm(at.at("bn1"), inputs, relu)? },
                conv1: conv(&at.at("conv1"), three(inputs, outputs), style, after1)?,
                bn2: norm(at.at("bn2"), outputs, relu)?,
                conv2: conv(&at.at("conv2"), three(outputs, outputs), style, none)?,
                shortcut: shortcut.transpose()?,
                first,
                halves,
                rectified_shortcut: spec.rectified_shortcut && !first && !spec.batch_norm,
            });
        }
        let attention = spec.attention.map(|after| -> Result<_> {
            let channels = spec.channels[after - 1];
            let made = SelfAttention::new(&scope.at("attention"), channels, style.layer(none))?;
            Ok((after, made))
        });
        Ok(Self {
            blocks,
            attention: attention.transpose()?,
            feature_dim: spec.channels.last().copied().unwrap_or(s.channels),
        })
    }
}

impl Trunk for ResidualTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = x.clone();
        for (i, block) in self.blocks.iter().enumerate() {
            h = block.forward(&h, pass)?;
            if let Some((after, attention)) = &self.attention
                && *after == i + 1
            {
                h = attention.forward(&h, pass)?;
            }
        }
        activate(&h, Activation::Relu)?.flatten_from(2)?.sum(2)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}
