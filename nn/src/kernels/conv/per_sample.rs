//! Convolution of every image with a filter of its own, as modulated convolution needs it (Karras
//! et al. 2020, "Analyzing and improving the image quality of StyleGAN", arXiv:1912.04958).
//!
//! Three ops whose backward passes use one another, as for the plain convolution. One image is one
//! task: unfold, one matrix product.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::super::for_backward;
use super::super::gemm::{Mat, matmul};
use super::super::real::{Real, by_type, cpu_slice};
use super::im2col::{fold, unfold};
use super::{Convolution, Dims, Geometry, conv_transpose2d, conv2d, dims4, shape, transposed_size};

/// `y[i] = x[i] ∗ w[i]`: x `[n, cin, h, w]`, w `[n, cout, cin, kh, kw]`, y `[n, cout, oh, ow]`.
/// Always by the direct path, whatever algorithm `conv` names.
///
/// # Errors
/// If the shapes do not fit, the types are not both f32 or both f64 or, off the CPU, the batch is
/// empty.
pub fn conv2d_per_sample(x: &Tensor, w: &Tensor, conv: impl Into<Convolution>) -> Result<Tensor> {
    let conv = conv.into();
    let ([n, ..], [images, ..]) = (shape(x)?, shape5(w)?);
    one_filter_an_image(n, images)?;
    if x.device().is_cpu() {
        let op = PerSample { geometry: conv.geometry };
        return x.contiguous()?.apply_op2(&w.contiguous()?, op);
    }
    image_by_image(x, w, |x, w| conv2d(x, w, conv))
}

/// Transposed convolution of every image with its own filter: x `[n, cin, h, w]`, w `[n, cin, cout,
/// kh, kw]`, y `[n, cout, oh, ow]` of height (h − 1)·stride − 2·padding + kh. Always by the direct
/// path, whatever algorithm `conv` names.
///
/// # Errors
/// As [`conv2d_per_sample`].
pub fn conv_transpose2d_per_sample(
    x: &Tensor,
    w: &Tensor,
    conv: impl Into<Convolution>,
) -> Result<Tensor> {
    let conv = conv.into();
    let ([n, _, h, width], [images, _, _, kh, kw]) = (shape(x)?, shape5(w)?);
    one_filter_an_image(n, images)?;
    if x.device().is_cpu() {
        let size = transposed_size([h, width], [kh, kw], conv.geometry)?;
        return input_grad(x, w, conv.geometry, size);
    }
    image_by_image(x, w, |x, w| conv_transpose2d(x, w, conv))
}

/// The same from plain convolutions: for other devices, and the reference of the ops.
fn image_by_image(
    x: &Tensor,
    w: &Tensor,
    one: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let y: Vec<Tensor> =
        (0..x.dim(0)?).map(|i| one(&x.narrow(0, i, 1)?, &w.get(i)?)).collect::<Result<_>>()?;
    Tensor::cat(&y, 0)
}

/// Gradient with respect to x, or the transposed convolution: dy `[n, cout, oh, ow]`, w
/// `[n, cout, cin, kh, kw]` to dx `[n, cin, size[0], size[1]]`.
fn input_grad(dy: &Tensor, w: &Tensor, geometry: Geometry, size: [usize; 2]) -> Result<Tensor> {
    dy.contiguous()?.apply_op2(&w.contiguous()?, PerSampleInputGrad { geometry, size })
}

/// Gradient with respect to w, `[n, cout, cin, kernel[0], kernel[1]]`.
fn weight_grad(x: &Tensor, dy: &Tensor, geometry: Geometry, kernel: [usize; 2]) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&dy.contiguous()?, PerSampleWeightGrad { geometry, kernel })
}

fn one_filter_an_image(images: usize, filters: usize) -> Result<()> {
    if images != filters {
        bail!(
            "a per-sample convolution of {images} images got {filters} filters, expected one each"
        )
    }
    Ok(())
}

fn shape5(t: &Tensor) -> Result<[usize; 5]> {
    let (a, b, c, d, e) = t.dims5()?;
    Ok([a, b, c, d, e])
}

fn dims5(layout: &Layout) -> Result<[usize; 5]> {
    let (a, b, c, d, e) = layout.shape().dims5()?;
    Ok([a, b, c, d, e])
}

/// Elements of one image's filter.
fn filter(d: &Dims) -> usize {
    d.cout * d.k()
}

/// The image as columns `[k, positions]`: unfolded into `col`, or as it lies where that is the
/// same.
fn columns<'a, T: Real>(image: &'a [T], d: &Dims, col: &'a mut Vec<T>) -> Mat<'a, T> {
    let (k, p) = (d.k(), d.plane.positions());
    if d.is_pointwise() {
        return Mat::new(image, k, p);
    }
    col.resize(k * p, T::default());
    unfold(image, &d.plane, col, p, 0);
    Mat::new(col, k, p)
}

// Chunks of at least one: without channels there is nothing to cut, and the empty sums stay 0.

fn forward<T: Real>(x: &[T], w: &[T], d: &Dims) -> Vec<T> {
    let mut y = vec![T::default(); d.n * d.image_out()];
    y.par_chunks_mut(d.image_out().max(1))
        .zip(x.par_chunks(d.image_in().max(1)))
        .zip(w.par_chunks(filter(d).max(1)))
        .for_each_init(Vec::new, |col, ((y, x), w)| {
            matmul(y, Mat::new(w, d.cout, d.k()), columns(x, d, col), false);
        });
    y
}

