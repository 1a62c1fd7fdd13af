//! Unfolding of images into the columns of a matrix product, and its adjoint.

use super::super::real::Real;
use super::Geometry;

/// One convolution's sizes, read from the input's side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plane {
    pub height: usize,
    pub width: usize,
    pub kernel: [usize; 2],
    pub geometry: Geometry,
    pub out_height: usize,
    pub out_width: usize,
}

impl Plane {
    pub fn positions(&self) -> usize {
        self.out_height * self.out_width
    }

    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The outputs ox whose input column ox·stride + kx − padding lies inside the image.
    fn columns(&self, kx: usize) -> std::ops::Range<usize> {
        inside(kx, self.geometry.stride[1], self.geometry.padding[1], self.width, self.out_width)
    }

    fn row(&self, oy: usize, ky: usize) -> Option<usize> {
        (oy * self.geometry.stride[0] + ky)
            .checked_sub(self.geometry.padding[0])
            .filter(|&y| y < self.height)
    }
}

fn inside(k: usize, stride: usize, pad: usize, size: usize, out: usize) -> std::ops::Range<usize> {
    let first = pad.saturating_sub(k).div_ceil(stride);
    // o·stride + k − pad ≤ size − 1
    let end = if size + pad > k { ((size + pad - k - 1) / stride + 1).min(out) } else { 0 };
    first.min(end)..end
}

/// Writes channels of one image as rows of `col`: row (c, ky, kx) starts at
/// `((c·kh + ky)·kw + kx)·row_len + offset` and holds the tap's value at every output position.
/// `image` is `[channels, height, width]`.
pub(super) fn unfold<T: Real>(
    image: &[T],
    plane: &Plane,
    col: &mut [T],
    row_len: usize,
    offset: usize,
) {
    let (stride_x, pad_x) = (plane.geometry.stride[1], plane.geometry.padding[1]);
    let mut row_start = offset;
    for channel in image.chunks_exact(plane.height * plane.width) {
        for ky in 0..plane.kernel[0] {
            for kx in 0..plane.kernel[1] {
                let inner = plane.columns(kx);
                let row = &mut col[row_start..row_start + plane.positions()];
                for (oy, line) in row.chunks_exact_mut(plane.out_width).enumerate() {
                    let Some(y) = plane.row(oy, ky) else {
                        line.fill(T::default());
                        continue;
                    };
                    let source = &channel[y * plane.width..(y + 1) * plane.width];
                    line[..inner.start].fill(T::default());
                    line[inner.end..].fill(T::default());
                    let line = &mut line[inner.clone()];
                    if line.is_empty() {
                        continue;
                    }
                    let first = inner.start * stride_x + kx - pad_x;
                    if stride_x == 1 {
                        line.copy_from_slice(&source[first..first + line.len()]);
                    } else {
                        for (value, &x) in
                            line.iter_mut().zip(source[first..].iter().step_by(stride_x))
                        {
                            *value = x;
                        }
                    }
                }
                row_start += row_len;
            }
        }
    }
}

/// The adjoint of [`unfold`]: adds the rows of `col` back into `image`.
pub(super) fn fold<T: Real>(
    image: &mut [T],
    plane: &Plane,
    col: &[T],
    row_len: usize,
    offset: usize,
) {
    let (stride_x, pad_x) = (plane.geometry.stride[1], plane.geometry.padding[1]);
    let mut row_start = offset;
    for channel in image.chunks_exact_mut(plane.height * plane.width) {
        for ky in 0..plane.kernel[0] {
            for kx in 0..plane.kernel[1] {
                let inner = plane.columns(kx);
                let row = &col[row_start..row_start + plane.positions()];
                row_start += row_len;
                if inner.is_empty() {
                    continue;
                }
                let first = inner.start * stride_x + kx - pad_x;
                for (oy, line) in row.chunks_exact(plane.out_width).enumerate() {
                    let Some(y) = plane.row(oy, ky) else { continue };
                    let target = &mut channel[y * plane.width..(y + 1) * plane.width][first..];
                    let line = &line[inner.clone()];
                    if stride_x == 1 {
                        for (x, &value) in target.iter_mut().zip(line) {
                            *x += value;
                        }
                    } else {
                        for (x, &value) in target.iter_mut().step_by(stride_x).zip(line) {
                            *x += value;
                        }
                    }
                }
            }
        }
    }
}
