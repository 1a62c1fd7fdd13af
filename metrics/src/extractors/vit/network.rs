//! The forward pass of a vision transformer, from patches to the feature.

use candle_core::{Device, Error, Result, Tensor};

use super::config::{Config, Family};
use super::ops::{Activation, Attention, LayerNorm, Linear, add_branch, unit_rows};
use super::positions;
use crate::weights::Weights;

struct Block {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    /// Of the attention and of the perceptron, `[width]` each.
    scales: Option<[Tensor; 2]>,
}

pub(super) struct Network {
    config: Config,
    /// Of the flattened patches: the same as a convolution whose stride is its kernel.
    patches: Linear,
    /// `[1, 1, width]`, its position added.
    class: Tensor,
    /// Of the patches, `[1, grid², width]`.
    positions: Tensor,
    first_norm: Option<LayerNorm>,
    blocks: Vec<Block>,
    last_norm: LayerNorm,
    projection: Option<Linear>,
}

impl Network {
    /// `weights` hold the tensors of `config.tensor_specs()`, and are used up; anything else is an
    /// error of candle's.
    pub(super) fn new(weights: &mut Weights, config: Config, device: &Device) -> Result<Self> {
        let (names, epsilon) = (config.names(), config.norm_epsilon());
        let mut reader = Reader { weights, device };
        let norm = |reader: &mut Reader<'_>, name: &str| {
            let weight = reader.take(&format!("{name}.weight"))?;
            let bias = reader.take(&format!("{name}.bias"))?;
            Ok::<_, Error>(LayerNorm { weight, bias, epsilon })
        };
        let clip = config.family == Family::Clip;
        let patches = reader.take(&format!("{}.weight", names.patches))?;
        let weight = patches.reshape((config.width, config.patch_values()))?;
        let bias = match clip {
            true => None,
            false => Some(reader.take(&format!("{}.bias", names.patches))?),
        };
        let patches = Linear { weight, bias };
        let mut class = reader.values(names.class)?;
        let places = reader.values(names.positions)?;
        class.iter_mut().zip(&places).for_each(|(c, p)| *c += p);
        let class = Tensor::from_vec(class, (1, 1, config.width), device)?;
        let grid = config.grid();
        let places =
            positions::resize(&places[config.width..], config.position_grid, grid, config.width);
        let positions = Tensor::from_vec(places, (1, grid * grid, config.width), device)?;
        let mut blocks = Vec::with_capacity(config.depth);
        for i in 0..config.depth {
            let name = |part: &str| format!("{}.{i}.{part}", names.blocks);
            blocks.push(Block {
                norm1: norm(&mut reader, &name(names.norm1))?,
                query: reader.linear(&name(names.query))?,
                key: reader.linear(&name(names.key))?,
                value: reader.linear(&name(names.value))?,
                output: reader.linear(&name(names.output))?,
                norm2: norm(&mut reader, &name(names.norm2))?,
                fc1: reader.linear(&name("mlp.fc1"))?,
                fc2: reader.linear(&name("mlp.fc2"))?,
                scales: match names.scales {
                    Some([a, b]) => Some([reader.take(&name(a))?, reader.take(&name(b))?]),
                    None => None,
                },
            });
        }
        Ok(Self {
            config,
            patches,
            class,
            positions,
            first_norm: match clip {
                true => Some(norm(&mut reader, names.first_norm)?),
                false => None,
            },
            blocks,
            last_norm: norm(&mut reader, names.last_norm)?,
            projection: match clip {
                true => Some(Linear { weight: reader.take(names.projection)?, bias: None }),
                false => None,
            },
        })
    }

    /// Features `[images, features]` of patches f32 `[images·grid², 3·patch²]`.
    pub(super) fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let (grid, width, tokens) = (self.config.grid(), self.config.width, self.config.tokens());
        let images = patches.dim(0)? / (grid * grid);
        let x = self.patches.apply(patches, grid * grid, Activation::None)?;
        let x = x.reshape((images, grid * grid, width))?.broadcast_add(&self.positions)?;
        let class = self.class.broadcast_as((images, 1, width))?;
        let x = Tensor::cat(&[&class.contiguous()?, &x], 1)?; // [images, tokens, width]
        let mut x = x.reshape((images * tokens, width))?;
        if let Some(norm) = &self.first_norm {
            x = norm.apply(&x)?;
        }
        for block in &self.blocks {
            x = self.block(block, &x)?;
        }
        let class = x.reshape((images, tokens, width))?.narrow(1, 0, 1)?.squeeze(1)?;
        let class = self.last_norm.apply(&class.contiguous()?)?;
        match &self.projection {
            Some(projection) => unit_rows(&projection.apply(&class, 1, Activation::None)?),
            None => Ok(class),
        }
    }

    fn block(&self, b: &Block, x: &Tensor) -> Result<Tensor> {
        let tokens = self.config.tokens();
        let linear = |linear: &Linear, x: &Tensor| linear.apply(x, tokens, Activation::None);
        let scale = |i: usize| b.scales.as_ref().map(|scales| &scales[i]);
        let h = b.norm1.apply(x)?;
        let attention = Attention {
            query: &linear(&b.query, &h)?,
            key: &linear(&b.key, &h)?,
            value: &linear(&b.value, &h)?,
            tokens,
            heads: self.config.heads,
        };
        let x = add_branch(x, &linear(&b.output, &attention.apply()?)?, scale(0))?;
        let activation = match self.config.family {
            Family::DinoV2 => Activation::Gelu,
            Family::Clip => Activation::QuickGelu,
        };
        let h = b.fc1.apply(&b.norm2.apply(&x)?, tokens, activation)?;
        add_branch(&x, &linear(&b.fc2, &h)?, scale(1))
    }
}

/// Takes tensors out of weights, so that large ones are not held twice.
struct Reader<'a> {
    weights: &'a mut Weights,
    device: &'a Device,
}

impl Reader<'_> {
    fn tensor(&mut self, name: &str) -> Result<crate::weights::WeightTensor> {
        let missing = || Error::Msg(format!("no tensor \"{name}\""));
        self.weights.tensors.remove(name).ok_or_else(missing)
    }

    fn values(&mut self, name: &str) -> Result<Vec<f32>> {
        Ok(self.tensor(name)?.values)
    }

    fn take(&mut self, name: &str) -> Result<Tensor> {
        let found = self.tensor(name)?;
        Tensor::from_vec(found.values, found.shape, self.device)
    }

    fn linear(&mut self, name: &str) -> Result<Linear> {
        let weight = self.take(&format!("{name}.weight"))?;
        Ok(Linear { weight, bias: Some(self.take(&format!("{name}.bias"))?) })
    }
}
