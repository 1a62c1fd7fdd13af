//! Numbers of images from elsewhere as rows of a results file, so that one's own model stands in
//! the same table.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use ganbench_data::hex;
use ganbench_reports::{IMPORTED, ResultRow, Status, TableKey, protocol_sentence};
use sha2::{Digest as _, Sha256};

use super::Outcome;
use crate::results;
use crate::run::folder::{Lock, commit};

/// What an [`Outcome`] does not say.
pub struct Appended<'a> {
    /// The results file.
    pub path: &'a Path,
    /// Name of the new row, in the column `method`.
    pub method: &'a str,
    /// Seed of the fakes' training, as the user gives it.
    pub seed: u64,
    /// Thousands of real images that the training took, where the user tells it.
    pub kimg: Option<f64>,
    /// As results of runs carry it; none where the real images are no data set of training.
    pub dataset_sha256: Option<String>,
    /// Split of the real images, where it is known.
    pub split: Option<&'a str>,
}

/// Adds the numbers of `outcome`.
///
/// # Errors
/// If the file cannot be read or written, holds no table that was measured alike, or holds other
/// images under the same name and seed.
pub fn append(appended: &Appended<'_>, outcome: &Outcome) -> Result<()> {
    let place = appended.path.display();
    // Another process may add rows, or rebuild the results of its runs, at the same time.
    let folder = appended.path.parent().filter(|p| !p.as_os_str().is_empty());
    let _lock = Lock::wait(folder.unwrap_or(Path::new(".")))?;
    let there = results::read_rows(appended.path)?;
    let method = appended.method;
    if method.is_empty() || method.contains(['(', '|']) || method.chars().any(char::is_control) {
        bail!("--method {method:?} is no name for a row; use letters, digits, spaces and hyphens");
    }
    let Some(dataset_sha256) = &appended.dataset_sha256 else {
        bail!(
            "--append needs the real images as the runs have them, such as --real dataset:cifar10:train; a folder or \
             file of images may be another set"
        );
    };
    let table = like(&there, dataset_sha256, appended, outcome)?;
    let mut hash = Sha256::new();
    for text in [method, outcome.fake_sha256.as_deref().unwrap_or_default()] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    hash.update(appended.seed.to_le_bytes());
    let run_id = format!("{IMPORTED}{}", &hex(hash)[..16]);
    let same = |row: &&ResultRow| row.method == method && row.seed == appended.seed;
    if let Some(row) = there.iter().find(same) {
        let what = if row.run_id == run_id { "these images" } else { "other images or a run" };
        bail!(
            "{place} has {what} as {method} with seed {} already; choose another --seed or --method",
            row.seed
        );
    }
    let mut rows = Vec::new();
    for (value, interval) in &outcome.values {
        let counts = there.iter().find(|row| {
            row.checkpoint == "last"
                && row.metric == value.metric
                && TableKey::from_row(row) == table
        });
        let Some(like) = counts else { continue };
        let (n_real, n_fake) = (value.n_real as u64, value.n_fake as u64);
        if (n_real, n_fake) != (like.n_real, like.n_fake) {
            bail!(
                "{} of {place} is of {} real and {} fake images, this one of {n_real} and {n_fake}; give as many (--n)",
                value.metric,
                like.n_real,
                like.n_fake
            );
        }
        rows.push(ResultRow {
            run_id: run_id.clone(),
            method: method.to_string(),
            conditional: false,
            seed: appended.seed,
            g_steps: 0,
            d_steps: 0,
            real_images: appended.kimg.map_or(0, |kimg| (kimg * 1e3).round() as u64),
            d_image_forwards: 0,
            g_image_forwards: 0,
            d_image_forwards_g_step: 0,
            train_s: 0.0,
            tflops: None,
            cpu_s: None,
            other_cpu_s: None,
            peak_rss_mb: 0.0,
            value: Some(value.value),
            ci_low: interval.map(|i| i.low),
            ci_high: interval.map(|i| i.high),
            status: Status::Ok,
            version: env!("CARGO_PKG_VERSION").to_string(),
            commit: commit(),
            ..like.clone()
        });
    }
    if rows.is_empty() {
        bail!("{place} has none of the metrics that were measured");
    }
    results::import(appended.path, there, &rows)?;
    log::info!(
        "added {} numbers as {method}, seed {}, to {place}; `ganbench report` and `compare` show them",
        rows.len(),
        appended.seed
    );
    Ok(())
}

/// The one table of the file that was measured like these numbers.
fn like(
    there: &[ResultRow],
    dataset_sha256: &str,
    appended: &Appended<'_>,
    outcome: &Outcome,
) -> Result<TableKey> {
    let place = appended.path.display();
    let used = outcome.extractor.as_ref();
    let (extractor, weights) = used.map_or(("unknown", ""), |e| (&e.name, &e.sha256));
    let label = protocol_sentence(&outcome.label.protocol, &outcome.label.differences_text());
    let split = appended.split.unwrap_or("unknown");
    let mut found: Vec<TableKey> = Vec::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for row in there.iter().filter(|row| row.checkpoint == "last") {
        let of = TableKey::from_row(row);
        let differs = [
            ("data set", of.dataset_sha256.as_str(), dataset_sha256),
            ("split", of.split.as_str(), split),
            ("extractor", of.extractor.as_str(), extractor),
            ("weights", of.extractor_sha256.as_str(), weights),
            ("protocol", &of.protocol_sentence(), &label),
        ]
        .into_iter()
        .filter(|(_, there, here)| there != here)
        .map(|(what, there, here)| format!("{what} {there} there, {here} here"))
        .collect::<Vec<_>>();
        match differs.is_empty() {
            true if found.contains(&of) => {}
            true => found.push(of),
            false => drop(others.insert(differs.join("; "))),
        }
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 if others.is_empty() => bail!("{place} holds no row of a last checkpoint"),
        0 => bail!(
            "no table of {place} was measured like these images: {}",
            others.into_iter().collect::<Vec<_>>().join(" | ")
        ),
        n => bail!(
            "{place} holds {n} tables that were measured like these images, of several networks or budgets; append to \
             the results of one"
        ),
    }
}
