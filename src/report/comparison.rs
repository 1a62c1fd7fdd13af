//! Runs against runs: whether the rows of two results differ by more than chance.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ganbench_reports::claim::{Judged, Scale, Side, Verdict, seeds_text};
use ganbench_reports::statistics::exact::{Outcomes, deciding_permutation_p, fisher_p};
use ganbench_reports::statistics::typical::{fid_curves, has_collapsed_at, typical_and_apart};
use ganbench_reports::statistics::{Estimate, Row, Rows, holm_adjusted, p_text};
use ganbench_reports::{MetricName, ResultRow, TableKey};
use serde::Serialize;

use super::cards;
use crate::results::{ResultsError, SCORES_NAME, find_runs, pack, read_rows, run_rows};
use crate::run::integrity;

/// A row of one side against a row of the other.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// `gan on cifar10`, or `kdd against gan on cifar10`.
    pub what: String,
    /// With its extractor, as in the result rows.
    pub metric: String,
    /// Means over seeds of the typical run, geometric ones of a ratio.
    pub a: f64,
    /// The same of the other side.
    pub b: f64,
    /// `ratio` (a over b) or `difference` (a minus b).
    pub scale: &'static str,
    /// In words of `scale`, of the typical runs.
    pub effect: f64,
    /// 95 % interval of the effect.
    pub ci_low: Option<f64>,
    /// The upper end of that interval.
    pub ci_high: Option<f64>,
    /// Two-sided, of no difference.
    pub p: Option<f64>,
    /// The same, corrected by Holm over the rows that are compared with one reference; the verdict
    /// follows it.
    pub p_holm: Option<f64>,
    /// Of the permutation test, which assumes nothing; from four runs per row on, since fewer
    /// cannot decide.
    pub p_permutation: Option<f64>,
    /// Runs of the first side that have a value and enter its mean.
    pub n_a: usize,
    /// The same of the other side.
    pub n_b: usize,
    /// Runs that collapsed; they are in no mean unless most runs of the row did.
    pub collapsed_a: usize,
    /// The same of the other side.
    pub collapsed_b: usize,
    /// Two-sided p of Fisher's exact test that both collapse equally often; `null` where no run
    /// collapsed.
    pub collapse_p: Option<f64>,
    /// Runs per row that would decide in four of five repeats: at this effect, and at the ends of
    /// its interval; `null` where it is over 100 or there is no spread to judge by.
    pub seeds_to_decide: Option<u64>,
    /// The least and the most seeds, at the ends of the interval.
    pub seeds_range: [Option<u64>; 2],
    /// Which side is better, or why that is undecided.
    pub verdict: String,
}

/// The rows of a run's folder, of a folder of runs, of a sweep, or of a results file.
///
/// # Errors
/// If there are none, a file is damaged, or a run was changed.
pub fn read(path: &Path) -> Result<Vec<ResultRow>> {
    // A run is a folder of itself. Runs are looked at also where the results made of them are read.
    let runs = match path.is_dir() || pack::runs_at(path)?.is_some() {
        true => find_runs(path)?,
        false => Vec::new(),
    };
    runs.iter().try_for_each(|run| integrity::check(run))?;
    match read_rows(path) {
        Err(ResultsError::NoResults { .. }) if !runs.is_empty() => {
            let rows = |run: &PathBuf| Ok(run_rows(&run.join(SCORES_NAME))?.rows);
            Ok(runs.iter().map(rows).collect::<Result<Vec<_>>>()?.concat())
        }
        rows => Ok(rows?),
    }
}

/// One row under one metric.
struct Sample<'a> {
    method: &'a str,
    dataset: &'a str,
    metric: &'a str,
    key: TableKey,
    n_real: u64,
    n_fake: u64,
    run_ids: BTreeSet<&'a str>,
    seeds: Vec<u64>,
    values: Vec<f64>,
    collapsed: usize,
    runs: usize,
}

