//! Convolution as three ops whose backward passes use one another, so that gradients of any order
//! exist: the convolution itself, its gradient with respect to the input (which is also the transposed
//! convolution), and its gradient with respect to the weight.
//!
//! The arrangement follows the idea of `conv2d_gradfix` in NVlabs/stylegan3. Two paths: im2col (unfold, one
//! matrix product a chunk of images; f32 or f64, any shape), and Winograd's algorithms where they fit.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::profile::time;

use super::for_backward;
use super::gemm::{Mat, matmul};
use super::im2col::{Plane, fold, unfold};
use super::real::{Real, by_type, cpu_slice};
use super::winograd::{self, Problem, Tiling};

/// How a convolution is computed on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Winograd where it saves multiplications, else direct.
    #[default]
    Auto,
    /// Every product of the definition: errors within 5e-6 of the output's rms in f32.
    Direct,
    /// Winograd wherever the kernel allows it (3×3 stride 1, 4×4 stride 2), else direct: errors within
    /// 4e-5 of the output's rms. f64 is always direct.
    Winograd,
}

impl Algorithm {
    /// The tiling, where this is to be Winograd's.
    fn tiling(self, p: &Problem) -> Option<Tiling> {
        let tiling = Tiling::of(p).filter(|_| self != Self::Direct)?;
        let direct = p.size_out[0] * p.size_out[1] * p.kernel[0] * p.kernel[1] * p.cin * p.cout;
        // The transforms cost too: measured, they pay from about two thirds of the products on, and not
        // for a handful of channels, of which a vector of 16 would be mostly empty.
        let saves = tiling.multiplications() * 3 <= direct * 2;
        (self == Self::Winograd || saves).then_some(tiling)
    }
}

/// Stride and zero padding, [vertical, horizontal]. Dilation is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
}

impl Geometry {
    /// The same stride and padding both ways.
    pub fn square(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 2], padding: [padding; 2] }
    }

    /// Output height or width (`axis` 0 or 1) for an input of `size` and a kernel of `kernel`.
    ///
    /// # Errors
    /// If the kernel does not fit into the padded input.
    pub fn output(&self, axis: usize, size: usize, kernel: usize) -> Result<usize> {
        let padded = size + 2 * self.padding[axis];
        if kernel == 0 || self.stride[axis] == 0 || padded < kernel {
            bail!(
                "a convolution kernel of {kernel} does not fit an input of {size} padded to {padded}"
            )
        }
        Ok((padded - kernel) / self.stride[axis] + 1)
    }
}

/// What a convolution is apart from its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Convolution {
    pub geometry: Geometry,
    pub algorithm: Algorithm,
}

impl From<Geometry> for Convolution {
    fn from(geometry: Geometry) -> Self {
        Self { geometry, algorithm: Algorithm::Auto }
    }
}

/// `y = x ∗ w`: x `[n, cin, h, w]`, w `[cout, cin, kh, kw]`, y `[n, cout, oh, ow]`.
///
/// # Errors
/// If the shapes do not fit or the types are not both f32 or both f64.
pub fn conv2d(x: &Tensor, w: &Tensor, conv: impl Into<Convolution>) -> Result<Tensor> {
    let conv = conv.into();
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op2(&w.contiguous()?, Conv2d { conv });
    }
    let geometry = conv.geometry;
    let [py, px] = geometry.padding;
    let [sy, sx] = geometry.stride;
    if sy != sx {
        bail!("off the CPU a convolution needs equal strides, got {sy} and {sx}")
    }
    let common = py.min(px);
    let x = x.pad_with_zeros(2, py - common, py - common)?;
    let x = x.pad_with_zeros(3, px - common, px - common)?;
    x.conv2d(w, common, sy, 1, 1)
}

/// Transposed convolution: x `[n, cin, h, w]`, w `[cin, cout, kh, kw]` (PyTorch's layout), y of
/// height (h − 1)·stride − 2·padding + kh.
///
/// # Errors
/// If the shapes do not fit or the types are not both f32 or both f64.
pub fn conv_transpose2d(x: &Tensor, w: &Tensor, conv: impl Into<Convolution>) -> Result<Tensor> {
    let conv = conv.into();
    let geometry = conv.geometry;
    let (_, _, h, width) = x.dims4()?;
    let (_, _, kh, kw) = w.dims4()?;
    let grow = |size: usize, k: usize, axis: usize| {
        (size.saturating_sub(1) * geometry.stride[axis] + k)
            .checked_sub(2 * geometry.padding[axis])
            .filter(|&out| out > 0)
    };
    let (Some(oh), Some(ow)) = (grow(h, kh, 0), grow(width, kw, 1)) else {
        bail!("a transposed convolution of {h}x{width} with kernel {kh}x{kw} leaves no output")
    };
    conv_input_grad(x, w, conv, [oh, ow])
}

