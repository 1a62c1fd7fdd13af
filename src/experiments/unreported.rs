//! How large that is which papers seldom report: the spread over seeds, best against last
//! checkpoint, few against many samples, one extractor against another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ganbench_reports::{ResultRow, rank_correlation};

use super::measure::Run;

/// A FID of a run.
struct Score<'a> {
    row: &'a str,
    extractor: &'a str,
    extractor_sha256: &'a str,
    protocol: &'a str,
    checkpoint: &'a str,
    real_images: u64,
    n_fake: u64,
    value: f64,
}

impl<'a> Score<'a> {
    /// `None` where the row has no value.
    fn new(run: &'a Run, row: &'a ResultRow) -> Option<Self> {
        Some(Self {
            row: run.plan.row_name(),
            extractor: &row.extractor,
            extractor_sha256: &row.extractor_sha256,
            protocol: &row.protocol,
            checkpoint: &row.checkpoint,
            real_images: row.real_images,
            n_fake: row.n_fake,
            value: row.value?,
        })
    }

    /// The network and its weights.
    fn measure(&self) -> (&'a str, &'a str) {
        (self.extractor, self.extractor_sha256)
    }
}

/// A section of the page; `None` where there is nothing to compare.
pub fn markdown(runs: &[Run]) -> Option<String> {
    let scores: Vec<Vec<Score<'_>>> = runs.iter().map(scores).collect();
    let lines = [spread(&scores), best(&scores), samples(&scores), extractors(&scores)];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    (!lines.is_empty()).then(|| {
        lines.iter().fold(
            "**What usually goes unreported** (FID)\n\n".to_string(),
            |mut text, line| {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "- {line}");
                text
            },
        )
    })
}

fn scores(run: &Run) -> Vec<Score<'_>> {
    let fids = run.rows.iter().filter(|row| row.base_metric() == "fid");
    fids.filter_map(|row| Score::new(run, row)).collect()
}

/// Values by row, of one choice of score a run.
fn by_row<'a>(
    runs: &'a [Vec<Score<'a>>],
    choose: impl Fn(&'a [Score<'a>]) -> Option<&'a Score<'a>>,
) -> BTreeMap<&'a str, Vec<f64>> {
    let mut rows: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for score in runs.iter().filter_map(|run| choose(run)) {
        rows.entry(score.row).or_default().push(score.value);
    }
    rows
}

