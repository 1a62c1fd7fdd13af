//! One number that is guarded, with everything that decides whether two of them may be compared.

use ganbench_reports::{Column, ColumnKind, ResultRow, Status};
use serde::{Deserialize, Serialize};

use crate::machine;
use crate::run::folder::commit;

/// Which kind of number, and so by what it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Fixed images through a resize, an extractor or a metric.
    Metric,
    /// The first steps of a method.
    Trace,
    /// A metric of a trained run.
    Score,
    /// A user's own number, from a CSV.
    Own,
}

impl Layer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Metric => "metric",
            Self::Trace => "trace",
            Self::Score => "score",
            Self::Own => "own",
        }
    }

    /// The least magnitude that a relative tolerance is taken of.
    ///
    /// The numbers of both layers are sums in which terms of order 1 cancel (a kernel distance, a
    /// mean output of D), each with the rounding of f32 (6e-8): relative to a result near 0 that
    /// rounding is without bound. The floors keep 1e-6 and 1e-4 of them above it.
    pub fn floor(self) -> f64 {
        match self {
            Self::Metric => 0.1,
            Self::Trace => 1e-2,
            Self::Score | Self::Own => 0.0,
        }
    }
}

/// How a value came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of ganbench that measured.
    pub version: String,
    /// Commit of ganbench that measured.
    pub commit: String,
    /// Empty where it is not known.
    pub cpu: String,
    /// Instruction set of the kernels; empty where it is not known.
    pub simd: String,
    /// When it was measured, in seconds since 1970.
    pub unix_s: u64,
    /// Why the baseline was made and remade, the oldest first: [`Reason`]s as JSON. Empty outside
    /// baselines.
    pub reasons: String,
}

impl Provenance {
    /// Of this program on this machine, now.
    pub fn here() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: commit(),
            cpu: machine::cpu_name(),
            simd: ganbench_nn::kernels::simd::isa().name().into(),
            unix_s: machine::unix_s(),
            reasons: String::new(),
        }
    }
}

/// Why a baseline was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub unix_s: u64,
    pub commit: String,
    pub reason: String,
}

/// A row of a guard file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardedValue {
    /// What kind of number it is.
    pub layer: Layer,
    /// Hash of the plan; empty where there is none.
    pub run_id: String,
    /// Name of the data set; empty where there is none.
    pub dataset: String,
    /// Hash of the data set's content; empty where there is none.
    pub dataset_sha256: String,
    /// Name of the method; empty where there is none.
    pub method: String,
    /// Seed of the run, where there is one.
    pub seed: Option<u64>,
    /// `last` or `best` of a score, `step 3` of a trace.
    pub checkpoint: String,
    /// The metric, or the quantity of a trace.
    pub name: String,
    /// Further columns of a user's CSV, as `column=value, …`.
    pub keys: String,
    /// Finite; empty where the run diverged.
    pub value: Option<f64>,
    /// Whether the run diverged.
    pub status: Status,
    /// Ends of a 95 % interval.
    pub ci_low: Option<f64>,
    /// The upper end.
    pub ci_high: Option<f64>,
    /// Relative. None: judged by noise.
    pub tolerance: Option<f64>,
    /// 0 where images do not enter.
    pub n_real: u64,
    /// Fakes behind the value; 0 where images do not enter.
    pub n_fake: u64,
    /// Name of the feature extractor; empty where there is none.
    pub extractor: String,
    /// Hash of the extractor's weights; empty where there is none.
    pub extractor_sha256: String,
    /// The evaluation protocol; empty where there is none.
    pub protocol: String,
    /// How the value came about, spread over columns of its own.
    #[serde(flatten)]
    pub provenance: Provenance,
}

/// The columns of a guard file, in order.
pub const COLUMNS: [Column; 25] = [
    Column::required("layer", ColumnKind::Text),
    Column::required("run_id", ColumnKind::Text),
    Column::required("dataset", ColumnKind::Text),
    Column::required("dataset_sha256", ColumnKind::Text),
    Column::required("method", ColumnKind::Text),
    Column::required("seed", ColumnKind::MaybeCount),
    Column::required("checkpoint", ColumnKind::Text),
    Column::required("name", ColumnKind::Text),
    Column::required("keys", ColumnKind::Text),
    Column::required("value", ColumnKind::MaybeNumber),
    Column::required("status", ColumnKind::Text),
    Column::required("ci_low", ColumnKind::MaybeNumber),
    Column::required("ci_high", ColumnKind::MaybeNumber),
    Column::required("tolerance", ColumnKind::MaybeNumber),
    Column::required("n_real", ColumnKind::Count),
    Column::required("n_fake", ColumnKind::Count),
    Column::required("extractor", ColumnKind::Text),
    Column::required("extractor_sha256", ColumnKind::Text),
    Column::required("protocol", ColumnKind::Text),
    Column::required("version", ColumnKind::Text),
    Column::required("commit", ColumnKind::Text),
    Column::required("cpu", ColumnKind::Text),
    Column::required("simd", ColumnKind::Text),
    Column::required("unix_s", ColumnKind::Count),
    Column::required("reasons", ColumnKind::Text),
];

