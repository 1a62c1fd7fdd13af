//! What a claim looks at in a run: a score, how steadily it trained, or a norm along the way.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ganbench_baselines::train::StepRecord;
use ganbench_metrics::{bare_name, card};
use ganbench_reports::ResultRow;
use ganbench_reports::claim::Scale;
use ganbench_reports::statistics::typical::{fid_curve, has_collapsed_at};
use serde::Deserialize;

use crate::plan::Plan;
use crate::report::cards;
use crate::report::stability::{self, SteadyRun};
use crate::run::folder::RunFolder;

/// One number of a run. As text: the name of a metric at the last checkpoint, or at the best one
/// behind `/best` (`fid`, `fid/best`, `linear_accuracy_percent`); `fid_variation` and `failed` as
/// in the report's section on stability (`failed`: 1 where the run failed or diverged, else 0); a
/// norm of `train.jsonl` with a statistic of its logged values (`g_grad_norm.median`, `.largest`,
/// `.last`, the median of the last tenth, `.growth`, the largest over the first, and `.decades`,
/// between the 5th and the 95th percentile); or `figure3.COLUMN` of the toy's `distances.csv`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Measure {
    Score { metric: String, checkpoint: String },
    FidVariation,
    Failed,
    Norm { of: Norm, statistic: Statistic },
    Figure3 { column: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    DGrad,
    GGrad,
    DClassGrad,
    DFeature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    Median,
    Largest,
    Last,
    Growth,
    Decades,
}

const NORMS: [(&str, Norm); 4] = [
    ("d_grad_norm", Norm::DGrad),
    ("g_grad_norm", Norm::GGrad),
    ("d_class_grad_norm", Norm::DClassGrad),
    ("d_feature_norm", Norm::DFeature),
];

const STATISTICS: [(&str, Statistic); 5] = [
    ("median", Statistic::Median),
    ("largest", Statistic::Largest),
    ("last", Statistic::Last),
    ("growth", Statistic::Growth),
    ("decades", Statistic::Decades),
];

impl TryFrom<String> for Measure {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = || {
            let names = |all: &[&str]| all.join(", ");
            format!(
                "unknown measure \"{text}\"; known: {} (each also with /best), fid_variation, failed, {} with one of \
                 .{}, and figure3.COLUMN",
                names(&cards::cards().map(|card| card.name).collect::<Vec<_>>()),
                names(&NORMS.map(|n| n.0)),
                names(&STATISTICS.map(|s| s.0)),
            )
        };
        let find = |name: &str| NORMS.into_iter().find(|(known, _)| *known == name).map(|n| n.1);
        Ok(match text.split_once('.') {
            Some(("figure3", column)) => Self::Figure3 { column: column.to_string() },
            Some((norm, statistic)) => {
                let statistic = STATISTICS.into_iter().find(|(known, _)| *known == statistic);
                match (find(norm), statistic) {
                    (Some(of), Some((_, statistic))) => Self::Norm { of, statistic },
                    _ => return Err(known()),
                }
            }
            None if text == "fid_variation" => Self::FidVariation,
            None if text == "failed" => Self::Failed,
            None => {
                let (metric, checkpoint) = match text.strip_suffix("/best") {
                    Some(metric) => (metric, "best"),
                    None => (text.as_str(), "last"),
                };
                if bare_name(metric) != metric || cards::card(metric).is_none() {
                    return Err(known());
                }
                Self::Score { metric: metric.to_string(), checkpoint: checkpoint.into() }
            }
        })
    }
}

/// A finished run of a part.
pub struct Run {
    /// The run's resolved plan.
    pub plan: Plan,
    /// The scores of its checkpoints.
    pub rows: Vec<ResultRow>,
    /// What was logged of its training steps.
    pub records: Vec<StepRecord>,
}

impl Run {
    /// # Errors
    /// If a file of the run is missing or damaged, or the run was changed.
    pub fn read(folder: &RunFolder) -> Result<Self> {
        crate::run::integrity::check(folder.path())?;
        Ok(Self { plan: folder.plan()?, rows: folder.scores()?, records: folder.records()? })
    }

    /// Whether training stopped at a NaN or an infinity.
    pub fn diverged(&self) -> bool {
        self.rows.iter().any(|row| row.value.is_none())
    }

    /// Seconds of training.
    pub fn train_s(&self) -> f64 {
        self.rows.iter().map(|row| row.train_s).fold(0.0, f64::max)
    }
}

/// A number of one row and seed; `None` where the run has none, as after a divergence.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    pub row: String,
    pub seed: u64,
    pub value: Option<f64>,
    /// Whether the run collapsed, so that the score is none of a typical run. Only scores ask that.
    pub collapsed: bool,
}

