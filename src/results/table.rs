//! Rows of any kind as Parquet and CSV files, by the columns that describe them.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use ganbench_data::parquet::{ParquetError, ParquetFile};
use ganbench_files::write_atomic;
use ganbench_files::{self as files, memory};
use ganbench_reports::escape::{csv_name, from_csv_name};
use ganbench_reports::{Column as Described, ColumnKind};
use polars::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ResultsError, digest};

fn as_table<'a, E: std::fmt::Display>(
    path: &'a Path,
    doing: &'static str,
) -> impl Fn(E) -> ResultsError + use<'a, E> {
    move |error| ResultsError::Table { path: path.to_path_buf(), doing, reason: error.to_string() }
}

/// Writes rows as `.csv` or else as Parquet, by the path's extension.
///
/// # Errors
/// If a value is not of its column's kind, or the file cannot be written.
pub fn write<T: Serialize>(
    path: &Path,
    columns: &[Described],
    rows: &[T],
) -> Result<(), ResultsError> {
    let is_csv = path.extension().is_some_and(|e| e == "csv");
    let text: fn(&str) -> Cow<'_, str> = if is_csv { csv_name } else { |name| name.into() };
    let mut frame = frame(columns, rows, text).map_err(as_table(path, "written"))?;
    let mut bytes = Vec::new();
    if is_csv {
        CsvWriter::new(&mut bytes).finish(&mut frame).map_err(as_table(path, "written"))?;
    } else {
        let rows_sha256 = digest::rows_sha256(&frame).map_err(as_table(path, "written"))?;
        let notes = KeyValueMetadata::from_static(vec![(digest::KEY.into(), rows_sha256)]);
        let writer = ParquetWriter::new(&mut bytes).with_key_value_metadata(Some(notes));
        writer.finish(&mut frame).map_err(as_table(path, "written"))?;
    }
    Ok(write_atomic(path, &bytes)?)
}

