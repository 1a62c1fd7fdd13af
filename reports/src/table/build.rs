//! From rows to a table.

use std::collections::BTreeMap;

use super::key::shared_key;
use super::notes::{fairness_notes, imported_note};
use super::{
    Anchors, Block, Cell, FinalCheckpoint, MethodLabel, MethodRow, MetricColumn, Model, Published,
    SampleCounts, Spent, Standing, Table,
};
use crate::card::MetricCards;
use crate::error::{Disagreement, Finding, ReportError};
use crate::metric::{Direction, MetricName};
use crate::row::{Checkpoint, ResultRow, Status};
use crate::statistics::typical::{fid_curves, has_collapsed_at, is_collapse_typical};
use crate::statistics::{Row, Rows, holm_adjusted};

/// The rows of one run.
pub(super) struct Run<'a> {
    pub(super) run_id: &'a str,
    pub(super) diverged: bool,
    pub(super) rows: Vec<&'a ResultRow>,
}

/// A method with its runs by seed.
pub(super) struct Method<'a> {
    pub(super) method: &'a str,
    pub(super) label: String,
    pub(super) conditional: bool,
    pub(super) runs: BTreeMap<u64, Run<'a>>,
}

impl Method<'_> {
    pub(super) fn is_imported(&self) -> bool {
        self.runs.values().flat_map(|run| &run.rows).any(|row| row.is_imported())
    }
}

/// How the hash of an extractor begins whose weights are made from a seed.
pub(super) const MADE: &str = "made:";

impl Table {
    /// Compares the methods of `rows`, which may hold curve points besides the final checkpoints.
    ///
    /// Methods stand in the order of `labels`; those without a label follow under their own name.
    ///
    /// # Errors
    /// If there are no rows of a final checkpoint; if a row is not valid; if rows disagree in
    /// anything of the [`TableKey`](super::TableKey), or those of a column in their sample counts;
    /// if a method has two runs of one seed.
    pub fn new(
        rows: &[ResultRow],
        labels: &[MethodLabel],
        cards: MetricCards,
    ) -> Result<Self, ReportError> {
        Self::of_runs(rows, rows, labels, cards)
    }

    /// The last checkpoints' values of the metrics that [`Table::new`] leaves out as details, in a
    /// table without costs; None where there are no such values.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub(crate) fn of_details(
        rows: &[ResultRow],
        all_rows: &[ResultRow],
        labels: &[MethodLabel],
        cards: MetricCards,
    ) -> Result<Option<Self>, ReportError> {
        let detail = |row: &&ResultRow| MetricName::new(&row.metric, cards).is_detail();
        let last = |row: &&ResultRow| row.checkpoint == FinalCheckpoint::Last.name();
        let rows: Vec<ResultRow> = rows.iter().filter(detail).filter(last).cloned().collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let table = Self::with_columns(&rows, all_rows, labels, MetricCards::ordered, cards)?;
        Ok(Some(Self { spent: Vec::new(), ..table }))
    }

    /// As [`Table::new`], where `all_rows` holds further rows of the runs: a table under a second
    /// extractor has no curve, by which collapsed runs are known.
    pub(crate) fn of_runs(
        rows: &[ResultRow],
        all_rows: &[ResultRow],
        labels: &[MethodLabel],
        cards: MetricCards,
    ) -> Result<Self, ReportError> {
        Self::with_columns(rows, all_rows, labels, MetricCards::main, cards)
    }

    /// `columns` chooses and orders the metrics.
    fn with_columns(
        rows: &[ResultRow],
        all_rows: &[ResultRow],
        labels: &[MethodLabel],
        columns: fn(MetricCards, Vec<&str>) -> Vec<MetricName>,
        cards: MetricCards,
    ) -> Result<Self, ReportError> {
        let key = shared_key(rows)?;
        let curves = fid_curves(all_rows);
        for row in rows {
            row.validate()?;
        }
        let methods = methods(rows, labels)?;
        let finals = |checkpoint: FinalCheckpoint| {
            rows.iter().filter(move |row| row.checkpoint == checkpoint.name())
        };
        let final_rows =
            [FinalCheckpoint::Last, FinalCheckpoint::Best].into_iter().flat_map(finals);
        let metrics = columns(cards, final_rows.map(|row| row.metric.as_str()).collect());
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
            let measured =
                columns(cards, finals(checkpoint).map(|row| row.metric.as_str()).collect());
            let found: Vec<Found> = methods
                .iter()
                .map(|method| found(method, &curves, &metrics, &measured, checkpoint, &mut notes))
                .collect();
            let (rows, models) = judged(found, &metrics);
            blocks.push(Block { checkpoint, rows, models });
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
                MetricColumn { metric, decimals }
            })
            .collect();
        notes.extend(fairness_notes(&methods, rows));
        notes.extend(imported_note(&methods));
        let trained = methods.iter().filter(|method| !method.is_imported());
        let spent = trained.map(spent).collect();
        let published = Published::default();
        let anchors = Anchors::default();
        Ok(Self { key, columns, blocks, spent, counts, published, anchors, notes })
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

