//! Numbers of a user's own from a CSV.
//!
//! `name` and `value` are needed; `seed`, `ci_low`, `ci_high` (a 95 % interval) and `tolerance`
//! (relative) may be there; every other column is part of what tells values apart. An empty value
//! is one that could not be measured, as of a run that diverged.

use std::path::Path;

use ganbench_reports::Status;
use polars::prelude::DataFrame;

use super::files::DriftError;
use super::value::{GuardedValue, Layer};

const KNOWN: [&str; 6] = ["name", "value", "seed", "ci_low", "ci_high", "tolerance"];

pub(super) fn values(path: &Path, frame: &DataFrame) -> Result<Vec<GuardedValue>, DriftError> {
    let names: Vec<String> = frame.get_column_names().iter().map(|n| n.to_string()).collect();
    (0..frame.height()).map(|row| value(path, frame, &names, row)).collect()
}

fn value(
    path: &Path,
    frame: &DataFrame,
    names: &[String],
    row: usize,
) -> Result<GuardedValue, DriftError> {
    let wrong = |what: String| DriftError::Row { path: path.into(), row: row + 1, what };
    let cell = |name: &str| {
        let cell = frame.column(name).ok().and_then(|column| column.get(row).ok());
        // A Parquet file's cells are numbers; as text they are the shortest that reads back.
        cell.filter(|cell| !cell.is_null()).map(|cell| cell.str_value().trim().to_string())
    };
    let number = |name: &str| match cell(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(wrong(format!("{name} is {text:?}, expected a finite number or nothing"))),
        },
    };
    let seed =
        match cell("seed").filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| {
                wrong(format!("seed is {text:?}, expected a whole number or nothing"))
            })?),
        };
    let keys: Vec<String> = names
        .iter()
        .filter(|name| !KNOWN.contains(&name.as_str()))
        .map(|name| format!("{name}={}", cell(name).unwrap_or_default()))
        .collect();
    let value = number("value")?;
    Ok(GuardedValue {
        keys: keys.join(", "),
        value,
        status: if value.is_some() { Status::Ok } else { Status::Diverged },
        seed,
        ci_low: number("ci_low")?,
        ci_high: number("ci_high")?,
        tolerance: number("tolerance")?,
        ..GuardedValue::new(Layer::Own, cell("name").unwrap_or_default(), 0.0)
    })
}
