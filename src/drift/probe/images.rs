//! The fixed images.

use std::path::Path;

use anyhow::Result;
use ganbench_data::images::ImageBatch;
use ganbench_data::rng::Stream;

use crate::plan::recipe::Recipe;
use crate::run::session::{Surroundings, load_dataset};

/// Images a side.
const N: usize = 256;

/// Reals, and fakes that are other reals disturbed.
pub struct FixedImages {
    /// Name of the data set, as in the guarded values.
    pub dataset: String,
    /// Hash of the data set's content.
    pub sha256: String,
    /// The first images of the data set.
    pub real: ImageBatch,
    /// The images that follow them, moved by a pixel, with less contrast and some noise.
    pub fake: ImageBatch,
}

impl FixedImages {
    /// Of the data set that the recipe `drift` trains on, under another name.
    ///
    /// # Errors
    /// If the data cannot be had.
    pub fn for_dataset(dataset: &str, at: &Surroundings) -> Result<Self> {
        let mut plan = Recipe::by_name("drift")?.plan("gan", 0)?.dataset;
        plan.name = dataset.into();
        let images = load_dataset(&mut plan, at)?.images;
        let fake = images.select(&(N..2 * N).collect::<Vec<_>>());
        Ok(Self {
            dataset: plan.label(),
            sha256: plan.sha256,
            real: images.take(N),
            fake: disturbed(fake),
        })
    }
}

/// Each row of pixels moved by one, less contrast, and noise: whole numbers only, the same
/// everywhere.
fn disturbed(mut images: ImageBatch) -> ImageBatch {
    let mut noise = Stream::new(0, "drift/disturbance");
    let line = images.size.width * images.size.channels;
    for row in images.pixels.chunks_exact_mut(line) {
        row.rotate_right(images.size.channels);
        for pixel in row {
            // 32 + 3/4 of 0..=255 plus 0..16 is at most 238.
            *pixel = (32 + u64::from(*pixel) * 3 / 4 + noise.below(16)) as u8;
        }
    }
    images
}

/// Whether CIFAR-10 lies where `--data` or `$GANBENCH_DATA` say. It is never downloaded for a
/// probe.
pub fn cifar10_is_there(data: Option<&Path>) -> bool {
    let variable = std::env::var_os("GANBENCH_DATA").map(std::path::PathBuf::from);
    let folder = data.map(Path::to_path_buf).or(variable);
    folder.is_some_and(|folder| folder.join("cifar10").is_dir())
}
