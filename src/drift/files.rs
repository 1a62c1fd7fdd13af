//! Guarded values from and to files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::own;
use super::scores;
use super::value::{COLUMNS, GuardedValue};
use crate::results::{self, CSV_NAME, PARQUET_NAME, ResultsError, table};

/// What `ganbench drift probe` writes, in the folder that `drift` is given.
pub const PROBE_NAME: &str = "probe.parquet";

/// Values that cannot be had.
#[derive(Debug, Error)]
pub enum DriftError {
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("{}, row {row}: {what}", path.display())]
    Row { path: PathBuf, row: usize, what: String },
    #[error(
        "{} is nothing that can be guarded: expected the columns of a guard file (layer, …), of results \
         (run_id, metric, …) or of a CSV of your own (name, value), found {found}", path.display()
    )]
    Kind { path: PathBuf, found: String },
    #[error(
        "{} is neither .parquet nor .csv, nor a folder that holds {PARQUET_NAME}, {CSV_NAME} or {PROBE_NAME}",
        path.display()
    )]
    NoFile { path: PathBuf },
    #[error("{} holds no values", path.display())]
    Empty { path: PathBuf },
    #[error("{} holds two values of {what}; keep one plan and one row of each", path.display())]
    Twice { path: PathBuf, what: String },
}

/// The values of a file, or of the files in a folder.
///
/// # Errors
/// If there are none, a file is damaged, or a row cannot be used: names file, row and column.
pub fn read(path: &Path) -> Result<Vec<GuardedValue>, DriftError> {
    let mut values = Vec::new();
    if path.is_dir() {
        let results = [PARQUET_NAME, CSV_NAME].map(|name| path.join(name));
        let results = results.into_iter().find(|file| file.is_file());
        let probe = Some(path.join(PROBE_NAME)).filter(|file| file.is_file());
        for file in results.into_iter().chain(probe) {
            values.extend(of_file(&file)?);
        }
        scores::add_machines(path, &mut values);
    } else {
        values = of_file(path)?;
    }
    match values.is_empty() {
        true if path.is_dir() => return Err(DriftError::NoFile { path: path.into() }),
        true => return Err(DriftError::Empty { path: path.into() }),
        false => {}
    }
    let mut seen = HashSet::new();
    if let Some(value) = values.iter().find(|value| !seen.insert(value.key())) {
        return Err(DriftError::Twice { path: path.into(), what: value.key().to_string() });
    }
    Ok(values)
}

fn of_file(path: &Path) -> Result<Vec<GuardedValue>, DriftError> {
    let frame = table::read_frame(path)?.ok_or_else(|| DriftError::NoFile { path: path.into() })?;
    let has = |name: &str| frame.column(name).is_ok();
    let values: Vec<GuardedValue> = if has("layer") {
        table::rows_of(path, &COLUMNS, &frame)?
    } else if has("run_id") || has("metric") {
        scores::values(results::rows_of(path, &frame)?)
    } else if has("name") && has("value") {
        own::values(path, &frame)?
    } else {
        let names: Vec<&str> = frame.get_column_names().iter().map(|n| n.as_str()).collect();
        return Err(DriftError::Kind { path: path.into(), found: names.join(", ") });
    };
    for (i, value) in values.iter().enumerate() {
        value.validate().map_err(|what| DriftError::Row { path: path.into(), row: i + 1, what })?;
    }
    Ok(values)
}

/// Writes a guard file, Parquet or CSV by its extension, whole or not at all.
///
/// # Errors
/// If a value is not fit to be read back, or the file cannot be written.
pub fn write(path: &Path, values: &[GuardedValue]) -> Result<(), DriftError> {
    for (i, value) in values.iter().enumerate() {
        value.validate().map_err(|what| DriftError::Row { path: path.into(), row: i + 1, what })?;
    }
    if !path.extension().is_some_and(|e| e == "parquet" || e == "csv") {
        return Err(DriftError::NoFile { path: path.into() });
    }
    Ok(table::write(path, &COLUMNS, values)?)
}
