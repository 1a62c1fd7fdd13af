//! Transposed convolution of an odd kernel at stride 2 to twice the size: PyTorch's with an output
//! padding of 1.

use candle_core::{Result, Tensor, Var};

use super::{Kernel, Pass};
use crate::kernels::conv::{Convolution, Geometry, conv_transpose2d};
use crate::params::{Init, Scope};

/// y of 2h × 2w, without bias: x `[n, inputs, h, w]`, W `[inputs, outputs, size, size]` of odd size
/// and padding (size − 1)/2.
pub struct DoublingConv {
    weight: Var,
    conv: Convolution,
}

impl DoublingConv {
    /// # Errors
    /// If the scope holds this tensor already.
    pub fn new(scope: &Scope, k: Kernel, weight: Init) -> Result<Self> {
        let geometry = Geometry::square(k.stride, k.padding);
        Ok(Self {
            weight: scope.param("weight", &[k.inputs, k.outputs, k.size, k.size], weight)?,
            conv: Convolution { geometry, algorithm: scope.convolution() },
        })
    }

    /// # Errors
    /// If x does not fit the kernel.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        conv_transpose2d(x, &even(&pass.weight(&self.weight))?, self.conv)
    }
}

/// A filter of odd size with a line and a column of zeros more, which make the output of a
/// transposed convolution one larger and change none of its values.
pub(super) fn even(w: &Tensor) -> Result<Tensor> {
    let odd = w.dim(3)? % 2;
    w.pad_with_zeros(2, 0, odd)?.pad_with_zeros(3, 0, odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::conv::conv2d;
    use crate::kernels::finite_difference::{check_parameters, normal};
    use crate::params::ParamStore;
    use candle_core::{DType, Device};

    #[test]
    fn the_output_is_twice_as_large_and_the_adjoint_of_a_strided_convolution() {
        let store = ParamStore::new("test", 0, &Device::Cpu).with_dtype(DType::F64);
        let k = Kernel { inputs: 3, outputs: 2, size: 5, stride: 2, padding: 2 };
        let layer = DoublingConv::new(&store.root(), k, Init::normal(1.0)).unwrap();
        let (x, y) = (normal(1, &[2, 3, 4, 4]), normal(2, &[2, 2, 8, 8]));
        let up = layer.forward(&x, Pass::Train).unwrap();
        assert_eq!(up.dims(), y.dims());
        let down = conv2d(&y, layer.weight.as_tensor(), Geometry::square(2, 2)).unwrap();
        let product = |a: &Tensor, b: &Tensor| {
            (a * b).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
        };
        assert!((product(&up, &y) - product(&x, &down)).abs() < 1e-11);
        check_parameters(&store, 1e-5, || layer.forward(&x, Pass::Train)?.sqr()?.sum_all());
    }
}