/// Gradient of [`conv2d`] with respect to its input: dy `[n, cout, oh, ow]`, w
/// `[cout, cin, kh, kw]` to dx `[n, cin, size[0], size[1]]`.
fn conv_input_grad(dy: &Tensor, w: &Tensor, conv: Convolution, size: [usize; 2]) -> Result<Tensor> {
    if dy.device().is_cpu() {
        return dy.contiguous()?.apply_op2(&w.contiguous()?, ConvInputGrad { conv, size });
    }
    let geometry = conv.geometry;
    let ([sy, sx], [py, px]) = (geometry.stride, geometry.padding);
    if sy != sx || py != px {
        bail!("off the CPU a transposed convolution needs equal strides and paddings")
    }
    let (_, _, oh, _) = dy.dims4()?;
    let kh = w.dim(2)?;
    let extra = size[0] + 2 * py - kh - (oh - 1) * sy;
    dy.conv_transpose2d(w, py, extra, sy, 1)
}

/// Gradient of [`conv2d`] with respect to its weight, `[cout, cin, kernel[0], kernel[1]]`.
fn conv_weight_grad(
    x: &Tensor,
    dy: &Tensor,
    conv: Convolution,
    kernel: [usize; 2],
) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&dy.contiguous()?, ConvWeightGrad { conv, kernel })
}

/// The sizes of one convolution.
#[derive(Clone, Copy)]
struct Dims {
    n: usize,
    cin: usize,
    cout: usize,
    plane: Plane,
}

impl Dims {
    fn new(x: [usize; 4], w: [usize; 4], geometry: Geometry) -> Result<Self> {
        let ([n, cin, height, width], [cout, cin_w, kh, kw]) = (x, w);
        if cin != cin_w {
            bail!("a convolution weight for {cin_w} channels got an input of {cin}")
        }
        let (out_height, out_width) =
            (geometry.output(0, height, kh)?, geometry.output(1, width, kw)?);
        let plane = Plane { height, width, kernel: [kh, kw], geometry, out_height, out_width };
        Ok(Self { n, cin, cout, plane })
    }

    fn problem(&self) -> Problem {
        Problem {
            n: self.n,
            cin: self.cin,
            cout: self.cout,
            size_in: [self.plane.height, self.plane.width],
            size_out: [self.plane.out_height, self.plane.out_width],
            kernel: self.plane.kernel,
            geometry: self.plane.geometry,
        }
    }

    fn k(&self) -> usize {
        self.cin * self.plane.taps()
    }

    fn image_in(&self) -> usize {
        self.cin * self.plane.height * self.plane.width
    }

    fn image_out(&self) -> usize {
        self.cout * self.plane.positions()
    }

    /// Images that share one matrix product: enough columns to fill the kernel's registers, few enough
    /// for the unfolded chunk to stay in the second-level cache.
    fn chunk(&self) -> usize {
        256usize.div_ceil(self.plane.positions()).min(self.n.max(1))
    }

    /// A 1×1 kernel with stride 1 reads the image as it lies.
    fn is_pointwise(&self) -> bool {
        self.plane.taps() == 1 && self.plane.geometry == Geometry::square(1, 0)
    }
}

/// Copies `[image][channel][position]` to `[channel][image][position]` or back.
fn regroup<T: Copy>(from: &[T], to: &mut [T], channels: usize, positions: usize, to_images: bool) {
    let images = from.len() / (channels * positions);
    for image in 0..images {
        for channel in 0..channels {
            let a = (image * channels + channel) * positions;
            let b = (channel * images + image) * positions;
            let (a, b) = if to_images { (b, a) } else { (a, b) };
            to[b..b + positions].copy_from_slice(&from[a..a + positions]);
        }
    }
}

fn forward<T: Real>(x: &[T], w: &[T], d: &Dims) -> Vec<T> {
    let (k, p) = (d.k(), d.plane.positions());
    let mut y = vec![T::default(); d.n * d.image_out()];
    let chunk = d.chunk();
    let work = y.par_chunks_mut(chunk * d.image_out()).zip(x.par_chunks(chunk * d.image_in()));
    work.for_each_init(
        || (Vec::new(), Vec::new()),
        |(col, out), (y, x)| {
            let images = x.len() / d.image_in();
            let w = Mat::new(w, d.cout, k);
            if images == 1 && d.is_pointwise() {
                return matmul(y, w, Mat::new(x, k, p), false);
            }
            col.resize(k * images * p, T::default());
            for (i, image) in x.chunks_exact(d.image_in()).enumerate() {
                unfold(image, &d.plane, col, images * p, i * p);
            }
            let col = Mat::new(col, k, images * p);
            if images == 1 {
                return matmul(y, w, col, false);
            }
            out.resize(d.cout * images * p, T::default());
            matmul(out, w, col, false);
            regroup(out, y, d.cout, p, true);
        },
    );
    y
}

