//! The world of the data set `shapes`: images drawn from factors that are known.
//!
//! 10 shapes x 6 hue families x 4 backgrounds x 3 textures = 720 modes, all equally likely, and
//! within each a uniform hue offset, position, size and rotation. An image depends on nothing but
//! its factors, and both ways are at hand: [`ShapeFactors::render`] draws an image, and
//! [`ShapeFactors::fit`] finds the factors that an image lies closest to.
//!
//! Bit-identical on every machine: + - * / sqrt on f64 and `libm::sincos`.

mod dataset;
mod fit;
mod of_class;
mod outline;
mod render;

#[cfg(test)]
mod tests;

pub use dataset::World;
pub(crate) use dataset::{ShapesSpec, load};
pub use fit::Fit;
pub use of_class::of_class;
pub use outline::SHAPES;

use crate::rng::Stream;

/// Side of an image in pixels unless told otherwise.
pub const DEFAULT_SIZE: usize = 32;
/// Sides that can be drawn: below 8 the shapes are no longer told apart.
pub const SIZES: std::ops::RangeInclusive<usize> = 8..=512;

/// Hue families, in order around the colour circle: `hue` lies within 0.03 of `index / 6`.
pub const HUES: [&str; 6] = ["red", "yellow", "green", "cyan", "blue", "magenta"];
/// Kinds of background.
pub const BACKGROUNDS: [&str; 4] = ["night", "paper", "dusk", "stripes"];
/// Kinds of texture on the shape.
pub const TEXTURES: [&str; 3] = ["plain", "striped", "chequered"];
/// Names of the factors, in the order of [`ShapeFactors::values`].
pub const FACTORS: [&str; 8] =
    ["shape", "hue", "background", "x", "y", "size", "rotation", "texture"];
/// Numbers of kinds of shape, hue family, background and texture, in the order of [`Kinds`].
pub const KIND_COUNTS: [usize; 4] = [SHAPES.len(), HUES.len(), BACKGROUNDS.len(), TEXTURES.len()];
/// Number of combinations of the factors that come in kinds; see [`ShapeFactors::mode`].
pub const MODES: usize = KIND_COUNTS[0] * KIND_COUNTS[1] * KIND_COUNTS[2] * KIND_COUNTS[3];

/// Indices of shape, hue family, background and texture.
pub type Kinds = [usize; KIND_COUNTS.len()];

/// Number of continuous factors: x, y, size, rotation and the hue's offset from its family.
pub const CONTINUOUS: usize = 5;
/// Names of the continuous factors, in the order of [`ShapeFactors::places`].
pub const CONTINUOUS_NAMES: [&str; CONTINUOUS] = ["x", "y", "size", "rotation", "hue offset"];
/// Middle of the support of each continuous factor.
const MIDDLE: [f64; CONTINUOUS] = [0.0, 0.0, 0.35, 0.0, 0.0];
/// Half the width of the support of each continuous factor.
const REACH: [f64; CONTINUOUS] = [0.08, 0.08, 0.05, 0.07, 0.03];

/// The causes of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapeFactors {
    /// Index into [`SHAPES`]; the label.
    pub shape: u32,
    /// In turns of the colour circle, [0, 1): 0 red, 1/3 green, 2/3 blue.
    pub hue: f32,
    /// Index into [`BACKGROUNDS`].
    pub background: u32,
    /// Centre of the shape right of the image's centre, in image widths, within ±0.08.
    pub x: f32,
    /// Centre of the shape below the image's centre, in image heights, within ±0.08.
    pub y: f32,
    /// Radius of the shape in image widths, 0.3 to 0.4.
    pub size: f32,
    /// Clockwise, in turns, within ±0.07 (25°).
    pub rotation: f32,
    /// Index into [`TEXTURES`].
    pub texture: u32,
}

