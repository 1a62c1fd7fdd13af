//! What can go wrong between rows and a report.

use ganbench_files::WriteError;
use thiserror::Error;

use crate::row::RowError;

/// Two runs that should agree and do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// What the run that was read first has.
    pub first: Finding,
    /// What a later run has instead.
    pub second: Finding,
}

/// What one run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// As in the result rows.
    pub value: String,
    /// Hash of the run's resolved plan.
    pub run_id: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b) = (&self.first, &self.second);
        write!(f, "{} (run {}) and {} (run {})", a.value, a.run_id, b.value, b.run_id)
    }
}

/// A report that cannot be made, or must not be made of these rows.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum ReportError {
    #[error("no row of the table is called {name}; its rows are {known}")]
    UnknownRow { name: String, known: String },
    #[error("no result rows to report; train at least one method first")]
    NoRows,
    #[error("no row of {table} is of the last or best checkpoint; finish at least one run first")]
    NoFinalRows { table: String },
    #[error("rows of one table disagree in {field}: {values}; make one table of each")]
    NotComparable { field: &'static str, values: Box<Disagreement> },
    #[error(
        "rows of one column ({metric}, checkpoint {checkpoint}) disagree in sample counts: {values}; \
         evaluate both with the same counts"
    )]
    MixedCounts { metric: String, checkpoint: String, values: Box<Disagreement> },
    #[error(
        "method {method} has two runs of seed {seed} in one table: {first_run} and {second_run}; \
         report from the folder of runs, where unlike plans get a line each, or remove one"
    )]
    DuplicateRun { method: String, seed: u64, first_run: String, second_run: String },
    #[error("result row is not valid: {0}")]
    Row(#[from] RowError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the report could not be made JSON: {0}")]
    Json(serde_json::Error),
    #[error("{figure} could not be drawn: {reason}")]
    Draw { figure: String, reason: String },
    #[error("sample grid needs {expected}, but {label} has {got}")]
    Samples { label: String, expected: String, got: String },
    #[error("reported numbers, line {line}: {reason}")]
    Reported { line: u64, reason: String },
}
