//! The three passes on slices, each by the algorithm that the plan and the shape choose.

use crate::profile::{Timer, time};

use super::super::real::Real;
use super::super::winograd::{self, Tiling, Variant};
use super::finish::Finish;
use super::{Algorithm, Dims, direct};

/// Times a pass under its algorithm's name: the profile shows what was chosen.
fn timer(tiling: Option<&Tiling>, [direct, f23, f43, f42]: [&'static str; 4]) -> Timer {
    time(match tiling.map(|t| t.variant) {
        None => direct,
        Some(Variant::F23) => f23,
        Some(Variant::F43) => f43,
        Some(Variant::F42) => f42,
    })
}

const FORWARD: [&str; 4] = [
    "convolution, direct",
    "convolution, Winograd F(2,3)",
    "convolution, Winograd F(4,3)",
    "convolution, Winograd F(4,2)",
];
const INPUT_GRAD: [&str; 4] = [
    "its input gradient, direct",
    "its input gradient, Winograd F(2,3)",
    "its input gradient, Winograd F(4,3)",
    "its input gradient, Winograd F(4,2)",
];
const WEIGHT_GRAD: [&str; 4] = [
    "its weight gradient, direct",
    "its weight gradient, Winograd F(2,3)",
    "its weight gradient, Winograd F(4,3)",
    "its weight gradient, Winograd F(4,2)",
];

/// The tiling for numbers of this type: Winograd's algorithms are f32's.
fn tiling<T: Real>(d: &Dims, algorithm: Algorithm) -> Option<Tiling> {
    d.tiling(algorithm).filter(|_| T::as_f32(&[]).is_some())
}

/// y `[n, cout, oh, ow]` of x `[n, cin, h, w]` and w `[cout, cin, kh, kw]`.
pub fn forward<T: Real>(
    x: &[T],
    w: &[T],
    d: &Dims,
    algorithm: Algorithm,
    finish: Finish<'_, T>,
) -> Vec<T> {
    let tiling = tiling::<T>(d, algorithm);
    let _timer = timer(tiling.as_ref(), FORWARD);
    let fast = tiling.and_then(|t| {
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
    let tiling = tiling::<T>(d, algorithm);
    let _timer = timer(tiling.as_ref(), INPUT_GRAD);
    let fast = tiling.and_then(|t| {
        let finish = Finish { bias: T::as_f32(finish.bias)?, activation: finish.activation };
        T::from_f32(winograd::input_grad(T::as_f32(dy)?, T::as_f32(w)?, &t, finish))
    });
    fast.unwrap_or_else(|| direct::input_grad(dy, w, d, finish))
}

/// The gradient with respect to w.
pub fn weight_grad<T: Real>(x: &[T], dy: &[T], d: &Dims, algorithm: Algorithm) -> Vec<T> {
    let tiling = tiling::<T>(d, algorithm);
    let _timer = timer(tiling.as_ref(), WEIGHT_GRAD);
    let fast =
        tiling.and_then(|t| T::from_f32(winograd::weight_grad(T::as_f32(x)?, T::as_f32(dy)?, &t)));
    fast.unwrap_or_else(|| direct::weight_grad(x, dy, d))
}
