//! The results store: from each run's own `scores.jsonl` to `results.parquet` and `results.csv`.
//!
//! A run appends its rows to `scores.jsonl` in its own folder and never touches another's, so runs
//! may go on side by side and be killed at any moment. The two result files hold the rows of all
//! runs in long form and are rebuilt from these lines whenever a run ends; they carry nothing of
//! their own and may be deleted. Both are written to a temporary file, flushed and renamed.
//!
//! A row that was changed by hand shows: lines carry digests (`chain.rs`), and so does
//! `results.parquet` (`digest.rs`).
//!
//! Finished runs of a kept part lie in three files instead (`pack/`).
//!
//! The columns are those of [`ganbench_reports::COLUMNS`]. Floats survive all three forms to the
//! bit (JSON with `float_roundtrip`, Parquet as binary, CSV as the shortest text that reads back),
//! and only finite floats get in.

pub mod chain;
mod digest;
mod files;
mod lines;
pub mod pack;
pub mod table;

use std::path::{Path, PathBuf};

pub use files::{CSV_NAME, PARQUET_NAME, read_rows, rows_of};
use ganbench_reports::{IMPORTED, ResultRow, RowError};
use lines::read_scores;
pub use lines::{SCORES_NAME, TornLine, append_scores, find_runs};
pub use table::check_digest;
use thiserror::Error;

/// Results that cannot be read or written.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum ResultsError {
    #[error("{} could not be {doing}: {source}", path.display())]
    File { path: PathBuf, doing: &'static str, source: std::io::Error },
    #[error(
        "{}, line {line}, is no result row: {reason}; restore the file or remove the line, then run \
         `ganbench report` again",
        path.display()
    )]
    Line { path: PathBuf, line: usize, reason: String },
    #[error("{}, row {row}: {source}", path.display())]
    Row { path: PathBuf, row: usize, source: Box<RowError> },
    #[error("{}, row {row}, column {column}: expected {expected}, found {found:?}", path.display())]
    Cell { path: PathBuf, row: usize, column: &'static str, expected: &'static str, found: String },
    #[error(
        "{} has no column {column}; expected a results file of ganbench", path.display()
    )]
    Column { path: PathBuf, column: &'static str },
    #[error(
        "{} was changed after it was written: its rows are not those of the digest that it carries; put \
         back what was there, or make it again from its runs with `ganbench report`. Where the change is \
         meant, save the rows without the key {}", path.display(), digest::KEY
    )]
    Changed { path: PathBuf },
    #[error(
        "{}, line {line}, was changed, or lines before it were taken out; put back what was there, or remove \
         the file and give the commands of --append again", path.display()
    )]
    ChangedLine { path: PathBuf, line: usize },
    #[error(
        "{} holds rows of {method}, seed {seed}, which are images from elsewhere and lack in {IMPORTED_NAME} \
         beside it, so that they would be lost; put that file back, or remove {} where the rows are not \
         wanted", path.display(), path.display()
    )]
    LostImported { path: PathBuf, method: String, seed: u64 },
    #[error("{} could not be {doing} as a table: {reason}", path.display())]
    Table { path: PathBuf, doing: &'static str, reason: String },
    #[error("run {run_id} is in two folders, {} and {}; remove one", first.display(), second.display())]
    DuplicateRun { run_id: String, first: PathBuf, second: PathBuf },
    #[error("{} holds rows of two runs, {first} and {second}; each run has a folder of its own", path.display())]
    TwoRuns { path: PathBuf, first: String, second: String },
    #[error(
        "{} is damaged, so that its runs cannot be read: {reason}; put back the files of that pack \
         ({PARQUET_NAME}, train.parquet, runs.toml) as they were",
        path.display()
    )]
    Pack { path: PathBuf, reason: String },
    #[error("{} cannot be packed: {reason}", path.display())]
    NotPacked { path: PathBuf, reason: String },
    #[error("{} is neither .parquet, .csv nor a folder that holds {PARQUET_NAME} or {CSV_NAME}", path.display())]
    NoResults { path: PathBuf },
    #[error(transparent)]
    Write(#[from] ganbench_files::WriteError),
}

/// What a rebuild found and wrote.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// All rows, run after run in the given order.
    pub rows: Vec<ResultRow>,
    /// Half-written last lines that were left out; the rows in them will be measured again.
    pub torn: Vec<TornLine>,
    /// Path of the results file that was written.
    pub parquet: PathBuf,
    /// Path of the same rows as CSV.
    pub csv: PathBuf,
}

impl Rebuilt {
    /// Says which half-written lines were left out.
    pub fn log_torn_lines(&self) {
        for TornLine { path, line, bytes } in &self.torn {
            log::info!(
                "note: {} line {line} was cut off after {bytes} bytes and is left out; its run measures it again",
                path.display()
            );
        }
    }
}