impl Sample<'_> {
    fn outcomes(&self) -> Outcomes {
        Outcomes { with: self.collapsed as u64, runs: self.runs as u64 }
    }

    fn what(&self) -> String {
        format!("{} on {}", self.method, self.dataset)
    }

    /// What differs in how the two were measured and trained, in words.
    fn differences(&self, other: &Self) -> Vec<String> {
        let (a, b) = (&self.key, &other.key);
        let data = |key: &TableKey| format!("{} {}", key.dataset_sha256, key.split);
        let networks = |key: &TableKey| format!("{} of width {}", key.architecture, key.width);
        [
            ("protocol", a.protocol_sentence(), b.protocol_sentence()),
            ("extractor", a.extractor.clone(), b.extractor.clone()),
            ("weights", a.extractor_sha256.clone(), b.extractor_sha256.clone()),
            ("data", data(a), data(b)),
            ("n_real", self.n_real.to_string(), other.n_real.to_string()),
            ("n_fake", self.n_fake.to_string(), other.n_fake.to_string()),
            ("budget", a.budget(), b.budget()),
            ("networks", networks(a), networks(b)),
            ("batch", a.batch.to_string(), b.batch.to_string()),
        ]
        .into_iter()
        .filter(|(_, a, b)| a != b)
        .map(|(field, a, b)| format!("{field} {a} against {b}"))
        .collect()
    }
}

/// A value with its run's id and seed.
type OfRun<'a> = (&'a str, u64, f64);

/// The values of every row and metric at a checkpoint.
fn samples<'a>(rows: &'a [ResultRow], checkpoint: &str, path: &Path) -> Result<Vec<Sample<'a>>> {
    let curves = fid_curves(rows);
    let fell = |id: &str| curves.get(id).is_some_and(|curve| has_collapsed_at(checkpoint, curve));
    let mut found: Vec<(Sample<'a>, Vec<OfRun<'a>>)> = Vec::new();
    for row in rows.iter().filter(|row| row.checkpoint == checkpoint) {
        let Some(value) = row.value else { continue };
        let key = TableKey { table: String::new(), ..TableKey::from_row(row) };
        let is_it = |s: &Sample<'_>| {
            s.method == row.method && s.dataset == row.dataset && s.metric == row.metric
        };
        let at = found.iter().position(|(sample, _)| is_it(sample)).unwrap_or_else(|| {
            let sample = Sample {
                method: &row.method,
                dataset: &row.dataset,
                metric: &row.metric,
                key: key.clone(),
                n_real: row.n_real,
                n_fake: row.n_fake,
                run_ids: BTreeSet::new(),
                seeds: Vec::new(),
                values: Vec::new(),
                collapsed: 0,
                runs: 0,
            };
            found.push((sample, Vec::new()));
            found.len() - 1
        });
        let (sample, values) = &mut found[at];
        if sample.key != key || (sample.n_real, sample.n_fake) != (row.n_real, row.n_fake) {
            bail!(
                "{} holds {} of {} measured in two ways; keep one of them in the file",
                path.display(),
                row.metric,
                sample.what()
            );
        }
        sample.run_ids.insert(&row.run_id);
        // The last of repeated lines is the one that counts.
        values.retain(|(id, ..)| *id != row.run_id);
        values.push((&row.run_id, row.seed, value));
    }
    if found.is_empty() {
        bail!("{} holds no {checkpoint} checkpoint with values", path.display());
    }
    let typical = |(mut sample, values): (Sample<'a>, Vec<OfRun<'a>>)| {
        sample.collapsed = values.iter().filter(|(id, ..)| fell(id)).count();
        sample.runs = values.len();
        let (mut values, _) = typical_and_apart(values, |(id, ..)| fell(id));
        values.sort_by_key(|(_, seed, _)| *seed);
        sample.seeds = values.iter().map(|(_, seed, _)| *seed).collect();
        sample.values = values.iter().map(|(.., value)| *value).collect();
        sample
    };
    Ok(found.into_iter().map(typical).collect())
}

/// What two results have in common, and what was not compared with the reason.
#[derive(Debug, Default)]
pub struct Comparison {
    /// The comparisons that were made.
    pub lines: Vec<Line>,
    /// The comparisons that were not made, each with the reason.
    pub refused: Vec<String>,
}

/// Two results; `names` are their paths.
///
/// # Errors
/// If a side has no value at this checkpoint, or holds a number that was measured in two ways.
pub fn two_results(
    [a, b]: [&[ResultRow]; 2],
    names: [&Path; 2],
    checkpoint: &str,
) -> Result<Comparison> {
    let (a, b) = (samples(a, checkpoint, names[0])?, samples(b, checkpoint, names[1])?);
    let things =
        |samples: &[Sample<'_>]| samples.iter().map(Sample::what).collect::<BTreeSet<_>>().len();
    // Where each side holds one thing only, these are compared, whatever they are called.
    let single = things(&a) == 1 && things(&b) == 1;
    let mut pairs = Vec::new();
    for (i, sample) in a.iter().enumerate() {
        let is_it = |other: &Sample<'_>| {
            other.metric == sample.metric && (single || other.what() == sample.what())
        };
        pairs.extend(b.iter().position(is_it).map(|j| (i, a.len() + j)));
    }
    let all: Vec<Sample<'_>> = a.into_iter().chain(b).collect();
    Ok(compared(&all, &pairs, false, |a, _| a.what()))
}

