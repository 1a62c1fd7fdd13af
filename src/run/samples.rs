//! `samples.png` in a run's folder: what its averaged generator makes at the end.

use anyhow::{Context as _, Result};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_files::write_atomic;
use ganbench_reports::plot::{SampleSheet, samples_of_png, samples_png};

use super::folder::RunFolder;
use crate::plan::Plan;
use crate::results::pack::{self, SAMPLES_NAME};

const COLUMNS: usize = 8;
/// How many images the page has.
pub const IMAGES: usize = 64;

/// Writes the page.
///
/// # Errors
/// If it cannot be drawn or written.
pub fn write(run: &RunFolder, images: &ImageBatch) -> Result<()> {
    let sheet = SampleSheet { images, columns: COLUMNS, row_labels: None };
    Ok(write_atomic(&run.path().join(SAMPLES_NAME), &samples_png(&sheet)?)?)
}

/// The first `n` images of the page, or of what the run's pack holds of it; `None` where there is
/// neither, or `n` is more than they have.
///
/// # Errors
/// If the page is damaged or not of the plan's images.
pub fn read(run: &RunFolder, plan: &Plan, n: usize) -> Result<Option<ImageBatch>> {
    let path = run.path().join(SAMPLES_NAME);
    if n > IMAGES {
        return Ok(None);
    }
    if !path.is_file() {
        let packed = pack::samples(run.path())?.filter(|images| images.len() >= n);
        return Ok(packed.map(|images| images.take(n)));
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let data = &plan.dataset;
    let size = ImageSize::new(data.image_size, data.image_size, data.channels);
    let images = samples_of_png(&bytes, size, COLUMNS, n)
        .with_context(|| format!("{} is not the run's page of samples", path.display()))?;
    Ok(Some(images))
}
