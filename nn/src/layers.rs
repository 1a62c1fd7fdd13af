//! Layers as the networks of the papers use them: linear, convolution, transposed convolution (each with
//! optional spectral norm, bias and activation) and batch norm (conditional or not). Tensor names are
//! PyTorch's.

pub mod doubling;
pub mod equalised;
pub mod minibatch_discrimination;
pub mod minibatch_std;
pub mod random;
pub mod styled;
pub mod weight_norm;

use candle_core::{Result, Tensor, Var};

use crate::kernels::activation::{Activation, activate, bias_activate};
use crate::kernels::batch_norm::{GainBias, Moments, batch_norm};
use crate::kernels::conv::{
    Convolution, Geometry, conv_transpose2d, conv_transpose2d_activate, conv2d, conv2d_activate,
};
use crate::kernels::spectral::{SingularVectors, power_iteration, spectral_normalise};
use crate::params::{Buffer, Init, Scope};

/// What a forward pass may change and what gradients it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Batch statistics and power iterations; gradients reach the weights.
    Train,
    /// As `Train`, but the weights are constants: the other network's turn to learn.
    Frozen,
    /// Running statistics, no power iteration, constant weights.
    Eval,
}

impl Pass {
    fn weight(self, var: &Var) -> Tensor {
        match self {
            Self::Train => var.as_tensor().clone(),
            Self::Frozen | Self::Eval => var.as_tensor().detach(),
        }
    }

    fn trains(self) -> bool {
        self != Self::Eval
    }
}

/// How a layer with a weight starts and what surrounds the weight.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    pub weight: Init,
    /// None: no bias.
    pub bias: Option<Init>,
    pub spectral_norm: bool,
    pub activation: Activation,
}

/// A weight, divided by its largest singular value where asked for.
struct Weight {
    var: Var,
    vectors: Option<(Buffer, Buffer)>,
}

impl Weight {
    fn new(scope: &Scope, shape: &[usize], options: &LayerOptions) -> Result<Self> {
        if !options.spectral_norm {
            return Ok(Self { var: scope.param("weight", shape, options.weight)?, vectors: None });
        }
        let var = scope.param("weight_orig", shape, options.weight)?;
        let columns = shape[1..].iter().product();
        let u = scope.buffer("weight_u", shape[0], Init::normal(1.0));
        let v = scope.buffer("weight_v", columns, Init::normal(1.0));
        for buffer in [&u, &v] {
            let x = buffer.get();
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
            buffer.set(&x.iter().map(|x| x / norm).collect::<Vec<_>>());
        }
        Ok(Self { var, vectors: Some((u, v)) })
    }

    fn get(&self, pass: Pass) -> Result<Tensor> {
        let weight = pass.weight(&self.var);
        let Some((u, v)) = &self.vectors else { return Ok(weight) };
        if pass.trains() {
            let mut vectors = SingularVectors { u: u.get(), v: v.get() };
            power_iteration(self.var.as_tensor(), &mut vectors)?;
            u.set(&vectors.u);
            v.set(&vectors.v);
        }
        spectral_normalise(&weight, &SingularVectors { u: u.get(), v: v.get() })
    }
}

fn bias(scope: &Scope, n: usize, options: &LayerOptions) -> Result<Option<Var>> {
    options.bias.map(|init| scope.param("bias", &[n], init)).transpose()
}

fn finish(y: &Tensor, bias: &Option<Var>, activation: Activation, pass: Pass) -> Result<Tensor> {
    match bias {
        Some(bias) => bias_activate(y, &pass.weight(bias), activation),
        None if activation == Activation::None => Ok(y.clone()),
        None => activate(y, activation),
    }
}

/// y = activation(x·Wᵀ + b): x `[n, inputs]`, W `[outputs, inputs]`.
pub struct Linear {
    weight: Weight,
    bias: Option<Var>,
    activation: Activation,
}

impl Linear {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        options: LayerOptions,
    ) -> Result<Self> {
        Ok(Self {
            weight: Weight::new(scope, &[outputs, inputs], &options)?,
            bias: bias(scope, outputs, &options)?,
            activation: options.activation,
        })
    }

    /// # Errors
    /// If x is not `[n, inputs]`.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let y = x.matmul(&self.weight.get(pass)?.t()?)?;
        finish(&y, &self.bias, self.activation, pass)
    }
}

