//! The generator: a linear layer, residual blocks that double the size, batch norm, ReLU, 3×3,
//! tanh.

use candle_core::{Result, Tensor, bail};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::kernels::resample::upsample_nearest;
use ganbench_nn::layers::{
    BatchNorm, Condition, ConditionalBatchNorm, Conv2d, Embedding, LayerOptions, Linear, Pass,
    SelfAttention,
};
use ganbench_nn::params::{Init, Scope};

use super::{Style, attention_layers, conv, one, three};
use crate::networks::{Generator, Latent, LayerSize, NetworkSizes};

/// Side of the maps that the linear layer makes.
const BOTTOM: usize = 4;

/// What a generator of the family is made of.
pub(in crate::networks) struct GeneratorSpec {
    /// Of the 4×4 maps, then of each block's output.
    pub channels: Vec<usize>,
    /// After how many blocks self-attention stands.
    pub attention: Option<usize>,
    /// BigGAN's hierarchical z: a chunk for the linear layer and one for each block, where it
    /// enters through the batch norms beside an embedding of the class of this size (of z alone,
    /// where there are no classes).
    pub class_embedding: Option<usize>,
    /// Whether the embeddings of batch norms by class have the spectral norm of the other layers.
    pub spectral_embeddings: bool,
    pub style: Style,
}

impl GeneratorSpec {
    fn blocks(&self) -> usize {
        self.channels.len().saturating_sub(1)
    }

    /// Of z, what the linear layer gets, and each block.
    fn chunk(&self, z_dim: usize) -> usize {
        if self.class_embedding.is_some() { z_dim / (self.blocks() + 1) } else { z_dim }
    }

    /// What the batch norms in the blocks are conditioned on.
    fn condition(&self, s: NetworkSizes) -> Option<Condition> {
        match self.class_embedding {
            None => s.classes.map(Condition::Classes),
            Some(class) => {
                let class = if s.classes.is_some() { class } else { 0 };
                Some(Condition::Vector { inputs: self.chunk(s.z_dim) + class })
            }
        }
    }

    /// The layers with weights, from z to the image.
    pub fn layers(&self, s: NetworkSizes) -> Vec<LayerSize> {
        let Some((&last, &first)) = self.channels.last().zip(self.channels.first()) else {
            return Vec::new();
        };
        let mut side = BOTTOM;
        let mut layers = vec![LayerSize::linear(self.chunk(s.z_dim), first * side * side)];
        for (i, pair) in self.channels.windows(2).enumerate() {
            let (inputs, outputs) = (pair[0], pair[1]);
            if let Some(Condition::Vector { inputs: vector }) = self.condition(s) {
                for channels in [inputs, inputs, outputs, outputs] {
                    layers.push(LayerSize::linear(vector, channels));
                }
            }
            layers.push(LayerSize::convolution(one(inputs, outputs), side));
            side *= 2;
            layers.push(LayerSize::convolution(three(inputs, outputs), side));
            layers.push(LayerSize::convolution(three(outputs, outputs), side));
            if self.attention == Some(i + 1) {
                layers.extend(attention_layers(outputs, side));
            }
        }
        layers.push(LayerSize::convolution(three(last, s.channels), side));
        layers
    }
}

enum Norm {
    Plain(BatchNorm),
    Conditional(ConditionalBatchNorm),
}

impl Norm {
    fn forward(&self, x: &Tensor, condition: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        match (self, condition) {
            (Self::Plain(norm), _) => norm.forward(x, None, pass),
            (Self::Conditional(norm), Some(condition)) => norm.forward(x, condition, pass),
            (Self::Conditional(_), None) => bail!("a conditional batch norm needs labels"),
        }
    }
}

struct Block {
    bn1: Norm,
    conv1: Conv2d,
    bn2: Norm,
    conv2: Conv2d,
    shortcut: Conv2d,
}

impl Block {
    fn forward(&self, x: &Tensor, condition: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        let h = upsample_nearest(&self.bn1.forward(x, condition, pass)?, 2)?;
        let h = self.bn2.forward(&self.conv1.forward(&h, pass)?, condition, pass)?;
        self.conv2.forward(&h, pass)? + upsample_nearest(&self.shortcut.forward(x, pass)?, 2)?
    }
}

/// A generator of the family.
pub(in crate::networks) struct ResidualGenerator {
    /// Of z: for the linear layer and, of a hierarchical z, for each block.
    chunk: usize,
    hierarchical: bool,
    first_channels: usize,
    fc: Linear,
    /// Of a hierarchical z with classes.
    class: Option<Embedding>,
    blocks: Vec<Block>,
    attention: Option<(usize, SelfAttention)>,
    bn: BatchNorm,
    out: Conv2d,
}

