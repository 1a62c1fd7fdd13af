//! Weight normalisation with initial values from the data (Salimans and Kingma 2016, "Weight
//! normalization", arXiv:1602.07868, sections 2 and 3), as improved-gan's networks have it.

use candle_core::{Result, Tensor, Var};

use super::doubling::even;
use super::{Kernel, Pass};
use crate::kernels::activation::Activation;
use crate::kernels::conv::{
    Convolution, Geometry, conv_transpose2d, conv_transpose2d_activate, conv2d, conv2d_activate,
};
use crate::params::{Buffer, Init, Scope};

/// Added under the root of the weights' length (openai/improved-gan, `nn.py`).
const EPS: f64 = 1e-6;
/// Below this a channel of the first training pass counts as constant.
const LEAST_VAR: f64 = 1e-12;

/// How a weight-normalised layer starts and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct WeightNormOptions {
    /// What is applied to the layer's output.
    pub activation: Activation,
    /// Deviation of each output channel before the activation in the first training pass.
    pub start_std: f64,
    /// Whether the lengths of the weights learn, or stay as the first pass set them.
    pub learnt_length: bool,
    /// A transposed convolution, with W `[inputs, outputs, size, size]`. Of an odd size at stride 2
    /// its output is twice the input: one line and column more than PyTorch's without output
    /// padding.
    pub transposed: bool,
}

/// The length of each output channel's weights.
enum Length {
    Learnt(Var),
    Fixed(Buffer),
}

/// y = activation(x ∗ (g · V / ‖V‖) + b), with one g and b a channel. V starts at N(0, 0.05²); the
/// first training pass sets g and b so that its outputs have mean 0 and deviation `start_std`
/// before the activation.
pub struct WeightNormConv2d {
    weight: Var,
    bias: Var,
    length: Length,
    /// 0 before the first training pass, then 1.
    started: Buffer,
    conv: Convolution,
    options: WeightNormOptions,
}

impl WeightNormConv2d {
    /// # Errors
    /// If the scope holds these tensors already.
    pub fn new(scope: &Scope, k: Kernel, options: WeightNormOptions) -> Result<Self> {
        let [a, b] = if options.transposed { [k.inputs, k.outputs] } else { [k.outputs, k.inputs] };
        let length = if options.learnt_length {
            Length::Learnt(scope.param("g", &[k.outputs], Init::Ones)?)
        } else {
            Length::Fixed(scope.buffer("g", k.outputs, Init::Ones))
        };
        let geometry = Geometry::square(k.stride, k.padding);
        Ok(Self {
            weight: scope.param("weight", &[a, b, k.size, k.size], Init::normal(0.05))?,
            bias: scope.param("bias", &[k.outputs], Init::Zeros)?,
            length,
            started: scope.buffer("started", 1, Init::Zeros),
            conv: Convolution { geometry, algorithm: scope.convolution() },
            options,
        })
    }

