//! The generators that a run kept: at the points of its curve, averaged (`ema`) and live (`raw`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use candle_core::Device;
use ganbench_baselines::train::LoadedGenerator;
use ganbench_data::images::ImageSize;

use super::folder::RunFolder;
use crate::machine::memory;
use crate::plan::Plan;

/// The weights' file of a checkpoint: `last`, `best` or a number of kimg; of `kind` ema or raw.
///
/// # Errors
/// If the run has no such checkpoint: lists those that it has.
pub fn generator_file(
    folder: &RunFolder,
    plan: &Plan,
    checkpoint: &str,
    kind: &str,
) -> Result<PathBuf> {
    let name = match checkpoint {
        which @ ("last" | "best") => {
            let rows = folder.scores()?;
            let row = rows
                .iter()
                .find(|r| r.checkpoint == which && r.value.is_some())
                .with_context(|| {
                    format!(
                        "{} has no {which} checkpoint: the run is not done, or diverged",
                        folder.path().display()
                    )
                })?;
            ganbench_reports::kimg_name(row.real_images as f64 / 1e3)
        }
        kimg => kimg.to_string(),
    };
    let path = folder.checkpoints().join(format!("{kind}-{name}.safetensors"));
    if !path.is_file() {
        let known = kept_points(&folder.checkpoints()).unwrap_or_default();
        bail!(
            "the {} run has no checkpoint {name}; known kimg: {}",
            plan.row_name(),
            known.join(", ")
        );
    }
    Ok(path)
}

/// The points of the curve whose averaged generator is kept, as numbers of kimg, rising.
///
/// # Errors
/// If the folder cannot be listed.
pub fn kept_points(checkpoints: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(checkpoints)
        .with_context(|| format!("cannot list {}", checkpoints.display()))?;
    let names = entries.flatten().filter_map(|e| e.file_name().into_string().ok());
    let point = |n: String| Some(n.strip_prefix("ema-")?.strip_suffix(".safetensors")?.to_string());
    let mut points: Vec<String> = names.filter_map(point).collect();
    points.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse().unwrap_or(0.0)));
    Ok(points)
}

/// The generator of a plan, with the weights of a file and the statistics that the plan measures it
/// with.
///
/// # Errors
/// If the file cannot be read or is of another network.
pub fn load_generator(plan: &Plan, path: &Path, device: &Device) -> Result<LoadedGenerator> {
    memory::check_networks(plan, device)?;
    let data = &plan.dataset;
    let size = ImageSize::new(data.image_size, data.image_size, data.channels);
    LoadedGenerator::new(&plan.train, size, data.classes, path, device)
        .and_then(|g| g.with_statistics(plan.evaluation.statistics, plan.train.seed))
        .with_context(|| format!("cannot use the checkpoint {}", path.display()))
}