fn input_grad<T: Real>(dy: &[T], w: &[T], d: &Dims) -> Vec<T> {
    let (k, p) = (d.k(), d.plane.positions());
    let mut dx = vec![T::default(); d.n * d.image_in()];
    let chunk = d.chunk();
    let work = dx.par_chunks_mut(chunk * d.image_in()).zip(dy.par_chunks(chunk * d.image_out()));
    work.for_each_init(
        || (Vec::new(), Vec::new()),
        |(col, grouped), (dx, dy)| {
            let images = dy.len() / d.image_out();
            let wt = Mat::new(w, d.cout, k).t();
            if images == 1 && d.is_pointwise() {
                return matmul(dx, wt, Mat::new(dy, d.cout, p), false);
            }
            col.resize(k * images * p, T::default());
            let dy = if images == 1 {
                dy
            } else {
                grouped.resize(dy.len(), T::default());
                regroup(dy, grouped, d.cout, p, false);
                grouped
            };
            matmul(col, wt, Mat::new(dy, d.cout, images * p), false);
            for (i, image) in dx.chunks_exact_mut(d.image_in()).enumerate() {
                fold(image, &d.plane, col, images * p, i * p);
            }
        },
    );
    dx
}

fn weight_grad<T: Real>(x: &[T], dy: &[T], d: &Dims) -> Vec<T> {
    let (k, p, chunk) = (d.k(), d.plane.positions(), d.chunk());
    let mut grouped = Vec::new();
    let dy = if chunk == 1 {
        dy
    } else {
        grouped.resize(dy.len(), T::default());
        let work =
            grouped.par_chunks_mut(chunk * d.image_out()).zip(dy.par_chunks(chunk * d.image_out()));
        work.for_each(|(to, from)| regroup(from, to, d.cout, p, false));
        &grouped
    };
    // One task an input-channel block sums over all images, so nothing has to be reduced; where there
    // are too few channels for that, the images are cut into groups and the groups added in order.
    let block = d.cin.div_ceil(8).max(1);
    let blocks = d.cin.div_ceil(block);
    let chunks = d.n.div_ceil(chunk);
    let groups = if blocks < 4 { 8usize.min(chunks).max(1) } else { 1 };
    let per_group = chunks.div_ceil(groups);
    let plane_in = d.plane.height * d.plane.width;

    let parts: Vec<Vec<T>> = (0..blocks * groups)
        .into_par_iter()
        .map(|task| {
            let (b, group) = (task % blocks, task / blocks);
            let first = b * block;
            let channels = block.min(d.cin - first);
            let rows = channels * d.plane.taps();
            let mut dw = vec![T::default(); d.cout * rows];
            let mut col = Vec::new();
            for c in group * per_group..((group + 1) * per_group).min(chunks) {
                let images = (c * chunk)..((c + 1) * chunk).min(d.n);
                let len = images.len() * p;
                col.resize(rows * len, T::default());
                for (i, image) in images.clone().enumerate() {
                    let start = image * d.image_in() + first * plane_in;
                    unfold(&x[start..start + channels * plane_in], &d.plane, &mut col, len, i * p);
                }
                let dy = &dy[images.start * d.image_out()..images.end * d.image_out()];
                let col = Mat::new(&col, rows, len);
                matmul(&mut dw, Mat::new(dy, d.cout, len), col.t(), true);
            }
            dw
        })
        .collect();

    let mut dw = vec![T::default(); d.cout * k];
    for (task, part) in parts.iter().enumerate() {
        let first = (task % blocks) * block * d.plane.taps();
        let rows = part.len() / d.cout;
        for (to, from) in dw.chunks_exact_mut(k).zip(part.chunks_exact(rows)) {
            for (a, &b) in to[first..first + rows].iter_mut().zip(from) {
                *a += b;
            }
        }
    }
    dw
}

fn dims4(layout: &Layout) -> Result<[usize; 4]> {
    let (a, b, c, d) = layout.shape().dims4()?;
    Ok([a, b, c, d])
}

fn shape(t: &Tensor) -> Result<[usize; 4]> {
    let (a, b, c, d) = t.dims4()?;
    Ok([a, b, c, d])
}

