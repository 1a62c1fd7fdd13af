//! Nearest upsampling, average and max pooling by a whole factor.
//!
//! Up to its scale each is the other's adjoint, so their backward passes use one another and
//! gradients of any order exist. candle's own nearest upsampling overwrites the gradient of its
//! input instead of adding to it, which is wrong wherever that input also feeds another branch
//! (huggingface/candle#3507).

use std::mem::MaybeUninit;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::real::{Real, build, by_type, cpu_slice};
use super::simd::vectorised;

/// Elements of one piece of parallel work, at the larger side.
const PIECE: usize = 1 << 14;

/// Every pixel of x `[n, c, h, w]` as a square of `factor` × `factor`: `[n, c, h·factor,
/// w·factor]`.
///
/// # Errors
/// If x is not of rank 4, the factor is 0 or, on the CPU, the type is neither f32 nor f64.
pub fn upsample_nearest(x: &Tensor, factor: usize) -> Result<Tensor> {
    let sizes = Sizes::grown(x.dims4()?, factor)?;
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op1(Upsample { factor, scale: 1.0 });
    }
    composed_upsample(x, &sizes)
}

/// The mean of each square of `factor` × `factor` of x `[n, c, h, w]`: `[n, c, h/factor,
/// w/factor]`. The squares do not overlap.
///
/// # Errors
/// If x is not of rank 4, the factor is 0, it does not divide height and width or, on the CPU, the
/// type is neither f32 nor f64.
pub fn avg_pool(x: &Tensor, factor: usize) -> Result<Tensor> {
    let sizes = Sizes::shrunk(x.dims4()?, factor)?;
    if x.device().is_cpu() {
        let scale = 1.0 / (factor * factor) as f64;
        return x.contiguous()?.apply_op1(Pool { factor, scale });
    }
    composed_pool(x, &sizes)
}

/// The largest value of each square of `factor` × `factor` of x `[n, c, h, w]`: `[n, c, h/factor,
/// w/factor]`. The squares do not overlap; of equal values the first, row after row, gets the
/// gradient.
///
/// # Errors
/// If x is not of rank 4, the factor is 0, or it does not divide height and width.
pub fn max_pool(x: &Tensor, factor: usize) -> Result<Tensor> {
    let s = Sizes::shrunk(x.dims4()?, factor)?;
    let squares = x
        .reshape(vec![s.n, s.c, s.height, factor, s.width, factor])?
        .permute(vec![0, 1, 2, 4, 3, 5])?
        .reshape((s.small().elem_count(), factor * factor))?;
    let largest = squares.detach().argmax_keepdim(1)?;
    let places = Tensor::arange(0, (factor * factor) as u32, x.device())?.unsqueeze(0)?;
    // Not by gather: candle has no second derivative of it.
    let is_largest = largest.broadcast_eq(&places)?;
    is_largest.where_cond(&squares, &squares.zeros_like()?)?.sum(1)?.reshape(s.small())
}

fn composed_upsample(x: &Tensor, s: &Sizes) -> Result<Tensor> {
    let (h, w) = (s.height, s.width);
    x.reshape(vec![s.n, s.c, h, 1, w, 1])?
        .broadcast_as(vec![s.n, s.c, h, s.factor, w, s.factor])?
        .reshape(s.large())
}

fn composed_pool(x: &Tensor, s: &Sizes) -> Result<Tensor> {
    x.reshape(vec![s.n, s.c, s.height, s.factor, s.width, s.factor])?.mean((3, 5))
}

/// Height and width are those of the smaller side.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    c: usize,
    height: usize,
    width: usize,
    factor: usize,
}

impl Sizes {
    /// Of an upsampling of this shape.
    fn grown((n, c, height, width): (usize, usize, usize, usize), factor: usize) -> Result<Self> {
        if factor == 0 {
            bail!("an image cannot be resampled by a factor of 0; expected 1 or more")
        }
        Ok(Self { n, c, height, width, factor })
    }

    /// Of a pooling of this shape.
    fn shrunk((n, c, h, w): (usize, usize, usize, usize), factor: usize) -> Result<Self> {
        let sizes = Self::grown((n, c, h, w), factor)?;
        if h % factor != 0 || w % factor != 0 {
            bail!(
                "an image of {h}x{w} cannot be pooled by {factor}, which does not divide its sizes"
            )
        }
        Ok(Self { height: h / factor, width: w / factor, ..sizes })
    }

    fn small(&self) -> Shape {
        (self.n, self.c, self.height, self.width).into()
    }

