//! The values of runs, side by side.

use std::collections::{BTreeMap, BTreeSet};

use ganbench_reports::{ResultRow, protocol_sentence};
use thiserror::Error;

/// The checkpoints whose values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Points {
    /// The last checkpoint of each run.
    Last,
    /// The checkpoint of each run with the best FID.
    Best,
    /// All checkpoints of the curves.
    Curve,
}

impl Points {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Last, Self::Best, Self::Curve];

    /// By [`Points::as_str`].
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|points| points.as_str() == name)
    }

    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
            Self::Curve => "curve",
        }
    }

    fn includes(self, row: &ResultRow) -> bool {
        match self {
            Self::Last | Self::Best => row.checkpoint == self.as_str(),
            Self::Curve => row.is_curve_point(),
        }
    }
}

/// Why runs cannot be held against the truth.
#[derive(Debug, Error)]
pub enum AgreementError {
    #[error(
        "{metric} was measured in {} ways, expected one, since such values cannot be ranked together: {}; name results \
         that were measured alike", .ways.len(), .ways.join("; ")
    )]
    MeasuredDifferently { metric: String, ways: Vec<String> },
    #[error(
        "no run has the metric {truth} at the checkpoint {points}, which the others are held against; expected runs on \
         shapes that were measured with protocol tables"
    )]
    NoTruth { truth: String, points: &'static str },
    #[error("{got} runs have the metric {truth}, expected at least {needed} to correlate with it")]
    TooFewRuns { truth: String, got: usize, needed: usize },
}

/// One checkpoint of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Index of the run.
    pub run: usize,
    pub checkpoint: String,
    /// Value of each metric of [`Runs::metrics`], `None` where it was not measured.
    pub values: Vec<Option<f64>>,
}

/// What a run was.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: String,
    pub method: String,
    pub seed: u64,
    /// `real_kimg=45, sndcgan of width 8, batch 16`.
    pub recipe: String,
}

/// Runs with all of their values.
#[derive(Clone, Debug)]
pub struct Runs {
    /// Names of the metrics, with their extractors, as in the result rows.
    pub metrics: Vec<String>,
    /// Every run that has a value.
    pub runs: Vec<Run>,
    /// Every checkpoint that has a value.
    pub points: Vec<Point>,
    /// How each metric was measured, in words.
    pub measures: Vec<String>,
    /// Which checkpoints were collected.
    pub checkpoints: Points,
}

impl Runs {
    /// Collects the values of result rows. The last of repeated rows counts.
    ///
    /// # Errors
    /// If a metric was measured in more than one way.
    pub fn new(rows: &[ResultRow], checkpoints: Points) -> Result<Self, AgreementError> {
        let rows = || rows.iter().filter(|row| checkpoints.includes(row) && row.value.is_some());
        let metrics: BTreeSet<&str> = rows().map(|row| row.metric.as_str()).collect();
        let measures: Vec<String> = metrics
            .iter()
            .map(|&metric| measure(metric, rows().filter(|row| row.metric == metric)))
            .collect::<Result<_, _>>()?;
        let metrics: Vec<String> = metrics.into_iter().map(str::to_string).collect();

        let mut found =
            Self { metrics, runs: Vec::new(), points: Vec::new(), measures, checkpoints };
        let mut run_places = BTreeMap::new();
        let mut point_places = BTreeMap::new();
        for row in rows() {
            let run = *run_places.entry(&row.run_id).or_insert_with(|| {
                found.runs.push(Run::new(row));
                found.runs.len() - 1
            });
            let point = *point_places.entry((run, &row.checkpoint)).or_insert_with(|| {
                let (checkpoint, values) =
                    (row.checkpoint.clone(), vec![None; found.metrics.len()]);
                found.points.push(Point { run, checkpoint, values });
                found.points.len() - 1
            });
            if let Some(metric) = found.metrics.iter().position(|metric| *metric == row.metric) {
                found.points[point].values[metric] = row.value;
            }
        }
        Ok(found)
    }

    /// The place of a metric by its name, with or without its extractor.
    pub fn metric(&self, name: &str) -> Option<usize> {
        let bare = |full: &str| full.split('@').next() == Some(name);
        self.metrics.iter().position(|full| full == name || bare(full))
    }
}

impl Run {
    fn new(row: &ResultRow) -> Self {
        let ResultRow { budget_unit, budget_amount, architecture, width, batch, .. } = row;
        Self {
            id: row.run_id.clone(),
            method: row.method.clone(),
            seed: row.seed,
            recipe: format!(
                "{budget_unit}={budget_amount}, {architecture} of width {width}, batch {batch}"
            ),
        }
    }
}

/// How all rows of a metric were measured.
fn measure<'a>(
    metric: &str,
    rows: impl Iterator<Item = &'a ResultRow>,
) -> Result<String, AgreementError> {
    let way = |row: &ResultRow| {
        format!(
            "{} ({} {}), {} reals and {} fakes, extractor {} ({}), {}",
            row.dataset,
            ganbench_reports::short_hash(&row.dataset_sha256),
            row.split,
            row.n_real,
            row.n_fake,
            row.extractor,
            ganbench_reports::short_hash(&row.extractor_sha256),
            protocol_sentence(&row.protocol, &row.protocol_differences)
        )
    };
    let mut ways: Vec<String> = rows.map(way).collect::<BTreeSet<_>>().into_iter().collect();
    match ways.len() {
        1 => Ok(ways.remove(0)),
        _ => Err(AgreementError::MeasuredDifferently { metric: metric.into(), ways }),
    }
}
