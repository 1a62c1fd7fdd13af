//! Image resizing as the reference extractors do it, one file a reference.
//!
//! They differ where it is seen in FIDs: in where a pixel's centre lies, in whether downscaling is
//! antialiased, and in whether the result is rounded to bytes. Parmar et al. 2022, "On Aliased Resizing
//! and Surprising Subtleties in GAN Evaluation", arXiv:2104.11222.

mod pil;
mod tensorflow1;
mod torch_bilinear;

pub(crate) use pil::{Filter, pil_bytes, pil_float};
pub(crate) use tensorflow1::tensorflow1_bilinear;
pub(crate) use torch_bilinear::torch_bilinear;

#[cfg(test)]
mod golden_tests;
