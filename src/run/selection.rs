//! Instance selection: which real images are trained on. Metrics always see all of them.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ganbench_baselines::train::{TrainError, Trainer};
use ganbench_data::{Dataset, hex};
use ganbench_files::write_atomic;
use ganbench_metrics::{Extractor, instance_selection};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::session::{Surroundings, load_planned};
use crate::plan::{DatasetPlan, Plan, SelectionPlan};
use crate::progress::Progress;

/// What was selected, with what it depends on.
#[derive(Serialize, Deserialize)]
struct Selected {
    dataset_sha256: String,
    selection: SelectionPlan,
    images: usize,
    /// Rising.
    rows: Vec<usize>,
}

/// Fills in or checks the weights' hash of a plan's selection, and says which images it keeps: from
/// a file in `folder` where one is there, else by features of all images, which are then noted
/// there. `evaluation`: the extractor that `--weights` is for. `None` without a selection.
///
/// # Errors
/// If the weights cannot be had or are others than the plan's, a class has too few images, or the
/// file is damaged.
pub fn select(
    plan: &mut DatasetPlan,
    dataset: &Dataset,
    evaluation: &str,
    at: &Surroundings,
    folder: &Path,
) -> Result<Option<Vec<usize>>> {
    let Some(selection) = &mut plan.selection else { return Ok(None) };
    let weights = at.weights.as_deref().filter(|_| selection.extractor == evaluation);
    let extractor = load_planned(selection.extractor(), weights, &at.device)?;
    let images = dataset.images.len();
    let wanted = Selected {
        dataset_sha256: dataset.sha256.clone(),
        selection: selection.clone(),
        images,
        rows: Vec::new(),
    };
    let id = hex(Sha256::new_with_prefix(serde_json::to_vec(&wanted)?));
    let path = folder.join(format!("selected-{}.json", &id[..16]));
    if path.is_file() {
        let text =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let there: Selected = serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; delete it", path.display()))?;
        if there.images == images && there.rows.iter().all(|&row| row < images) {
            return Ok(Some(there.rows));
        }
        bail!("{} is of {} images, there are {images}; delete it", path.display(), there.images);
    }
    let rows = by_class(dataset, extractor.as_ref(), selection.retention_percent, at.quiet)?;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    write_atomic(&path, &serde_json::to_vec(&Selected { rows: rows.clone(), ..wanted })?)?;
    Ok(Some(rows))
}

/// The rows that are kept of each class, or of all images without classes; one class's features at
/// a time.
fn by_class(
    dataset: &Dataset,
    extractor: &dyn Extractor,
    retention_percent: f64,
    quiet: bool,
) -> Result<Vec<usize>> {
    let images = &dataset.images;
    let mut classes: Vec<Vec<usize>> = vec![Vec::new(); dataset.class_names.len().max(1)];
    for row in 0..images.len() {
        let class = images.labels.as_ref().map_or(0, |labels| labels[row] as usize);
        classes[class].push(row);
    }
    let mut bar = Progress::new("instance selection", images.len() as f64, quiet);
    let (mut kept, mut done) = (Vec::new(), 0);
    for (class, rows) in classes.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        let features = extractor.extract(&images.select(rows), &mut |now, _| {
            bar.set((done + now) as f64, &format!("{}/{}", done + now, images.len()));
        })?;
        let scores = instance_selection::log_likelihoods(features.pool_rows())
            .with_context(|| format!("class {class} of {}", dataset.name))?;
        let of_class = instance_selection::keep(&scores, retention_percent);
        kept.extend(of_class.into_iter().map(|i| rows[i]));
        done += rows.len();
    }
    kept.sort_unstable();
    bar.finish(&format!("{} of {} images kept", kept.len(), images.len()));
    Ok(kept)
}

/// A trainer of a plan on the images that are trained on.
///
/// # Errors
/// As [`Trainer::new`] and [`Trainer::on`].
pub fn trainer<'a>(
    plan: &Plan,
    dataset: &'a Dataset,
    device: &candle_core::Device,
) -> Result<Trainer<'a>, TrainError> {
    let trainer = Trainer::new(&plan.train, &dataset.images, dataset.class_names.len(), device)?;
    match &dataset.trained_on {
        Some(rows) => trainer.on(rows.clone()),
        None => Ok(trainer),
    }
}
