//! What losses read from a trunk's features, and their tables of classes.

use super::LayerSize;
use candle_core::{Result, Tensor, bail};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::equalised::{EqualLinear, EqualOptions};
use ganbench_nn::layers::styled::pixel_norm;
use ganbench_nn::layers::{Embedding, LayerOptions, Linear, Pass};
use ganbench_nn::params::Scope;
use serde::{Deserialize, Serialize};

use super::{Architecture, NetworkSizes};

/// What a head computes from the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// One linear layer.
    Linear,
    /// Linear, leaky ReLU, linear (ContraD's heads, `models/gan/base.py`).
    Mlp,
    /// A table with one row a class; takes labels instead of features.
    Embedding,
}

/// A head that a loss asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadSpec {
    /// The name by which a loss asks for its outputs.
    pub name: &'static str,
    /// Which layers the head has.
    pub kind: HeadKind,
    /// [`HeadSpec::FEATURES`]: as many as the trunk has features.
    pub outputs: usize,
    /// Width of the hidden layer of an `Mlp`.
    pub hidden: usize,
}

impl HeadSpec {
    /// Outputs of a head whose width is the trunk's feature dimension.
    pub const FEATURES: usize = 0;

    /// The head's layers on `features` features of the trunk. A table of classes has none: its rows
    /// are looked up.
    pub fn layers(&self, features: usize) -> Vec<LayerSize> {
        let outputs = if self.outputs == Self::FEATURES { features } else { self.outputs };
        match self.kind {
            HeadKind::Linear => vec![LayerSize::linear(features, outputs)],
            HeadKind::Mlp => vec![
                LayerSize::linear(features, self.hidden),
                LayerSize::linear(self.hidden, outputs),
            ],
            HeadKind::Embedding => Vec::new(),
        }
    }
}

/// The layers that an architecture's heads are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadLayers {
    /// Linear layers and embeddings with the architecture's initial weights and spectral norm.
    Plain,
    /// Equalised layers, and a mapping network of one layer as table of the classes (StudioGAN's
    /// StyleGAN2, `src/models/stylegan2.py`).
    Equalised,
}

/// How much slower than the others a mapping network learns.
const MAPPING_LR_MULTIPLIER: f64 = 0.01;

pub(super) enum Head {
    Features(Vec<Layer>),
    Classes { table: ClassTable, classes: usize },
}

pub(super) enum Layer {
    Plain(Linear),
    Equalised(EqualLinear),
}

pub(super) enum ClassTable {
    Rows(Embedding),
    /// The class as one-hot through `embed`, normalised, through `fc`.
    Mapped {
        embed: EqualLinear,
        fc: EqualLinear,
    },
}

impl Layer {
    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        match self {
            Self::Plain(layer) => layer.forward(x, pass),
            Self::Equalised(layer) => layer.forward(x, pass),
        }
    }
}

impl Head {
    /// On `features` many values.
    pub(super) fn new(
        at: &Scope,
        a: &Architecture,
        sizes: NetworkSizes,
        spec: &HeadSpec,
        features: usize,
    ) -> Result<Self> {
        let plain = |activation| LayerOptions {
            weight: a.weight_init,
            bias: Some(a.bias_init),
            spectral_norm: sizes.options.spectral_norm_d.unwrap_or(a.spectral_norm),
            activation,
        };
        let layer = |at: &Scope, inputs, outputs, activated: bool| -> Result<Layer> {
            Ok(match (a.heads, activated) {
                (HeadLayers::Plain, true) => Layer::Plain(Linear::new(
                    at,
                    inputs,
                    outputs,
                    plain(Activation::LeakyRelu(a.slope)),
                )?),
                (HeadLayers::Plain, false) => {
                    Layer::Plain(Linear::new(at, inputs, outputs, plain(Activation::None))?)
                }
                (HeadLayers::Equalised, true) => Layer::Equalised(EqualLinear::new(
                    at,
                    inputs,
                    outputs,
                    EqualOptions::activated(),
                )?),
                (HeadLayers::Equalised, false) => {
                    Layer::Equalised(EqualLinear::new(at, inputs, outputs, EqualOptions::linear())?)
                }
            })
        };
        let outputs = if spec.outputs == HeadSpec::FEATURES { features } else { spec.outputs };
        Ok(match spec.kind {
            HeadKind::Linear => Self::Features(vec![layer(at, features, outputs, false)?]),
            HeadKind::Mlp => Self::Features(vec![
                layer(&at.at(0), features, spec.hidden, true)?,
                layer(&at.at(2), spec.hidden, outputs, false)?,
            ]),
            HeadKind::Embedding => {
                let Some(classes) = sizes.classes else {
                    bail!("head {} needs class labels, and the data set has none", spec.name)
                };
                let table = match a.heads {
                    HeadLayers::Plain => ClassTable::Rows(Embedding::new(
                        at,
                        classes,
                        outputs,
                        plain(Activation::None),
                    )?),
                    HeadLayers::Equalised => {
                        let slow = EqualOptions {
                            lr_multiplier: MAPPING_LR_MULTIPLIER,
                            ..EqualOptions::activated()
                        };
                        let embed = &at.at("embed");
                        ClassTable::Mapped {
                            embed: EqualLinear::new(
                                embed,
                                classes,
                                outputs,
                                EqualOptions::linear(),
                            )?,
                            fc: EqualLinear::new(&at.at("fc").at(0), outputs, outputs, slow)?,
                        }
                    }
                };
                Self::Classes { table, classes }
            }
        })
    }
}

impl ClassTable {
    /// The rows of u32 labels `[n]`: `[n, outputs]`.
    pub(super) fn rows(&self, labels: &Tensor, pass: Pass) -> Result<Tensor> {
        match self {
            Self::Rows(embedding) => embedding.forward(labels, pass),
            Self::Mapped { embed, fc } => {
                // All rows at once: there are fewer classes than images.
                let rows = fc.forward(&pixel_norm(&embed.of_each_input(pass)?)?, pass)?;
                rows.index_select(labels, 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use ganbench_nn::params::ParamStore;

    use super::super::stylegan2::STUDIOGAN;
    use super::super::tests::PAPER_32;
    use super::*;

    #[test]
    fn a_mapped_class_is_its_one_hot_normalised_and_passed_on() {
        let store = ParamStore::new("d", 1, &Device::Cpu);
        let sizes = NetworkSizes { classes: Some(4), ..PAPER_32 };
        let spec = HeadSpec { name: "proxy", kind: HeadKind::Embedding, outputs: 3, hidden: 0 };
        let head = Head::new(&store.root(), &STUDIOGAN, sizes, &spec, 5).unwrap();
        let Head::Classes { table, classes: 4 } = head else { panic!("no table of 4 classes") };
        let labels = Tensor::new(&[2u32, 0, 2], &Device::Cpu).unwrap();
        let rows = table.rows(&labels, Pass::Train).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(rows[0], rows[2]);
        let ClassTable::Mapped { embed, fc } = &table else { panic!("the table is not mapped") };
        let one_hot = Tensor::eye(4, DType::F32, &Device::Cpu).unwrap().narrow(0, 2, 1).unwrap();
        let embedded = embed.forward(&one_hot, Pass::Train).unwrap();
        let by_hand = fc.forward(&pixel_norm(&embedded).unwrap(), Pass::Train).unwrap();
        for (a, b) in rows[0].iter().zip(&by_hand.to_vec2::<f32>().unwrap()[0]) {
            assert!((a - b).abs() < 1e-6, "{a} against {b}");
        }
    }
}
