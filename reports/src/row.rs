//! One measured number with everything that is needed to judge it: a row of `results.parquet`,
//! `results.csv` and of a run's `scores.jsonl`.
//!
//! The field order of [`ResultRow`] is the column order of the files. Files written by later
//! versions may hold further columns behind these; none of these is ever renamed, moved or given
//! another unit.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::metric::base_name;

/// Whether the run behind a row finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The value was measured.
    Ok,
    /// Training met a NaN or an infinity and stopped; the row has no value.
    Diverged,
}

/// One metric of one checkpoint of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// Hash of the resolved plan.
    pub run_id: String,
    /// Name of the table that the run belongs to, such as `table1`.
    pub table: String,
    /// Name of the method.
    pub method: String,
    /// Whether the method was given class labels.
    pub conditional: bool,
    /// Name of the networks' architecture.
    pub architecture: String,
    /// Width parameter of the networks.
    pub width: u64,
    /// Name of the dataset, as `--dataset` takes it.
    pub dataset: String,
    /// Hash of the dataset's encoded content, 64 hex digits.
    pub dataset_sha256: String,
    /// Split of the real images behind the metric.
    pub split: String,
    /// Seed of the run.
    pub seed: u64,
    /// `g_steps`, `real_kimg`, `d_kforwards`, `tflops`, `cpu_s` or `train_minutes`.
    pub budget_unit: String,
    /// In `budget_unit`.
    pub budget_amount: f64,
    /// Images of a training batch.
    pub batch: u64,
    /// Generator steps up to this checkpoint.
    pub g_steps: u64,
    /// Discriminator steps up to this checkpoint.
    pub d_steps: u64,
    /// Real images shown to D, views of one image counted once.
    pub real_images: u64,
    /// Images through D in D steps.
    pub d_image_forwards: u64,
    /// Images through G.
    pub g_image_forwards: u64,
    /// Seconds of training, the clock stopped during evaluation.
    pub train_s: f64,
    /// Peak resident memory of the process, in 2^20 bytes.
    pub peak_rss_mb: f64,
    /// `last`, `best`, or a plain decimal number of thousands of real images; see [`Checkpoint`].
    pub checkpoint: String,
    /// `fid`, or `fid@small-shapes` with any extractor other than `inception`.
    pub metric: String,
    /// Empty where the run diverged.
    pub value: Option<f64>,
    /// Lower end of a 95 % interval over the samples, where one was computed.
    pub ci_low: Option<f64>,
    /// Upper end of that interval.
    pub ci_high: Option<f64>,
    /// Real images behind the value.
    pub n_real: u64,
    /// Generated images behind the value.
    pub n_fake: u64,
    /// Name of the feature extractor.
    pub extractor: String,
    /// Hash of the extractor's weights, 64 hex digits.
    pub extractor_sha256: String,
    /// Name of the evaluation protocol.
    pub protocol: String,
    /// Whether the run was healthy at this checkpoint.
    pub status: Status,
    /// Version of ganbench that measured.
    pub version: String,
    /// Commit of ganbench that measured.
    pub commit: String,
    /// Images through D in generator steps.
    #[serde(default)]
    pub d_image_forwards_g_step: u64,
    /// Of protocol `custom`: which protocol was asked for, and in what the number differs from it.
    /// Empty where the protocol was followed, and in rows of ganbench 0.1.
    #[serde(default)]
    pub protocol_differences: String,
    /// 10¹² floating-point operations of convolutions and linear layers in training; none in rows
    /// of ganbench 0.1.
    #[serde(default)]
    pub tflops: Option<f64>,
    /// Seconds of processors in training, those of all threads added up; none in rows of ganbench
    /// 0.1.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// Seconds of processors that other programs took while it trained, where the system tells.
    #[serde(default)]
    pub other_cpu_s: Option<f64>,
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// UTF-8 string.
    Text,
    /// Boolean.
    Flag,
    /// Unsigned 64-bit integer.
    Count,
    /// Unsigned 64-bit integer or null.
    MaybeCount,
    /// 64-bit float, always finite.
    Number,
    /// 64-bit float, finite or null.
    MaybeNumber,
}

/// A column of the result files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// As in the header of the file.
    pub name: &'static str,
    /// What values the column holds.
    pub kind: ColumnKind,
    /// Whether a file without it is refused; columns added later are not.
    pub required: bool,
}

