//! Pointwise activations, alone or with a bias before them. The gradient is computed from the
//! output, so nothing but the output is kept.

use std::mem::MaybeUninit;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::real::{PARTS, Real, build, by_type, cpu_slice, total, with_cpu_slices};
use super::simd::vectorised;
use super::twice_differentiable;

/// What follows a layer. ReLU's gradient at 0 is 0, as in PyTorch (candle's is 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The identity.
    None,
    /// NaN stays NaN: divergence has to be seen.
    Relu,
    /// Slope for negative inputs, > 0.
    LeakyRelu(f64),
    /// The hyperbolic tangent, in (−1, 1).
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
                    x * T::nearest(slope)
                }
            }
            Self::Tanh => x.tanh(),
        }
    }
}

/// Runs `$body` with `$f` standing for the activation as a closure of its own: a loop over it has
/// no match inside and becomes vector code.
macro_rules! by_activation {
    ($activation:expr, $t:ident, |$f:ident| $body:expr) => {
        match $activation {
            $crate::kernels::activation::Activation::None => {
                let $f = |x: $t| x;
                $body
            }
            $crate::kernels::activation::Activation::Relu => {
                let $f = |x: $t| $crate::kernels::activation::Activation::Relu.apply(x);
                $body
            }
            $crate::kernels::activation::Activation::LeakyRelu(slope) => {
                let slope = <$t>::nearest(slope);
                let $f = move |x: $t| if x > <$t>::default() { x } else { x * slope };
                $body
            }
            $crate::kernels::activation::Activation::Tanh => {
                let $f = |x: $t| x.tanh();
                $body
            }
        }
    };
}
pub(super) use by_activation;

/// As [`by_activation`] for the gradient, a closure of the output y and the gradient there.
macro_rules! by_gradient {
    ($activation:expr, $t:ident, |$f:ident| $body:expr) => {
        match $activation {
            $crate::kernels::activation::Activation::None => {
                let $f = |_: $t, g: $t| g;
                $body
            }
            $crate::kernels::activation::Activation::Relu => {
                let $f = |y: $t, g: $t| if y > <$t>::default() { g } else { <$t>::default() };
                $body
            }
            $crate::kernels::activation::Activation::LeakyRelu(slope) => {
                let slope = <$t>::nearest(slope);
                let $f = move |y: $t, g: $t| if y > <$t>::default() { g } else { g * slope };
                $body
            }
            $crate::kernels::activation::Activation::Tanh => {
                let $f = |y: $t, g: $t| g * (<$t>::nearest(1.0) - y * y);
                $body
            }
        }
    };
}
pub(super) use by_gradient;

/// Elements of one piece of parallel work.
const PIECE: usize = 1 << 16;

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
            // SAFETY: every piece is written whole.
            T::storage(unsafe {
                build(x.len(), |y| {
                    y.par_chunks_mut(PIECE)
                        .zip(x.par_chunks(PIECE))
                        .for_each(|(y, x)| biased(x, T::default(), self.0, y));
                })
            })
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(activation_gradient(y, g, self.0)?))
    }
}

vectorised! {
    /// y = activation(x + bias), all of y.
    fn biased<T: Real>(x: &[T], bias: T, activation: Activation, y: &mut [MaybeUninit<T>]) {
        by_activation!(activation, T, |f| for (y, &x) in y.iter_mut().zip(x) {
            y.write(f(x + bias));
        });
    }
}

vectorised! {
    /// y = activation(x + bias) of one image: `inner` values a channel.
    fn biased_image<T: Real>(
        x: &[T],
        bias: &[T],
        inner: usize,
        activation: Activation,
        y: &mut [MaybeUninit<T>],
    ) {
        by_activation!(activation, T, |f| if inner == 1 {
            for ((y, &x), &b) in y.iter_mut().zip(x).zip(bias) {
                y.write(f(x + b));
            }
        } else {
            for ((y, x), &b) in y.chunks_exact_mut(inner).zip(x.chunks_exact(inner)).zip(bias) {
                for (y, &x) in y.iter_mut().zip(x) {
                    y.write(f(x + b));
                }
            }
        });
    }
}

vectorised! {
    /// dx = the gradient before the activation, all of it.
    fn piece_gradient<T: Real>(y: &[T], g: &[T], activation: Activation, dx: &mut [MaybeUninit<T>]) {
        by_gradient!(activation, T, |f| for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
            dx.write(f(y, g));
        });
    }
}

vectorised! {
    /// As [`piece_gradient`] of one image, with the sum of each channel.
    fn image_gradient<T: Real>(
        y: &[T],
        g: &[T],
        activation: Activation,
        dx: &mut [MaybeUninit<T>],
        sums: &mut [f64],
    ) {
        let inner = y.len() / sums.len();
        by_gradient!(activation, T, |f| for (c, sum) in sums.iter_mut().enumerate() {
            let channel = c * inner..(c + 1) * inner;
            let mut parts = [T::default(); PARTS];
            let (dx, dx_rest) = dx[channel.clone()].as_chunks_mut::<PARTS>();
            let (y, y_rest) = y[channel.clone()].as_chunks::<PARTS>();
            let (g, g_rest) = g[channel].as_chunks::<PARTS>();
            for ((dx, y), g) in dx.iter_mut().zip(y).zip(g) {
                for i in 0..PARTS {
                    let d = f(y[i], g[i]);
                    dx[i].write(d);
                    parts[i] += d;
                }
            }
            *sum = total(parts);
            for ((dx, &y), &g) in dx_rest.iter_mut().zip(y_rest).zip(g_rest) {
                let d = f(y, g);
                dx.write(d);
                *sum += d.f64();
            }
        });
    }
}

