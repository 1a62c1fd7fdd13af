//! The CPU compute, as candle custom ops.
//!
//! Every op is generic over f32 (what trains) and f64 (what the gradient tests and the error
//! references use). Work is cut into pieces by shape alone, never by the number of threads, and sums
//! over pieces run in a fixed order: results are bit-identical for any number of threads.
//!
//! On devices other than the CPU the same functions call candle's own ops.

pub mod activation;
pub mod batch_norm;
pub mod conv;
pub mod gemm;
pub mod nhwc;
pub mod orthogonal;
pub mod packed;
pub(crate) mod real;
pub mod resample;
mod scratch;
#[cfg(test)]
mod second_order;
pub mod simd;
pub mod softmax;
pub mod spectral;
mod tile;
mod winograd;

pub mod finite_difference;

pub use scratch::release as release_scratch;

pub use real::{Real, cpu_slice, with_cpu_slice, with_cpu_slices};

use candle_core::Tensor;

/// What a backward pass computes with: detached from the tape, unless gradients of gradients were
/// asked for with candle's own switch. Without this the gradients would drag a second tape along.
pub(crate) fn for_backward(x: &Tensor) -> Tensor {
    if twice_differentiable() { x.clone() } else { x.detach() }
}

/// Whether gradients of gradients were asked for with candle's own switch, `CANDLE_GRAD_DO_NOT_DETACH`.
pub fn twice_differentiable() -> bool {
    thread_local! {
        static SECOND_ORDER: bool = std::env::var("CANDLE_GRAD_DO_NOT_DETACH")
            .is_ok_and(|v| !v.is_empty() && v != "0");
    }
    SECOND_ORDER.with(|&s| s)
}