/// A table with one row a class.
pub struct Embedding {
    weight: Weight,
}

impl Embedding {
    /// `options`: only the weight's initial values and the spectral norm are read.
    ///
    /// # Errors
    /// If the scope holds this tensor already.
    pub fn new(
        scope: &Scope,
        classes: usize,
        outputs: usize,
        options: LayerOptions,
    ) -> Result<Self> {
        Ok(Self { weight: Weight::new(scope, &[classes, outputs], &options)? })
    }

    /// The rows of u32 `labels` `[n]`, `[n, outputs]`.
    ///
    /// # Errors
    /// If a label is no class.
    pub fn forward(&self, labels: &Tensor, pass: Pass) -> Result<Tensor> {
        self.weight.get(pass)?.index_select(labels, 0)
    }
}

/// Sizes of a square convolution kernel.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    pub inputs: usize,
    pub outputs: usize,
    pub size: usize,
    pub stride: usize,
    pub padding: usize,
}

/// y = activation(x ∗ W + b): x `[n, inputs, h, w]`, W `[outputs, inputs, size, size]`.
pub struct Conv2d {
    weight: Weight,
    bias: Option<Var>,
    conv: Convolution,
    activation: Activation,
}

impl Conv2d {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, k: Kernel, options: LayerOptions) -> Result<Self> {
        Ok(Self {
            weight: Weight::new(scope, &[k.outputs, k.inputs, k.size, k.size], &options)?,
            bias: bias(scope, k.outputs, &options)?,
            conv: Convolution {
                geometry: Geometry::square(k.stride, k.padding),
                algorithm: scope.convolution(),
            },
            activation: options.activation,
        })
    }

    /// # Errors
    /// If x does not fit the kernel.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let weight = self.weight.get(pass)?;
        match &self.bias {
            Some(b) => conv2d_activate(x, &weight, &pass.weight(b), self.activation, self.conv),
            None => finish(&conv2d(x, &weight, self.conv)?, &None, self.activation, pass),
        }
    }
}

/// The transposed convolution with W `[inputs, outputs, size, size]`.
pub struct ConvTranspose2d {
    weight: Weight,
    bias: Option<Var>,
    conv: Convolution,
    activation: Activation,
}

impl ConvTranspose2d {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, k: Kernel, options: LayerOptions) -> Result<Self> {
        if options.spectral_norm {
            candle_core::bail!("spectral norm of a transposed convolution is not there yet")
        }
        Ok(Self {
            weight: Weight::new(scope, &[k.inputs, k.outputs, k.size, k.size], &options)?,
            bias: bias(scope, k.outputs, &options)?,
            conv: Convolution {
                geometry: Geometry::square(k.stride, k.padding),
                algorithm: scope.convolution(),
            },
            activation: options.activation,
        })
    }

    /// # Errors
    /// If x does not fit the kernel.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let weight = self.weight.get(pass)?;
        match &self.bias {
            Some(b) => {
                let b = pass.weight(b);
                conv_transpose2d_activate(x, &weight, &b, self.activation, self.conv)
            }
            None => finish(&conv_transpose2d(x, &weight, self.conv)?, &None, self.activation, pass),
        }
    }
}

/// Batch norm, its activation, and its running averages (momentum 0.1, unbiased variance, as PyTorch).
pub struct BatchNorm {
    gain: Var,
    bias: Var,
    conditional: bool,
    running_mean: Buffer,
    running_var: Buffer,
    activation: Activation,
}

/// PyTorch's defaults.
const EPS: f64 = 1e-5;
const MOMENTUM: f64 = 0.1;

impl BatchNorm {
    /// `classes`: None for one gain and bias a channel; Some(k) for one of each a class, read by label
    /// (all classes start alike, so a conditional and an unconditional network start as one function).
    ///
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(
        scope: &Scope,
        channels: usize,
        classes: Option<usize>,
        gain: Init,
        activation: Activation,
    ) -> Result<Self> {
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
        Ok(Self {
            gain,
            bias,
            conditional: classes.is_some(),
            running_mean: scope.buffer("running_mean", channels, Init::Zeros),
            running_var: scope.buffer("running_var", channels, Init::Ones),
            activation,
        })
    }