/// A line of the table before its values are judged.
struct Found {
    row: MethodRow,
    /// Of each metric, of the typical run.
    values: Vec<Values>,
}

/// The values of a metric, by seed.
#[derive(Default)]
struct Values {
    seeds: Vec<u64>,
    values: Vec<f64>,
}

fn found(
    method: &Method<'_>,
    curves: &BTreeMap<&str, Vec<f64>>,
    metrics: &[MetricName],
    measured: &[MetricName],
    checkpoint: FinalCheckpoint,
    notes: &mut Vec<String>,
) -> Found {
    let seeds_of = |is: &dyn Fn(&Run<'_>) -> bool| -> Vec<u64> {
        method.runs.iter().filter(|(_, run)| is(run)).map(|(&seed, _)| seed).collect()
    };
    let diverged = seeds_of(&|run| run.diverged);
    let fell = |run: &Run<'_>| {
        let curve = curves.get(run.run_id).map_or(&[][..], Vec::as_slice);
        !run.diverged && has_collapsed_at(checkpoint.name(), curve)
    };
    let fallen = seeds_of(&fell);
    let finished = method.runs.len() - diverged.len();
    let all = is_collapse_typical(fallen.len(), finished);
    let is_typical = |seed: &u64| !diverged.contains(seed) && (all || !fallen.contains(seed));
    let typical = method.runs.iter().filter(|(seed, _)| is_typical(seed));
    let typical: Vec<(u64, &Run<'_>)> = typical.map(|(&seed, run)| (seed, run)).collect();
    // By the number of seeds that have a value: the metrics.
    let mut lacking: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let values = metrics.iter().map(|metric| {
        let mut of_metric = Values::default();
        for (seed, run) in &typical {
            // The last of repeated lines is the one that counts.
            let is_it =
                |r: &&&ResultRow| r.metric == metric.full() && r.checkpoint == checkpoint.name();
            if let Some(value) = run.rows.iter().rev().find(is_it).and_then(|row| row.value) {
                of_metric.seeds.push(*seed);
                of_metric.values.push(value);
            }
        }
        let lacks = of_metric.values.len() < typical.len() && !method.is_imported();
        if lacks && measured.contains(metric) {
            lacking.entry(of_metric.values.len()).or_default().push(metric.title());
        }
        of_metric
    });
    let values = values.collect();
    notes.extend(lacking.into_iter().map(|(n, titles)| {
        let has = if titles.len() == 1 { "has" } else { "have" };
        let (label, checkpoint, titles) = (&method.label, checkpoint.name(), titles.join(", "));
        let of = typical.len();
        format!(
            "{label}: {titles} of the {checkpoint} checkpoint {has} a value for {n} of {of} finished seeds"
        )
    }));
    let row = MethodRow {
        method: method.method.to_string(),
        label: method.label.clone(),
        conditional: method.conditional,
        seeds: method.runs.keys().copied().collect(),
        diverged,
        collapsed: fallen,
        is_collapse_typical: all,
        cells: Vec::new(),
    };
    Found { row, values }
}

