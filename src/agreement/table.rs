//! The findings as tables, and in sentences.

use std::fmt::Write as _;

use ganbench_reports::escape::escape_markdown;

use super::measure::{Agreement, Findings, Tau};
use crate::report::cards;

/// Stands where a correlation cannot be computed.
const NONE: &str = "–";

/// `0.71 [0.52, 0.84]`.
pub fn cell(tau: Option<Tau>) -> String {
    let number = |value: f64| format!("{value:.2}").replace('-', "−");
    match tau {
        None => NONE.into(),
        Some(Tau { tau, interval: None, .. }) => number(tau),
        Some(Tau { tau, interval: Some([low, high]), .. }) => {
            format!("{} [{}, {}]", number(tau), number(low), number(high))
        }
    }
}

/// What was measured, in one line.
pub fn caption(findings: &Findings) -> String {
    let Findings { n_runs, n_points, checkpoint, draws, .. } = findings;
    let points = match *checkpoint {
        "curve" => format!("{n_points} checkpoints of {n_runs} runs"),
        checkpoint => format!("the {checkpoint} checkpoint of {n_runs} runs"),
    };
    let methods: Vec<String> =
        findings.methods.iter().map(|(name, n)| format!("{name} {n}")).collect();
    format!(
        "{points} ({}); Kendall's τ-b with 95 % intervals of {draws} bootstrap draws of whole runs",
        methods.join(", ")
    )
}

/// The titles of the columns of a truth, and the cells of a row.
fn columns(findings: &Findings) -> Vec<String> {
    let titles = || findings.truths.iter().map(|truth| title(truth));
    let all = titles().map(|title| format!("with {title}"));
    all.chain(titles().map(|title| format!("with {title}, better half"))).collect()
}

fn title(metric: &str) -> &str {
    cards::card(metric).map_or(metric, |card| card.title)
}

fn cells(agreement: &Agreement) -> Vec<String> {
    agreement.all.iter().chain(&agreement.better_half).map(|tau| cell(*tau)).collect()
}

/// An aligned table.
pub fn text(findings: &Findings) -> String {
    let mut lines = vec![columns(findings)];
    lines[0].insert(0, "metric".into());
    for agreement in &findings.agreements {
        lines.push([vec![agreement.metric.clone()], cells(agreement)].concat());
    }
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = format!("{}\n", caption(findings));
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        let _ = writeln!(text, "{}", cells.collect::<String>().trim_end());
    }
    text
}

/// A Markdown table.
pub fn markdown(findings: &Findings) -> String {
    let titles: Vec<String> = columns(findings).iter().map(|t| escape_markdown(t)).collect();
    let mut text =
        format!("| metric | {} |\n|:--|{}\n", titles.join(" | "), "--:|".repeat(titles.len()));
    for agreement in &findings.agreements {
        let metric = escape_markdown(&agreement.metric);
        let _ = writeln!(text, "| {metric} | {} |", cells(agreement).join(" | "));
    }
    text
}

/// Which metrics order runs as the first truth does, best first, and which do not.
pub fn answer(findings: &Findings) -> String {
    let judged = || findings.agreements.iter().filter(|agreement| !agreement.knows_truth);
    let named = |agreement: &Agreement| format!("{} {}", agreement.metric, cell(agreement.all[0]));
    let (agree, not): (Vec<&Agreement>, Vec<&Agreement>) =
        judged().partition(|agreement| agreement.all[0].is_some_and(|tau| tau.is_positive()));
    let agree = match agree.as_slice() {
        [] => format!("No metric is shown to order runs as {} does.", findings.truths[0]),
        [first, ..] => format!(
            "Of {} metrics {} order runs as {} does rather than by chance; the closest is {}.",
            judged().count(),
            agree.len(),
            findings.truths[0],
            named(first)
        ),
    };
    let against = |agreement: &&&Agreement| {
        agreement.all[0].and_then(|tau| tau.interval).is_some_and(|[_, high]| high < 0.0)
    };
    let list = |agreements: Vec<&&Agreement>| -> String {
        agreements.into_iter().map(|a| named(a)).collect::<Vec<_>>().join("; ")
    };
    let against_truth = list(not.iter().filter(against).collect());
    let undecided = list(not.iter().filter(|a| !against(a)).collect());
    let mut sentences = vec![agree];
    if !undecided.is_empty() {
        sentences.push(format!("These may know nothing of it: {undecided}."));
    }
    if !against_truth.is_empty() {
        sentences.push(format!("These prefer the worse runs: {against_truth}."));
    }
    sentences.join(" ")
}
