//! A trunk with named heads on its features.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use candle_core::{Result, Tensor, bail};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::Scope;

use super::heads::Head;
use super::{Architecture, HeadSpec, NetworkSizes, Trunk};

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
        let features = trunk.feature_dim();
        let mut heads = BTreeMap::new();
        for spec in specs {
            heads.insert(spec.name, Head::new(&scope.at(spec.name), a, sizes, spec, features)?);
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
            Some(Head::Features(layers)) => {
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

/// A batch whose heads are computed once for all its parts: one power iteration a step, as in one
/// pass.
struct Joint {
    features: Tensor,
    outputs: RefCell<BTreeMap<(String, bool), Tensor>>,
}

impl Scored<'_> {
    /// Number of images in the batch.
    pub fn len(&self) -> usize {
        self.features.dims()[0]
    }

    /// Whether the batch is empty.
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
            (Some(Head::Classes { table, .. }), Some(labels)) => table.rows(labels, self.pass),
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
            Some(Head::Classes { table, classes }) => {
                let all = Tensor::arange(0, *classes as u32, self.features.device())?;
                table.rows(&all, self.pass)
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
