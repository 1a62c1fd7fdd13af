//! Softmax and log-sum-exp of rows, with the row's maximum taken out first: exponentials neither
//! overflow nor all vanish, whatever the size of the logits.
//!
//! Entries of −∞ add nothing, a row of nothing else has a log-sum-exp of −∞, a softmax of 0 and a
//! gradient of 0. NaN stays NaN. Sums are fixed partial sums, long rows are cut into pieces of
//! fixed length, and the exponential is libm's: the bits are the same for any number of threads and
//! on every machine.

use std::mem::MaybeUninit;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::profile::time;

use super::real::{PARTS, Real, build, by_type, cpu_slice, total, with_cpu_slices};
use super::simd::vectorised;
use super::twice_differentiable;

/// Elements of one piece of parallel work.
const PIECE: usize = 1 << 14;

/// log Σ exp of each row: x `[rows, columns]` to `[rows]`. Its gradient is the softmax.
///
/// # Errors
/// If x is not of rank 2, has no columns or is neither f32 nor f64.
pub fn log_sum_exp_rows(x: &Tensor) -> Result<Tensor> {
    sizes(x.dims2()?)?;
    if x.device().is_cpu() && !twice_differentiable() {
        return x.contiguous()?.apply_op1(LogSumExp);
    }
    composed_log_sum_exp(x)
}

/// exp(x) of each row of x `[rows, columns]`, divided by the row's sum: `[rows, columns]`.
///
/// # Errors
/// If x is not of rank 2, has no columns or is neither f32 nor f64.
pub fn softmax_rows(x: &Tensor) -> Result<Tensor> {
    sizes(x.dims2()?)?;
    if x.device().is_cpu() && !twice_differentiable() {
        return x.contiguous()?.apply_op1(Softmax);
    }
    composed_softmax(x)
}

fn sizes((rows, columns): (usize, usize)) -> Result<(usize, usize)> {
    if columns == 0 {
        bail!("a softmax needs at least one column, got shape [{rows}, 0]")
    }
    Ok((rows, columns))
}

/// What the composed twins share.
struct Composed {
    /// exp(x − shift), `[rows, columns]`.
    exp: Tensor,
    /// The row's maximum where that is finite, else 0; a constant, `[rows, 1]`.
    shift: Tensor,
    /// The row's sum of `exp`, `[rows, 1]`; 1 where `empty`.
    sum: Tensor,
    /// 1 for a row of nothing but −∞, else 0: `[rows, 1]`. A logarithm or quotient of such a row's
    /// sum would have a gradient of NaN.
    empty: Tensor,
}

impl Composed {
    fn new(x: &Tensor) -> Result<Self> {
        let max = x.detach().max_keepdim(1)?;
        let finite = max.abs()?.lt(f64::INFINITY)?;
        let shift = finite.where_cond(&max, &max.zeros_like()?)?;
        let exp = x.broadcast_sub(&shift)?.exp()?;
        let sum = exp.sum_keepdim(1)?;
        let empty = sum.detach().eq(0.0)?;
        let sum = (sum + empty.to_dtype(x.dtype())?)?;
        Ok(Self { exp, shift, sum, empty })
    }
}

fn composed_log_sum_exp(x: &Tensor) -> Result<Tensor> {
    let Composed { shift, sum, empty, .. } = Composed::new(x)?;
    let nothing = (shift.zeros_like()? + f64::NEG_INFINITY)?;
    empty.where_cond(&nothing, &(sum.log()? + shift)?)?.squeeze(1)
}

fn composed_softmax(x: &Tensor) -> Result<Tensor> {
    let Composed { exp, sum, .. } = Composed::new(x)?;
    exp.broadcast_div(&sum)
}

/// A sum of exponentials over a row or a piece of one.
#[derive(Clone, Copy)]
struct Sum {
    /// The largest entry, −∞ or ∞ included; NaN is passed over.
    max: f64,
    /// Σ exp(x − shift) with [`shift`] of that entry; NaN if any entry is.
    exp: f64,
}

/// What is taken out of the exponents: ∞ − ∞ would make every row with an infinite maximum NaN.
fn shift(max: f64) -> f64 {
    if max.is_finite() { max } else { 0.0 }
}

impl Sum {
    /// What turns the piece's exponentials into the row's.
    fn weight(&self, row: &Self) -> f64 {
        // Equal infinities are 1 too.
        if self.max == row.max { 1.0 } else { Real::exp(self.max - row.max) }
    }

    /// Pieces of one row, in their order.
    fn of_row(pieces: &[Self]) -> Self {
        let max = pieces.iter().fold(f64::NEG_INFINITY, |max, p| max.max(p.max));
        let mut row = Self { max, exp: 0.0 };
        row.exp = pieces.iter().map(|p| p.exp * p.weight(&row)).sum();
        row
    }

    fn log(&self) -> f64 {
        shift(self.max) + Real::ln(self.exp)
    }
}

/// NaN is never larger.
#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

vectorised! {
    /// The largest entry, −∞ of none.
    fn largest<T: Real>(x: &[T]) -> T {
        let mut parts = [T::nearest(f64::NEG_INFINITY); PARTS];
        let (x, rest) = x.as_chunks::<PARTS>();
        for x in x {
            for i in 0..PARTS {
                parts[i] = larger(parts[i], x[i]);
            }
        }
        parts.iter().chain(rest).fold(T::nearest(f64::NEG_INFINITY), |a, &b| larger(a, b))
    }
}

