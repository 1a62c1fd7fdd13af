//! Image resizing as the reference extractors do it, one file a reference.
//!
//! They differ where it is seen in FIDs: in where a pixel's centre lies, in whether downscaling is
//! antialiased, and in whether the result is rounded to bytes. Parmar et al. 2022, "On Aliased
//! Resizing and Surprising Subtleties in GAN Evaluation", arXiv:2104.11222.

mod pil;
mod tensorflow1;
mod torch_bilinear;

use ganbench_data::images::ImageView;
pub(crate) use pil::{Filter, pil_bytes, pil_float};
pub(crate) use tensorflow1::tensorflow1_bilinear;
pub(crate) use torch_bilinear::torch_bilinear;

/// A reference's resize by name, so that a change of it can be seen without a network.
#[derive(Clone, Copy)]
pub struct Resize {
    /// The reference and its filter, such as `pil-bicubic`.
    pub name: &'static str,
    /// f32 planes `[c, height, width]` of the size asked for, 0..=255.
    pub planes: fn(ImageView<'_>, [usize; 2]) -> Vec<f32>,
}

/// All resizes.
pub const RESIZES: &[Resize] = &[
    Resize {
        name: "tensorflow1-bilinear",
        planes: |image, to| filled(image, to, |out| tensorflow1_bilinear(image, to, out)),
    },
    Resize {
        name: "torch-bilinear",
        planes: |image, to| filled(image, to, |out| torch_bilinear(image, to, f32::from, out)),
    },
    Resize {
        name: "pil-bilinear",
        planes: |image, to| filled(image, to, |out| pil_float(image, Filter::Bilinear, to, out)),
    },
    Resize {
        name: "pil-bicubic",
        planes: |image, to| filled(image, to, |out| pil_float(image, Filter::Bicubic, to, out)),
    },
    Resize {
        name: "pil-bilinear-bytes",
        planes: |image, to| planes_of_bytes(&pil_bytes(image, Filter::Bilinear, to), image, to),
    },
    Resize {
        name: "pil-bicubic-bytes",
        planes: |image, to| planes_of_bytes(&pil_bytes(image, Filter::Bicubic, to), image, to),
    },
];

fn filled(image: ImageView<'_>, to: [usize; 2], fill: impl FnOnce(&mut [f32])) -> Vec<f32> {
    let mut out = vec![0.0; image.size.channels * to[0] * to[1]];
    fill(&mut out);
    out
}

/// From u8 `[height, width, c]`.
fn planes_of_bytes(bytes: &[u8], image: ImageView<'_>, to: [usize; 2]) -> Vec<f32> {
    let (channels, plane) = (image.size.channels, to[0] * to[1]);
    let value = |i: usize| f32::from(bytes[i % plane * channels + i / plane]);
    (0..channels * plane).map(value).collect()
}

#[cfg(test)]
mod golden_tests;