impl Convolution {
    fn tiling(self, like: &CpuStorage, d: &Dims) -> Option<Tiling> {
        self.algorithm.tiling(&d.problem()).filter(|_| like.dtype() == DType::F32 && d.n > 0)
    }
}

struct Conv2d {
    conv: Convolution,
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("convolution");
        let d = Dims::new(dims4(lx)?, dims4(lw)?, self.conv.geometry)?;
        let y = match self.conv.tiling(x, &d) {
            Some(t) => CpuStorage::F32(winograd::forward(cpu_slice(x, lx)?, cpu_slice(w, lw)?, &t)),
            None => {
                by_type!(x, T, T::storage(forward::<T>(cpu_slice(x, lx)?, cpu_slice(w, lw)?, &d)))
            }
        };
        Ok((y, (d.n, d.cout, d.plane.out_height, d.plane.out_width).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ([_, _, h, width], [_, _, kh, kw]) = (shape(x)?, shape(w)?);
        let dx = x.track_op().then(|| conv_input_grad(dy, &for_backward(w), self.conv, [h, width]));
        let dw = w.track_op().then(|| conv_weight_grad(&for_backward(x), dy, self.conv, [kh, kw]));
        Ok((dx.transpose()?, dw.transpose()?))
    }
}

struct ConvInputGrad {
    conv: Convolution,
    size: [usize; 2],
}

impl CustomOp2 for ConvInputGrad {
    fn name(&self) -> &'static str {
        "conv2d-input-grad"
    }

    fn cpu_fwd(
        &self,
        dy: &CpuStorage,
        ldy: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("convolution, input gradient");
        let ([n, cout, oh, ow], [cout_w, cin, kh, kw]) = (dims4(ldy)?, dims4(lw)?);
        let [h, width] = self.size;
        let d = Dims::new([n, cin, h, width], [cout_w, cin, kh, kw], self.conv.geometry)?;
        if cout != cout_w || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!("a transposed convolution weight for {cout_w} channels got {cout}x{oh}x{ow}")
        }
        let dx = match self.conv.tiling(dy, &d) {
            Some(t) => {
                CpuStorage::F32(winograd::input_grad(cpu_slice(dy, ldy)?, cpu_slice(w, lw)?, &t))
            }
            None => by_type!(
                dy,
                T,
                T::storage(input_grad::<T>(cpu_slice(dy, ldy)?, cpu_slice(w, lw)?, &d))
            ),
        };
        Ok((dx, (n, cin, h, width).into()))
    }

    fn bwd(
        &self,
        dy: &Tensor,
        w: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, kh, kw] = shape(w)?;
        let ddy = dy.track_op().then(|| conv2d(g, &for_backward(w), self.conv));
        let dw = w.track_op().then(|| conv_weight_grad(g, &for_backward(dy), self.conv, [kh, kw]));
        Ok((ddy.transpose()?, dw.transpose()?))
    }
}

struct ConvWeightGrad {
    conv: Convolution,
    kernel: [usize; 2],
}

impl CustomOp2 for ConvWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d-weight-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        dy: &CpuStorage,
        ldy: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let _timer = time("convolution, weight gradient");
        let ([n, cin, h, width], [ny, cout, oh, ow]) = (dims4(lx)?, dims4(ldy)?);
        let [kh, kw] = self.kernel;
        let d = Dims::new([n, cin, h, width], [cout, cin, kh, kw], self.conv.geometry)?;
        if n != ny || (oh, ow) != (d.plane.out_height, d.plane.out_width) {
            bail!(
                "the gradient of a convolution has the shape {ny}x{cout}x{oh}x{ow}, which is not its output's"
            )
        }
        let dw = match self.conv.tiling(x, &d) {
            Some(t) => {
                CpuStorage::F32(winograd::weight_grad(cpu_slice(x, lx)?, cpu_slice(dy, ldy)?, &t))
            }
            None => by_type!(
                x,
                T,
                T::storage(weight_grad::<T>(cpu_slice(x, lx)?, cpu_slice(dy, ldy)?, &d))
            ),
        };
        Ok((dw, (cout, cin, kh, kw).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        dy: &Tensor,
        _: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [_, _, h, width] = shape(x)?;
        let dx = x.track_op().then(|| conv_input_grad(&for_backward(dy), g, self.conv, [h, width]));
        let ddy = dy.track_op().then(|| conv2d(&for_backward(x), g, self.conv));
        Ok((dx.transpose()?, ddy.transpose()?))
    }
}

#[cfg(test)]
#[path = "conv_tests.rs"]
mod tests;
