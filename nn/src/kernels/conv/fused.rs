//! Convolution, bias and activation as one op: the sums are finished while they are in the cache,
//! and the backward pass goes through the activation once for all three gradients. Differentiable
//! once; where gradients of gradients are asked for, the composed twin takes its place.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use crate::profile::time;

use super::super::activation::{Activation, bias_activate, gradient_and_sums};
use super::super::real::{Real, by_type, cpu_slice, with_cpu_slices};
use super::super::twice_differentiable;
use super::finish::Finish;
use super::{Convolution, Dims, conv_transpose2d, conv2d, dims4, passes, shape, transposed_size};

/// `activation(x ∗ w + bias)`: shapes as [`conv2d`], bias `[cout]`.
///
/// # Errors
/// If the shapes do not fit or the types are not all f32 or all f64.
pub fn conv2d_activate(
    x: &Tensor,
    w: &Tensor,
    bias: &Tensor,
    activation: Activation,
    conv: impl Into<Convolution>,
) -> Result<Tensor> {
    let conv = conv.into();
    if !x.device().is_cpu() || twice_differentiable() {
        return bias_activate(&conv2d(x, w, conv)?, bias, activation);
    }
    let op = Fused { conv, activation, transposed: false };
    x.contiguous()?.apply_op3(&w.contiguous()?, &bias.contiguous()?, op)
}

/// `activation(transposed convolution + bias)`: shapes as [`conv_transpose2d`], bias `[cout]`.
///
/// # Errors
/// If the shapes do not fit or the types are not all f32 or all f64.
pub fn conv_transpose2d_activate(
    x: &Tensor,
    w: &Tensor,
    bias: &Tensor,
    activation: Activation,
    conv: impl Into<Convolution>,
) -> Result<Tensor> {
    let conv = conv.into();
    if !x.device().is_cpu() || twice_differentiable() {
        return bias_activate(&conv_transpose2d(x, w, conv)?, bias, activation);
    }
    let op = Fused { conv, activation, transposed: true };
    x.contiguous()?.apply_op3(&w.contiguous()?, &bias.contiguous()?, op)
}

struct Fused {
    conv: Convolution,
    activation: Activation,
    transposed: bool,
}

impl Fused {
    /// The convolution's sizes: of a transposed one, of that whose gradient it is.
    fn dims(&self, x: [usize; 4], w: [usize; 4]) -> Result<Dims> {
        if !self.transposed {
            return Dims::new(x, w, self.conv.geometry);
        }
        let ([n, cout, oh, ow], [cout_w, cin, kh, kw]) = (x, w);
        if cout != cout_w {
            bail!("a transposed convolution weight for {cout_w} channels got an input of {cout}")
        }
        let [h, width] = transposed_size([oh, ow], [kh, kw], self.conv.geometry)?;
        Dims::new([n, cin, h, width], w, self.conv.geometry)
    }

    fn backward<T: Real>(&self, v: Values<'_>, g: &Tensor) -> Result<Gradients> {
        let d = self.dims(shape(v.x)?, shape(v.w)?)?;
        let algorithm = self.conv.algorithm;
        let (channels, image) = (v.bias.elem_count(), v.y.elem_count() / d.n.max(1));
        let inputs = (v.x.track_op(), v.w.track_op(), v.bias.track_op());
        let (dx, dw, dbias) = with_cpu_slices::<T, _, 4>([v.x, v.w, v.y, g], |[x, w, y, g]| {
            let timer = time("bias and activation, gradient");
            let (g, sums) = gradient_and_sums(y, g, channels, image, self.activation);
            drop(timer);
            let along = || passes::forward(&g, w, &d, algorithm, Finish::NOTHING);
            let back = || passes::input_grad(&g, w, &d, algorithm, Finish::NOTHING);
            let weight = |x: &[T], g: &[T]| passes::weight_grad(x, g, &d, algorithm);
            let (dx, dw) = if self.transposed {
                (inputs.0.then(along), inputs.1.then(|| weight(&g, x)))
            } else {
                (inputs.0.then(back), inputs.1.then(|| weight(x, &g)))
            };
            (dx, dw, inputs.2.then_some(sums))
        })?;
        let tensor = |values: Option<Vec<T>>, like: &Tensor| {
            values.map(|v| Tensor::from_vec(v, like.shape(), like.device())).transpose()
        };
        Ok((tensor(dx, v.x)?, tensor(dw, v.w)?, tensor(dbias, v.bias)?))
    }
}

type Gradients = (Option<Tensor>, Option<Tensor>, Option<Tensor>);

/// What a backward pass knows.
#[derive(Clone, Copy)]
struct Values<'a> {
    x: &'a Tensor,
    w: &'a Tensor,
    bias: &'a Tensor,
    y: &'a Tensor,
}

impl CustomOp3 for Fused {
    fn name(&self) -> &'static str {
        "convolution-bias-activation"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let d = self.dims(dims4(lx)?, dims4(lw)?)?;
        let out = if self.transposed { d.shape_in() } else { d.shape_out() };
        if lb.dims() != [out[1]] {
            bail!("a bias of shape {:?} does not fit an output of shape {out:?}", lb.dims())
        }
        let y = by_type!(x, T, {
            let (x, w) = (cpu_slice::<T>(x, lx)?, cpu_slice::<T>(w, lw)?);
            let finish = Finish { bias: cpu_slice(bias, lb)?, activation: self.activation };
            let algorithm = self.conv.algorithm;
            T::storage(if self.transposed {
                passes::input_grad(x, w, &d, algorithm, finish)
            } else {
                passes::forward(x, w, &d, algorithm, finish)
            })
        });
        Ok((y, Shape::from_dims(&out)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        bias: &Tensor,
        y: &Tensor,
        g: &Tensor,
    ) -> Result<Gradients> {
        let g = g.contiguous()?;
        let v = Values { x, w, bias, y };
        by_type!(x, T, self.backward::<T>(v, &g))
    }
}
