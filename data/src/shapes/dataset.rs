//! `shapes`: the procedural dataset that is always at hand.
//!
//! Its world is `crate::shapes`: each image is drawn from factors that are known and kept
//! with it, so that the true distribution is known. `shapes-heldout` is the same world, of which
//! training shows 648 of the 720 modes only: what a generator draws of the other 72 it has not
//! seen.
//!
//! Convention: image `i` of a split is drawn from its own random stream, so it does not depend on
//! how many are drawn, in what order, or on how many threads.

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{FACTORS, SHAPES, ShapeFactors, is_held_out};
use crate::images::{Factors, ImageBatch, ImageSize};
use crate::rng::Stream;
use crate::sources::Reading;
use crate::{DataError, Dataset, Progress, Split, Stage, hex};

/// Which modes the training images show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// All 720.
    Whole,
    /// Those that [`is_held_out`] leaves; the test images show all.
    HeldOut,
}

impl World {
    /// Both worlds, the whole one first.
    pub const ALL: [Self; 2] = [Self::Whole, Self::HeldOut];

    /// The name of the data set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "shapes",
            Self::HeldOut => "shapes-heldout",
        }
    }

    /// The world whose [`World::name`] is this; None for another name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|world| world.name() == name)
    }

    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Whole => {
                "10 shape classes drawn from known factors; any number of images, no data needed"
            }
            Self::HeldOut => {
                "shapes, of which training shows 648 of the 720 modes: tells whether others are made"
            }
        }
    }

    /// Part of the content hash; changed whenever any pixel of any image changes.
    fn spec(self) -> String {
        format!("ganbench-{}-1", self.name())
    }

    fn shows(self, split: Split, factors: &ShapeFactors) -> bool {
        (self, split) != (Self::HeldOut, Split::Train) || !is_held_out(factors.kinds())
    }
}
/// What to draw.
pub(crate) struct ShapesSpec {
    pub world: World,
    pub seed: u64,
    pub split: Split,
    pub count: usize,
    pub size: usize,
}

/// The factors of image `index` of a split.
pub(super) fn drawn(world: World, seed: u64, split: Split, index: u64) -> ShapeFactors {
    let mut stream = Stream::new(seed, &format!("{}/{split}/{index}", world.name()));
    let mut draws = std::iter::repeat_with(|| ShapeFactors::draw(&mut stream));
    draws.find(|factors| world.shows(split, factors)).expect("most modes are shown")
}

pub(crate) fn load(
    spec: &ShapesSpec,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    const BLOCK: usize = 2048;
    let size = ImageSize::new(spec.size, spec.size, 3);
    let mut pixels = crate::room(spec.count, size)?;
    let factors: Vec<ShapeFactors> = (0..spec.count as u64)
        .into_par_iter()
        .map(|i| drawn(spec.world, spec.seed, spec.split, i))
        .collect();
    let mut hash = Sha256::new();
    hash.update(format!(
        "{} seed {} {} {} {size}\n",
        spec.world.spec(),
        spec.seed,
        spec.split,
        spec.count
    ));
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
        name: spec.world.name().into(),
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