impl ShapeFactors {
    /// Draws factors from the true distribution: every mode alike.
    pub fn draw(stream: &mut Stream) -> Self {
        let shape = stream.below(SHAPES.len() as u64) as u32;
        let family = stream.below(HUES.len() as u64) as f64 / HUES.len() as f64;
        let hue = (family + stream.range(-0.03, 0.03) + 1.0) as f32;
        Self {
            shape,
            hue: hue - hue.floor(),
            background: stream.below(BACKGROUNDS.len() as u64) as u32,
            x: stream.range(-0.08, 0.08) as f32,
            y: stream.range(-0.08, 0.08) as f32,
            size: stream.range(0.3, 0.4) as f32,
            rotation: stream.range(-0.07, 0.07) as f32,
            texture: stream.below(TEXTURES.len() as u64) as u32,
        }
    }

    /// The inverse of [`Self::values`].
    pub fn from_values(values: &[f32; FACTORS.len()]) -> Self {
        let &[shape, hue, background, x, y, size, rotation, texture] = values;
        let [shape, background, texture] = [shape, background, texture].map(|kind| kind as u32);
        Self { shape, hue, background, x, y, size, rotation, texture }
    }

    /// In the order of [`FACTORS`].
    pub fn values(&self) -> [f32; FACTORS.len()] {
        [
            self.shape as f32,
            self.hue,
            self.background as f32,
            self.x,
            self.y,
            self.size,
            self.rotation,
            self.texture as f32,
        ]
    }

    /// Index into [`HUES`].
    pub fn hue_family(&self) -> usize {
        (self.hue * HUES.len() as f32 + 0.5) as usize % HUES.len()
    }

    /// How far the hue lies from that of its family, in turns, within ±1/12; ±0.03 in truth.
    pub fn hue_offset(&self) -> f64 {
        let from_family = f64::from(self.hue) - self.hue_family() as f64 / HUES.len() as f64;
        from_family - from_family.round()
    }

    /// The kinds, of which the mode is made.
    pub fn kinds(&self) -> Kinds {
        [self.shape as usize, self.hue_family(), self.background as usize, self.texture as usize]
    }

    /// The places of the continuous factors within their supports, −1 to 1 (uniform in truth).
    pub fn places(&self) -> [f64; CONTINUOUS] {
        let [x, y, size, rotation] = [self.x, self.y, self.size, self.rotation].map(f64::from);
        let values = [x, y, size, rotation, self.hue_offset()];
        std::array::from_fn(|i| (values[i] - MIDDLE[i]) / REACH[i])
    }

    /// The inverse of [`Self::kinds`] and [`Self::places`]. Places outside −1 to 1 are brought to
    /// the nearest end, a place that is no number to the middle.
    pub fn from_kinds(kinds: Kinds, places: [f64; CONTINUOUS]) -> Self {
        let places = places.map(|p| if p.is_nan() { 0.0 } else { p.clamp(-1.0, 1.0) });
        let values: [f64; CONTINUOUS] = std::array::from_fn(|i| MIDDLE[i] + REACH[i] * places[i]);
        let [x, y, size, rotation] = [values[0], values[1], values[2], values[3]].map(|v| v as f32);
        let [shape, family, background, texture] = kinds;
        let hue = (family as f64 / HUES.len() as f64 + values[4] + 1.0) as f32;
        Self {
            shape: shape as u32,
            hue: hue - hue.floor(),
            background: background as u32,
            x,
            y,
            size,
            rotation,
            texture: texture as u32,
        }
    }

    /// Which of the [`MODES`] equally likely combinations of shape, hue family, background and
    /// texture.
    pub fn mode(&self) -> usize {
        mode_of(self.kinds())
    }
}

/// Which of the [`MODES`] these kinds are; texture counts fastest, shape slowest.
pub fn mode_of(kinds: Kinds) -> usize {
    kinds.iter().zip(KIND_COUNTS).fold(0, |mode, (&kind, count)| mode * count + kind)
}

/// Whether the training images of `shapes-heldout` lack this mode: one shape of each combination of
/// hue, background and texture, 72 modes. Every kind and every pair of kinds but these is shown.
pub fn is_held_out([shape, hue, background, texture]: Kinds) -> bool {
    let combination = (hue * BACKGROUNDS.len() + background) * TEXTURES.len() + texture;
    shape == 7 * combination % SHAPES.len()
}