    /// x `[n, c, …]`; `labels` u32 `[n]`, used by a conditional norm only.
    ///
    /// # Errors
    /// If a conditional norm gets no labels, or the channels differ.
    pub fn forward(&self, x: &Tensor, labels: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        let (gain, bias) = (pass.weight(&self.gain), pass.weight(&self.bias));
        let (gain, bias) = match (self.conditional, labels) {
            (false, _) => (gain.unsqueeze(0)?, bias.unsqueeze(0)?),
            (true, Some(labels)) => (gain.index_select(labels, 0)?, bias.index_select(labels, 0)?),
            (true, None) => candle_core::bail!("a conditional batch norm needs labels"),
        };
        let affine = GainBias { gain: &gain, bias: &bias };
        if !pass.trains() {
            let fixed = Moments { mean: self.running_mean.get(), var: self.running_var.get() };
            return Ok(batch_norm(x, affine, EPS, self.activation, Some(&fixed))?.0);
        }
        let (y, batch) = batch_norm(x, affine, EPS, self.activation, None)?;
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
        mix(&self.running_mean, &batch.mean, 1.0);
        mix(&self.running_var, &batch.var, unbias);
        Ok(y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    fn options(spectral_norm: bool) -> LayerOptions {
        LayerOptions {
            weight: Init::normal(0.5),
            bias: Some(Init::Zeros),
            spectral_norm,
            activation: Activation::None,
        }
    }

    #[test]
    fn two_networks_share_their_trunks_initial_values_whatever_their_heads() {
        let build = |heads: usize| {
            let store = ParamStore::new("discriminator", 7, &Device::Cpu);
            for h in 0..heads {
                Linear::new(&store.root().at("head").at(h), 3, 2, options(false)).unwrap();
            }
            Linear::new(&store.root().at("trunk"), 4, 3, options(false)).unwrap();
            store.state().unwrap()["trunk.weight"].to_vec2::<f32>().unwrap()
        };
        assert_eq!(build(0), build(2));
    }

    #[test]
    fn evaluation_changes_neither_singular_vectors_nor_running_averages() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let linear = Linear::new(&store.root().at("fc"), 4, 3, options(true)).unwrap();
        let norm =
            BatchNorm::new(&store.root().at("bn"), 3, None, Init::Ones, Activation::Relu).unwrap();
        let x =
            Tensor::from_vec((0..8).map(|v| v as f32).collect::<Vec<_>>(), (2, 4), &Device::Cpu)
                .unwrap();
        let run = |pass| norm.forward(&linear.forward(&x, pass).unwrap(), None, pass).unwrap();
        let list = || -> Vec<Vec<f32>> {
            store
                .state()
                .unwrap()
                .values()
                .map(|t| t.flatten_all().unwrap().to_vec1().unwrap())
                .collect()
        };
        let before = list();
        run(Pass::Eval);
        assert_eq!(before, list());
        run(Pass::Train);
        assert_ne!(before, list());
    }

    #[test]
    fn a_frozen_pass_gives_no_gradient_to_the_weights() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let linear = Linear::new(&store.root(), 4, 3, options(true)).unwrap();
        let x = Var::ones((2, 4), DType::F32, &Device::Cpu).unwrap();
        let y = linear.forward(x.as_tensor(), Pass::Frozen).unwrap();
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert!(grads.get(&x).is_some());
        assert!(store.params().iter().all(|(_, v)| grads.get(v).is_none()));
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let store = ParamStore::new("generator", 0, &Device::Cpu);
        Linear::new(&store.root().at("fc"), 4, 3, options(false)).unwrap();
        let mut state = store.state().unwrap();
        state.remove("fc.bias");
        let error = store.load(&state).unwrap_err().to_string();
        assert!(error.contains("generator weights: tensor fc.bias is missing"), "{error}");
    }
}
