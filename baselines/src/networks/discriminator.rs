//! A trunk with named heads on its features.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use candle_core::{Result, Tensor, bail};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{Embedding, LayerOptions, Linear, Pass};
use ganbench_nn::params::Scope;
use serde::{Deserialize, Serialize};

use super::{Architecture, NetworkSizes, Trunk};

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
    pub name: &'static str,
    pub kind: HeadKind,
    /// [`HeadSpec::FEATURES`]: as many as the trunk has features.
    pub outputs: usize,
    /// Width of the hidden layer of an `Mlp`.
    pub hidden: usize,
}

impl HeadSpec {
    /// Outputs of a head whose width is the trunk's feature dimension.
    pub const FEATURES: usize = 0;
}

enum Head {
    Layers(Vec<Linear>),
    /// With the number of its rows.
    Embedding(Embedding, usize),
}

/// Trunk and heads.
pub struct Discriminator {
    trunk: Box<dyn Trunk>,
    heads: BTreeMap<&'static str, Head>,
}

impl Discriminator {
    /// Builds the trunk under `trunk.` and each head under its name.
    ///
    /// # Errors
    /// If an embedding head is asked for without classes.
    pub fn new(
        scope: &Scope,
        a: &Architecture,
        sizes: NetworkSizes,
        specs: &[HeadSpec],
    ) -> Result<Self> {
        let trunk = (a.trunk)(&scope.at("trunk"), sizes)?;
        let scope = scope.clone().with_spectral_eps(a.spectral_eps);
        let layer = |activation| LayerOptions {
            weight: a.weight_init,
            bias: Some(a.bias_init),
            spectral_norm: sizes.options.spectral_norm_d.unwrap_or(a.spectral_norm),
            activation,
        };
        let d = trunk.feature_dim();
        let mut heads = BTreeMap::new();
        for spec in specs {
            let at = scope.at(spec.name);
            let outputs = if spec.outputs == HeadSpec::FEATURES { d } else { spec.outputs };
            let head = match spec.kind {
                HeadKind::Linear => {
                    Head::Layers(vec![Linear::new(&at, d, outputs, layer(Activation::None))?])
                }
                HeadKind::Mlp => Head::Layers(vec![
                    Linear::new(&at.at(0), d, spec.hidden, layer(Activation::LeakyRelu(a.slope)))?,
                    Linear::new(&at.at(2), spec.hidden, outputs, layer(Activation::None))?,
                ]),
                HeadKind::Embedding => match sizes.classes {
                    Some(classes) => Head::Embedding(
                        Embedding::new(&at, classes, outputs, layer(Activation::None))?,
                        classes,
                    ),
                    None => {
                        bail!("head {} needs class labels, and the data set has none", spec.name)
                    }
                },
            };
            heads.insert(spec.name, head);
        }
        Ok(Self { trunk, heads })
    }

    /// The features of a batch, from which heads can be read.
    ///
    /// # Errors
    /// If the images do not fit the trunk.
    pub fn score<'a>(
        &'a self,
        x: &Tensor,
        labels: Option<&Tensor>,
        pass: Pass,
    ) -> Result<Scored<'a>> {
        let features = self.trunk.features(x, pass)?;
        Ok(Scored { discriminator: self, features, labels: labels.cloned(), pass, joint: None })
    }

    /// The trunk's features `[n, feature_dim]` with running statistics and constant weights.
    ///
    /// # Errors
    /// If the images do not fit the trunk.
    pub fn features(&self, x: &Tensor) -> Result<Tensor> {
        self.trunk.features(x, Pass::Eval)
    }

    /// How many features the heads see.
    pub fn feature_dim(&self) -> usize {
        self.trunk.feature_dim()
    }

    fn head(&self, name: &str, features: &Tensor, pass: Pass) -> Result<Tensor> {
        match self.heads.get(name) {
            Some(Head::Layers(layers)) => {
                layers.iter().try_fold(features.clone(), |h, l| l.forward(&h, pass))
            }
            _ => bail!("the discriminator has no head {name} on its features"),
        }
    }
}

/// A batch that went through the trunk.
#[derive(Clone)]
pub struct Scored<'a> {
    discriminator: &'a Discriminator,
    /// `[n, feature_dim]`.
    pub features: Tensor,
    /// u32 `[n]`, where the run is conditional.
    pub labels: Option<Tensor>,
    pass: Pass,
    /// Where this is a part of a larger batch: that batch, and the part's first row.
    joint: Option<(Rc<Joint>, usize)>,
}

/// A batch whose heads are computed once for all its parts: one power iteration a step, as in one pass.
struct Joint {
    features: Tensor,
    outputs: RefCell<BTreeMap<(String, bool), Tensor>>,
}

impl Scored<'_> {
    pub fn len(&self) -> usize {
        self.features.dims()[0]
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The head's outputs `[n, outputs]`.
    ///
    /// # Errors
    /// If the discriminator has no such head.
    pub fn head(&self, name: &str) -> Result<Tensor> {
        self.outputs(name, false)
    }

    /// As [`Scored::head`], with the gradient stopped at the features.
    ///
    /// # Errors
    /// If the discriminator has no such head.
    pub fn head_on_constant_features(&self, name: &str) -> Result<Tensor> {
        self.outputs(name, true)
    }

    fn outputs(&self, name: &str, constant: bool) -> Result<Tensor> {
        let of = |features: &Tensor| {
            let features = if constant { features.detach() } else { features.clone() };
            self.discriminator.head(name, &features, self.pass)
        };
        let Some((joint, first)) = &self.joint else { return of(&self.features) };
        let key = (name.to_string(), constant);
        let known = joint.outputs.borrow().get(&key).cloned();
        let all = match known {
            Some(all) => all,
            None => {
                let all = of(&joint.features)?;
                joint.outputs.borrow_mut().insert(key, all.clone());
                all
            }
        };
        all.narrow(0, *first, self.len())
    }

    /// The rows of an embedding head for this batch's labels, `[n, outputs]`.
    ///
    /// # Errors
    /// If there are no labels or no such head.
    pub fn embedding(&self, name: &str) -> Result<Tensor> {
        match (self.discriminator.heads.get(name), &self.labels) {
            (Some(Head::Embedding(e, _)), Some(labels)) => e.forward(labels, self.pass),
            (_, None) => bail!("embedding {name} needs labels"),
            _ => bail!("the discriminator has no embedding {name}"),
        }
    }

    /// All rows of an embedding head, `[classes, outputs]`.
    ///
    /// # Errors
    /// If there is no such head.
    pub fn class_table(&self, name: &str) -> Result<Tensor> {
        match self.discriminator.heads.get(name) {
            Some(Head::Embedding(e, classes)) => {
                let all = Tensor::arange(0, *classes as u32, self.features.device())?;
                e.forward(&all, self.pass)
            }
            _ => bail!("the discriminator has no embedding {name}"),
        }
    }

    /// Several batches that went through together, apart again.
    ///
    /// # Errors
    /// If the sizes do not add up to the batch.
    pub fn split(&self, sizes: &[usize]) -> Result<Vec<Self>> {
        let joint = Rc::new(Joint { features: self.features.clone(), outputs: RefCell::default() });
        let mut parts = Vec::new();
        let mut start = 0;
        for &n in sizes {
            parts.push(Self {
                features: self.features.narrow(0, start, n)?,
                labels: self.labels.as_ref().map(|l| l.narrow(0, start, n)).transpose()?,
                joint: Some((joint.clone(), start)),
                ..self.clone()
            });
            start += n;
        }
        Ok(parts)
    }
}
