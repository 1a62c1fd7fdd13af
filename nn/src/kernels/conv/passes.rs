//! The three passes on slices, each by the algorithm that the plan and the shape choose.

use super::super::real::Real;
use super::super::winograd;
use super::finish::Finish;
use super::{Algorithm, Dims, direct};

/// y `[n, cout, oh, ow]` of x `[n, cin, h, w]` and w `[cout, cin, kh, kw]`.
pub fn forward<T: Real>(
    x: &[T],
    w: &[T],
    d: &Dims,
    algorithm: Algorithm,
    finish: Finish<'_, T>,
) -> Vec<T> {
    let fast = d.tiling(algorithm).and_then(|t| {
        let finish = Finish { bias: T::as_f32(finish.bias)?, activation: finish.activation };
        T::from_f32(winograd::forward(T::as_f32(x)?, T::as_f32(w)?, &t, finish))
    });
    fast.unwrap_or_else(|| direct::forward(x, w, d, finish))
}

/// The gradient with respect to x, or the transposed convolution.
pub fn input_grad<T: Real>(
    dy: &[T],
    w: &[T],
    d: &Dims,
    algorithm: Algorithm,
    finish: Finish<'_, T>,
) -> Vec<T> {
    let fast = d.tiling(algorithm).and_then(|t| {
        let finish = Finish { bias: T::as_f32(finish.bias)?, activation: finish.activation };
        T::from_f32(winograd::input_grad(T::as_f32(dy)?, T::as_f32(w)?, &t, finish))
    });
    fast.unwrap_or_else(|| direct::input_grad(dy, w, d, finish))
}

/// The gradient with respect to w.
pub fn weight_grad<T: Real>(x: &[T], dy: &[T], d: &Dims, algorithm: Algorithm) -> Vec<T> {
    let fast = d
        .tiling(algorithm)
        .and_then(|t| T::from_f32(winograd::weight_grad(T::as_f32(x)?, T::as_f32(dy)?, &t)));
    fast.unwrap_or_else(|| direct::weight_grad(x, dy, d))
}
