//! Differentiable augmentations: the same random draw is applied forwards to images and backwards
//! to gradients, so that the generator learns through them.

pub mod ada;
mod affine;
mod blur;
mod color;
mod diffaug;
mod flip;
mod flip_shift;
mod geometry;
#[cfg(test)]
mod golden_tests;
mod simclr;
mod taps;

pub use ada::{Ada, AdaRule, Observed};
pub use blur::Blur;
use candle_core::{Result, Tensor};
pub use color::{ColorDraw, Jitter, jitter};
pub use diffaug::DiffAug;
pub use flip::Flip;
pub use flip_shift::FlipShift;
use ganbench_data::rng::Stream;
pub use geometry::{View, resample};
use serde::{Deserialize, Serialize};
pub use simclr::SimClr;

use crate::part::{InvalidPart, Part, part_list};

/// The configuration of an augmentation: the struct that a plan holds.
pub trait Augment: Part {
    /// One independent draw per image: x `[n, c, h, w]` in [−1, 1], as the result, which DiffAug
    /// and ADA let leave that range as their official code does.
    ///
    /// # Errors
    /// If x is not of rank 4, or of a size or a number of channels that the augmentation does not
    /// take.
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor>;
}

part_list! {
    /// What is done to every image before the discriminator sees it.
    #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    pub enum Augmentation: Augment {
        /// Images stay as they are.
        None,
        /// SimCLR's crops, flips, colours and blur.
        SimClr(SimClr),
        /// A mirror image of every second image, and a shift.
        FlipShift(FlipShift),
        /// A mirror image of every second image.
        Flip(Flip),
        /// DiffAugment's policies.
        DiffAug(DiffAug),
        /// ADA's pipeline, each step with its probability p.
        Ada(Ada),
    }
}

impl Augmentation {
    /// The same with ADA's probability set; all others as they are.
    pub fn with_p(self, p: f64) -> Self {
        match self {
            Self::Ada(_) => Self::Ada(Ada { p }),
            other => other,
        }
    }

    /// # Errors
    /// Naming the first field that has a value of which no augmentation can be made.
    pub fn check(&self) -> std::result::Result<(), InvalidPart> {
        self.part().map_or(Ok(()), |part| part.check())
    }

    /// As [`Augment::apply`].
    ///
    /// # Errors
    /// If x is not of rank 4, or of a size or a number of channels that the augmentation does not
    /// take.
    pub fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        x.dims4()?;
        match self.part() {
            None => Ok(x.clone()),
            Some(part) => part.apply(x, stream),
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
    fn every_augmentation_takes_grey_and_colour_and_reads_back_from_a_plan() {
        let variants = [
            Augmentation::SimClr(SimClr::hq()),
            Augmentation::SimClr(SimClr::afhq()),
            Augmentation::DiffAug(DiffAug::COLOR_CUTOUT),
            Augmentation::DiffAug(DiffAug::TRANSLATION_CUTOUT),
            Augmentation::DiffAug(DiffAug::COLOR_TRANSLATION_CUTOUT),
            Augmentation::Ada(Ada { p: 0.0 }).with_p(0.9),
        ];
        for augmentation in Augmentation::all().into_iter().chain(variants) {
            for channels in [1, 3] {
                let x = normal(1, &[4, channels, 32, 24]).to_dtype(DType::F32).unwrap();
                let draw = || augmentation.apply(&x, &mut Stream::new(0, "augment")).unwrap();
                let numbers = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let y = draw();
                assert_eq!((y.dims(), y.dtype()), (x.dims(), DType::F32), "{augmentation:?}");
                let y = numbers(y);
                assert!(y.iter().all(|v| v.is_finite()), "{augmentation:?}");
                assert_eq!(y, numbers(draw()), "{augmentation:?}");
            }
            let text = toml::to_string(&augmentation).unwrap();
            assert_eq!(toml::from_str::<Augmentation>(&text).unwrap(), augmentation, "{text}");
        }
    }

    /// Plans without blur keep their hash.
    #[test]
    fn a_plan_without_blur_does_not_speak_of_it() {
        let text = toml::to_string(&Augmentation::SimClr(SimClr::default())).unwrap();
        assert!(!text.contains("blur"), "{text}");
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
