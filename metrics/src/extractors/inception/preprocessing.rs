//! What the reference implementations do to an image before the FID Inception sees it. The network
//! and its weights are the same; numbers of different preprocessings must not be mixed.

use ganbench_data::images::ImageView;
use rayon::prelude::*;

use super::SIDE;
use crate::resize::{Filter, pil_float, tensorflow1_bilinear, torch_bilinear};

/// How an image of bytes becomes 299x299 numbers about −1..1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preprocessing {
    /// TensorFlow 1's bilinear resize, (x − 128)/128.
    TorchFidelity,
    /// x/255, torch's bilinear resize, 2x − 1: pytorch-fid 0.3.0 (`inception.py`), and StudioGAN's
    /// `legacy` resizer up to rounding.
    PytorchFid,
    /// Pillow's bilinear resize of float channels, (x/255 − 0.5)/0.5: StudioGAN's `friendly`
    /// resizer for this network (`resize.py`, `preparation.py`).
    StudioGan,
    /// Pillow's bicubic resize of float channels, clipped to 0..=255, (x − 128)/128: clean-fid
    /// 0.1.35 (`resize.py` and `inception_torchscript.py`, mode `clean`).
    CleanFid,
}

impl Preprocessing {
    /// The planes of one image, f32 `[c, 299, 299]`.
    fn planes(self, image: ImageView<'_>, out: &mut [f32]) {
        let to = [SIDE; 2];
        match self {
            Self::TorchFidelity => tensorflow1_bilinear(image, to, out),
            Self::PytorchFid => torch_bilinear(image, to, |pixel| f32::from(pixel) / 255.0, out),
            Self::StudioGan => pil_float(image, Filter::Bilinear, to, out),
            Self::CleanFid => pil_float(image, Filter::Bicubic, to, out),
        }
        match self {
            Self::PytorchFid => out.iter_mut().for_each(|v| *v = 2.0 * *v - 1.0),
            Self::StudioGan => out.iter_mut().for_each(|v| *v = (*v / 255.0 - 0.5) / 0.5),
            Self::TorchFidelity | Self::CleanFid => {
                out.iter_mut().for_each(|v| *v = (*v - 128.0) / 128.0);
            }
        }
    }

    /// The images, resized and scaled: f32 `[n, 3, 299, 299]`. A grey image is its one plane three
    /// times. Images must have 1 or 3 channels.
    pub(super) fn input(self, images: &[ImageView<'_>]) -> Vec<f32> {
        let plane = SIDE * SIDE;
        let mut x = vec![0f32; images.len() * 3 * plane];
        x.par_chunks_exact_mut(3 * plane).zip(images).for_each(|(x, image)| {
            let (own, repeats) = x.split_at_mut(image.size.channels * plane);
            self.planes(*image, own);
            repeats.chunks_exact_mut(plane).for_each(|copy| copy.copy_from_slice(&own[..plane]));
        });
        x
    }
}
