//! Layers with equalised learning rate, as ProGAN and StyleGAN2 have them (Karras et al. 2018,
//! "Progressive growing of GANs", arXiv:1710.10196, section 4.1): weights start at N(0, 1) and are
//! divided by √fan_in in every pass, so that an optimiser's steps are alike in all layers.
//!
//! The activation is leaky ReLU 0.2 times √2. Gains are multiplied into weight and bias before it,
//! which is the same function and needs no pass over the maps.

use candle_core::{Result, Tensor, Var};

use super::{Kernel, Pass};
use crate::kernels::activation::{Activation, activate, bias_activate};
use crate::kernels::conv::{Convolution, Geometry, conv2d, conv2d_activate};
use crate::params::{Init, Scope};

/// Of leaky ReLU in all networks of StyleGAN2.
const SLOPE: f64 = 0.2;

/// What follows an equalised weight.
#[derive(Clone, Copy, Debug)]
pub struct EqualOptions {
    /// Leaky ReLU 0.2 times √2, or nothing.
    pub activation: bool,
    /// What the output is multiplied with beside.
    pub gain: f64,
    /// How much slower than the others the layer learns: its weight starts at N(0,
    /// 1/lr_multiplier²).
    pub lr_multiplier: f64,
    /// None: no bias.
    pub bias: Option<Init>,
}

impl EqualOptions {
    /// No activation, bias from 0.
    pub fn linear() -> Self {
        Self { activation: false, gain: 1.0, lr_multiplier: 1.0, bias: Some(Init::Zeros) }
    }

    /// With the activation, bias from 0.
    pub fn activated() -> Self {
        Self { activation: true, ..Self::linear() }
    }
}

/// A weight and a bias with what they are multiplied with.
struct Equalised {
    weight: Var,
    bias: Option<Var>,
    weight_scale: f64,
    bias_scale: f64,
    activation: Activation,
}

impl Equalised {
    fn new(scope: &Scope, shape: &[usize], options: EqualOptions) -> Result<Self> {
        let fan_in: usize = shape[1..].iter().product();
        let lr = options.lr_multiplier;
        let gain = if options.activation { options.gain * 2f64.sqrt() } else { options.gain };
        let bias = |init| scope.param("bias", &[shape[0]], init);
        Ok(Self {
            weight: scope.param("weight", shape, Init::normal(1.0 / lr))?,
            bias: options.bias.map(bias).transpose()?,
            weight_scale: gain * lr / (fan_in.max(1) as f64).sqrt(),
            bias_scale: gain * lr,
            activation: match options.activation {
                true => Activation::LeakyRelu(SLOPE),
                false => Activation::None,
            },
        })
    }

    fn weight(&self, pass: Pass) -> Result<Tensor> {
        pass.weight(&self.weight) * self.weight_scale
    }

    fn bias(&self, pass: Pass) -> Result<Option<Tensor>> {
        self.bias.as_ref().map(|b| pass.weight(b) * self.bias_scale).transpose()
    }

    fn finish(&self, y: &Tensor, pass: Pass) -> Result<Tensor> {
        match self.bias(pass)? {
            Some(bias) => bias_activate(y, &bias, self.activation),
            None => activate(y, self.activation),
        }
    }
}

/// y = act(x·Wᵀ/√inputs + b): x `[n, inputs]`, W `[outputs, inputs]`.
pub struct EqualLinear(Equalised);

impl EqualLinear {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(
        scope: &Scope,
        inputs: usize,
        outputs: usize,
        options: EqualOptions,
    ) -> Result<Self> {
        Ok(Self(Equalised::new(scope, &[outputs, inputs], options)?))
    }

    /// # Errors
    /// If x is not `[n, inputs]`.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let y = x.matmul(&self.0.weight(pass)?.t()?)?;
        self.0.finish(&y, pass)
    }

    /// What [`Self::forward`] makes of the rows of the identity: `[inputs, outputs]`.
    ///
    /// # Errors
    /// None that the shapes allow.
    pub fn of_each_input(&self, pass: Pass) -> Result<Tensor> {
        self.0.finish(&self.0.weight(pass)?.t()?.contiguous()?, pass)
    }
}

/// y = act(x ∗ W/√fan_in + b): x `[n, inputs, h, w]`, W `[outputs, inputs, size, size]`.
pub struct EqualConv2d {
    equalised: Equalised,
    conv: Convolution,
}

