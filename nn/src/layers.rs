//! Layers as the networks of the papers use them: linear, convolution, transposed convolution (each
//! with optional spectral norm, bias and activation), batch norm (conditional or not) and
//! self-attention. Tensor names are PyTorch's.

pub(crate) mod attention;
mod batch_norm;

pub use attention::SelfAttention;
pub use batch_norm::{BatchNorm, Condition, ConditionalBatchNorm};

pub mod doubling;
pub mod equalised;
pub mod minibatch_discrimination;
pub mod minibatch_std;
pub mod random;
pub mod styled;
pub mod weight_norm;

use candle_core::{Result, Tensor, Var};

use crate::kernels::activation::{Activation, activate, bias_activate};
use crate::kernels::conv::{
    Convolution, Geometry, conv_transpose2d, conv_transpose2d_activate, conv2d, conv2d_activate,
};
use crate::kernels::spectral::{SingularVectors, normalise, power_iteration, spectral_normalise};
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
    /// As `Eval`, but batch norm takes the batch's own statistics.
    Batch,
    /// As `Batch`, and the running statistics take them in.
    Standing,
}

impl Pass {
    fn weight(self, var: &Var) -> Tensor {
        match self {
            Self::Train => var.as_tensor().clone(),
            _ => var.as_tensor().detach(),
        }
    }

    /// Whether the pass is a step of training: power iterations, dropout and the like take place.
    pub fn trains(self) -> bool {
        matches!(self, Self::Train | Self::Frozen)
    }
}

/// How a layer with a weight starts and what surrounds the weight.
#[derive(Clone, Copy, Debug)]
pub struct LayerOptions {
    /// How the weight starts.
    pub weight: Init,
    /// None: no bias.
    pub bias: Option<Init>,
    /// Whether the weight is divided by an estimate of its largest singular value (Miyato et al.
    /// 2018).
    pub spectral_norm: bool,
    /// What is applied to the layer's output.
    pub activation: Activation,
}

/// Which axis of a weight a spectral norm takes for the rows of the matrix: that of the outputs.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    First,
    Second,
}

impl Rows {
    /// The weight with its rows first, or back again: `[rows, …]`.
    fn first(self, w: &Tensor) -> Result<Tensor> {
        match self {
            Self::First => Ok(w.clone()),
            Self::Second => w.transpose(0, 1)?.contiguous(),
        }
    }
}

/// The singular vectors of a weight.
struct Spectral {
    u: Buffer,
    v: Buffer,
    rows: Rows,
    eps: f64,
}

/// A weight, divided by its largest singular value where asked for.
struct Weight {
    var: Var,
    spectral: Option<Spectral>,
}

impl Weight {
    fn new(scope: &Scope, shape: &[usize], rows: Rows, options: &LayerOptions) -> Result<Self> {
        let init = scope.weight_init(options.weight);
        if !options.spectral_norm {
            return Ok(Self { var: scope.param("weight", shape, init)?, spectral: None });
        }
        let var = scope.param("weight_orig", shape, init)?;
        let n = if rows == Rows::First { shape[0] } else { shape[1] };
        let columns = shape.iter().product::<usize>() / n.max(1);
        let (eps, noise) = (scope.spectral_eps(), Init::normal(1.0));
        let (u, v) = (scope.buffer("weight_u", n, noise), scope.buffer("weight_v", columns, noise));
        for buffer in [&u, &v] {
            let mut x = buffer.get();
            normalise(&mut x, eps);
            buffer.set(&x);
        }
        Ok(Self { var, spectral: Some(Spectral { u, v, rows, eps }) })
    }

    fn get(&self, pass: Pass) -> Result<Tensor> {
        let weight = pass.weight(&self.var);
        let Some(Spectral { u, v, rows, eps }) = &self.spectral else { return Ok(weight) };
        if pass.trains() {
            let mut vectors = SingularVectors { u: u.get(), v: v.get() };
            power_iteration(&rows.first(self.var.as_tensor())?, &mut vectors, *eps)?;
            u.set(&vectors.u);
            v.set(&vectors.v);
        }
        let vectors = SingularVectors { u: u.get(), v: v.get() };
        rows.first(&spectral_normalise(&rows.first(&weight)?, &vectors)?)
    }
}

