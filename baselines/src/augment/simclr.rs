//! SimCLR's augmentation, the views of ContraD.

use candle_core::{Result, Tensor};
use ganbench_data::rng::Stream;
use serde::{Deserialize, Serialize};

use super::Augment;
use super::blur::Blur;
use super::color::{self, jitter};
use super::geometry::{random_resized_crops, resample};
use crate::part::{Field, Part};

/// SimCLR's augmentation: that of CIFAR unless told otherwise.
///
/// `gan-recipes.md` §1.1 (jh-jeong/ContraD, `augment/`): random resized crop with reflection, flip,
/// colour jitter, grey, and from 128 pixels on blur (its `simclr_hq`). Images of one channel are
/// cropped, flipped and blurred only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimClr {
    /// Share of the area that a crop keeps, [low, high].
    pub crop_scale: [f64; 2],
    /// Width over height of a crop, [low, high].
    pub crop_ratio: [f64; 2],
    /// Probability that an image is mirrored left to right.
    pub flip_p: f64,
    /// Probability of the colour jitter.
    pub jitter_p: f64,
    /// Contrast, saturation and value are scaled by 1 ± this.
    pub jitter_strength: f64,
    /// Hue moves by up to ± this share of the circle, times 255/360 as in the official code.
    pub jitter_hue: f64,
    /// Probability that an image turns grey.
    pub grey_p: f64,
    /// Last of all, where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur: Option<Blur>,
}

impl SimClr {
    /// `simclr_hq` as ContraD's CelebA-HQ 128 has it: blur besides.
    pub fn hq() -> Self {
        Self { blur: Some(Blur::default()), ..Self::default() }
    }

    /// `simclr_hq` as ContraD's AFHQ 512 has it: smaller crops and twice the jitter.
    pub fn afhq() -> Self {
        Self { crop_scale: [0.08, 1.0], jitter_strength: 0.8, jitter_hue: 0.2, ..Self::hq() }
    }
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
            blur: None,
        }
    }
}

impl Part for SimClr {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::probability("flip_p", self.flip_p, "of a flip"),
            Field::probability("jitter_p", self.jitter_p, "of a colour jitter"),
            Field::probability("grey_p", self.grey_p, "of a grey image"),
        ]
    }
}

impl Augment for SimClr {
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let (n, channels, height, width) = x.dims4()?;
        let crops = random_resized_crops(n, [height, width], self, stream);
        let flips: Vec<bool> = (0..n).map(|_| stream.chance(self.flip_p)).collect();
        let views = crops
            .into_iter()
            .zip(flips)
            .map(|(v, flip)| if flip { v.flipped() } else { v })
            .collect();
        let mut x = resample(x, views)?;
        if channels == 3 {
            let draws = color::draw(n, self, stream);
            let unit = ((x + 1.0)? * 0.5)?;
            x = ((jitter(&unit, draws)? * 2.0)? - 1.0)?;
        }
        match self.blur {
            None => Ok(x),
            Some(blur) => blur.apply(&x, stream),
        }
    }
}