    fn large(&self) -> Shape {
        (self.n, self.c, self.height * self.factor, self.width * self.factor).into()
    }

    /// Elements of the smaller side that one task works on: whole planes.
    fn piece(&self) -> usize {
        let plane = (self.height * self.width).max(1);
        plane * (PIECE / (plane * self.factor * self.factor)).max(1)
    }

    /// The same at the larger side.
    fn large_piece(&self) -> usize {
        self.piece() * self.factor * self.factor
    }
}

vectorised! {
    /// Whole planes, each value `scale` times. A row of x is `width` long.
    fn upsample_planes<T: Real>(
        x: &[T],
        width: usize,
        factor: usize,
        scale: T,
        y: &mut [MaybeUninit<T>],
    ) {
        let line = width * factor;
        for (x, rows) in x.chunks_exact(width).zip(y.chunks_exact_mut(line * factor)) {
            let (first, copies) = rows.split_at_mut(line);
            if factor == 2 {
                // By far the most frequent: a fixed length becomes vector code.
                for (y, &x) in first.as_chunks_mut::<2>().0.iter_mut().zip(x) {
                    *y = [MaybeUninit::new(x * scale); 2];
                }
            } else {
                for (y, &x) in first.chunks_exact_mut(factor).zip(x) {
                    y.fill(MaybeUninit::new(x * scale));
                }
            }
            copies.chunks_exact_mut(line).for_each(|copy| copy.copy_from_slice(first));
        }
    }
}

vectorised! {
    /// Whole planes, `scale` times the sum of each square, row after row. A row of y is `width`
    /// long.
    fn pool_planes<T: Real>(
        x: &[T],
        width: usize,
        factor: usize,
        scale: T,
        y: &mut [MaybeUninit<T>],
    ) {
        let line = width * factor;
        for (rows, y) in x.chunks_exact(line * factor).zip(y.chunks_exact_mut(width)) {
            if factor == 2 {
                let (top, bottom) = rows.split_at(line);
                let pairs = top.as_chunks::<2>().0.iter().zip(bottom.as_chunks::<2>().0);
                for (y, (a, b)) in y.iter_mut().zip(pairs) {
                    y.write((a[0] + a[1] + b[0] + b[1]) * scale);
                }
            } else {
                for (i, y) in y.iter_mut().enumerate() {
                    let mut sum = T::default();
                    for row in rows.chunks_exact(line) {
                        row[i * factor..][..factor].iter().for_each(|&x| sum += x);
                    }
                    y.write(sum * scale);
                }
            }
        }
    }
}

/// Each value at every place of its square, times `scale`.
struct Upsample {
    factor: usize,
    scale: f64,
}

impl CustomOp1 for Upsample {
    fn name(&self) -> &'static str {
        "upsample-nearest"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("upsampling");
        let s = Sizes::grown(layout.shape().dims4()?, self.factor)?;
        let y = by_type!(x, T, {
            let (x, scale) = (cpu_slice::<T>(x, layout)?, T::nearest(self.scale));
            // SAFETY: every piece is written whole.
            T::storage(unsafe {
                build(s.large().elem_count(), |y| {
                    let work = y.par_chunks_mut(s.large_piece()).zip(x.par_chunks(s.piece()));
                    work.for_each(|(y, x)| upsample_planes(x, s.width, s.factor, scale, y));
                })
            })
        });
        Ok((y, s.large()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let adjoint = Pool { factor: self.factor, scale: self.scale };
        Ok(Some(g.contiguous()?.apply_op1(adjoint)?))
    }
}

/// The sum of each square, times `scale`.
struct Pool {
    factor: usize,
    scale: f64,
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "average-pool"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("pooling");
        let s = Sizes::shrunk(layout.shape().dims4()?, self.factor)?;
        let y = by_type!(x, T, {
            let (x, scale) = (cpu_slice::<T>(x, layout)?, T::nearest(self.scale));
            // SAFETY: every piece is written whole.
            T::storage(unsafe {
                build(s.small().elem_count(), |y| {
                    let work = y.par_chunks_mut(s.piece()).zip(x.par_chunks(s.large_piece()));
                    work.for_each(|(y, x)| pool_planes(x, s.width, s.factor, scale, y));
                })
            })
        });
        Ok((y, s.small()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let adjoint = Upsample { factor: self.factor, scale: self.scale };
        Ok(Some(g.contiguous()?.apply_op1(adjoint)?))
    }
}

#[cfg(test)]
mod tests;