/// Reads the scores of `runs` (run folders) and writes `results.parquet` and `results.csv` into
/// `out`.
///
/// Where a run holds two lines of one checkpoint, metric, extractor and protocol, as after a
/// resumed evaluation, the later one counts.
///
/// # Errors
/// If a line that is not the last is broken, a row is not valid, a run stands in two folders, or a
/// file cannot be read or written.
pub fn rebuild(out: &Path, runs: &[PathBuf]) -> Result<Rebuilt, ResultsError> {
    let (mut rows, mut torn) = (Vec::new(), Vec::new());
    let mut seen: Vec<(String, PathBuf)> = Vec::new();
    for run in runs {
        let path = run.join(SCORES_NAME);
        let scores = run_rows(&path)?;
        torn.extend(scores.torn);
        let Some(run_id) = scores.rows.first().map(|row| row.run_id.clone()) else { continue };
        if let Some(other) = scores.rows.iter().find(|row| row.run_id != run_id) {
            return Err(ResultsError::TwoRuns {
                path,
                first: run_id,
                second: other.run_id.clone(),
            });
        }
        if let Some((_, first)) = seen.iter().find(|(id, _)| *id == run_id) {
            let (first, second) = (first.clone(), run.clone());
            return Err(ResultsError::DuplicateRun { run_id, first, second });
        }
        seen.push((run_id, run.clone()));
        rows.extend(scores.rows);
    }
    let imported = imported_rows(out)?;
    check_none_is_lost(out, &imported)?;
    rows.extend(imported);
    let (parquet, csv) = files::write(out, &rows)?;
    Ok(Rebuilt { rows, torn, parquet, csv })
}

/// Rows of images from elsewhere, beside the results that they were added to: what is rebuilt from
/// runs keeps them.
pub const IMPORTED_NAME: &str = "imported.jsonl";

/// The rows of images from elsewhere in a folder of results; none without such.
///
/// # Errors
/// If the file cannot be read, a line is no row, or lines were changed.
pub fn imported_rows(folder: &Path) -> Result<Vec<ResultRow>, ResultsError> {
    let path = folder.join(IMPORTED_NAME);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    check_imported(&path)?;
    // A disk that was full between the two files leaves rows that are given again.
    let mut rows: Vec<ResultRow> = Vec::new();
    for row in read_scores(&path)?.rows {
        let same = |other: &ResultRow| {
            (&other.run_id, &other.checkpoint, &other.metric)
                == (&row.run_id, &row.checkpoint, &row.metric)
        };
        rows.retain(|other| !same(other));
        rows.push(row);
    }
    Ok(rows)
}

/// Checks the digests of `imported.jsonl`; whether it has any.
///
/// # Errors
/// If the file cannot be read or a line was changed.
pub fn check_imported(path: &Path) -> Result<bool, ResultsError> {
    let content = ganbench_files::read(path).map_err(|source| ResultsError::File {
        path: path.to_path_buf(),
        doing: "read",
        source,
    })?;
    match chain::changed_lines(&content).first() {
        Some(&line) => Err(ResultsError::ChangedLine { path: path.to_path_buf(), line }),
        None => Ok(chain::has_digests(&content)),
    }
}

/// Refuses to make results anew without rows of images from elsewhere that are in them: what says
/// that the last lines of a file were taken out.
fn check_none_is_lost(out: &Path, imported: &[ResultRow]) -> Result<(), ResultsError> {
    let path = out.join(PARQUET_NAME);
    // Results that cannot be read are made anew from the runs.
    let Ok(there) = read_rows(&path) else { return Ok(()) };
    let is_kept = |row: &ResultRow| imported.iter().any(|kept| kept.run_id == row.run_id);
    let lost = there.iter().find(|row| row.run_id.starts_with(IMPORTED) && !is_kept(row));
    match lost {
        None => Ok(()),
        Some(ResultRow { method, seed, .. }) => {
            Err(ResultsError::LostImported { path, method: method.clone(), seed: *seed })
        }
    }
}

/// Adds rows of images from elsewhere to a results file, and to the other form of it beside it. The
/// rows that are there stay.
///
/// # Errors
/// If a file cannot be read or written; the results are then as they were.
pub fn import(path: &Path, there: Vec<ResultRow>, rows: &[ResultRow]) -> Result<(), ResultsError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    imported_rows(folder)?;
    append_scores(&folder.join(IMPORTED_NAME), rows)?;
    let all: Vec<ResultRow> = there.into_iter().chain(rows.iter().cloned()).collect();
    for other in ["parquet", "csv"].map(|extension| path.with_extension(extension)) {
        if other == path || other.is_file() {
            table::write(&other, &ganbench_reports::COLUMNS, &all)?;
        }
    }
    Ok(())
}

/// Names a metric of made weights by these weights, as rows of ganbench 0.1 do not.
pub(crate) fn name_weights(row: &mut ResultRow) {
    let bare = ganbench_metrics::bare_name(&row.metric);
    if row.extractor_sha256.starts_with("made:") && ganbench_metrics::metric(bare).is_ok() {
        let (name, weights_sha256) = (row.extractor.as_str(), row.extractor_sha256.as_str());
        row.metric = ganbench_metrics::ExtractorId { name, weights_sha256 }.reported_name(bare);
    }
}

/// The rows of one run, a later row in the place of an earlier one of the same measurement.
#[derive(Clone, Debug)]
pub struct RunRows {
    /// In the order in which they were first written.
    pub rows: Vec<ResultRow>,
    /// A half-written last line that was left out.
    pub torn: Option<TornLine>,
}

/// Whether the later of two rows of a run counts in the place of the other.
fn is_same_measurement(a: &ResultRow, b: &ResultRow) -> bool {
    a.checkpoint == b.checkpoint
        && a.metric == b.metric
        && a.extractor_sha256 == b.extractor_sha256
        && a.protocol == b.protocol
        && a.protocol_differences == b.protocol_differences
}

/// Reads a `scores.jsonl` as [`rebuild`] does.
///
/// # Errors
/// As [`read_scores`].
pub fn run_rows(path: &Path) -> Result<RunRows, ResultsError> {
    let scores = read_scores(path)?;
    let mut run = RunRows { rows: Vec::new(), torn: scores.torn };
    for row in scores.rows {
        match run.rows.iter_mut().find(|other| is_same_measurement(other, &row)) {
            Some(earlier) => *earlier = row,
            None => run.rows.push(row),
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests;
