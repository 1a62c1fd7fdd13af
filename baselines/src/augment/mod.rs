//! Differentiable augmentations: the same random draw is applied forwards to images and backwards to
//! gradients, so that the generator learns through them.

mod color;
mod geometry;

pub use color::{ColorDraw, Jitter, jitter};
pub use geometry::{View, resample};

use candle_core::{Result, Tensor};
use ganbench_nn::rng::Stream;
use serde::{Deserialize, Serialize};

/// SimCLR's augmentation at CIFAR size.
///
/// `gan-recipes.md` §1.1 (jh-jeong/ContraD, `augment/`): random resized crop with reflection, flip,
/// colour jitter, grey. No blur at this size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimClr {
    /// Share of the area that a crop keeps, [low, high].
    pub crop_scale: [f64; 2],
    /// Width over height of a crop, [low, high].
    pub crop_ratio: [f64; 2],
    pub flip_p: f64,
    pub jitter_p: f64,
    /// Contrast, saturation and value are scaled by 1 ± this.
    pub jitter_strength: f64,
    /// Hue moves by up to ± this share of the circle, times 255/360 as in the official code.
    pub jitter_hue: f64,
    pub grey_p: f64,
}

impl Default for SimClr {
    fn default() -> Self {
        Self {
            crop_scale: [0.2, 1.0],
            crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            flip_p: 0.5,
            jitter_p: 0.8,
            jitter_strength: 0.4,
            jitter_hue: 0.1,
            grey_p: 0.2,
        }
    }
}

/// Flip and shift, the augmentation of consistency regularisation on CIFAR.
///
/// `gan-recipes.md` §1.1 (`hfrt`): flip with probability 1/2, then a shift of up to ±`max_shift` whole
/// pixels, reflected at the border.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlipShift {
    pub max_shift: u32,
}

/// What is done to every image before the discriminator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Augmentation {
    None,
    SimClr(SimClr),
    FlipShift(FlipShift),
}

impl Augmentation {
    /// One independent draw an image: x `[n, c, h, w]` in [−1, 1], as the result.
    ///
    /// # Errors
    /// If x is not of rank 4.
    pub fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let (n, channels, height, width) = x.dims4()?;
        match self {
            Self::None => Ok(x.clone()),
            Self::FlipShift(a) => {
                let views = (0..n)
                    .map(|_| {
                        let flip = stream.chance(0.5);
                        let mut shift = |size: usize| {
                            let span = u64::from(a.max_shift) * 2 + 1;
                            let pixels = stream.below(span) as f64 - f64::from(a.max_shift);
                            2.0 * pixels / size as f64
                        };
                        let (y, x) = (shift(height), shift(width));
                        View { scale: [1.0, if flip { -1.0 } else { 1.0 }], offset: [y, x] }
                    })
                    .collect();
                resample(x, views)
            }
            Self::SimClr(a) => {
                let crops = geometry::random_resized_crops(n, [height, width], a, stream);
                let flips: Vec<bool> = (0..n).map(|_| stream.chance(a.flip_p)).collect();
                let views = crops
                    .into_iter()
                    .zip(flips)
                    .map(|(v, flip)| if flip { v.flipped() } else { v })
                    .collect();
                let x = resample(x, views)?;
                if channels != 3 {
                    return Ok(x);
                }
                let draws = color::draw(n, a, stream);
                let unit = ((x + 1.0)? * 0.5)?;
                (jitter(&unit, draws)? * 2.0)? - 1.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::DType;
    use ganbench_nn::kernels::finite_difference::normal;

    #[test]
    fn a_view_stays_in_range_and_differs_from_the_next() {
        let x = normal(1, &[8, 3, 32, 32]).clamp(-1.0, 1.0).unwrap().to_dtype(DType::F32).unwrap();
        let mut stream = Stream::new(0, "augment");
        let augmentation = Augmentation::SimClr(SimClr::default());
        let a = augmentation.apply(&x, &mut stream).unwrap();
        let b = augmentation.apply(&x, &mut stream).unwrap();
        assert!(a.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap() <= 1.0 + 1e-5);
        assert!(
            (a - b).unwrap().abs().unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap() > 0.1
        );
    }

    #[test]
    fn a_flip_and_whole_pixel_shift_only_moves_pixels() {
        let x = normal(1, &[16, 1, 8, 8]).to_dtype(DType::F32).unwrap();
        let y = Augmentation::FlipShift(FlipShift { max_shift: 2 })
            .apply(&x, &mut Stream::new(0, "augment"))
            .unwrap();
        let (x, y) = (
            x.flatten_from(1).unwrap().to_vec2::<f32>().unwrap(),
            y.flatten_from(1).unwrap().to_vec2::<f32>().unwrap(),
        );
        for (x, y) in x.iter().zip(&y) {
            assert!(y.iter().all(|v| x.iter().any(|u| (u - v).abs() < 1e-5)));
        }
    }
}