impl Measure {
    /// How rows are compared. Scores are as their cards say.
    pub fn scale(&self) -> Scale {
        match self {
            Self::Score { metric, .. } => match cards::card(metric).map(|card| card.scale) {
                Some(card::Scale::Ratio) => Scale::Ratio,
                Some(card::Scale::Difference) | None => Scale::Difference,
            },
            Self::Norm { statistic: Statistic::Decades, .. } => Scale::Difference,
            Self::Norm { .. } | Self::FidVariation => Scale::Ratio,
            Self::Failed => Scale::Share,
            Self::Figure3 { .. } => Scale::Difference,
        }
    }

    /// As pages print it: a score with its extractor, where a run has told it.
    pub fn label(&self, runs: &[Run]) -> String {
        match self {
            Self::Score { metric, checkpoint } => {
                cards::linear_in_words(metric).unwrap_or_else(|| {
                    let score = runs.iter().find_map(|run| self.score(run));
                    let full = score.map_or(metric.as_str(), |row| row.metric.as_str());
                    let title = cards::card(metric).map_or(metric.as_str(), |card| card.title);
                    format!(
                        "{title}{} ({checkpoint})",
                        full.strip_prefix(metric).unwrap_or_default()
                    )
                })
            }
            Self::FidVariation => "variation of FID".into(),
            Self::Failed => "share of failed runs".into(),
            Self::Norm { of, statistic } => {
                let of = match of {
                    Norm::DGrad => "gradient norm of D",
                    Norm::GGrad => "gradient norm of G",
                    Norm::DClassGrad => "gradient norm of D's class table",
                    Norm::DFeature => "feature norm of reals",
                };
                match statistic {
                    Statistic::Median => format!("{of}, median"),
                    Statistic::Largest => format!("{of}, largest"),
                    Statistic::Last => format!("{of}, median of the last tenth"),
                    Statistic::Growth => format!("{of}, largest over first"),
                    Statistic::Decades => format!("{of}, decades between percentiles 5 and 95"),
                }
            }
            Self::Figure3 { column } => column.replace('_', " "),
        }
    }

    /// Of every run of a part, whose folder is `part`.
    ///
    /// # Errors
    /// If a row has two runs of one seed, or the toy's file is missing or damaged.
    pub fn values(&self, runs: &[Run], part: &Path) -> Result<Vec<Value>> {
        if let Self::Figure3 { column } = self {
            return toy(part, column);
        }
        let mut values: Vec<Value> = Vec::new();
        for run in runs {
            let value = Value {
                row: run.plan.row_name().into(),
                seed: run.plan.train.seed,
                value: self.value(run),
                collapsed: self.collapsed(run),
            };
            if values.iter().any(|v| v.row == value.row && v.seed == value.seed) {
                bail!(
                    "{} holds two runs of {} with seed {}; a claim needs one",
                    part.display(),
                    value.row,
                    value.seed
                );
            }
            values.push(value);
        }
        Ok(values)
    }

    /// The row of a score, under the plan's own extractor.
    fn score<'a>(&self, run: &'a Run) -> Option<&'a ResultRow> {
        let Self::Score { metric, checkpoint } = self else { return None };
        let extractor = &run.plan.evaluation.extractor_sha256;
        run.rows.iter().find(|row| {
            row.checkpoint == *checkpoint
                && row.base_metric() == metric
                && row.extractor_sha256 == *extractor
        })
    }

    fn collapsed(&self, run: &Run) -> bool {
        let Self::Score { checkpoint, .. } = self else { return false };
        has_collapsed_at(checkpoint, &fid_curve(&run.rows))
    }

    fn value(&self, run: &Run) -> Option<f64> {
        let steady = SteadyRun { rows: &run.rows, records: &run.records };
        let diverged = run.diverged();
        match self {
            Self::Score { .. } => self.score(run).and_then(|row| row.value),
            Self::FidVariation if diverged => None,
            Self::FidVariation => stability::variation(&steady),
            Self::Failed => Some(f64::from(u8::from(diverged || stability::failed(&steady)))),
            Self::Norm { of, statistic } => {
                let value = |r: &StepRecord| match of {
                    Norm::DGrad => Some(r.d_grad_norm),
                    Norm::GGrad => Some(r.g_grad_norm),
                    Norm::DClassGrad => r.d_class_grad_norm,
                    Norm::DFeature => r.d_feature_norm,
                };
                statistic.apply(&run.records.iter().filter_map(value).collect::<Vec<_>>())
            }
            Self::Figure3 { .. } => None,
        }
    }
}

impl Statistic {
    /// Of the values in their order. `None` for no values, and where it would divide by 0.
    fn apply(self, values: &[f64]) -> Option<f64> {
        let (first, from) = (*values.first()?, values.len() - values.len().div_ceil(10));
        let of = if self == Self::Last { &values[from..] } else { values };
        let mut sorted = of.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let value = match self {
            Self::Last | Self::Median => at(0.5),
            Self::Largest => at(1.0),
            Self::Growth => at(1.0) / first,
            Self::Decades => (at(0.95) / at(0.05)).log10(),
        };
        value.is_finite().then_some(value)
    }
}