/// Every row of one result against its row `reference`.
///
/// # Errors
/// As [`two_results`], and if no row is called so.
pub fn within(
    rows: &[ResultRow],
    reference: &str,
    name: &Path,
    checkpoint: &str,
) -> Result<Comparison> {
    let all = samples(rows, checkpoint, name)?;
    if all.iter().all(|sample| sample.method != reference) {
        let known: BTreeSet<&str> = all.iter().map(|sample| sample.method).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        bail!("{} holds no row {reference}; its rows are {known}", name.display());
    }
    let mut pairs = Vec::new();
    for (i, sample) in all.iter().enumerate().filter(|(_, s)| s.method != reference) {
        let is_it = |other: &Sample<'_>| {
            other.method == reference
                && (other.metric, other.dataset) == (sample.metric, sample.dataset)
        };
        pairs.extend(all.iter().position(is_it).map(|j| (i, j)));
    }
    let what = |a: &Sample<'_>, b: &Sample<'_>| {
        format!("{} against {} on {}", a.method, b.method, a.dataset)
    };
    Ok(compared(&all, &pairs, true, what))
}

/// The rows of a metric lend one another their spread, those of both sides. Metrics come in the
/// order of tables.
fn compared(
    all: &[Sample<'_>],
    pairs: &[(usize, usize)],
    is_family: bool,
    what: impl Fn(&Sample<'_>, &Sample<'_>) -> String,
) -> Comparison {
    let mut made = Comparison::default();
    let mut metrics: Vec<(&str, &str)> = all.iter().map(|s| (s.dataset, s.metric)).collect();
    let column = |metric: &str| cards::card(metric).map_or(u16::MAX, |card| card.column);
    metrics.sort_by_key(|&(dataset, metric)| (dataset, column(metric), metric));
    metrics.dedup();
    for (dataset, metric) in metrics {
        let of_metric: Vec<usize> = (0..all.len())
            .filter(|&i| (all[i].metric, all[i].dataset) == (metric, dataset))
            .collect();
        let name = MetricName::new(metric, cards::for_reports());
        let values = of_metric.iter().flat_map(|&i| &all[i].values);
        let scale = name.scale().for_values(values);
        let row = |&i: &usize| Row {
            seeds: all[i].seeds.clone(),
            values: all[i].values.iter().filter_map(|&v| scale.transformed(v)).collect(),
        };
        let rows = Rows::new(&of_metric.iter().map(row).collect::<Vec<_>>());
        let place = |i: usize| of_metric.iter().position(|&k| k == i);
        let mut open: Vec<Open<'_>> = Vec::new();
        for &(i, j) in pairs {
            let Some((at_i, at_j)) = place(i).zip(place(j)) else { continue };
            let (a, b) = (&all[i], &all[j]);
            let mut differences = a.differences(b);
            let shared = a.run_ids.intersection(&b.run_ids).count();
            if shared > 0 && a.run_ids != b.run_ids {
                differences
                    .push(format!("they share {shared} runs; compare results that share none"));
            }
            if !differences.is_empty() {
                let text = format!("{metric} of {}: {}", what(a, b), differences.join(", "));
                made.refused.push(text);
            } else if let (Some(difference), Some(mean_a), Some(mean_b)) =
                (rows.difference(at_i, at_j), rows.mean(at_i), rows.mean(at_j))
            {
                let means = [mean_a.effect, mean_b.effect];
                open.push(Open { what: what(a, b), sides: [a, b], difference, means });
            }
        }
        let p: Vec<f64> = open.iter().filter_map(|open| open.difference.p()).collect();
        let mut adjusted = holm_adjusted(&p).into_iter();
        for open in open {
            let p = open.difference.p().and_then(|_| adjusted.next());
            made.lines.push(line(open, scale, p.filter(|_| is_family)));
        }
    }
    made
}

/// A difference before its verdict.
struct Open<'a> {
    what: String,
    sides: [&'a Sample<'a>; 2],
    difference: Estimate,
    /// On the scale of comparison.
    means: [f64; 2],
}