impl Column {
    /// A column without which a file is refused.
    pub const fn required(name: &'static str, kind: ColumnKind) -> Self {
        Self { name, kind, required: true }
    }
}

/// The columns of the result files, in order.
pub const COLUMNS: [Column; 38] = [
    Column::required("run_id", ColumnKind::Text),
    Column::required("table", ColumnKind::Text),
    Column::required("method", ColumnKind::Text),
    Column::required("conditional", ColumnKind::Flag),
    Column::required("architecture", ColumnKind::Text),
    Column::required("width", ColumnKind::Count),
    Column::required("dataset", ColumnKind::Text),
    Column::required("dataset_sha256", ColumnKind::Text),
    Column::required("split", ColumnKind::Text),
    Column::required("seed", ColumnKind::Count),
    Column::required("budget_unit", ColumnKind::Text),
    Column::required("budget_amount", ColumnKind::Number),
    Column::required("batch", ColumnKind::Count),
    Column::required("g_steps", ColumnKind::Count),
    Column::required("d_steps", ColumnKind::Count),
    Column::required("real_images", ColumnKind::Count),
    Column::required("d_image_forwards", ColumnKind::Count),
    Column::required("g_image_forwards", ColumnKind::Count),
    Column::required("train_s", ColumnKind::Number),
    Column::required("peak_rss_mb", ColumnKind::Number),
    Column::required("checkpoint", ColumnKind::Text),
    Column::required("metric", ColumnKind::Text),
    Column::required("value", ColumnKind::MaybeNumber),
    Column::required("ci_low", ColumnKind::MaybeNumber),
    Column::required("ci_high", ColumnKind::MaybeNumber),
    Column::required("n_real", ColumnKind::Count),
    Column::required("n_fake", ColumnKind::Count),
    Column::required("extractor", ColumnKind::Text),
    Column::required("extractor_sha256", ColumnKind::Text),
    Column::required("protocol", ColumnKind::Text),
    Column::required("status", ColumnKind::Text),
    Column::required("version", ColumnKind::Text),
    Column::required("commit", ColumnKind::Text),
    Column { name: "d_image_forwards_g_step", kind: ColumnKind::Count, required: false },
    Column { name: "protocol_differences", kind: ColumnKind::Text, required: false },
    Column { name: "tflops", kind: ColumnKind::MaybeNumber, required: false },
    Column { name: "cpu_s", kind: ColumnKind::MaybeNumber, required: false },
    Column { name: "other_cpu_s", kind: ColumnKind::MaybeNumber, required: false },
];

/// How the run id of images from elsewhere begins.
pub const IMPORTED: &str = "imported-";

/// Which state of a run a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Checkpoint {
    /// The state at the end of the budget.
    Last,
    /// The state with the lowest FID on the curve.
    Best,
    /// A point of the curve, at so many thousand real images shown.
    Kimg(f64),
}

/// The `checkpoint` of a curve point: a plain decimal number, never an exponent.
pub fn kimg_name(kimg: f64) -> String {
    format!("{kimg}")
}

/// A row that must not enter a results file.
#[derive(Debug, Error, PartialEq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum RowError {
    #[error("column {column} of run {run_id} is {value}, but only finite numbers are stored")]
    NotFinite { run_id: String, column: &'static str, value: f64 },
    #[error("column {column} of run {run_id} is empty")]
    EmptyText { run_id: String, column: &'static str },
    #[error("column {column} of run {run_id} holds a control character: {value:?}")]
    ControlCharacter { run_id: String, column: &'static str, value: String },
    #[error(
        "checkpoint {checkpoint:?} of run {run_id} is none of last, best or a plain decimal number of kimg"
    )]
    Checkpoint { run_id: String, checkpoint: String },
    #[error(
        "metric {metric} of run {run_id} at checkpoint {checkpoint} has status {status} but {value}"
    )]
    StatusAndValue {
        run_id: String,
        metric: String,
        checkpoint: String,
        status: &'static str,
        value: &'static str,
    },
    #[error("metric {metric} of run {run_id} has the interval {low:?} to {high:?}, which is none")]
    Interval { run_id: String, metric: String, low: Option<f64>, high: Option<f64> },
}

/// A protocol, with its differences where it is custom.
pub fn protocol_sentence(protocol: &str, differences: &str) -> String {
    match differences {
        "" => protocol.to_string(),
        differences => format!("{protocol} ({differences})"),
    }
}