vectorised! {
    fn scale<T: Real>(y: &mut [T], by: T) {
        y.iter_mut().for_each(|y| *y *= by);
    }
}

vectorised! {
    fn product_sum<T: Real>(a: &[T], b: &[T]) -> f64 {
        let mut parts = [T::default(); PARTS];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
        for (a, b) in a.iter().zip(b) {
            for i in 0..PARTS {
                parts[i] += a[i] * b[i];
            }
        }
        total(parts) + a_rest.iter().zip(b_rest).map(|(&a, &b)| (a * b).f64()).sum::<f64>()
    }
}

vectorised! {
    /// dx = y·(g − inner), all of it.
    fn softmax_gradient<T: Real>(y: &[T], g: &[T], inner: T, dx: &mut [MaybeUninit<T>]) {
        for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
            dx.write(y * (g - inner));
        }
    }
}

/// Hands `each` every exponential of a piece, in order, and sums them.
#[inline(always)]
fn exponentials<T: Real>(x: &[T], mut each: impl FnMut(usize, T)) -> Sum {
    let max = largest(x).f64();
    let shift = T::nearest(shift(max));
    let mut parts = [T::default(); PARTS];
    for (i, &x) in x.iter().enumerate() {
        let exp = (x - shift).exp();
        parts[i % PARTS] += exp;
        each(i, exp);
    }
    Sum { max, exp: total(parts) }
}

/// log Σ exp of each row.
fn log_sums<T: Real>(x: &[T], columns: usize) -> Vec<T> {
    x.par_chunks(columns)
        .with_min_len((PIECE / columns).max(1))
        .map(|row| {
            let pieces: Vec<Sum> =
                row.par_chunks(PIECE).map(|x| exponentials(x, |_, _| ())).collect();
            T::nearest(Sum::of_row(&pieces).log())
        })
        .collect()
}

/// Softmax of each row, times the row's entry of `factors` where there are any.
fn softmax<T: Real>(x: &[T], columns: usize, factors: Option<&[T]>) -> Vec<T> {
    let row_of = |r: usize, x: &[T], y: &mut [MaybeUninit<T>]| {
        let pieces: Vec<Sum> = y
            .par_chunks_mut(PIECE)
            .zip(x.par_chunks(PIECE))
            .map(|(y, x)| exponentials(x, |i, exp| _ = y[i].write(exp)))
            .collect();
        // SAFETY: every element was written just now, and `MaybeUninit<T>` lies in memory as T.
        let y = unsafe { &mut *(std::ptr::from_mut(y) as *mut [T]) };
        let row = Sum::of_row(&pieces);
        let factor = factors.map_or(1.0, |f| f[r].f64());
        y.par_chunks_mut(PIECE).zip(&pieces).for_each(|(y, piece)| {
            // A row of nothing but −∞ has no sum to divide by.
            let share = if row.exp == 0.0 { 0.0 } else { piece.weight(&row) / row.exp };
            scale(y, T::nearest(factor * share));
        });
    };
    // SAFETY: every row is written whole.
    unsafe {
        build(x.len(), |y| {
            y.par_chunks_mut(columns)
                .zip(x.par_chunks(columns))
                .enumerate()
                .with_min_len((PIECE / columns).max(1))
                .for_each(|(r, (y, x))| row_of(r, x, y));
        })
    }
}

struct LogSumExp;

impl CustomOp1 for LogSumExp {
    fn name(&self) -> &'static str {
        "log-sum-exp"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("log-sum-exp");
        let (rows, columns) = sizes(layout.shape().dims2()?)?;
        let y = by_type!(x, T, T::storage(log_sums::<T>(cpu_slice(x, layout)?, columns)));
        Ok((y, rows.into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let _timer = time("log-sum-exp, gradient");
        let (g, columns) = (g.contiguous()?, x.dim(1)?);
        // From x and not from the output: a log-sum-exp of 1000 in f32 is rounded by up to 3e-5,
        // which would be the relative error of every exp(x − output).
        by_type!(x, T, {
            let dx = with_cpu_slices::<T, _, 2>([x, &g], |[x, g]| softmax(x, columns, Some(g)))?;
            Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
        })
    }
}

struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let _timer = time("softmax");
        let (_, columns) = sizes(layout.shape().dims2()?)?;
        let y = by_type!(x, T, T::storage(softmax::<T>(cpu_slice(x, layout)?, columns, None)));
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, g: &Tensor) -> Result<Option<Tensor>> {
        let _timer = time("softmax, gradient");
        let (g, columns) = (g.contiguous()?, y.dim(1)?);
        by_type!(y, T, {
            // SAFETY: every row is written whole.
            let dx = with_cpu_slices::<T, _, 2>([y, &g], |[y, g]| unsafe {
                build(y.len(), |dx| {
                    dx.par_chunks_mut(columns)
                        .zip(y.par_chunks(columns).zip(g.par_chunks(columns)))
                        .with_min_len((PIECE / columns).max(1))
                        .for_each(|(dx, (y, g))| {
                            softmax_gradient(y, g, T::nearest(product_sum(y, g)), dx);
                        });
                })
            })?;
            Ok(Some(Tensor::from_vec(dx, y.shape(), y.device())?))
        })
    }
}

#[cfg(test)]
mod tests;
