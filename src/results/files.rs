//! `results.parquet` and `results.csv`.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ganbench_reports::{COLUMNS, Column as Described, ColumnKind, ResultRow, write_atomic};
use polars::prelude::*;
use serde_json::{Map, Value};

use super::ResultsError;

pub const PARQUET_NAME: &str = "results.parquet";
pub const CSV_NAME: &str = "results.csv";

fn as_table<'a, E: std::fmt::Display>(
    path: &'a Path,
    doing: &'static str,
) -> impl Fn(E) -> ResultsError + use<'a, E> {
    move |error| ResultsError::Table { path: path.to_path_buf(), doing, reason: error.to_string() }
}

/// Writes both files into `folder` and returns their paths.
pub(super) fn write(folder: &Path, rows: &[ResultRow]) -> Result<(PathBuf, PathBuf), ResultsError> {
    let (parquet, csv) = (folder.join(PARQUET_NAME), folder.join(CSV_NAME));
    for (i, row) in rows.iter().enumerate() {
        row.validate().map_err(|error| ResultsError::Row {
            path: parquet.clone(),
            row: i + 1,
            source: Box::new(error),
        })?;
    }
    let mut frame = frame(rows).map_err(as_table(&parquet, "written"))?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).map_err(as_table(&parquet, "written"))?;
    write_atomic(&parquet, &bytes)?;
    bytes.clear();
    CsvWriter::new(&mut bytes).finish(&mut frame).map_err(as_table(&csv, "written"))?;
    write_atomic(&csv, &bytes)?;
    Ok((parquet, csv))
}

/// The rows as columns. The fields are taken by name through serde, so that [`COLUMNS`] alone decides
/// which there are and in which order.
fn frame(rows: &[ResultRow]) -> Result<DataFrame, String> {
    let records: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::to_value(row).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let columns = COLUMNS
        .iter()
        .map(|column| {
            let name: PlSmallStr = column.name.into();
            let values = || records.iter().map(|record| &record[column.name]);
            let wrong = || format!("a value of column {} is not of its kind", column.name);
            Ok(match column.kind {
                ColumnKind::Text => {
                    let texts: Option<Vec<&str>> = values().map(Value::as_str).collect();
                    Column::new(name, texts.ok_or_else(wrong)?)
                }
                ColumnKind::Flag => {
                    let flags: Option<Vec<bool>> = values().map(Value::as_bool).collect();
                    Column::new(name, flags.ok_or_else(wrong)?)
                }
                ColumnKind::Count => {
                    let counts: Option<Vec<u64>> = values().map(Value::as_u64).collect();
                    Column::new(name, counts.ok_or_else(wrong)?)
                }
                ColumnKind::Number => {
                    let numbers: Option<Vec<f64>> = values().map(Value::as_f64).collect();
                    Column::new(name, numbers.ok_or_else(wrong)?)
                }
                ColumnKind::MaybeNumber => {
                    let numbers: Vec<Option<f64>> = values().map(Value::as_f64).collect();
                    Column::new(name, numbers)
                }
            })
        })
        .collect::<Result<Vec<Column>, String>>()?;
    DataFrame::new(rows.len(), columns).map_err(|error| error.to_string())
}

/// The rows of a `.parquet` or `.csv` file, or of the result files in a folder (Parquet before CSV).
/// Columns that are not ours are left alone.
///
/// # Errors
/// If there is no such file, a column is missing, or a value is of the wrong kind or breaks a rule of
/// [`ResultRow::validate`], naming file, row and column.
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
    let bytes = || {
        std::fs::read(path).map_err(|source| ResultsError::File {
            path: path.to_path_buf(),
            doing: "read",
            source,
        })
    };
    let frame = match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => {
            let reader = ParquetReader::new(Cursor::new(bytes()?));
            // polars panics on some damaged files: the file's fault, not ours.
            match catch_unwind(AssertUnwindSafe(|| reader.finish())) {
                Ok(frame) => frame.map_err(as_table(path, "read"))?,
                Err(_) => return Err(as_table(path, "read")("its pages are damaged")),
            }
        }
        // Everything as text: our own parsing is exact and names the cell that is wrong.
        Some("csv") => CsvReadOptions::default()
            .with_infer_schema_length(Some(0))
            .into_reader_with_file_handle(Cursor::new(bytes()?))
            .finish()
            .map_err(as_table(path, "read"))?,
        _ => return Err(ResultsError::NoResults { path: path.to_path_buf() }),
    };
    rows_of(path, &frame)
}

fn rows_of(path: &Path, frame: &DataFrame) -> Result<Vec<ResultRow>, ResultsError> {
    let mut records: Vec<Map<String, Value>> = vec![Map::new(); frame.height()];
    for column in &COLUMNS {
        let Ok(series) = frame.column(column.name) else {
            if column.required {
                return Err(ResultsError::Column { path: path.to_path_buf(), column: column.name });
            }
            continue;
        };
        for (i, record) in records.iter_mut().enumerate() {
            let cell = series.get(i).map_err(as_table(path, "read"))?;
            let value = value_of(column, &cell).ok_or_else(|| ResultsError::Cell {
                path: path.to_path_buf(),
                row: i + 1,
                column: column.name,
                expected: expected(column.kind),
                found: cell.str_value().into_owned(),
            })?;
            record.insert(column.name.to_string(), value);
        }
    }
    records
        .into_iter()
        .enumerate()
        .map(|(i, record)| {
            let row: ResultRow =
                serde_json::from_value(Value::Object(record)).map_err(as_table(path, "read"))?;
            row.validate().map_err(|error| ResultsError::Row {
                path: path.to_path_buf(),
                row: i + 1,
                source: Box::new(error),
            })?;
            Ok(row)
        })
        .collect()
}

fn expected(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Flag => "true or false",
        ColumnKind::Count => "a whole number",
        ColumnKind::Number => "a finite number",
        ColumnKind::MaybeNumber => "a finite number or nothing",
    }
}

/// A cell as JSON; `None` where it is not of the column's kind. Text is parsed, as CSV cells are text,
/// and whole numbers are taken in any width, as other programs may have written the file.
fn value_of(column: &Described, cell: &AnyValue<'_>) -> Option<Value> {
    let text = cell.get_str();
    match column.kind {
        ColumnKind::Text if cell.is_null() => Some(Value::String(String::new())),
        ColumnKind::Text => text.map(|t| Value::String(t.to_string())),
        ColumnKind::Flag => match (cell, text) {
            (AnyValue::Boolean(flag), _) => Some(Value::Bool(*flag)),
            (_, Some(text)) => text.parse().ok().map(Value::Bool),
            _ => None,
        },
        ColumnKind::Count => match (cell, text) {
            (AnyValue::UInt64(count), _) => Some(Value::from(*count)),
            (_, Some(text)) => text.parse::<u64>().ok().map(Value::from),
            (cell, None) if cell.is_integer() => cell.extract::<u64>().map(Value::from),
            _ => None,
        },
        ColumnKind::Number => number(cell, text),
        ColumnKind::MaybeNumber if cell.is_null() || text == Some("") => Some(Value::Null),
        ColumnKind::MaybeNumber => number(cell, text),
    }
}

/// A finite number; JSON has no others, which is what refuses them here.
fn number(cell: &AnyValue<'_>, text: Option<&str>) -> Option<Value> {
    let value = match (cell, text) {
        (AnyValue::Float64(value), _) => *value,
        (_, Some(text)) => text.parse().ok()?,
        (cell, None) if cell.is_primitive_numeric() => cell.extract::<f64>()?,
        _ => return None,
    };
    serde_json::Number::from_f64(value).map(Value::Number)
}
