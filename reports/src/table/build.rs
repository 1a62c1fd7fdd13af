//! From rows to a table.

use std::collections::BTreeMap;

use super::key::shared_key;
use super::{
    Block, Cell, FinalCheckpoint, MethodLabel, MethodRow, MetricColumn, Published, SampleCounts,
    Spent, Table,
};
use crate::card::MetricCards;
use crate::error::{Disagreement, Finding, ReportError};
use crate::metric::{Direction, MetricName};
use crate::row::{Checkpoint, ResultRow, Status};
use crate::statistics::Interval;

/// The rows of one run.
struct Run<'a> {
    run_id: &'a str,
    diverged: bool,
    rows: Vec<&'a ResultRow>,
}

/// A method with its runs by seed.
struct Method<'a> {
    method: &'a str,
    label: String,
    conditional: bool,
    runs: BTreeMap<u64, Run<'a>>,
}

/// How the hash of an extractor begins whose weights are made from a seed.
pub(super) const MADE: &str = "made:";

impl Table {
    /// Compares the methods of `rows`, which may hold curve points besides the final checkpoints.
    ///
    /// Methods stand in the order of `labels`; those without a label follow under their own name.
    ///
    /// # Errors
    /// If there are no rows of a final checkpoint; if a row is not valid; if rows disagree in anything of
    /// the [`TableKey`](super::TableKey), or those of a column in their sample counts; if a method has two
    /// runs of one seed.
    pub fn new(
        rows: &[ResultRow],
        labels: &[MethodLabel],
        cards: MetricCards,
    ) -> Result<Self, ReportError> {
        let key = shared_key(rows)?;
        for row in rows {
            row.validate()?;
        }
        let methods = methods(rows, labels)?;
        let finals = |checkpoint: FinalCheckpoint| {
            rows.iter().filter(move |row| row.checkpoint == checkpoint.name())
        };
        let metrics = cards.ordered(
            [FinalCheckpoint::Last, FinalCheckpoint::Best]
                .into_iter()
                .flat_map(finals)
                .map(|row| row.metric.as_str()),
        );
        if metrics.is_empty() {
            return Err(ReportError::NoFinalRows { table: key.table });
        }

        let mut notes = Vec::new();
        let mut blocks = Vec::new();
        let mut counts = Vec::new();
        for checkpoint in [FinalCheckpoint::Last, FinalCheckpoint::Best] {
            if finals(checkpoint).next().is_none() {
                continue;
            }
            counts.push(
                metrics
                    .iter()
                    .map(|metric| {
                        sample_counts(finals(checkpoint).filter(|r| r.metric == metric.full()))
                    })
                    .collect::<Result<Vec<_>, _>>()?,
            );
            // A metric that only another checkpoint has is no gap in this one.
            let measured = cards.ordered(finals(checkpoint).map(|row| row.metric.as_str()));
            let rows = methods
                .iter()
                .map(|method| method_row(method, &metrics, &measured, checkpoint, &mut notes))
                .collect();
            blocks.push(Block { checkpoint, rows });
        }
        let columns: Vec<MetricColumn> = metrics
            .into_iter()
            .enumerate()
            .map(|(i, metric)| {
                let means = blocks
                    .iter()
                    .flat_map(|block| &block.rows)
                    .filter_map(|row| row.cells[i].interval.map(|interval| interval.mean));
                let decimals = metric.decimals_for(means);
                let made = key.extractor_sha256.starts_with(MADE);
                let metric = if made { metric.of_made_weights() } else { metric };
                MetricColumn { metric, decimals }
            })
            .collect();
        for block in &mut blocks {
            mark_best(block, &columns);
        }
        notes.extend(fairness_notes(&methods, rows));
        let spent = methods.iter().map(spent).collect();
        let published = Published::default();
        Ok(Self { key, columns, blocks, spent, counts, published, notes })
    }
}

/// The methods in table order, each with its runs.
fn methods<'a>(
    rows: &'a [ResultRow],
    labels: &[MethodLabel],
) -> Result<Vec<Method<'a>>, ReportError> {
    let mut methods: Vec<Method<'a>> = Vec::new();
    for row in rows {
        let at = methods.iter().position(|m| m.method == row.method).unwrap_or_else(|| {
            let label = labels.iter().find(|l| l.method == row.method);
            methods.push(Method {
                method: &row.method,
                label: label.map_or_else(|| row.method.clone(), |l| l.label.clone()),
                conditional: row.conditional,
                runs: BTreeMap::new(),
            });
            methods.len() - 1
        });
        let run = methods[at].runs.entry(row.seed).or_insert_with(|| Run {
            run_id: &row.run_id,
            diverged: false,
            rows: Vec::new(),
        });
        if run.run_id != row.run_id {
            return Err(ReportError::DuplicateRun {
                method: row.method.clone(),
                seed: row.seed,
                first_run: run.run_id.to_string(),
                second_run: row.run_id.clone(),
            });
        }
        run.diverged |= row.status == Status::Diverged;
        run.rows.push(row);
    }
    // A stable sort: methods without a label keep the order in which they came.
    methods
        .sort_by_key(|m| labels.iter().position(|l| l.method == m.method).unwrap_or(labels.len()));
    Ok(methods)
}