/// A column of the toy's `distances.csv` in a part's folder; its rows are the losses. None without
/// the file.
///
/// # Errors
/// If the file is damaged or lacks the column.
pub fn toy(part: &Path, column: &str) -> Result<Vec<Value>> {
    let path = part.join("distances.csv");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let damaged = || format!("{} is damaged", path.display());
    let mut reader = csv::Reader::from_path(&path).with_context(damaged)?;
    let headers = reader.headers().with_context(damaged)?.clone();
    let at = |name: &str| {
        let found = headers.iter().position(|header| header == name);
        found.with_context(|| format!("{} has no column {name}", path.display()))
    };
    let (seed, loss, column) = (at("seed")?, at("loss")?, at(column)?);
    let mut values = Vec::new();
    for record in reader.records() {
        let record = record.with_context(damaged)?;
        values.push(Value {
            row: record[loss].to_string(),
            seed: record[seed].parse().with_context(damaged)?,
            value: Some(record[column].parse().with_context(damaged)?),
            collapsed: false,
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(text: &str) -> Measure {
        Measure::try_from(text.to_string()).unwrap()
    }

    #[test]
    fn statistics_of_a_norm_on_paper() {
        let values: Vec<f64> =
            (0..=20).map(|i| 10f64.powf(f64::from((i * 8) % 21) / 10.0)).collect();
        let of = |s: Statistic| s.apply(&values).unwrap();
        assert!((of(Statistic::Median) - 10.0).abs() < 1e-12);
        assert!((of(Statistic::Largest) - 100.0).abs() < 1e-12);
        // The last three of the shuffled order: (18, 19, 20)·8 mod 21 = 18, 5, 13; the first is
        // 10⁰.
        assert!((of(Statistic::Last) - 10f64.powf(1.3)).abs() < 1e-12);
        assert!((of(Statistic::Growth) - 100.0).abs() < 1e-12);
        assert!((of(Statistic::Decades) - 1.8).abs() < 1e-12);
        assert_eq!(Statistic::Median.apply(&[]), None);
        assert_eq!(Statistic::Decades.apply(&[0.0, 1.0]), None);
        assert_eq!(Statistic::Growth.apply(&[0.0, 1.0]), None);
    }

    #[test]
    fn claims_may_look_at_every_metric_and_compare_it_as_its_card_says() {
        for card in cards::cards() {
            let expected = match card.scale {
                card::Scale::Ratio => Scale::Ratio,
                card::Scale::Difference => Scale::Difference,
            };
            assert_eq!(measure(&card.name.replace('N', "4")).scale(), expected, "{}", card.name);
        }
        let labels = ["fid", "kid/best", "is", "linear_accuracy_percent"];
        assert_eq!(
            labels.map(|name| measure(name).label(&[])),
            ["FID (last)", "KID (best)", "IS (last)", "linear accuracy, %"]
        );
        assert_eq!(
            measure("linear_accuracy_cached4_percent").label(&[]),
            "linear accuracy (4 cached epochs), %"
        );
    }

    #[test]
    fn measures_read_as_they_are_written_and_unknown_ones_name_the_known() {
        let best = Measure::Score { metric: "fid".into(), checkpoint: "best".into() };
        assert_eq!(measure("fid/best"), best);
        let norm = Measure::Norm { of: Norm::DClassGrad, statistic: Statistic::Largest };
        assert_eq!(measure("d_class_grad_norm.largest"), norm);
        assert_eq!(
            (measure("failed").scale(), measure("fid").scale()),
            (Scale::Share, Scale::Ratio)
        );
        for wrong in ["fid/worst", "g_grad_norm.mean", "loss", "fid@small-shapes"] {
            let error = Measure::try_from(wrong.to_string()).unwrap_err();
            assert!(error.contains(wrong) && error.contains("figure3.COLUMN"), "{error}");
        }
    }

    #[test]
    fn the_toys_columns_are_read_by_loss_and_seed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(measure("figure3.share").values(&[], folder.path()).unwrap(), Vec::new());
        std::fs::write(folder.path().join("distances.csv"), "seed,loss,share\n3,kdd,0.5\n")
            .unwrap();
        let values = measure("figure3.share").values(&[], folder.path()).unwrap();
        assert_eq!(
            values,
            [Value { row: "kdd".into(), seed: 3, value: Some(0.5), collapsed: false }]
        );
        let error = measure("figure3.other").values(&[], folder.path()).unwrap_err();
        assert!(error.to_string().contains("has no column other"), "{error}");
    }
}
