//! Pointwise activations, alone or with a bias before them. The gradient is computed from the output,
//! so nothing but the output is kept.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::real::{Real, by_type, cpu_slice, with_cpu_slice};

/// What follows a layer. ReLU's gradient at 0 is 0, as in PyTorch (candle's is 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    None,
    /// NaN stays NaN: divergence has to be seen.
    Relu,
    /// Slope for negative inputs, > 0.
    LeakyRelu(f64),
    Tanh,
}

impl Activation {
    #[inline(always)]
    pub(super) fn apply<T: Real>(self, x: T) -> T {
        match self {
            Self::None => x,
            Self::Relu => {
                if x < T::default() {
                    T::default()
                } else {
                    x
                }
            }
            Self::LeakyRelu(slope) => {
                if x > T::default() {
                    x
                } else {
                    x * T::of(slope)
                }
            }
            Self::Tanh => x.tanh(),
        }
    }

    /// The gradient at the input, from the output `y` and the gradient `g` at the output.
    #[inline(always)]
    pub(super) fn gradient<T: Real>(self, y: T, g: T) -> T {
        match self {
            Self::None => g,
            Self::Relu => {
                if y > T::default() {
                    g
                } else {
                    T::default()
                }
            }
            Self::LeakyRelu(slope) => {
                if y > T::default() {
                    g
                } else {
                    g * T::of(slope)
                }
            }
            Self::Tanh => g * (T::of(1.0) - y * y),
        }
    }
}

/// Elements of one piece of parallel work.
const PIECE: usize = 1 << 14;

/// `activation(x)`, any shape.
///
/// # Errors
/// If x is neither f32 nor f64.
pub fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op1(Activate(activation));
    }
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::LeakyRelu(slope) => x.maximum(&(x * slope)?),
        Activation::Tanh => x.tanh(),
    }
}

/// `activation(x + bias)`: x `[n, c, …]`, bias `[c]`.
///
/// # Errors
/// If the bias is not of one value a channel.
pub fn bias_activate(x: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op2(&bias.contiguous()?, BiasActivate(activation));
    }
    let mut shape = vec![1; x.rank()];
    shape[1] = bias.elem_count();
    activate(&x.broadcast_add(&bias.reshape(shape)?)?, activation)
}

struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("activation");
        let y = by_type!(x, T, {
            let x = cpu_slice::<T>(x, layout)?;
            let mut y = vec![T::default(); x.len()];
            y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = self.0.apply(x);
                }
            });
            T::storage(y)
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient(y, g, self.0)?))
    }
}

/// Gradient at the activation's input, of the shape of `y`.
fn gradient(y: &Tensor, g: &Tensor, activation: Activation) -> Result<Tensor> {
    let _timer = time("activation, gradient");
    let g = g.contiguous()?;
    fn run<T: Real>(y: &Tensor, g: &Tensor, activation: Activation) -> Result<Tensor> {
        let dx = with_cpu_slice::<T, _>(y, |y| {
            with_cpu_slice::<T, _>(g, |g| {
                let mut dx = vec![T::default(); y.len()];
                let work =
                    dx.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE)).zip(g.par_chunks(PIECE));
                work.for_each(|((dx, y), g)| {
                    for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
                        *dx = activation.gradient(y, g);
                    }
                });
                dx
            })
        })??;
        Tensor::from_vec(dx, y.shape(), y.device())
    }
    by_type!(y, T, run::<T>(y, &g, activation))
}

struct BiasActivate(Activation);

impl CustomOp2 for BiasActivate {
    fn name(&self) -> &'static str {
        "bias-activation"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("bias and activation");
        let dims = lx.dims();
        if dims.len() < 2 || lb.dims() != [dims[1]] {
            bail!("a bias of shape {:?} does not fit an input of shape {dims:?}", lb.dims())
        }
        let (channels, inner) = (dims[1], dims[2..].iter().product::<usize>());
        let y = by_type!(x, T, {
            let (x, b) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(b, lb)?);
            let mut y = vec![T::default(); x.len()];
            let image = (channels * inner).max(1);
            y.par_chunks_mut(image).zip(x.par_chunks(image)).for_each(|(y, x)| {
                if inner == 1 {
                    for ((y, &x), &b) in y.iter_mut().zip(x).zip(b) {
                        *y = self.0.apply(x + b);
                    }
                    return;
                }
                for ((y, x), &b) in y.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).zip(b) {
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = self.0.apply(x + b);
                    }
                }
            });
            T::storage(y)
        });
        Ok((y, lx.shape().clone()))
    }

    fn bwd(
        &self,
        _: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = gradient(y, g, self.0)?;
        let db = bias.track_op().then(|| by_type!(dx, T, sum_channels::<T>(&dx))).transpose()?;
        Ok((Some(dx), db))
    }
}

/// Sum over everything but dimension 1, in f64, image after image.
fn sum_channels<T: Real>(x: &Tensor) -> Result<Tensor> {
    let _timer = time("bias, gradient");
    let (n, channels) = (x.dim(0)?, x.dim(1)?);
    let inner = x.dims()[2..].iter().product::<usize>();
    let sums = with_cpu_slice::<T, _>(x, |x| {
        let mut sums = vec![T::default(); channels];
        sums.par_iter_mut().enumerate().with_min_len(8).for_each(|(c, sum)| {
            let mut total = 0.0;
            for i in 0..n {
                let start = (i * channels + c) * inner;
                total += x[start..start + inner].iter().map(|v| v.f64()).sum::<f64>();
            }
            *sum = T::of(total);
        });
        sums
    })?;
    Tensor::from_vec(sums, channels, x.device())
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::{check, normal};
    use super::*;
    use candle_core::Device;

    const ALL: [Activation; 4] =
        [Activation::None, Activation::Relu, Activation::LeakyRelu(0.1), Activation::Tanh];

    #[test]
    fn activations_have_the_gradients_of_finite_differences() {
        for activation in ALL {
            check(&[normal(1, &[3, 4, 5])], |v| activate(&v[0], activation));
            check(&[normal(1, &[3, 4, 2, 2]), normal(2, &[4])], |v| {
                bias_activate(&v[0], &v[1], activation)
            });
            check(&[normal(1, &[3, 4]), normal(2, &[4])], |v| {
                bias_activate(&v[0], &v[1], activation)
            });
        }
    }

    #[test]
    fn leaky_relu_scales_negative_inputs_and_its_gradient_at_0_is_the_slope() {
        let x = candle_core::Var::new(&[-2.0f32, 0.0, 3.0], &Device::Cpu).unwrap();
        let y = activate(x.as_tensor(), Activation::LeakyRelu(0.1)).unwrap();
        assert_eq!(y.to_vec1::<f32>().unwrap(), [-0.2, 0.0, 3.0]);
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.1, 0.1, 1.0]);
    }

    #[test]
    fn nan_is_never_hidden() {
        let x = Tensor::new(&[f32::NAN], &Device::Cpu).unwrap();
        for activation in ALL {
            assert!(activate(&x, activation).unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
        }
    }

    #[test]
    fn a_bias_of_the_wrong_length_is_refused() {
        let error =
            bias_activate(&normal(1, &[2, 3]), &normal(1, &[4]), Activation::None).unwrap_err();
        assert!(
            error.to_string().contains("a bias of shape [4] does not fit an input of shape [2, 3]")
        );
    }
}
