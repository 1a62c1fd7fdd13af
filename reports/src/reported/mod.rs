//! Numbers that papers report, as data (`reported.csv`).
//!
//! They were measured under other protocols (another split, other counts, another checkpoint rule,
//! another Inception port) and at other budgets, so they are printed in a section of their own,
//! under the name of their protocol, and never in a column with ours.

mod section;

use serde::Deserialize;

use crate::error::ReportError;

pub use section::{markdown, rows_without_ours};

/// One published number.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reported {
    /// The paper or repository that prints it.
    pub source: String,
    /// Where in the source.
    pub table: String,
    /// Our name of the method where it is one of ours, else a name of its own.
    pub method: String,
    /// Network of the generator and the discriminator.
    pub architecture: String,
    /// The dataset's name, as in the result rows.
    pub dataset: String,
    /// As in the result rows: `fid`, `is`, `density`, …
    pub metric: String,
    /// The printed value as a number.
    pub value: f64,
    /// The value with the digits that the source prints.
    #[serde(skip)]
    pub printed: String,
    /// Standard deviation, where one is printed.
    pub std: Option<f64>,
    /// The deviation with the digits that the source prints; empty where it prints none.
    #[serde(skip)]
    pub std_printed: String,
    /// Real images behind the value, where the source says.
    pub n_real: Option<u64>,
    /// Generated images behind the value, where the source says.
    pub n_fake: Option<u64>,
    /// Split of the real images; empty where the source does not say.
    pub split: String,
    /// The network behind the features.
    pub extractor: String,
    /// Short name of the source's evaluation protocol.
    pub protocol: String,
    /// Images of a training step, where the source says.
    pub batch: Option<u64>,
    /// Generator steps of the training.
    pub g_steps: Option<u64>,
    /// Variant, name as printed, caveats.
    pub note: String,
    /// Thousands of real images drawn in training, computed from the recipe.
    #[serde(default)]
    pub real_kimg: Option<u64>,
    /// Thousands of images through D in its own steps, computed from the recipe.
    #[serde(default)]
    pub d_kforwards: Option<u64>,
    /// Our tables that reproduce the source's, by semicolon; empty for none.
    #[serde(default)]
    pub our_tables: String,
    /// Our row in these tables; empty where the source prints a row that is not trained here.
    #[serde(default)]
    pub our_row: String,
    /// Our name of the networks.
    #[serde(default)]
    pub our_architecture: String,
}

impl Reported {
    /// The value as printed, with the deviation where one is.
    pub fn with_std(&self) -> String {
        match self.std {
            Some(_) => format!("{} ± {}", self.printed, self.std_printed),
            None => self.printed.clone(),
        }
    }
}

/// The numbers of one trained model of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<'a> {
    /// What holds for all of them.
    pub first: &'a Reported,
    /// Its numbers, one for each metric, in their order.
    pub values: Vec<&'a Reported>,
}

/// The models behind these numbers, in their order.
pub fn models<'a>(numbers: impl IntoIterator<Item = &'a Reported>) -> Vec<Model<'a>> {
    let mut models: Vec<Model<'a>> = Vec::new();
    for number in numbers {
        let key = |r: &'a Reported| {
            let place = [&r.source, &r.table, &r.protocol, &r.dataset];
            (place, [&r.method, &r.architecture, &r.note])
        };
        match models.iter_mut().find(|model| key(model.first) == key(number)) {
            Some(model) => model.values.push(number),
            None => models.push(Model { first: number, values: vec![number] }),
        }
    }
    models
}

/// The numbers that come with ganbench.
///
/// # Errors
/// If the embedded file does not parse, which the tests exclude.
pub fn all() -> Result<Vec<Reported>, ReportError> {
    parse(include_str!("../../reported.csv"))
}

/// Reads numbers from the text of a CSV file with the columns of [`Reported`].
///
/// # Errors
/// Naming the line that does not parse, holds a value that is not finite, or lacks a source, a
/// method, a dataset, a metric or a protocol.
pub fn parse(text: &str) -> Result<Vec<Reported>, ReportError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| ReportError::Reported { line: 1, reason: error.to_string() })?
        .clone();
    let mut out = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| ReportError::Reported {
            line: error.position().map_or(0, csv::Position::line),
            reason: error.to_string(),
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let failed = |reason: String| ReportError::Reported { line, reason };
        let mut row: Reported =
            record.deserialize(Some(&headers)).map_err(|error| failed(error.to_string()))?;
        let printed = |column: &str| {
            let place = headers.iter().position(|name| name == column);
            place.and_then(|i| record.get(i)).unwrap_or_default().to_string()
        };
        (row.printed, row.std_printed) = (printed("value"), printed("std"));
        if !row.value.is_finite() || row.std.is_some_and(|s| !s.is_finite()) {
            return Err(failed(format!("{} is not a finite number", row.value)));
        }
        for (column, value) in [
            ("source", &row.source),
            ("method", &row.method),
            ("dataset", &row.dataset),
            ("metric", &row.metric),
            ("protocol", &row.protocol),
        ] {
            if value.is_empty() {
                return Err(failed(format!("column {column} is empty")));
            }
        }
        out.push(row);
    }
    Ok(out)
}

#[cfg(test)]
mod printed_tests;
#[cfg(test)]
mod tests;
