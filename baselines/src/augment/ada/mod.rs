//! Adaptive discriminator augmentation (ADA): the pipeline `bgc`, pixel blitting, geometry and
//! colour.
//!
//! Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data",
//! arXiv:2006.06676, appendix B; constants and order of its official code
//! (NVlabs/stylegan2-ada-pytorch, `training/augment.py`).
//!
//! Every transformation is made with probability p, each with a draw of its own. All of geometry is
//! one matrix and one resampling (`warp.rs`), all of colour one matrix; results may leave [−1, 1],
//! as there. On one channel brightness, contrast and luma flip act through the mean over RGB, as
//! there; hue and saturation are not drawn.
//!
//! p belongs to the run: [`AdaRule`] says how it moves, [`super::Augmentation::with_p`] sets it.

mod color;
mod rule;
mod warp;

use candle_core::{Result, Tensor, bail};
use color::ColorMatrix;
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::Real;
pub use rule::{AdaRule, Observed};
use serde::{Deserialize, Serialize};
use warp::{Geometry, Warp};

use super::Augment;
use super::affine::{self, Affine, Planes};
use crate::part::{Field, Part};

/// The pipeline at one strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ada {
    /// Probability of each transformation; 0 leaves images alone, above 1 is as 1.
    pub p: f64,
}

/// Largest integer translation, and standard deviation of the fractional one, as a share of the
/// side.
const TRANSLATION: f64 = 0.125;
/// Standard deviations of log2 of isotropic and anisotropic scaling.
const SCALE_STD: f64 = 0.2;
const BRIGHTNESS_STD: f64 = 0.2;
/// Standard deviations of log2 of the factors.
const CONTRAST_STD: f64 = 0.5;
const SATURATION_STD: f64 = 1.0;

impl Part for Ada {
    fn fields(&self) -> Vec<Field> {
        vec![Field::weight("p", self.p, "probability of each transformation")]
    }
}

impl Augment for Ada {
    fn apply(&self, x: &Tensor, stream: &mut Stream) -> Result<Tensor> {
        let (n, channels, height, width) = x.dims4()?;
        if !matches!(channels, 1 | 3) {
            bail!("ada takes images of 1 or 3 channels, got {channels}");
        }
        if self.p.is_nan() || self.p < 0.0 {
            bail!("expected augmentation.p at or above 0, got {}", self.p);
        }
        let size = Planes { channels, height, width };
        let draws = (0..n)
            .map(|_| {
                let moves = self.draw_moves(size, stream);
                Draw::new(moves, self.draw_colors(channels, stream), size)
            })
            .collect();
        affine::apply(x, draws)
    }
}

impl Ada {
    fn draw_moves(&self, size: Planes, stream: &mut Stream) -> Moves {
        let (width, height) = (size.width as f64, size.height as f64);
        let mut moves = Moves::default();
        if stream.chance(self.p) {
            moves.flip = stream.below(2) == 1;
        }
        if stream.chance(self.p) {
            moves.quarter_turns = stream.below(4);
        }
        if stream.chance(self.p) {
            let mut whole = |side: f64| libm::rint(stream.range(-TRANSLATION, TRANSLATION) * side);
            moves.whole = [whole(width), whole(height)];
        }
        if stream.chance(self.p) {
            moves.scale = libm::exp2(SCALE_STD * normal(stream));
        }
        // Before or after the anisotropic scaling, so that either happens with probability p.
        let p_turn = 1.0 - (1.0 - self.p).clamp(0.0, 1.0).sqrt();
        let turn = |stream: &mut Stream| match stream.chance(p_turn) {
            true => stream.range(-1.0, 1.0) * std::f64::consts::PI,
            false => 0.0,
        };
        moves.turn_before = turn(stream);
        if stream.chance(self.p) {
            moves.stretch = libm::exp2(SCALE_STD * normal(stream));
        }
        moves.turn_after = turn(stream);
        if stream.chance(self.p) {
            let mut fraction = |side: f64| normal(stream) * TRANSLATION * side;
            moves.fraction = [fraction(width), fraction(height)];
        }
        moves
    }