impl ResidualGenerator {
    /// # Errors
    /// If a hierarchical z does not divide into its chunks, the store leaves out a batch norm that
    /// classes or chunks enter through, or the scope holds these tensors already.
    pub fn new(scope: &Scope, spec: &GeneratorSpec, s: NetworkSizes) -> Result<Self> {
        let (style, scope) = (&spec.style, &spec.style.at(scope));
        let (chunk, hierarchical) = (spec.chunk(s.z_dim), spec.class_embedding.is_some());
        let parts = spec.blocks() + 1;
        if hierarchical && (chunk == 0 || !s.z_dim.is_multiple_of(parts)) {
            bail!(
                "network.z_dim must be a multiple of {parts}, one chunk for the linear layer and one for \
                 each block of a {0}x{0} generator; got {1}",
                s.image_size,
                s.z_dim
            )
        }
        let Some((&last, &first)) = spec.channels.last().zip(spec.channels.first()) else {
            bail!("a residual generator needs the channels of its maps")
        };
        let condition = spec.condition(s);
        let by_class = matches!(condition, Some(Condition::Classes(_)));
        let maps = LayerOptions {
            spectral_norm: style.spectral_norm && (spec.spectral_embeddings || !by_class),
            ..style.layer(Activation::None)
        };
        let norm = |scope: Scope, channels| -> Result<Norm> {
            let relu = Activation::Relu;
            Ok(match condition {
                None => Norm::Plain(BatchNorm::new(&scope, channels, None, Init::Ones, relu)?),
                Some(on) => {
                    Norm::Conditional(ConditionalBatchNorm::new(&scope, channels, on, maps, relu)?)
                }
            })
        };
        let (none, tanh) = (Activation::None, Activation::Tanh);
        let block = |(i, pair): (usize, &[usize])| -> Result<Block> {
            let (at, inputs, outputs) = (scope.at("block").at(i), pair[0], pair[1]);
            Ok(Block {
                bn1: norm(at.at("bn1"), inputs)?,
                conv1: conv(&at.at("conv1"), three(inputs, outputs), style, none)?,
                bn2: norm(at.at("bn2"), outputs)?,
                conv2: conv(&at.at("conv2"), three(outputs, outputs), style, none)?,
                shortcut: conv(&at.at("shortcut"), one(inputs, outputs), style, none)?,
            })
        };
        let class = spec.class_embedding.zip(s.classes).map(|(size, classes)| {
            // Never with spectral norm: both code bases leave it out here.
            let table = LayerOptions { spectral_norm: false, ..style.layer(none) };
            Embedding::new(&scope.at("class"), classes, size, table)
        });
        let attention = spec.attention.map(|after| -> Result<_> {
            let channels = spec.channels[after];
            let made = SelfAttention::new(&scope.at("attention"), channels, style.layer(none))?;
            Ok((after, made))
        });
        Ok(Self {
            chunk,
            hierarchical,
            first_channels: first,
            fc: Linear::new(&scope.at("fc"), chunk, first * BOTTOM * BOTTOM, style.layer(none))?,
            class: class.transpose()?,
            blocks: spec.channels.windows(2).enumerate().map(block).collect::<Result<_>>()?,
            attention: attention.transpose()?,
            bn: BatchNorm::new(&scope.at("bn"), last, None, Init::Ones, Activation::Relu)?,
            out: conv(&scope.at("out"), three(last, s.channels), style, tanh)?,
        })
    }

    /// What the norms of the block get: labels, or the class embedding beside the block's chunk of
    /// z.
    fn condition(
        &self,
        block: usize,
        latent: &Latent,
        class: Option<&Tensor>,
    ) -> Result<Option<Tensor>> {
        if !self.hierarchical {
            return Ok(latent.labels.clone());
        }
        let chunk = latent.z.narrow(1, (block + 1) * self.chunk, self.chunk)?.contiguous()?;
        Ok(Some(match class {
            None => chunk,
            Some(class) => Tensor::cat(&[class, &chunk], 1)?,
        }))
    }
}

impl Generator for ResidualGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        let class = match (&self.class, &latent.labels) {
            (None, _) => None,
            (Some(class), Some(labels)) => Some(class.forward(labels, pass)?),
            (Some(_), None) => bail!("a conditional generator needs labels"),
        };
        let z = latent.z.narrow(1, 0, self.chunk)?.contiguous()?;
        let n = z.dim(0)?;
        let mut h = self.fc.forward(&z, pass)?.reshape((n, self.first_channels, BOTTOM, BOTTOM))?;
        for (i, block) in self.blocks.iter().enumerate() {
            let condition = self.condition(i, latent, class.as_ref())?;
            h = block.forward(&h, condition.as_ref(), pass)?;
            if let Some((after, attention)) = &self.attention
                && *after == i + 1
            {
                h = attention.forward(&h, pass)?;
            }
        }
        self.out.forward(&self.bn.forward(&h, None, pass)?, pass)
    }
}