fn backward<T: Real>(dy: &[T], w: &[T], d: &Dims) -> Vec<T> {
    let (k, p) = (d.k(), d.plane.positions());
    let mut dx = vec![T::default(); d.n * d.image_in()];
    dx.par_chunks_mut(d.image_in().max(1))
        .zip(dy.par_chunks(d.image_out().max(1)))
        .zip(w.par_chunks(filter(d).max(1)))
        .for_each_init(Vec::new, |col, ((dx, dy), w)| {
            let (wt, dy) = (Mat::new(w, d.cout, k).t(), Mat::new(dy, d.cout, p));
            if d.is_pointwise() {
                return matmul(dx, wt, dy, false);
            }
            col.resize(k * p, T::default());
            matmul(col, wt, dy, false);
            fold(dx, &d.plane, col, p, 0);
        });
    dx
}

fn filter_gradients<T: Real>(x: &[T], dy: &[T], d: &Dims) -> Vec<T> {
    let p = d.plane.positions();
    let mut dw = vec![T::default(); d.n * filter(d)];
    dw.par_chunks_mut(filter(d).max(1))
        .zip(x.par_chunks(d.image_in().max(1)))
        .zip(dy.par_chunks(d.image_out().max(1)))
        .for_each_init(Vec::new, |col, ((dw, x), dy)| {
            matmul(dw, Mat::new(dy, d.cout, p), columns(x, d, col).t(), false);
        });
    dw
}

struct PerSample {
    geometry: Geometry,
}

impl CustomOp2 for PerSample {
    fn name(&self) -> &'static str {
        "per-sample-conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("per-sample convolution");
        let [images, cout, cin, kh, kw] = dims5(lw)?;
        let d = Dims::new(dims4(lx)?, [cout, cin, kh, kw], self.geometry)?;
        one_filter_an_image(d.n, images)?;
        let y = by_type!(x, T, T::storage(forward::<T>(cpu_slice(x, lx)?, cpu_slice(w, lw)?, &d)));
        Ok((y, Shape::from_dims(&d.shape_out())))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ([_, _, h, width], [_, _, _, kh, kw]) = (shape(x)?, shape5(w)?);
        let geometry = self.geometry;
        let dx = x.track_op().then(|| input_grad(dy, &for_backward(w), geometry, [h, width]));
        let dw = w.track_op().then(|| weight_grad(&for_backward(x), dy, geometry, [kh, kw]));
        Ok((dx.transpose()?, dw.transpose()?))
    }
}

struct PerSampleInputGrad {
    geometry: Geometry,
    size: [usize; 2],
}

impl CustomOp2 for PerSampleInputGrad {
    fn name(&self) -> &'static str {
        "per-sample-conv2d-input-grad"
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        ldy: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("per-sample convolution, input gradient");
        let ([n, cout, oh, ow], [images, cout_w, cin, kh, kw]) = (dims4(ldy)?, dims5(lw)?);
        let [h, width] = self.size;
        let d = Dims::new([n, cin, h, width], [cout_w, cin, kh, kw], self.geometry)?;
        one_filter_an_image(n, images)?;
        if cout != cout_w || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!(
                "a per-sample transposed convolution weight for {cout_w} channels got {cout}x{oh}x{ow}"
            )
        }
        let dx =
            by_type!(dy, T, T::storage(backward::<T>(cpu_slice(dy, ldy)?, cpu_slice(w, lw)?, &d)));
        Ok((dx, Shape::from_dims(&d.shape_in())))
    }

    fn bwd(
        &self,
        dy: &Tensor,
        w: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, _, kh, kw] = shape5(w)?;
        let geometry = self.geometry;
        let ddy = dy.track_op().then(|| conv2d_per_sample(g, &for_backward(w), geometry));
        let dw = w.track_op().then(|| weight_grad(g, &for_backward(dy), geometry, [kh, kw]));
        Ok((ddy.transpose()?, dw.transpose()?))
    }
}

struct PerSampleWeightGrad {
    geometry: Geometry,
    kernel: [usize; 2],
}

impl CustomOp2 for PerSampleWeightGrad {
    fn name(&self) -> &'static str {
        "per-sample-conv2d-weight-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        dy: &CpuStorage,
        ldy: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("per-sample convolution, weight gradient");
        let ([n, cin, h, width], [ny, cout, oh, ow]) = (dims4(lx)?, dims4(ldy)?);
        let [kh, kw] = self.kernel;
        let d = Dims::new([n, cin, h, width], [cout, cin, kh, kw], self.geometry)?;
        if n != ny || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!(
                "the gradient of a per-sample convolution has the shape {ny}x{cout}x{oh}x{ow}, which is not its output's"
            )
        }
        let dw = by_type!(x, T, {
            T::storage(filter_gradients::<T>(cpu_slice(x, lx)?, cpu_slice(dy, ldy)?, &d))
        });
        Ok((dw, (n, cout, cin, kh, kw).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        dy: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, h, width] = shape(x)?;
        let geometry = self.geometry;
        let dx = x.track_op().then(|| input_grad(&for_backward(dy), g, geometry, [h, width]));
        let ddy = dy.track_op().then(|| conv2d_per_sample(&for_backward(x), g, geometry));
        Ok((dx.transpose()?, ddy.transpose()?))
    }
}

#[cfg(test)]
mod tests;