/// Gradient at the activation's input, of the shape of `y`, from its output y and the gradient
/// there.
///
/// # Errors
/// If the shapes or types differ.
pub fn activation_gradient(y: &Tensor, g: &Tensor, activation: Activation) -> Result<Tensor> {
    if twice_differentiable() {
        return y.apply_op2(&g.contiguous()?, ActivationGradient(activation));
    }
    let _timer = time("activation, gradient");
    let g = g.contiguous()?;
    let whole = by_type!(y, T, {
        let dx = with_cpu_slices::<T, _, 2>([y, &g], |[y, g]| whole_gradient(y, g, activation))?;
        Tensor::from_vec(dx, y.shape(), y.device())?
    });
    Ok(whole)
}

fn whole_gradient<T: Real>(y: &[T], g: &[T], activation: Activation) -> Vec<T> {
    // SAFETY: every piece is written whole.
    unsafe {
        build(y.len(), |dx| {
            dx.par_chunks_mut(PIECE)
                .zip(y.par_chunks(PIECE))
                .zip(g.par_chunks(PIECE))
                .for_each(|((dx, y), g)| piece_gradient(y, g, activation, dx));
        })
    }
}

/// The gradient as an op of its own, for gradients of gradients: (y, g) ↦ g · activation′, which is
/// a function of y.
struct ActivationGradient(Activation);

impl CustomOp2 for ActivationGradient {
    fn name(&self) -> &'static str {
        "activation-gradient"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        ly: &Layout,
        g: &CpuStorage,
        lg: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let dx = by_type!(y, T, {
            T::storage(whole_gradient::<T>(cpu_slice(y, ly)?, cpu_slice(g, lg)?, self.0))
        });
        Ok((dx, ly.shape().clone()))
    }

    fn bwd(
        &self,
        y: &Tensor,
        g: &Tensor,
        _: &Tensor,
        h: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        // Piecewise linear activations have no curvature; tanh′ = 1 − y², so its derivative by y is
        // −2y.
        let dy = match self.0 {
            Activation::Tanh => ((y * g)? * h)?.affine(-2.0, 0.0)?,
            _ => y.zeros_like()?,
        };
        Ok((Some(dy), Some(activation_gradient(y, h, self.0)?)))
    }
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
            let image = (channels * inner).max(1);
            // SAFETY: every image is written whole.
            T::storage(unsafe {
                build(x.len(), |y| {
                    y.par_chunks_mut(image)
                        .zip(x.par_chunks(image))
                        .for_each(|(y, x)| biased_image(x, b, inner, self.0, y));
                })
            })
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
        if twice_differentiable() {
            let dx = activation_gradient(y, g, self.0)?;
            let db = bias.track_op().then(|| {
                let flat = dx.reshape((y.dim(0)?, y.dim(1)?, ()))?;
                flat.sum((0, 2))
            });
            return Ok((Some(dx), db.transpose()?));
        }
        let _timer = time("bias and activation, gradient");
        let g = g.contiguous()?;
        by_type!(y, T, {
            let (channels, image) = (bias.elem_count(), y.elem_count() / y.dim(0)?.max(1));
            let (dx, db) = with_cpu_slices::<T, _, 2>([y, &g], |[y, g]| {
                gradient_and_sums(y, g, channels, image, self.0)
            })?;
            let db = bias.track_op().then(|| Tensor::from_vec(db, channels, y.device()));
            Ok((Some(Tensor::from_vec(dx, y.shape(), y.device())?), db.transpose()?))
        })
    }
}

/// The gradient before the activation, and its sum over each channel, from the output `y` `[n,
/// channels, …]` of `image` values an image, and the gradient `g` there. Sums in f64, image after
/// image.
pub(super) fn gradient_and_sums<T: Real>(
    y: &[T],
    g: &[T],
    channels: usize,
    image: usize,
    activation: Activation,
) -> (Vec<T>, Vec<T>) {
    if y.is_empty() {
        return (Vec::new(), vec![T::default(); channels]);
    }
    let mut sums = vec![0.0; y.len() / image * channels];
    // SAFETY: every image is written whole.
    let dx = unsafe {
        build(y.len(), |dx| {
            dx.par_chunks_mut(image)
                .zip(y.par_chunks(image))
                .zip(g.par_chunks(image))
                .zip(sums.par_chunks_mut(channels))
                .for_each(|(((dx, y), g), sums)| image_gradient(y, g, activation, dx, sums));
        })
    };
    let mut totals = vec![0.0; channels];
    for sums in sums.chunks_exact(channels) {
        totals.iter_mut().zip(sums).for_each(|(t, s)| *t += s);
    }
    (dx, totals.into_iter().map(T::nearest).collect())
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