    /// # Errors
    /// If x does not fit the kernel.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        if pass.trains() && self.started.get()[0] == 0.0 {
            self.start(x)?;
        }
        let weight = self.normalised(pass)?;
        let (bias, activation) = (pass.weight(&self.bias), self.options.activation);
        if self.options.transposed {
            return conv_transpose2d_activate(x, &weight, &bias, activation, self.conv);
        }
        conv2d_activate(x, &weight, &bias, activation, self.conv)
    }

    fn lengths(&self, pass: Pass) -> Result<Tensor> {
        match &self.length {
            Length::Learnt(g) => Ok(pass.weight(g)),
            Length::Fixed(g) => {
                let g = g.get();
                Tensor::from_vec(g.clone(), g.len(), self.weight.device())?
                    .to_dtype(self.weight.dtype())
            }
        }
    }

    fn normalised(&self, pass: Pass) -> Result<Tensor> {
        let v = pass.weight(&self.weight);
        let outputs = if self.options.transposed { 1 } else { 0 };
        let mut shape = [1; 4];
        shape[outputs] = v.dim(outputs)?;
        let length = (v.sqr()?.sum_keepdim((1 - outputs, 2, 3))? + EPS)?.sqrt()?;
        let w = v.broadcast_mul(&self.lengths(pass)?.reshape(&shape)?.div(&length)?)?;
        if !self.options.transposed {
            return Ok(w);
        }
        even(&w)
    }

    fn start(&self, x: &Tensor) -> Result<()> {
        let (x, w) = (x.detach(), self.normalised(Pass::Frozen)?);
        let y = match self.options.transposed {
            true => conv_transpose2d(&x, &w, self.conv)?,
            false => conv2d(&x, &w, self.conv)?,
        };
        let y = y.transpose(0, 1)?.flatten_from(1)?.to_dtype(candle_core::DType::F64)?;
        let mean = y.mean_keepdim(1)?;
        let var = y.broadcast_sub(&mean)?.sqr()?.mean(1)?.to_vec1::<f64>()?;
        let mean = mean.flatten_all()?.to_vec1::<f64>()?;
        // A channel that is constant gets no infinite length; one that is NaN stays so.
        let std = |&var: &f64| if var < LEAST_VAR { LEAST_VAR.sqrt() } else { var.sqrt() };
        let scale: Vec<f64> = var.iter().map(|var| self.options.start_std / std(var)).collect();
        let lengths = self.lengths(Pass::Frozen)?.to_dtype(candle_core::DType::F64)?;
        let lengths: Vec<f64> =
            lengths.to_vec1::<f64>()?.iter().zip(&scale).map(|(g, s)| g * s).collect();
        let set = |var: &Var, values: Vec<f64>| {
            let values = Tensor::from_vec(values, var.dims(), var.device())?;
            var.set(&values.to_dtype(var.dtype())?)
        };
        set(&self.bias, mean.iter().zip(&scale).map(|(m, s)| -m * s).collect())?;
        match &self.length {
            Length::Learnt(g) => set(g, lengths)?,
            Length::Fixed(g) => g.set(&lengths),
        }
        self.started.set(&[1.0]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_difference::{check_parameters, normal};
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    fn layer(store: &ParamStore, transposed: bool) -> WeightNormConv2d {
        let k = Kernel {
            inputs: 3,
            outputs: 4,
            size: if transposed { 5 } else { 3 },
            stride: 2,
            padding: if transposed { 2 } else { 1 },
        };
        let (activation, start_std) = (Activation::None, 0.5);
        let options =
            WeightNormOptions { activation, start_std, learnt_length: transposed, transposed };
        WeightNormConv2d::new(&store.root(), k, options).unwrap()
    }

    fn store() -> ParamStore {
        ParamStore::new("test", 0, &Device::Cpu).with_dtype(DType::F64)
    }

    #[test]
    fn the_first_training_pass_sets_mean_and_deviation_and_later_ones_nothing() {
        for transposed in [false, true] {
            let layer = layer(&store(), transposed);
            let x = ((normal(1, &[6, 3, 8, 8]) * 3.0).unwrap() + 1.0).unwrap();
            layer.forward(&x, Pass::Eval).unwrap();
            let y = layer.forward(&x, Pass::Frozen).unwrap();
            assert_eq!(y.dims(), if transposed { [6, 4, 16, 16] } else { [6, 4, 4, 4] });
            let channels = y.transpose(0, 1).unwrap().flatten_from(1).unwrap();
            let mean = channels.mean_keepdim(1).unwrap();
            let var = channels.broadcast_sub(&mean).unwrap().sqr().unwrap().mean(1).unwrap();
            for (mean, var) in mean
                .flatten_all()
                .unwrap()
                .to_vec1::<f64>()
                .unwrap()
                .into_iter()
                .zip(var.to_vec1::<f64>().unwrap())
            {
                // Lengths that are kept as buffers are rounded to f32.
                assert!(mean.abs() < 1e-6 && (var - 0.25).abs() < 1e-6, "{mean} {var}");
            }
            let before = layer.bias.to_vec1::<f64>().unwrap();
            layer.forward(&(x * 2.0).unwrap(), Pass::Train).unwrap();
            assert_eq!(layer.bias.to_vec1::<f64>().unwrap(), before);
        }
    }

    #[test]
    fn the_weights_of_an_output_have_the_length_g() {
        let layer = layer(&store(), false);
        let w = layer.normalised(Pass::Train).unwrap();
        let lengths = w.sqr().unwrap().sum((1, 2, 3)).unwrap().sqrt().unwrap();
        for length in lengths.to_vec1::<f64>().unwrap() {
            // 1e-6 under the root of a length² of about 27·0.05².
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }

    #[test]
    fn a_transposed_layer_is_the_adjoint_of_the_convolution_with_its_weights() {
        let layer = layer(&store(), true);
        let (x, y) = (normal(1, &[2, 3, 4, 4]), normal(2, &[2, 4, 8, 8]));
        let up = layer.forward(&x, Pass::Eval).unwrap();
        let w = layer.normalised(Pass::Eval).unwrap();
        let w = w.narrow(2, 0, 5).unwrap().narrow(3, 0, 5).unwrap();
        let down = conv2d(&y, &w, Geometry::square(2, 2)).unwrap();
        let product = |a: &Tensor, b: &Tensor| {
            (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
        };
        assert!((product(&up, &y) - product(&x, &down)).abs() < 1e-12);
    }

    #[test]
    fn every_parameter_has_the_gradient_of_finite_differences() {
        for transposed in [false, true] {
            let store = store();
            let layer = layer(&store, transposed);
            let x = normal(1, &[2, 3, 4, 4]);
            layer.forward(&x, Pass::Train).unwrap();
            let loss = || layer.forward(&x, Pass::Train)?.powf(3.0)?.sum_all();
            check_parameters(&store, 1e-5, loss);
        }
    }
}