/// The score of the plan's own extractor, which stands first in a run's rows.
fn at<'a>(scores: &'a [Score<'a>], checkpoint: &str) -> Option<&'a Score<'a>> {
    let own = scores.first()?.measure();
    scores.iter().find(|s| s.checkpoint == checkpoint && s.measure() == own)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

fn spread(runs: &[Vec<Score<'_>>]) -> Option<String> {
    let relative = |(row, values): (&str, Vec<f64>)| {
        let mean = mean(&values);
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        (values.len() > 1)
            .then(|| (100.0 * (squares / (values.len() - 1) as f64).sqrt() / mean, row.to_string()))
    };
    let spreads: Vec<(f64, String)> =
        by_row(runs, |run| at(run, "last")).into_iter().filter_map(relative).collect();
    let (largest, row) = spreads.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!(
        "Spread over seeds: the standard deviation is {:.0} % of the mean (median over {} rows), up to {largest:.0} % \
         ({row}).",
        median(spreads.iter().map(|s| s.0).collect()),
        spreads.len()
    ))
}

/// "Rank correlation ..." of the rows' means under two choices, where there are three rows or more.
fn ranks(a: &BTreeMap<&str, Vec<f64>>, b: &BTreeMap<&str, Vec<f64>>) -> String {
    let pairs: Vec<(f64, f64)> =
        a.iter().filter_map(|(row, a)| Some((mean(a), mean(b.get(row)?)))).collect();
    match rank_correlation(&pairs) {
        Some(r) if pairs.len() > 2 => {
            format!("rank correlation of the {} rows' means {r:.2}", pairs.len())
        }
        _ => "too few rows to rank".into(),
    }
}

fn best(runs: &[Vec<Score<'_>>]) -> Option<String> {
    let ratio = |run: &Vec<Score<'_>>| Some(at(run, "last")?.value / at(run, "best")?.value);
    let ratios: Vec<f64> = runs.iter().filter_map(ratio).collect();
    if ratios.is_empty() {
        return None;
    }
    let worse = ratios.iter().filter(|r| **r > 1.05).count();
    let rows = |checkpoint| by_row(runs, move |run| at(run, checkpoint));
    Some(format!(
        "Last against best checkpoint: the last one's FID is {:.2} times the best one's (median over {} runs), up to \
         {:.2} times; more than 5 % worse in {worse}; {}.",
        median(ratios.clone()),
        ratios.len(),
        ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ranks(&rows("last"), &rows("best"))
    ))
}

/// The end of the curve, which few samples measure, against the last checkpoint: the same
/// generator.
fn samples(runs: &[Vec<Score<'_>>]) -> Option<String> {
    fn few<'a>(run: &'a [Score<'a>]) -> Option<&'a Score<'a>> {
        let last = at(run, "last")?;
        run.iter().find(|s| {
            s.checkpoint.parse::<f64>().is_ok()
                && s.real_images == last.real_images
                && s.measure() == last.measure()
                && s.n_fake < last.n_fake
        })
    }
    let pair = |run: &Vec<Score<'_>>| {
        let (few, many) = (few(run)?, at(run, "last")?);
        Some((few.value / many.value, few.n_fake, many.n_fake))
    };
    let pairs: Vec<(f64, u64, u64)> = runs.iter().filter_map(pair).collect();
    let (_, n_few, n_many) = pairs.first()?;
    let ratios: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    Some(format!(
        "{n_few} against {n_many} samples of the same generator: FID is {:.3} times as high (median over {} runs; \
         {:.3} to {:.3}); {}.",
        median(ratios.clone()),
        ratios.len(),
        ratios.iter().copied().fold(f64::INFINITY, f64::min),
        ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ranks(&by_row(runs, few), &by_row(runs, |run| at(run, "last")))
    ))
}

fn extractors(runs: &[Vec<Score<'_>>]) -> Option<String> {
    let own = at(runs.iter().find(|run| !run.is_empty())?, "last")?.measure();
    let scores = runs.iter().flatten().filter(|s| s.measure() != own);
    let others: BTreeSet<_> = scores.map(|s| (s.measure(), s.protocol)).collect();
    let own_rows = by_row(runs, |run| at(run, "last"));
    let line = |(measure, protocol): &((&str, &str), &str)| {
        let of = |s: &&Score<'_>| {
            s.checkpoint == "last" && (s.measure(), s.protocol) == (*measure, *protocol)
        };
        let rows = by_row(runs, |run| run.iter().find(of));
        // Two versions of one network are told apart by their hashes.
        let of_two = measure.0 == own.0;
        let called = |(name, sha256): (&str, &str)| match of_two {
            true => format!("{name} of weights {}", ganbench_reports::short_hash(sha256)),
            false => name.to_string(),
        };
        let (own, other) = (called(own), called(*measure));
        format!("{own} against {other} (protocol {protocol}): {}", ranks(&own_rows, &rows))
    };
    let lines: Vec<String> = others.iter().map(line).collect();
    (!lines.is_empty()).then(|| format!("Extractors: {}.", lines.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(row: &'static str, last: f64, best: f64) -> Vec<Score<'static>> {
        let score = |checkpoint, extractor, n_fake, value| Score {
            row,
            extractor,
            extractor_sha256: "ab",
            protocol: "p",
            checkpoint,
            real_images: if ["best", "0.02"].contains(&checkpoint) { 20 } else { 40 },
            n_fake,
            value,
        };
        vec![
            score("0.02", "small", 2000, 50.0),
            score("0.04", "small", 2000, 1.1 * last),
            score("last", "small", 10_000, last),
            score("best", "small", 10_000, best),
            score("last", "inception", 2500, 100.0 - last),
        ]
    }

    #[test]
    fn sizes_on_paper() {
        let runs = vec![
            run("a", 9.0, 9.0),
            run("a", 11.0, 10.0),
            run("b", 20.0, 8.0),
            run("c", 30.0, 15.0),
        ];
        assert_eq!(
            spread(&runs).unwrap(),
            "Spread over seeds: the standard deviation is 14 % of the mean (median over 1 rows), up to 14 % (a)."
        );
        assert_eq!(
            best(&runs).unwrap(),
            "Last against best checkpoint: the last one's FID is 1.55 times the best one's (median over 4 runs), up \
             to 2.50 times; more than 5 % worse in 3; rank correlation of the 3 rows' means 0.50."
        );
        let line = samples(&runs).unwrap();
        assert!(
            line.starts_with(
                "2000 against 10000 samples of the same generator: FID is 1.100 times"
            ),
            "{line}"
        );
        assert!(line.ends_with("rows' means 1.00."), "{line}");
        assert_eq!(
            extractors(&runs).unwrap(),
            "Extractors: small against inception (protocol p): rank correlation of the 3 rows' means -1.00."
        );
    }

    #[test]
    fn two_versions_of_one_extractor_are_two_measures() {
        let mut runs = vec![run("a", 9.0, 9.0), run("b", 20.0, 8.0), run("c", 30.0, 15.0)];
        for run in &mut runs {
            let last = run.iter_mut().find(|s| s.extractor == "inception").unwrap();
            (last.extractor, last.extractor_sha256) = ("small", "cd");
        }
        assert_eq!(
            extractors(&runs).unwrap(),
            "Extractors: small of weights ab against small of weights cd (protocol p): rank correlation of the 3 \
             rows' means -1.00."
        );
    }

    #[test]
    fn without_runs_there_is_no_section() {
        assert_eq!(markdown(&[]), None);
    }
}