impl ResultRow {
    /// The metric's name without the extractor: `fid` of `fid@small-shapes`.
    pub fn base_metric(&self) -> &str {
        base_name(&self.metric)
    }

    /// The protocol, with its differences where it is custom.
    pub fn protocol_sentence(&self) -> String {
        protocol_sentence(&self.protocol, &self.protocol_differences)
    }

    /// Whether the images came from elsewhere (`eval --append`): nothing is known of how they were
    /// made.
    pub fn is_imported(&self) -> bool {
        self.run_id.starts_with(IMPORTED)
    }

    /// Whether this is a point of the curve, not the last or best checkpoint.
    pub fn is_curve_point(&self) -> bool {
        matches!(self.checkpoint(), Ok(Checkpoint::Kimg(_)))
    }

    /// Which state of the run this row speaks of.
    ///
    /// # Errors
    /// If `checkpoint` is none of the three forms.
    pub fn checkpoint(&self) -> Result<Checkpoint, RowError> {
        let plain = !self.checkpoint.is_empty()
            && self.checkpoint.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && self.checkpoint.as_bytes()[0] != b'.'
            && !self.checkpoint.ends_with('.');
        match self.checkpoint.as_str() {
            "last" => Ok(Checkpoint::Last),
            "best" => Ok(Checkpoint::Best),
            text => match text.parse::<f64>() {
                Ok(kimg) if plain && kimg.is_finite() => Ok(Checkpoint::Kimg(kimg)),
                _ => Err(RowError::Checkpoint {
                    run_id: self.run_id.clone(),
                    checkpoint: self.checkpoint.clone(),
                }),
            },
        }
    }

    /// Checks what the types cannot: finite numbers, a value where and only where the status is
    /// `ok`, an interval with both ends in order, names that are there and fit on one line.
    ///
    /// # Errors
    /// The first rule that the row breaks.
    pub fn validate(&self) -> Result<(), RowError> {
        let run_id = || self.run_id.clone();
        for (column, value) in [
            ("budget_amount", Some(self.budget_amount)),
            ("train_s", Some(self.train_s)),
            ("peak_rss_mb", Some(self.peak_rss_mb)),
            ("value", self.value),
            ("ci_low", self.ci_low),
            ("ci_high", self.ci_high),
            ("tflops", self.tflops),
            ("cpu_s", self.cpu_s),
            ("other_cpu_s", self.other_cpu_s),
        ] {
            if let Some(value) = value.filter(|v| !v.is_finite()) {
                return Err(RowError::NotFinite { run_id: run_id(), column, value });
            }
        }
        for (column, text, may_be_empty) in [
            ("run_id", &self.run_id, false),
            ("table", &self.table, true),
            ("method", &self.method, false),
            ("architecture", &self.architecture, false),
            ("dataset", &self.dataset, false),
            ("dataset_sha256", &self.dataset_sha256, false),
            ("split", &self.split, false),
            ("budget_unit", &self.budget_unit, false),
            ("metric", &self.metric, false),
            ("extractor", &self.extractor, false),
            ("extractor_sha256", &self.extractor_sha256, true),
            ("protocol", &self.protocol, false),
            ("version", &self.version, true),
            ("commit", &self.commit, true),
        ] {
            if text.is_empty() && !may_be_empty {
                return Err(RowError::EmptyText { run_id: run_id(), column });
            }
            if text.chars().any(char::is_control) {
                return Err(RowError::ControlCharacter {
                    run_id: run_id(),
                    column,
                    value: text.clone(),
                });
            }
        }
        self.checkpoint()?;
        let (status, wrong) = match self.status {
            Status::Ok => ("ok", self.value.is_none().then_some("no value")),
            Status::Diverged => ("diverged", self.value.is_some().then_some("a value")),
        };
        if let Some(value) = wrong {
            return Err(RowError::StatusAndValue {
                run_id: run_id(),
                metric: self.metric.clone(),
                checkpoint: self.checkpoint.clone(),
                status,
                value,
            });
        }
        match (self.ci_low, self.ci_high, self.value) {
            (None, None, _) => Ok(()),
            (Some(low), Some(high), Some(_)) if low <= high => Ok(()),
            (low, high, _) => {
                Err(RowError::Interval { run_id: run_id(), metric: self.metric.clone(), low, high })
            }
        }
    }
}

#[cfg(test)]
#[path = "row_tests.rs"]
pub(crate) mod tests;
