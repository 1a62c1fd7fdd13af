//! Batch norm with its activation and its running averages (momentum 0.1, unbiased variance, as
//! PyTorch).

use candle_core::{Result, Tensor, Var, bail};

use super::{Embedding, LayerOptions, Linear, Pass};
use crate::kernels::activation::{Activation, activate};
use crate::kernels::batch_norm::{GainBias, Moments, batch_norm};
use crate::params::{Buffer, Init, Scope};

/// PyTorch's default.
const MOMENTUM: f64 = 0.1;

/// What normalises: the batch's moments, which it averages, or their averages.
struct Moving {
    mean: Buffer,
    var: Buffer,
    eps: f64,
    activation: Activation,
}

impl Moving {
    fn new(scope: &Scope, channels: usize, activation: Activation) -> Self {
        Self {
            mean: scope.buffer("running_mean", channels, Init::Zeros),
            var: scope.buffer("running_var", channels, Init::Ones),
            eps: scope.batch_norm_eps(),
            activation,
        }
    }

    fn normalise(&self, x: &Tensor, affine: GainBias<'_>, pass: Pass) -> Result<Tensor> {
        if pass == Pass::Eval {
            let fixed = Moments { mean: self.mean.get(), var: self.var.get() };
            return Ok(batch_norm(x, affine, self.eps, self.activation, Some(&fixed))?.0);
        }
        let (y, batch) = batch_norm(x, affine, self.eps, self.activation, None)?;
        if pass == Pass::Batch {
            return Ok(y);
        }
        let count = (x.elem_count() / x.dim(1)?) as f64;
        let unbias = if count > 1.0 { count / (count - 1.0) } else { 1.0 };
        let mix = |buffer: &Buffer, new: &[f64], scale: f64| {
            let mixed: Vec<f64> = buffer
                .get()
                .iter()
                .zip(new)
                .map(|(old, new)| (1.0 - MOMENTUM) * old + MOMENTUM * scale * new)
                .collect();
            buffer.set(&mixed);
        };
        mix(&self.mean, &batch.mean, 1.0);
        mix(&self.var, &batch.var, unbias);
        Ok(y)
    }
}

/// Batch norm and its activation; the activation alone where the store leaves batch norm out.
pub struct BatchNorm {
    norm: Option<Norm>,
    activation: Activation,
}

struct Norm {
    gain: Var,
    bias: Var,
    by_class: bool,
    moving: Moving,
}

impl BatchNorm {
    /// `classes`: None for one gain and bias a channel; Some(k) for one of each a class, read by
    /// label (all classes start alike, so a conditional and an unconditional network start as one
    /// function).
    ///
    /// # Errors
    /// If the scope holds these tensors already, or the norm is by class and the store leaves batch
    /// norm out.
    pub fn new(
        scope: &Scope,
        channels: usize,
        classes: Option<usize>,
        gain: Init,
        activation: Activation,
    ) -> Result<Self> {
        if !scope.has_batch_norm() {
            return match classes {
                None => Ok(Self { norm: None, activation }),
                Some(_) => left_out(),
            };
        }
        let (gain, bias) = match classes {
            None => (
                scope.param("weight", &[channels], gain)?,
                scope.param("bias", &[channels], Init::Zeros)?,
            ),
            Some(k) => (
                scope.rows_like("weight", scope.at("gain"), k, channels, gain)?,
                scope.at("bias").param("weight", &[k, channels], Init::Zeros)?,
            ),
        };
        let moving = Moving::new(scope, channels, activation);
        Ok(Self {
            norm: Some(Norm { gain, bias, by_class: classes.is_some(), moving }),
            activation,
        })
    }

    /// x `[n, c, …]`; `labels` u32 `[n]`, used by a norm by class only.
    ///
    /// # Errors
    /// If a norm by class gets no labels, or the channels differ.
    pub fn forward(&self, x: &Tensor, labels: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        let Some(norm) = &self.norm else {
            return match self.activation {
                Activation::None => Ok(x.clone()),
                activation => activate(x, activation),
            };
        };
        let (gain, bias) = (pass.weight(&norm.gain), pass.weight(&norm.bias));
        let (gain, bias) = match (norm.by_class, labels) {
            (false, _) => (gain.unsqueeze(0)?, bias.unsqueeze(0)?),
            (true, Some(labels)) => (gain.index_select(labels, 0)?, bias.index_select(labels, 0)?),
            (true, None) => bail!("a conditional batch norm needs labels"),
        };
        norm.moving.normalise(x, GainBias { gain: &gain, bias: &bias }, pass)
    }
}

fn left_out<T>() -> Result<T> {
    bail!("batch norm is left out of this network, whose classes or z chunks enter through it")
}

/// What a [`ConditionalBatchNorm`] is conditioned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// u32 labels `[n]` of this many classes.
    Classes(usize),
    /// Vectors `[n, inputs]`.
    Vector {
        /// Values of each image's vector.
        inputs: usize,
    },
}

enum Map {
    Embedding(Embedding),
    Linear(Linear),
}