/// The bias of `n` outputs of a layer with this weight's shape.
fn bias(scope: &Scope, n: usize, weight: &Weight, options: &LayerOptions) -> Result<Option<Var>> {
    let fan_in = weight.var.dims().iter().skip(1).product();
    let of = |init| match init {
        Init::TorchDefault => scope.param("bias", &[n], Init::fan_in(fan_in)),
        init => scope.param("bias", &[n], init),
    };
    options.bias.map(of).transpose()
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
        let weight = Weight::new(scope, &[outputs, inputs], Rows::First, &options)?;
        let bias = bias(scope, outputs, &weight, &options)?;
        Ok(Self { weight, bias, activation: options.activation })
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
        let weight = match options.weight {
            Init::TorchDefault => Init::normal(1.0),
            init => init,
        };
        let options = LayerOptions { weight, ..options };
        Ok(Self { weight: Weight::new(scope, &[classes, outputs], Rows::First, &options)? })
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
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub size: usize,
    /// Stride in both directions, in pixels.
    pub stride: usize,
    /// Zeros that are added on each of the four sides of the input, in pixels.
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
        let shape = [k.outputs, k.inputs, k.size, k.size];
        let weight = Weight::new(scope, &shape, Rows::First, &options)?;
        Ok(Self {
            bias: bias(scope, k.outputs, &weight, &options)?,
            weight,
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
        let shape = [k.inputs, k.outputs, k.size, k.size];
        let weight = Weight::new(scope, &shape, Rows::Second, &options)?;
        Ok(Self {
            bias: bias(scope, k.outputs, &weight, &options)?,
            weight,
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
    fn the_spectral_norm_of_a_transposed_convolution_is_that_of_its_outputs() {
        // W `[inputs 1, outputs 2, 1, 1]` = (3, 4): as a matrix of two rows its singular value is
        // 5; read as one row it would be 5 too, but u would have one entry.
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let k = Kernel { inputs: 1, outputs: 2, size: 1, stride: 1, padding: 0 };
        let up = ConvTranspose2d::new(&store.root(), k, options(true)).unwrap();
        let mut state = store.state().unwrap();
        let w = Tensor::new(&[3.0f32, 4.0], &Device::Cpu).unwrap();
        state.insert("weight_orig".into(), w.reshape((1, 2, 1, 1)).unwrap());
        store.load(&state).unwrap();
        assert_eq!((state["weight_u"].dims(), state["weight_v"].dims()), (&[2][..], &[1][..]));
        let x = Tensor::ones((1, 1, 1, 1), DType::F32, &Device::Cpu).unwrap();
        let y = up.forward(&x, Pass::Train).unwrap().flatten_all().unwrap();
        let y = y.to_vec1::<f32>().unwrap();
        assert!((y[0].abs() - 0.6).abs() < 1e-6 && (y[1].abs() - 0.8).abs() < 1e-6, "{y:?}");
    }

    #[test]
    fn weights_of_a_layer_start_as_the_store_says_and_biases_as_the_layer_does() {
        let store = ParamStore::new("test", 0, &Device::Cpu).with_weight_init(Some(Init::Ones));
        let options = LayerOptions { bias: Some(Init::TorchDefault), ..options(false) };
        Linear::new(&store.root(), 400, 50, options).unwrap();
        let state = store.state().unwrap();
        let list = |name: &str| state[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(list("weight").iter().all(|&w| w == 1.0));
        // U(±1/√400).
        let largest = list("bias").iter().fold(0.0f32, |m, b| m.max(b.abs()));
        assert!(largest > 0.04 && largest <= 0.05, "{largest}");
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
