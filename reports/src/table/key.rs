//! What rows must share to stand in one table.

use serde::Serialize;

use std::collections::HashMap;

use crate::error::{Disagreement, Finding, ReportError};
use crate::row::{ResultRow, protocol_sentence};

/// Everything that two numbers must agree in to be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TableKey {
    /// Name of the table, such as `table1`.
    pub table: String,
    /// Name of the dataset that the runs were trained on.
    pub dataset: String,
    /// Hash of the dataset's encoded content, 64 hex digits.
    pub dataset_sha256: String,
    /// Split of the real images behind the metrics.
    pub split: String,
    /// Name of the networks' architecture.
    pub architecture: String,
    /// Width parameter of the networks.
    pub width: u64,
    /// Images of a training batch.
    pub batch: u64,
    /// As in [`ResultRow::budget_unit`].
    pub budget_unit: String,
    /// Budget of each run, in `budget_unit`.
    pub budget_amount: f64,
    /// Name of the evaluation protocol.
    pub protocol: String,
    /// Of protocol `custom`, in what it differs from which.
    pub protocol_differences: String,
    /// Name of the feature extractor.
    pub extractor: String,
    /// Hash of the extractor's weights, 64 hex digits.
    pub extractor_sha256: String,
}

impl TableKey {
    /// The key of the table that the row belongs to.
    pub fn from_row(row: &ResultRow) -> Self {
        Self {
            table: row.table.clone(),
            dataset: row.dataset.clone(),
            dataset_sha256: row.dataset_sha256.clone(),
            split: row.split.clone(),
            architecture: row.architecture.clone(),
            width: row.width,
            batch: row.batch,
            budget_unit: row.budget_unit.clone(),
            budget_amount: row.budget_amount,
            protocol: row.protocol.clone(),
            protocol_differences: row.protocol_differences.clone(),
            extractor: row.extractor.clone(),
            extractor_sha256: row.extractor_sha256.clone(),
        }
    }

    /// `real_kimg=20`.
    pub fn budget(&self) -> String {
        format!("{}={}", self.budget_unit, self.budget_amount)
    }

    /// The protocol, with its differences where it is custom.
    pub fn protocol_sentence(&self) -> String {
        protocol_sentence(&self.protocol, &self.protocol_differences)
    }

    /// This key with the protocol of another: what a curve, which has fewer fakes, shares with the
    /// final numbers of its run.
    fn with_protocol_of(mut self, other: &Self) -> Self {
        self.protocol.clone_from(&other.protocol);
        self.protocol_differences.clone_from(&other.protocol_differences);
        self
    }

    /// The first field that differs, with both values.
    pub(crate) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let pairs = [
            ("table", self.table.clone(), other.table.clone()),
            ("dataset", self.dataset.clone(), other.dataset.clone()),
            ("dataset_sha256", self.dataset_sha256.clone(), other.dataset_sha256.clone()),
            ("split", self.split.clone(), other.split.clone()),
            ("architecture", self.architecture.clone(), other.architecture.clone()),
            ("width", self.width.to_string(), other.width.to_string()),
            ("batch", self.batch.to_string(), other.batch.to_string()),
            ("budget", self.budget(), other.budget()),
            ("protocol", self.protocol_sentence(), other.protocol_sentence()),
            ("extractor", self.extractor.clone(), other.extractor.clone()),
            ("extractor_sha256", self.extractor_sha256.clone(), other.extractor_sha256.clone()),
        ];
        pairs.into_iter().find(|(_, a, b)| a != b)
    }
}

/// The keys of rows, with what the points of curves belong to.
pub struct Keys<'a> {
    /// Keys of the final numbers of each run, in the order of its rows.
    finals: HashMap<&'a str, Vec<TableKey>>,
}

impl<'a> Keys<'a> {
    /// Looks at all rows once.
    pub fn new(rows: &'a [ResultRow]) -> Self {
        let mut finals: HashMap<&str, Vec<TableKey>> = HashMap::new();
        for row in rows.iter().filter(|row| !row.is_curve_point()) {
            let keys = finals.entry(&row.run_id).or_default();
            let key = TableKey::from_row(row);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Self { finals }
    }

    /// The key of a row. A point of a curve stands with the final numbers of its run under the same
    /// extractor, although it is measured on fewer fakes and so may follow no protocol itself.
    pub fn key(&self, row: &ResultRow) -> TableKey {
        let key = TableKey::from_row(row);
        if !row.is_curve_point() {
            return key;
        }
        let finals = self.finals.get(row.run_id.as_str()).into_iter().flatten();
        let mut shared = finals.filter(|other| key.clone().with_protocol_of(other) == **other);
        shared.next().cloned().unwrap_or(key)
    }
}

/// Sorts rows into groups of one [`TableKey`] each, in the order in which the keys first appear.
pub fn split_by_table(rows: &[ResultRow]) -> Vec<(TableKey, Vec<ResultRow>)> {
    let keys = Keys::new(rows);
    let mut groups: Vec<(TableKey, Vec<ResultRow>)> = Vec::new();
    for row in rows {
        let key = keys.key(row);
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(row.clone()),
            None => groups.push((key, vec![row.clone()])),
        }
    }
    groups
}

/// The key that all rows share.
///
/// # Errors
/// If there are no rows, or naming the first field that two rows disagree in.
pub(crate) fn shared_key(rows: &[ResultRow]) -> Result<TableKey, ReportError> {
    let first = rows.first().ok_or(ReportError::NoRows)?;
    let keys = Keys::new(rows);
    let key = keys.key(first);
    for row in rows {
        if let Some((field, a, b)) = key.difference(&keys.key(row)) {
            let first = Finding { value: a, run_id: first.run_id.clone() };
            let second = Finding { value: b, run_id: row.run_id.clone() };
            let values = Box::new(Disagreement { first, second });
            return Err(ReportError::NotComparable { field, values });
        }
    }
    Ok(key)
}