impl Map {
    fn new(scope: &Scope, on: Condition, channels: usize, options: LayerOptions) -> Result<Self> {
        Ok(match on {
            Condition::Classes(k) => Self::Embedding(Embedding::new(scope, k, channels, options)?),
            Condition::Vector { inputs } => {
                Self::Linear(Linear::new(scope, inputs, channels, options)?)
            }
        })
    }

    fn forward(&self, condition: &Tensor, pass: Pass) -> Result<Tensor> {
        match self {
            Self::Embedding(e) => e.forward(condition, pass),
            Self::Linear(l) => l.forward(condition, pass),
        }
    }
}

/// Batch norm whose gain is 1 + f(c) and whose bias is h(c), f and h being linear maps without bias
/// of a condition c: embeddings of a class, or matrices on a vector. Brock et al. 2019,
/// arXiv:1809.11096, appendix C; `ccbn` of ajbrock/BigGAN-PyTorch.
pub struct ConditionalBatchNorm {
    gain: Map,
    bias: Map,
    moving: Moving,
}

impl ConditionalBatchNorm {
    /// `maps`: initial weight and spectral norm of f and h; `activation` follows the norm.
    ///
    /// # Errors
    /// If the scope holds these tensors already, or the store leaves batch norm out.
    pub fn new(
        scope: &Scope,
        channels: usize,
        on: Condition,
        maps: LayerOptions,
        activation: Activation,
    ) -> Result<Self> {
        if !scope.has_batch_norm() {
            return left_out();
        }
        let maps = LayerOptions { bias: None, activation: Activation::None, ..maps };
        Ok(Self {
            gain: Map::new(&scope.at("gain"), on, channels, maps)?,
            bias: Map::new(&scope.at("bias"), on, channels, maps)?,
            moving: Moving::new(scope, channels, activation),
        })
    }

    /// x `[n, c, …]`, `condition` as the norm was made for.
    ///
    /// # Errors
    /// If the shapes do not fit, or a label is no class.
    pub fn forward(&self, x: &Tensor, condition: &Tensor, pass: Pass) -> Result<Tensor> {
        let gain = (self.gain.forward(condition, pass)? + 1.0)?;
        let bias = self.bias.forward(condition, pass)?;
        self.moving.normalise(x, GainBias { gain: &gain, bias: &bias }, pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamStore;
    use candle_core::Device;

    fn list(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn maps(spectral_norm: bool) -> LayerOptions {
        LayerOptions {
            weight: Init::Zeros,
            bias: None,
            spectral_norm,
            activation: Activation::None,
        }
    }

    #[test]
    fn a_conditional_norm_computed_on_paper() {
        // Values −1 and 3: mean 1, deviation 2, x̂ = ∓1. Class 0: gain 1 + 1, bias 0; class 1: gain
        // 1 + 2, bias 5.
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let scope = store.root().with_batch_norm_eps(0.0);
        let norm = ConditionalBatchNorm::new(
            &scope,
            1,
            Condition::Classes(2),
            maps(false),
            Activation::None,
        )
        .unwrap();
        let mut state = store.state().unwrap();
        let table = |v: [f32; 2]| Tensor::from_slice(&v, (2, 1), &Device::Cpu).unwrap();
        state.insert("gain.weight".into(), table([1.0, 2.0]));
        state.insert("bias.weight".into(), table([0.0, 5.0]));
        store.load(&state).unwrap();
        let x = table([-1.0, 3.0]);
        let labels = Tensor::new(&[0u32, 1], &Device::Cpu).unwrap();
        assert_eq!(list(&norm.forward(&x, &labels, Pass::Train).unwrap()), [-2.0, 8.0]);
    }

    #[test]
    fn maps_of_nothing_make_a_plain_norm() {
        let x = Tensor::new(&[[0.5f32, -1.0], [2.0, 0.0], [1.0, 4.0]], &Device::Cpu).unwrap();
        let c = Tensor::ones((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let act = Activation::Relu;
        let on = Condition::Vector { inputs: 4 };
        let conditional =
            ConditionalBatchNorm::new(&store.root().at("a"), 2, on, maps(false), act).unwrap();
        let plain = BatchNorm::new(&store.root().at("b"), 2, None, Init::Ones, act).unwrap();
        for pass in [Pass::Train, Pass::Eval] {
            let expected = list(&plain.forward(&x, None, pass).unwrap());
            assert_eq!(list(&conditional.forward(&x, &c, pass).unwrap()), expected);
        }
    }

    #[test]
    fn a_norm_that_is_left_out_is_its_activation() {
        let store = ParamStore::new("test", 0, &Device::Cpu).with_batch_norm(false);
        let norm = BatchNorm::new(&store.root(), 2, None, Init::Ones, Activation::Relu).unwrap();
        let x = Tensor::new(&[[0.5f32, -1.0]], &Device::Cpu).unwrap();
        assert_eq!(list(&norm.forward(&x, None, Pass::Train).unwrap()), [0.5, 0.0]);
        assert!(store.state().unwrap().is_empty());
        let by_class = BatchNorm::new(&store.root(), 2, Some(3), Init::Ones, Activation::Relu);
        let error = by_class.err().unwrap().to_string();
        assert!(error.contains("left out of this network"), "{error}");
    }
}