impl GuardedValue {
    /// A number of `layer` with nothing else known of it.
    pub fn new(layer: Layer, name: impl Into<String>, value: f64) -> Self {
        let finite = value.is_finite();
        Self {
            layer,
            run_id: String::new(),
            dataset: String::new(),
            dataset_sha256: String::new(),
            method: String::new(),
            seed: None,
            checkpoint: String::new(),
            name: name.into(),
            keys: String::new(),
            value: finite.then_some(value),
            status: if finite { Status::Ok } else { Status::Diverged },
            ci_low: None,
            ci_high: None,
            tolerance: None,
            n_real: 0,
            n_fake: 0,
            extractor: String::new(),
            extractor_sha256: String::new(),
            protocol: String::new(),
            provenance: Provenance::default(),
        }
    }

    /// Of a row of results. None for points of the curve: they show the same runs through fewer
    /// images.
    pub fn of_result(row: ResultRow) -> Option<Self> {
        if row.is_curve_point() {
            return None;
        }
        let protocol = row.protocol_sentence();
        Some(Self {
            layer: Layer::Score,
            run_id: row.run_id,
            dataset: row.dataset,
            dataset_sha256: row.dataset_sha256,
            method: row.method,
            seed: Some(row.seed),
            checkpoint: row.checkpoint,
            name: row.metric,
            keys: String::new(),
            value: row.value,
            status: row.status,
            ci_low: row.ci_low,
            ci_high: row.ci_high,
            tolerance: None,
            n_real: row.n_real,
            n_fake: row.n_fake,
            extractor: row.extractor,
            extractor_sha256: row.extractor_sha256,
            protocol,
            provenance: Provenance {
                version: row.version,
                commit: row.commit,
                ..Provenance::default()
            },
        })
    }

    /// What the types cannot say: a name, a value where and only where the status is `ok`, an
    /// interval with both ends in order, a tolerance above 0.
    ///
    /// # Errors
    /// Which of these is not so.
    pub fn validate(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("name is empty".into());
        }
        match (self.status, self.value) {
            (Status::Ok, Some(value)) if value.is_finite() => {}
            (Status::Diverged, None) => {}
            (Status::Ok, Some(value)) => {
                return Err(format!("value is {value}, expected a finite number"));
            }
            (Status::Ok, None) => return Err("status is ok but there is no value".into()),
            (Status::Diverged, Some(_)) => {
                return Err("status is diverged but there is a value".into());
            }
        }
        match (self.ci_low, self.ci_high) {
            (None, None) => {}
            (Some(low), Some(high)) if low <= high && low.is_finite() && high.is_finite() => {}
            (low, high) => return Err(format!("the interval {low:?} to {high:?} is none")),
        }
        match self.tolerance {
            Some(t) if !(t.is_finite() && t > 0.0) => {
                Err(format!("tolerance is {t}, expected a number above 0, such as 1e-6"))
            }
            _ => Ok(()),
        }
    }

    /// What tells values apart.
    pub fn key(&self) -> Key<'_> {
        Key {
            layer: self.layer,
            dataset: &self.dataset,
            method: &self.method,
            checkpoint: &self.checkpoint,
            name: &self.name,
            keys: &self.keys,
            seed: self.seed,
        }
    }
}

/// Which value it is; the rest of a row says what it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    pub layer: Layer,
    pub dataset: &'a str,
    pub method: &'a str,
    pub checkpoint: &'a str,
    pub name: &'a str,
    pub keys: &'a str,
    pub seed: Option<u64>,
}

impl Key<'_> {
    /// The same of all seeds.
    pub fn of_all_seeds(self) -> Self {
        Self { seed: None, ..self }
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.layer.name())?;
        for part in [self.dataset, self.method] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        if let Some(seed) = self.seed {
            write!(f, " seed {seed}")?;
        }
        for part in [self.checkpoint, self.name, self.keys] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}