impl EqualConv2d {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, k: Kernel, options: EqualOptions) -> Result<Self> {
        let geometry = Geometry::square(k.stride, k.padding);
        Ok(Self {
            equalised: Equalised::new(scope, &[k.outputs, k.inputs, k.size, k.size], options)?,
            conv: Convolution { geometry, algorithm: scope.convolution() },
        })
    }

    /// # Errors
    /// If x does not fit the kernel.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let e = &self.equalised;
        let weight = e.weight(pass)?;
        match e.bias(pass)? {
            Some(bias) => conv2d_activate(x, &weight, &bias, e.activation, self.conv),
            None => e.finish(&conv2d(x, &weight, self.conv)?, pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    #[test]
    fn outputs_of_unit_inputs_have_unit_deviation_whatever_the_learning_rate() {
        for lr_multiplier in [1.0, 0.01] {
            let store = ParamStore::new("test", 0, &Device::Cpu);
            let options = EqualOptions { lr_multiplier, ..EqualOptions::linear() };
            let layer = EqualLinear::new(&store.root(), 400, 300, options).unwrap();
            let x = Tensor::ones((1, 400), DType::F32, &Device::Cpu).unwrap();
            let y = layer.forward(&x, Pass::Train).unwrap().sqr().unwrap().mean_all().unwrap();
            // Variance of 300 values: five standard errors are 5·√(2/300).
            assert!((y.to_scalar::<f32>().unwrap() - 1.0).abs() < 0.41, "{y}");
        }
    }

    #[test]
    fn of_each_input_is_the_layer_on_the_identity() {
        for options in [EqualOptions::linear(), EqualOptions::activated()] {
            let store = ParamStore::new("test", 3, &Device::Cpu);
            let options = EqualOptions { bias: Some(Init::normal(1.0)), ..options };
            let layer = EqualLinear::new(&store.root(), 4, 3, options).unwrap();
            let identity = Tensor::eye(4, DType::F32, &Device::Cpu).unwrap();
            let slow = layer.forward(&identity, Pass::Train).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(layer.of_each_input(Pass::Train).unwrap().to_vec2::<f32>().unwrap(), slow);
        }
    }

    #[test]
    fn gain_and_activation_are_those_of_the_definition() {
        let store = ParamStore::new("test", 0, &Device::Cpu);
        let options = EqualOptions {
            gain: 0.5,
            lr_multiplier: 0.1,
            bias: Some(Init::Ones),
            ..EqualOptions::activated()
        };
        let layer = EqualLinear::new(&store.root(), 2, 3, options).unwrap();
        let x = Tensor::new(&[[1.0f32, -2.0]], &Device::Cpu).unwrap();
        let y = layer.forward(&x, Pass::Train).unwrap().to_vec2::<f32>().unwrap();
        let w = store.params()[1].1.to_vec2::<f32>().unwrap();
        for (y, w) in y[0].iter().zip(w) {
            // Weight times 0.1/√2, bias times 0.1.
            let sum = f64::from(w[0] - 2.0 * w[1]) * 0.1 / 2f64.sqrt() + 0.1;
            let expected = 0.5 * 2f64.sqrt() * if sum > 0.0 { sum } else { 0.2 * sum };
            assert!((f64::from(*y) - expected).abs() < 1e-6, "{y} against {expected}");
        }
    }

    #[test]
    fn a_1x1_convolution_of_one_pixel_is_the_linear_layer() {
        let (a, b) =
            (ParamStore::new("test", 0, &Device::Cpu), ParamStore::new("test", 0, &Device::Cpu));
        let k = Kernel { inputs: 3, outputs: 4, size: 1, stride: 1, padding: 0 };
        let linear = EqualLinear::new(&a.root(), 3, 4, EqualOptions::activated()).unwrap();
        let conv = EqualConv2d::new(&b.root(), k, EqualOptions::activated()).unwrap();
        let x = Tensor::new(&[[1.0f32, -2.0, 0.5]], &Device::Cpu).unwrap();
        let y = linear.forward(&x, Pass::Train).unwrap().to_vec2::<f32>().unwrap();
        let z = conv.forward(&x.reshape((1, 3, 1, 1)).unwrap(), Pass::Train).unwrap();
        for (y, z) in y[0].iter().zip(z.flatten_all().unwrap().to_vec1::<f32>().unwrap()) {
            assert!((y - z).abs() < 1e-6, "{y} against {z}");
        }
    }
}