fn line(open: Open<'_>, scale: Scale, p_holm: Option<f64>) -> Line {
    let Open { what, sides: [a, b], difference: estimate, means } = open;
    let direction_known = cards::card(a.metric);
    let side = match direction_known {
        Some(card) if !card.higher_is_better => Side::Lower,
        _ => Side::Higher,
    };
    let runs = a.values.len().min(b.values.len()) as u64;
    // Of a family the corrected p decides.
    let level = match p_holm {
        Some(p) if p <= 0.05 => 1.0,
        Some(_) => 0.0,
        None => 0.05,
    };
    let judged = Judged::of_estimate(Some(&estimate), runs, level, side);
    let same = a.run_ids == b.run_ids;
    let ends = match (same, judged.interval) {
        // Of the same runs nothing can differ, by chance or otherwise.
        (true, _) => [Some(0.0); 2],
        (false, Some([low, high])) => [Some(low), Some(high)],
        (false, None) => [None; 2],
    };
    let [ci_low, ci_high] = ends.map(|end| end.map(|end| scale.shown(end)));
    Line {
        what,
        metric: a.metric.to_string(),
        a: scale.shown(means[0]),
        b: scale.shown(means[1]),
        scale: scale.name(),
        effect: scale.shown(if same { 0.0 } else { estimate.effect }),
        ci_low,
        ci_high,
        p: if same { None } else { judged.p },
        p_holm: p_holm.filter(|_| judged.p.is_some() && !same),
        p_permutation: permutation(a, b, scale).filter(|_| !same),
        n_a: a.values.len(),
        n_b: b.values.len(),
        collapsed_a: a.collapsed,
        collapsed_b: b.collapsed,
        collapse_p: fisher_p(a.outcomes(), b.outcomes())
            .filter(|_| !same && a.collapsed + b.collapsed > 0),
        seeds_to_decide: judged.seeds_to_decide.filter(|_| !same),
        seeds_range: if same { [None; 2] } else { judged.seeds_range },
        verdict: match (same, judged.verdict, direction_known) {
            (true, ..) => "the same runs".into(),
            (false, Verdict::Undecided, _) if judged.p.is_none() => {
                "undecided: without a spread over seeds chance is not known; train more seeds"
                    .into()
            }
            (false, Verdict::Undecided, _) => format!("undecided: {}", seeds(&judged)),
            (false, verdict, None) => {
                let larger = if verdict == Verdict::Confirmed { "A" } else { "B" };
                format!("{larger} is larger; which way is better is not known of {}", a.metric)
            }
            (false, Verdict::Confirmed, Some(_)) => "A is better".into(),
            (false, Verdict::Contradicted, Some(_)) => "B is better".into(),
        },
    }
}

fn permutation(a: &Sample<'_>, b: &Sample<'_>, scale: Scale) -> Option<f64> {
    let values = |sample: &Sample<'_>| -> Vec<f64> {
        sample.values.iter().filter_map(|&v| scale.transformed(v)).collect()
    };
    deciding_permutation_p(&values(a), &values(b))
}

fn seeds(judged: &Judged) -> String {
    let [few, many] = judged.seeds_range.map(seeds_text);
    format!(
        "{} seeds per row would decide a difference of this size ({few} to {many} at the ends of the interval)",
        seeds_text(judged.seeds_to_decide)
    )
}

impl Line {
    /// For a terminal.
    pub fn text(&self) -> String {
        let sign = if self.scale == "ratio" { "× " } else { "" };
        let interval = match (self.ci_low, self.ci_high) {
            (Some(low), Some(high)) => format!(" (95 % interval {low:.4} to {high:.4})"),
            _ => String::new(),
        };
        let p = match (self.p_holm, self.p) {
            (Some(p), _) => format!(", p {} (Holm)", p_text(p)),
            (None, Some(p)) => format!(", p {}", p_text(p)),
            (None, None) => String::new(),
        };
        let fallen = match (self.collapsed_a, self.collapsed_b) {
            (0, 0) => String::new(),
            (a, b) => match self.collapse_p {
                Some(p) => format!("; {a} and {b} runs collapsed, p {}", p_text(p)),
                None => format!("; {a} and {b} runs collapsed"),
            },
        };
        format!(
            "{}, {}: {:.4} against {:.4} ({} and {} runs{fallen}), {} {sign}{:.4}{interval}{p}: {}",
            self.what,
            self.metric,
            self.a,
            self.b,
            self.n_a,
            self.n_b,
            self.scale,
            self.effect,
            self.verdict
        )
    }
}