/// The rows as columns. The fields are taken by name through serde, so that `columns` alone decides
/// which there are and in which order. `text` makes a cell of a name.
fn frame<T: Serialize>(
    columns: &[Described],
    rows: &[T],
    text: fn(&str) -> Cow<'_, str>,
) -> Result<DataFrame, String> {
    let records: Vec<Value> = rows
        .iter()
        .map(|row| serde_json::to_value(row).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let columns = columns
        .iter()
        .map(|column| {
            let name: PlSmallStr = column.name.into();
            let values = || records.iter().map(|record| &record[column.name]);
            let wrong = || format!("a value of column {} is not of its kind", column.name);
            Ok(match column.kind {
                ColumnKind::Text => {
                    let texts: Option<Vec<Cow<'_, str>>> =
                        values().map(|value| value.as_str().map(text)).collect();
                    let texts = texts.ok_or_else(wrong)?;
                    Column::new(name, texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>())
                }
                ColumnKind::Flag => {
                    let flags: Option<Vec<bool>> = values().map(Value::as_bool).collect();
                    Column::new(name, flags.ok_or_else(wrong)?)
                }
                ColumnKind::Count => {
                    let counts: Option<Vec<u64>> = values().map(Value::as_u64).collect();
                    Column::new(name, counts.ok_or_else(wrong)?)
                }
                ColumnKind::MaybeCount => {
                    let counts: Vec<Option<u64>> = values().map(Value::as_u64).collect();
                    Column::new(name, counts)
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

/// What is held of a cell beside its text while it becomes a value: its name, and its place in a
/// tree.
const BYTES_OF_A_CELL: u64 = 128;

/// The columns of a `.parquet` or `.csv` file; those of CSV are text, since our own parsing is
/// exact and names the cell that is wrong. None where the path has another extension.
///
/// # Errors
/// If the file cannot be read as a table, its rows are not those of the digest that it carries, or
/// there is too little memory for them.
pub fn read_frame(path: &Path) -> Result<Option<DataFrame>, ResultsError> {
    let frame = match path.extension().and_then(|e| e.to_str()) {
        Some("parquet") => read_parquet(path)?.0,
        Some("csv") => {
            let file = |source| ResultsError::File { path: path.into(), doing: "read", source };
            let bytes = files::read(path).map_err(file)?;
            let csv = CsvReadOptions::default().with_infer_schema_length(Some(0));
            let csv = csv.into_reader_with_file_handle(Cursor::new(bytes));
            csv.finish().map_err(as_table(path, "read"))?
        }
        _ => return Ok(None),
    };
    // Rows that repeat one text take next to nothing in a file, and as many copies as rows behind
    // this point.
    let texts = frame.columns().iter().filter_map(|column| column.str().ok());
    let text: usize = texts.map(|texts| texts.iter().flatten().map(str::len).sum::<usize>()).sum();
    let cells = (frame.height() as u64).saturating_mul(frame.width() as u64);
    let bytes = cells.saturating_mul(BYTES_OF_A_CELL).saturating_add(2 * text as u64);
    let held = memory::ask(bytes, || format!("a table of {} rows", frame.height()));
    let _held = held.map_err(as_table(path, "read"))?;
    Ok(Some(frame))
}

/// The flat columns of a Parquet file, and whether it carries a digest of its rows.
fn read_parquet(path: &Path) -> Result<(DataFrame, bool), ResultsError> {
    let file = ParquetFile::open(path).map_err(|error| of_parquet(path, error))?;
    let frame = file.read_flat().map_err(|error| of_parquet(path, error))?;
    let Some(carried) = file.note(digest::KEY) else { return Ok((frame, false)) };
    if digest::rows_sha256(&frame).map_err(as_table(path, "read"))? != carried {
        return Err(ResultsError::Changed { path: path.to_path_buf() });
    }
    Ok((frame, true))
}

/// Checks the rows of a Parquet file against the digest that it carries; whether it carries one.
///
/// # Errors
/// If the rows are others, or the file cannot be read as a table.
pub fn check_digest(path: &Path) -> Result<bool, ResultsError> {
    read_parquet(path).map(|(_, carries)| carries)
}

fn of_parquet(path: &Path, error: ParquetError) -> ResultsError {
    match error {
        ParquetError::Io { source, .. } => {
            ResultsError::File { path: path.to_path_buf(), doing: "read", source }
        }
        ParquetError::Damaged { reason, .. } => as_table(path, "read")(reason),
        ParquetError::Memory { source, .. } => as_table(path, "read")(source),
    }
}

/// The rows of a table that [`read_frame`] gave. Columns that are not described are left alone.
///
/// # Errors
/// If a required column is missing, or a value is of the wrong kind, naming file, row and column.
pub fn rows_of<T: DeserializeOwned>(
    path: &Path,
    columns: &[Described],
    frame: &DataFrame,
) -> Result<Vec<T>, ResultsError> {
    let is_csv = path.extension().is_some_and(|e| e == "csv");
    let text: fn(&str) -> &str = if is_csv { from_csv_name } else { |name| name };
    let mut records: Vec<Map<String, Value>> = vec![Map::new(); frame.height()];
    for column in columns {
        let Ok(series) = frame.column(column.name) else {
            if column.required {
                return Err(ResultsError::Column { path: path.to_path_buf(), column: column.name });
            }
            continue;
        };
        for (i, record) in records.iter_mut().enumerate() {
            let cell = series.get(i).map_err(as_table(path, "read"))?;
            let value = value_of(column, &cell, text).ok_or_else(|| ResultsError::Cell {
                path: path.to_path_buf(),
                row: i + 1,
                column: column.name,
                expected: expected(column.kind),
                found: cell.str_value().into_owned(),
            })?;
            record.insert(column.name.to_string(), value);
        }
    }
    let row =
        |record| serde_json::from_value(Value::Object(record)).map_err(as_table(path, "read"));
    records.into_iter().map(row).collect()
}

fn expected(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "text",
        ColumnKind::Flag => "true or false",
        ColumnKind::Count => "a whole number",
        ColumnKind::MaybeCount => "a whole number or nothing",
        ColumnKind::Number => "a finite number",
        ColumnKind::MaybeNumber => "a finite number or nothing",
    }
}

/// A cell as JSON; `None` where it is not of the column's kind. Text is parsed, as CSV cells are
/// text, and whole numbers are taken in any width, as other programs may have written the file.
/// `name` makes a name of a cell of text.
fn value_of(column: &Described, cell: &AnyValue<'_>, name: fn(&str) -> &str) -> Option<Value> {
    let text = cell.get_str();
    match column.kind {
        ColumnKind::Text if cell.is_null() => Some(Value::String(String::new())),
        ColumnKind::Text => text.map(|t| Value::String(name(t).to_string())),
        ColumnKind::Flag => match (cell, text) {
            (AnyValue::Boolean(flag), _) => Some(Value::Bool(*flag)),
            (_, Some(text)) => text.parse().ok().map(Value::Bool),
            _ => None,
        },
        ColumnKind::MaybeCount | ColumnKind::MaybeNumber if cell.is_null() || text == Some("") => {
            Some(Value::Null)
        }
        ColumnKind::Count | ColumnKind::MaybeCount => match (cell, text) {
            (AnyValue::UInt64(count), _) => Some(Value::from(*count)),
            (_, Some(text)) => text.parse::<u64>().ok().map(Value::from),
            (cell, None) if cell.is_integer() => cell.extract::<u64>().map(Value::from),
            _ => None,
        },
        ColumnKind::Number | ColumnKind::MaybeNumber => number(cell, text),
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