    fn draw_colors(&self, channels: usize, stream: &mut Stream) -> Colors {
        let mut colors = Colors::default();
        if stream.chance(self.p) {
            colors.brightness = BRIGHTNESS_STD * normal(stream);
        }
        if stream.chance(self.p) {
            colors.contrast = libm::exp2(CONTRAST_STD * normal(stream));
        }
        if stream.chance(self.p) {
            colors.luma_flip = stream.below(2) == 1;
        }
        if channels > 1 {
            if stream.chance(self.p) {
                colors.hue = stream.range(-1.0, 1.0) * std::f64::consts::PI;
            }
            if stream.chance(self.p) {
                colors.saturation = libm::exp2(SATURATION_STD * normal(stream));
            }
        }
        colors
    }
}

/// Geometry of one image in the order in which it is done; translations are [x, y] in pixels,
/// angles in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moves {
    pub flip: bool,
    pub quarter_turns: u64,
    pub whole: [f64; 2],
    pub scale: f64,
    pub turn_before: f64,
    /// Width × this, height / this.
    pub stretch: f64,
    pub turn_after: f64,
    pub fraction: [f64; 2],
}

impl Default for Moves {
    fn default() -> Self {
        Self {
            flip: false,
            quarter_turns: 0,
            whole: [0.0; 2],
            scale: 1.0,
            turn_before: 0.0,
            stretch: 1.0,
            turn_after: 0.0,
            fraction: [0.0; 2],
        }
    }
}

impl Moves {
    /// From a position in the result to the one in the image.
    fn inverse(&self) -> Geometry {
        Geometry::scaled(if self.flip { -1.0 } else { 1.0 }, 1.0)
            .after(Geometry::quarter_turns(self.quarter_turns))
            .after(Geometry::moved(-self.whole[0], -self.whole[1]))
            .after(Geometry::scaled(1.0 / self.scale, 1.0 / self.scale))
            .after(Geometry::turned(self.turn_before))
            .after(Geometry::scaled(1.0 / self.stretch, self.stretch))
            .after(Geometry::turned(self.turn_after))
            .after(Geometry::moved(-self.fraction[0], -self.fraction[1]))
    }
}

/// Colours of one image in the order in which they change; the angle is in radians.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colors {
    pub brightness: f64,
    pub contrast: f64,
    pub luma_flip: bool,
    pub hue: f64,
    pub saturation: f64,
}

impl Default for Colors {
    fn default() -> Self {
        Self { brightness: 0.0, contrast: 1.0, luma_flip: false, hue: 0.0, saturation: 1.0 }
    }
}

impl Colors {
    fn matrix(&self) -> ColorMatrix {
        let color = ColorMatrix::IDENTITY.brightened(self.brightness).scaled(self.contrast);
        let color = if self.luma_flip { color.luma_flipped() } else { color };
        color.hue_turned(self.hue).saturated(self.saturation)
    }
}

/// One standard normal number; the second of its pair is not used.
fn normal(stream: &mut Stream) -> f64 {
    stream.normal(1).first().map_or(0.0, |&v| f64::from(v))
}

/// One image's draw.
pub(super) struct Draw {
    /// None where nothing moves.
    warp: Option<Warp>,
    /// None where no colour changes.
    color: Option<ColorMatrix>,
}

impl Draw {
    pub(super) fn new(moves: Moves, colors: Colors, size: Planes) -> Self {
        let moved = moves != Moves::default();
        let warp = moved.then(|| Warp::new(moves.inverse(), size));
        Self { warp, color: (colors != Colors::default()).then(|| colors.matrix()) }
    }
}

impl Affine for Draw {
    const NAME: &'static str = "ada";

    fn forward<T: Real>(&self, x: &[T], y: &mut [T], size: Planes, offset: bool) {
        for (y, x) in y.chunks_exact_mut(size.pixels()).zip(x.chunks_exact(size.pixels())) {
            match &self.warp {
                None => y.copy_from_slice(x),
                Some(warp) => warp.forward(x, y),
            }
        }
        if let Some(color) = &self.color {
            color.apply(y, size, offset);
        }
    }

    fn transposed<T: Real>(&self, g: &[T], dx: &mut [T], size: Planes) {
        let mut g = g.to_vec();
        if let Some(color) = &self.color {
            color.apply_transposed(&mut g, size);
        }
        for (dx, g) in dx.chunks_exact_mut(size.pixels()).zip(g.chunks_exact(size.pixels())) {
            match &self.warp {
                None => dx.copy_from_slice(g),
                Some(warp) => warp.transposed(g, dx),
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
