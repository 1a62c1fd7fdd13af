//! The CPU compute, as candle custom ops.
//!
//! Every op is generic over f32 (what trains) and f64 (what the gradient tests and the error
//! references use). Work is cut into pieces by shape alone, never by the number of threads, and
//! sums over pieces run in a fixed order: results are bit-identical for any number of threads.
//!
//! On devices other than the CPU the same functions call candle's own ops.

pub mod activation;
pub mod batch_norm;
pub mod conv;
pub mod gemm;
pub mod gram;
pub mod modulation;
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
mod twice;
pub mod upfirdn;
mod winograd;

pub mod finite_difference;

pub use scratch::release as release_scratch;

pub use real::{Real, cpu_slice, with_cpu_slice, with_cpu_slices};
pub(crate) use twice::for_backward;
pub use twice::{SWITCH, TwiceDifferentiable, switched_on, twice_differentiable};