/// The lines with their means, intervals and marks.
fn judged(mut found: Vec<Found>, metrics: &[MetricName]) -> (Vec<MethodRow>, Vec<Model>) {
    let mut models = Vec::new();
    for (i, metric) in metrics.iter().enumerate() {
        let all = found.iter().flat_map(|of| &of.values[i].values);
        let scale = metric.scale().for_values(all);
        let row = |of: &Found| Row {
            seeds: of.values[i].seeds.clone(),
            values: of.values[i].values.iter().filter_map(|&v| scale.transformed(v)).collect(),
        };
        let rows = Rows::new(&found.iter().map(row).collect::<Vec<_>>());
        let standings = standings(&rows, metric.direction(), |j| found[j].row.diverged.is_empty());
        for (j, (of, standing)) in found.iter_mut().zip(standings).enumerate() {
            let n = of.values[i].values.len();
            let interval = rows.mean(j).map(|mean| scale.interval(&mean, n, metric.range()));
            let diverged = of.row.diverged.len();
            of.row.cells.push(Cell { interval, diverged, standing });
        }
        models.push(Model { scale, rows });
    }
    (found.into_iter().map(|of| of.row).collect(), models)
}

/// How each row stands: the best is better than all others, or it and those that cannot be told
/// from it are marked. The comparisons with the best are corrected together by Holm; without a
/// spread to judge by nothing is marked.
fn standings(
    rows: &Rows,
    direction: Direction,
    may_be_best: impl Fn(usize) -> bool,
) -> Vec<Standing> {
    let mut standings = vec![Standing::Other; rows.len()];
    let means: Vec<(usize, f64)> = (0..rows.len())
        .filter(|&j| may_be_best(j))
        .filter_map(|j| Some((j, rows.mean(j)?.effect)))
        .collect();
    let by_mean = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
    let best = match direction {
        Direction::Lower => means.iter().min_by(by_mean),
        Direction::Higher => means.iter().max_by(by_mean),
        Direction::Unknown => None,
    };
    let Some(&(best, _)) = best else { return standings };
    let others: Vec<(usize, Option<f64>)> = means
        .iter()
        .filter(|(j, _)| *j != best)
        .map(|&(j, _)| (j, rows.difference(best, j).and_then(|difference| difference.p())))
        .collect();
    if others.is_empty() || others.iter().all(|(_, p)| p.is_none()) {
        return standings;
    }
    let p: Vec<f64> = others.iter().map(|(_, p)| p.unwrap_or(1.0)).collect();
    let level: Vec<usize> = others
        .iter()
        .zip(holm_adjusted(&p))
        .filter(|(_, p)| *p > 0.05)
        .map(|((j, _), _)| *j)
        .collect();
    standings[best] = if level.is_empty() { Standing::Best } else { Standing::NotToldFromBest };
    level.into_iter().for_each(|j| standings[j] = Standing::NotToldFromBest);
    standings
}

/// The first 12 characters of a hash.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// Where training stopped: the row of the last checkpoint, or the latest point of the curve.
pub(super) fn end_of_run<'a>(run: &Run<'a>) -> Option<&'a ResultRow> {
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
    // Rows of ganbench 0.1 do not tell.
    let known = |value: fn(&ResultRow) -> Option<f64>| {
        let values: Option<Vec<f64>> = ends.iter().map(|row| value(row)).collect();
        values.map(|values| values.iter().sum::<f64>() / ends.len().max(1) as f64)
    };
    Spent {
        method: method.method.to_string(),
        g_steps: mean(|r| r.g_steps as f64),
        d_steps: mean(|r| r.d_steps as f64),
        real_kimg: mean(|r| r.real_images as f64 / 1e3),
        d_kforwards: mean(|r| (r.d_image_forwards + r.d_image_forwards_g_step) as f64 / 1e3),
        d_kforwards_g_step: mean(|r| r.d_image_forwards_g_step as f64 / 1e3),
        g_kforwards: mean(|r| r.g_image_forwards as f64 / 1e3),
        tflops: known(|r| r.tflops),
        cpu_s: known(|r| r.cpu_s),
        train_s: mean(|r| r.train_s),
        peak_rss_mb: mean(|r| r.peak_rss_mb),
    }
}
