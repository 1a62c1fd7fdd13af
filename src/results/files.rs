//! `results.parquet` and `results.csv`.

use std::path::{Path, PathBuf};

use ganbench_reports::{COLUMNS, ResultRow};

use super::{ResultsError, table};

/// Name of the results with typed columns, in the folder of a table.
pub const PARQUET_NAME: &str = "results.parquet";
/// Name of the same results as text.
pub const CSV_NAME: &str = "results.csv";

fn validate(path: &Path, rows: &[ResultRow]) -> Result<(), ResultsError> {
    for (i, row) in rows.iter().enumerate() {
        row.validate().map_err(|error| ResultsError::Row {
            path: path.to_path_buf(),
            row: i + 1,
            source: Box::new(error),
        })?;
    }
    Ok(())
}

/// Writes both files into `folder` and returns their paths.
pub(super) fn write(folder: &Path, rows: &[ResultRow]) -> Result<(PathBuf, PathBuf), ResultsError> {
    let (parquet, csv) = (folder.join(PARQUET_NAME), folder.join(CSV_NAME));
    validate(&parquet, rows)?;
    table::write(&parquet, &COLUMNS, rows)?;
    table::write(&csv, &COLUMNS, rows)?;
    Ok((parquet, csv))
}

/// The rows of a `.parquet` or `.csv` file, or of the result files in a folder (Parquet before
/// CSV). Columns that are not ours are left alone.
///
/// # Errors
/// If there is no such file, a column is missing, or a value is of the wrong kind or breaks a rule
/// of [`ResultRow::validate`], naming file, row and column.
pub fn read_rows(path: &Path) -> Result<Vec<ResultRow>, ResultsError> {
    if path.is_dir() {
        for name in [PARQUET_NAME, CSV_NAME] {
            let file = path.join(name);
            if file.is_file() {
                return read_rows(&file);
            }
        }
        return Err(ResultsError::NoResults { path: path.to_path_buf() });
    }
    match table::read_frame(path)? {
        Some(frame) => rows_of(path, &frame),
        None => Err(ResultsError::NoResults { path: path.to_path_buf() }),
    }
}

/// The rows of a table that has them.
///
/// # Errors
/// As of [`read_rows`].
pub fn rows_of(
    path: &Path,
    frame: &polars::prelude::DataFrame,
) -> Result<Vec<ResultRow>, ResultsError> {
    let mut rows = table::rows_of(path, &COLUMNS, frame)?;
    rows.iter_mut().for_each(super::name_weights);
    validate(path, &rows)?;
    Ok(rows)
}
