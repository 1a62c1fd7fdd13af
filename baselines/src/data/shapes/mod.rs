//! `shapes`: the procedural dataset that is always at hand.
//!
//! Its world is `ganbench_nn::shapes`: each image is drawn from factors that are known and kept with
//! it, so that the true distribution is known.
//!
//! Convention: image `i` of a split is drawn from its own random stream, so it does not depend on
//! how many are drawn, in what order, or on how many threads.

use ganbench_nn::images::{Factors, ImageBatch, ImageSize};
use ganbench_nn::rng::Stream;
pub use ganbench_nn::shapes::{DEFAULT_SIZE, FACTORS, SHAPES, SIZES, ShapeFactors};
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::sources::Reading;
use super::{DataError, Dataset, Progress, Split, Stage, hex};

/// Part of the content hash; changed whenever any pixel of any image changes.
const SPEC: &str = "ganbench-shapes-1";
/// What to draw.
pub(super) struct ShapesSpec {
    pub seed: u64,
    pub split: Split,
    pub count: usize,
    pub size: usize,
}

/// The factors of image `index` of a split.
fn drawn(seed: u64, split: Split, index: u64) -> ShapeFactors {
    ShapeFactors::draw(&mut Stream::new(seed, &format!("shapes/{split}/{index}")))
}

pub(super) fn load(
    spec: &ShapesSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    const BLOCK: usize = 2048;
    let size = ImageSize::new(spec.size, spec.size, 3);
    let mut pixels = super::room(spec.count, size)?;
    let factors: Vec<ShapeFactors> =
        (0..spec.count as u64).into_par_iter().map(|i| drawn(spec.seed, spec.split, i)).collect();
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
