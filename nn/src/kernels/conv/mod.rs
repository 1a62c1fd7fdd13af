//! Convolution as three ops whose backward passes use one another, so that gradients of any order
//! exist: the convolution itself, its gradient with respect to the input (which is also the
//! transposed convolution), and its gradient with respect to the weight.
//!
//! The arrangement follows the idea of `conv2d_gradfix` in NVlabs/stylegan3. Two paths: im2col
//! (unfold, one matrix product a chunk of images; f32 or f64, any shape), and Winograd's algorithms
//! where they fit.

mod direct;
mod finish;
mod fused;
mod im2col;
mod mirrored;
mod ops;
mod passes;
mod per_sample;

use candle_core::{Layout, Result, Tensor, bail};
use serde::{Deserialize, Serialize};

pub(super) use self::finish::Finish;
pub use fused::{conv_transpose2d_activate, conv2d_activate};
pub use per_sample::{conv_transpose2d_per_sample, conv2d_per_sample};

use self::im2col::Plane;
use self::ops::{Conv2d, ConvInputGrad, ConvWeightGrad};
use super::winograd::{Problem, Tiling};

/// How a convolution is computed on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Winograd where it saves multiplications, else direct.
    #[default]
    Auto,
    /// Every product of the definition: errors within 5e-6 of the output's rms in f32.
    Direct,
    /// Winograd wherever the kernel allows it (3×3 stride 1, 4×4 stride 2), else direct: errors
    /// within 4e-5 of the output's rms. f64 is always direct.
    Winograd,
}

impl Algorithm {
    /// The tiling, where this is to be Winograd's.
    fn tiling(self, p: &Problem) -> Option<Tiling> {
        let tiling = Tiling::for_problem(p).filter(|_| self != Self::Direct)?;
        let direct = p.size_out[0] * p.size_out[1] * p.kernel[0] * p.kernel[1] * p.cin * p.cout;
        // The transforms cost too: measured, they pay from about two thirds of the products on, and
        // not for a handful of channels, of which a vector of 16 would be mostly empty.
        let saves = tiling.multiplications() * 3 <= direct * 2;
        (self == Self::Winograd || saves).then_some(tiling)
    }
}

/// Stride and zero padding, [vertical, horizontal]. Dilation is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Steps between the places of the kernel, in pixels of the input, ≥ 1.
    pub stride: [usize; 2],
    /// Zeros that are added on either side of the input, in pixels.
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
    /// The stride and the padding.
    pub geometry: Geometry,
    /// How the sums are computed; results differ by rounding only.
    pub algorithm: Algorithm,
}

impl Convolution {
    /// Every product of the definition: for features that are compared between machines and
    /// programs to many digits.
    pub fn direct(geometry: Geometry) -> Self {
        Self { geometry, algorithm: Algorithm::Direct }
    }
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
    let (_, _, h, width) = x.dims4()?;
    let (_, _, kh, kw) = w.dims4()?;
    conv_input_grad(x, w, conv, transposed_size([h, width], [kh, kw], conv.geometry)?)
}

/// Height and width of a transposed convolution's output.
fn transposed_size(size: [usize; 2], kernel: [usize; 2], geometry: Geometry) -> Result<[usize; 2]> {
    let grow = |axis: usize| {
        (size[axis].saturating_sub(1) * geometry.stride[axis] + kernel[axis])
            .checked_sub(2 * geometry.padding[axis])
            .filter(|&out| out > 0)
    };
    let ([h, w], [kh, kw]) = (size, kernel);
    match (grow(0), grow(1)) {
        (Some(oh), Some(ow)) => Ok([oh, ow]),
        _ => bail!("a transposed convolution of {h}x{w} with kernel {kh}x{kw} leaves no output"),
    }
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
        if [cin, cout, height, width].contains(&0) {
            bail!(
                "a convolution needs channels and pixels, got an input of {cin}x{height}x{width} and {cout} \
                 output channels"
            )
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

    fn tiling(&self, algorithm: Algorithm) -> Option<Tiling> {
        algorithm.tiling(&self.problem()).filter(|_| self.n > 0)
    }

    fn shape_in(&self) -> [usize; 4] {
        [self.n, self.cin, self.plane.height, self.plane.width]
    }

    fn shape_out(&self) -> [usize; 4] {
        [self.n, self.cout, self.plane.out_height, self.plane.out_width]
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

    /// Images that share one matrix product: enough columns to fill the kernel's registers, few
    /// enough for the unfolded chunk to stay in the second-level cache.
    fn chunk(&self) -> usize {
        256usize.div_ceil(self.plane.positions()).min(self.n.max(1))
    }

    /// A 1×1 kernel with stride 1 reads the image as it lies.
    fn is_pointwise(&self) -> bool {
        self.plane.taps() == 1 && self.plane.geometry == Geometry::square(1, 0)
    }
}

fn dims4(layout: &Layout) -> Result<[usize; 4]> {
    let (a, b, c, d) = layout.shape().dims4()?;
    Ok([a, b, c, d])
}

fn shape(t: &Tensor) -> Result<[usize; 4]> {
    let (a, b, c, d) = t.dims4()?;
    Ok([a, b, c, d])
}

#[cfg(test)]
mod tests;
