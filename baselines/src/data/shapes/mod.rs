//! `shapes`: the procedural dataset that is always at hand.
//!
//! Each image is drawn from factors that are known and kept with it, so that the true distribution
//! is known: 10 shapes x 6 hue families x 4 backgrounds x 3 textures = 720 modes, all equally
//! likely, and within each a uniform hue offset, position, size and rotation. An image depends on
//! nothing but its factors.
//!
//! Convention: image `i` of a split is drawn from its own random stream, so it does not depend on
//! how many are drawn, in what order, or on how many threads. Bit-identical on every machine: + - *
//! / sqrt on f64 and `libm::sincos`.

mod outline;
mod render;

use ganbench_nn::images::{Factors, ImageBatch, ImageSize};
use ganbench_nn::rng::Stream;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

pub use outline::SHAPES;

use super::sources::Reading;
use super::{DataError, Dataset, Progress, Split, Stage, hex};

/// Part of the content hash; changed whenever any pixel of any image changes.
const SPEC: &str = "ganbench-shapes-1";
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
/// Number of combinations of the factors that come in kinds; see [`ShapeFactors::mode`].
pub const MODES: usize = SHAPES.len() * HUES.len() * BACKGROUNDS.len() * TEXTURES.len();

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
    /// The factors of image `index` of a split.
    pub fn draw(seed: u64, split: Split, index: u64) -> Self {
        let mut stream = Stream::new(seed, &format!("shapes/{split}/{index}"));
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

    /// Which of the [`MODES`] equally likely combinations of shape, hue family, background and
    /// texture.
    pub fn mode(&self) -> usize {
        let kinds = [
            (self.shape as usize, SHAPES.len()),
            (self.hue_family(), HUES.len()),
            (self.background as usize, BACKGROUNDS.len()),
            (self.texture as usize, TEXTURES.len()),
        ];
        kinds.iter().fold(0, |mode, &(kind, of)| mode * of + kind)
    }
}

/// What to draw.
pub(super) struct ShapesSpec {
    pub seed: u64,
    pub split: Split,
    pub count: usize,
    pub size: usize,
}

pub(super) fn load(
    spec: &ShapesSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    const BLOCK: usize = 2048;
    let size = ImageSize::new(spec.size, spec.size, 3);
    let mut pixels = super::room(spec.count, size)?;
    let factors: Vec<ShapeFactors> = (0..spec.count as u64)
        .into_par_iter()
        .map(|i| ShapeFactors::draw(spec.seed, spec.split, i))
        .collect();
    let mut hash = Sha256::new();
    hash.update(format!("{SPEC} seed {} {} {} {size}\n", spec.seed, spec.split, spec.count));
    for block in factors.chunks(BLOCK) {
        let start = pixels.len();
        pixels.resize(start + block.len() * size.bytes(), 0);
        pixels[start..]
            .par_chunks_exact_mut(size.bytes())
            .zip(block)
            .for_each(|(image, factors)| factors.render(spec.size, image));
        hash.update(&pixels[start..]);
        progress(Progress {
            stage: Stage::Drawing,
            done: (pixels.len() / size.bytes()) as u64,
            total: spec.count as u64,
        });
    }
    let labels = factors.iter().map(|f| f.shape).collect();
    let factors = Factors {
        names: FACTORS.map(str::to_owned).to_vec(),
        values: factors.iter().flat_map(ShapeFactors::values).collect(),
    };
    Ok(Dataset {
        name: "shapes".into(),
        split: spec.split,
        images: ImageBatch::new(size, pixels, Some(labels), Some(factors))?,
        class_names: SHAPES.map(str::to_owned).to_vec(),
        sha256: hex(hash),
        label_fault: None,
        fit: None,
        trained_on: None,
        reading: Reading::default(),
    })
}

#[cfg(test)]
mod tests;