/// The counts that all measured values of a column share; `None` where there is no value.
fn sample_counts<'a>(
    column: impl Iterator<Item = &'a ResultRow>,
) -> Result<Option<SampleCounts>, ReportError> {
    let mut found: Option<(&ResultRow, SampleCounts)> = None;
    for row in column.filter(|row| row.status == Status::Ok) {
        let counts = SampleCounts { n_real: row.n_real, n_fake: row.n_fake };
        match found {
            Some((first, of_first)) if of_first != counts => {
                let finding = |row: &ResultRow, c: SampleCounts| Finding {
                    value: format!("{} real and {} fake", c.n_real, c.n_fake),
                    run_id: row.run_id.clone(),
                };
                return Err(ReportError::MixedCounts {
                    metric: row.metric.clone(),
                    checkpoint: row.checkpoint.clone(),
                    values: Box::new(Disagreement {
                        first: finding(first, of_first),
                        second: finding(row, counts),
                    }),
                });
            }
            Some(_) => {}
            None => found = Some((row, counts)),
        }
    }
    Ok(found.map(|(_, counts)| counts))
}

fn method_row(
    method: &Method<'_>,
    metrics: &[MetricName],
    measured: &[MetricName],
    checkpoint: FinalCheckpoint,
    notes: &mut Vec<String>,
) -> MethodRow {
    let diverged: Vec<u64> =
        method.runs.iter().filter(|(_, run)| run.diverged).map(|(&seed, _)| seed).collect();
    let finished = method.runs.len() - diverged.len();
    // By the number of seeds that have a value: the metrics.
    let mut lacking: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let cells = metrics
        .iter()
        .map(|metric| {
            let values: Vec<f64> = method
                .runs
                .values()
                .filter(|run| !run.diverged)
                .filter_map(|run| {
                    // The last of repeated lines is the one that counts.
                    run.rows
                        .iter()
                        .rev()
                        .find(|r| r.metric == metric.full() && r.checkpoint == checkpoint.name())
                        .and_then(|r| r.value)
                })
                .collect();
            if values.len() < finished && measured.contains(metric) {
                lacking.entry(values.len()).or_default().push(metric.title());
            }
            Cell { interval: Interval::of(&values), diverged: diverged.len(), best: false }
        })
        .collect();
    notes.extend(lacking.into_iter().map(|(n, titles)| {
        let has = if titles.len() == 1 { "has" } else { "have" };
        let (label, checkpoint, titles) = (&method.label, checkpoint.name(), titles.join(", "));
        format!("{label}: {titles} of the {checkpoint} checkpoint {has} a value for {n} of {finished} finished seeds")
    }));
    MethodRow {
        method: method.method.to_string(),
        label: method.label.clone(),
        conditional: method.conditional,
        seeds: method.runs.keys().copied().collect(),
        diverged,
        cells,
    }
}

/// Marks the best of each column by the digits that are printed, so that what looks equal is equal.
fn mark_best(block: &mut Block, columns: &[MetricColumn]) {
    for (i, column) in columns.iter().enumerate() {
        let direction = column.metric.direction();
        let printed = |cell: &Cell| -> Option<f64> {
            let interval = cell.interval.filter(|_| cell.diverged == 0)?;
            format!("{:.*}", column.decimals, interval.mean).parse().ok()
        };
        let candidates = block.rows.iter().filter_map(|row| printed(&row.cells[i]));
        let best = match direction {
            Direction::Lower => candidates.min_by(f64::total_cmp),
            Direction::Higher => candidates.max_by(f64::total_cmp),
            Direction::Unknown => None,
        };
        for row in &mut block.rows {
            row.cells[i].best = best.is_some() && printed(&row.cells[i]) == best;
        }
    }
}

/// What was unequal between methods, or unusual about the rows as a whole.
fn fairness_notes(methods: &[Method<'_>], rows: &[ResultRow]) -> Vec<String> {
    let mut notes = Vec::new();
    let seeds = |m: &Method<'_>| m.runs.keys().map(u64::to_string).collect::<Vec<_>>().join(", ");
    if methods.windows(2).any(|pair| !pair[0].runs.keys().eq(pair[1].runs.keys())) {
        let each: Vec<String> =
            methods.iter().map(|m| format!("{} {}", m.label, seeds(m))).collect();
        notes.push(format!("the methods were not run with the same seeds: {}", each.join("; ")));
    }
    let mut builds: Vec<String> =
        rows.iter().map(|row| format!("{} ({})", row.version, short_hash(&row.commit))).collect();
    builds.sort_unstable();
    builds.dedup();
    if builds.len() > 1 {
        notes.push(format!("the rows come from several builds: {}", builds.join(", ")));
    }
    notes
}

/// The first 12 characters of a hash.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// Where training stopped: the row of the last checkpoint, or the latest point of the curve.
fn end_of_run<'a>(run: &Run<'a>) -> Option<&'a ResultRow> {
    let rank = |row: &ResultRow| match row.checkpoint() {
        Ok(Checkpoint::Last) => f64::INFINITY,
        Ok(Checkpoint::Kimg(kimg)) => kimg,
        _ => -1.0,
    };
    run.rows.iter().copied().max_by(|a, b| rank(a).total_cmp(&rank(b)))
}

fn spent(method: &Method<'_>) -> Spent {
    let all_diverged = method.runs.values().all(|run| run.diverged);
    let ends: Vec<&ResultRow> = method
        .runs
        .values()
        .filter(|run| all_diverged || !run.diverged)
        .filter_map(end_of_run)
        .collect();
    let mean = |value: fn(&ResultRow) -> f64| {
        ends.iter().map(|row| value(row)).sum::<f64>() / ends.len().max(1) as f64
    };
    Spent {
        method: method.method.to_string(),
        g_steps: mean(|r| r.g_steps as f64),
        d_steps: mean(|r| r.d_steps as f64),
        real_kimg: mean(|r| r.real_images as f64 / 1e3),
        d_kforwards: mean(|r| r.d_image_forwards as f64 / 1e3),
        d_kforwards_g_step: mean(|r| r.d_image_forwards_g_step as f64 / 1e3),
        train_s: mean(|r| r.train_s),
        peak_rss_mb: mean(|r| r.peak_rss_mb),
    }
}
