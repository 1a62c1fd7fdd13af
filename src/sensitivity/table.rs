//! The findings as tables: a row for each fault, a column for each metric.

use std::fmt::Write as _;

use ganbench_metrics::needs;

use super::measure::{FaultFindings, Findings, MetricFindings};

/// Marks that a metric calls a fault an improvement.
const PREFERS: &str = "✗";
/// Marks that stronger levels are not always worse.
const DISORDER: &str = "~";
/// Stands where a metric is blind.
const NEVER: &str = "–";

/// Width of the lines of [`text`], where single columns are not wider.
const LINE: usize = 140;

/// What the cells mean.
pub const READING: &str = "from LEVEL: from that level on, each level is at least 4 standard deviations of clean draws worse \
     than clean images; –: the strongest level is not; ✗ LEVEL: that level is at least 4 standard deviations better than \
     clean images, the metric prefers the fault; ~: stronger levels are not always worse (rank correlation below 0.9)";

/// A cell: `from 5 %`, `–`, `✗ 0.9, from 0.25 ~`.
pub fn cell(fault: &FaultFindings, metric: &MetricFindings) -> String {
    let text = |level: f64| fault.fault.level_text(level);
    let prefers = metric.prefers_from.map(|level| format!("{PREFERS} {}", text(level)));
    let disorder =
        if metric.verdict.is_out_of_order() { format!(" {DISORDER}") } else { String::new() };
    let sees = metric.sees_from.map(|level| format!("from {}{disorder}", text(level)));
    let parts: Vec<String> = prefers.into_iter().chain(sees).collect();
    if !parts.is_empty() {
        return parts.join(", ");
    }
    if metric.reasons.is_empty() { NEVER.into() } else { "n/a".into() }
}

/// The columns of the metrics that compare features, and of those that know the truth.
pub fn groups(findings: &Findings) -> Vec<Vec<usize>> {
    let all = || 0..findings.clean.len();
    let knows = |i: &usize| needs(findings.clean[*i].card.name).recognitions;
    let groups = [all().filter(|i| !knows(i)).collect(), all().filter(knows).collect()];
    groups.into_iter().filter(|group: &Vec<usize>| !group.is_empty()).collect()
}

/// What was measured, in one line.
pub fn caption(findings: &Findings) -> String {
    let Findings { dataset, split, extractor, extractor_sha256, n_fake, n_real, .. } = findings;
    let sha256 = ganbench_reports::short_hash(extractor_sha256);
    let protocol = match findings.label.differences_text() {
        text if text.is_empty() => format!("protocol {}", findings.label.protocol),
        text => text,
    };
    format!(
        "{dataset} ({split}), extractor {extractor} ({sha256}), {n_fake} fakes against {n_real} reals, clean level of {} \
         draws, {protocol}",
        findings.draws
    )
}

/// Aligned tables, each as many columns as fit into a line.
pub fn text(findings: &Findings) -> String {
    let rows: Vec<String> = findings.faults.iter().map(row_label).collect();
    let first = width(rows.iter().map(String::as_str));
    let mut text = format!("{}\n", caption(findings));
    let mut open: Vec<Column> = Vec::new();
    for column in groups(findings).concat().into_iter().map(|i| Column::new(findings, i)) {
        let used: usize = open.iter().map(|column| column.width + 2).sum();
        if !open.is_empty() && first + used + column.width + 2 > LINE {
            push_block(&mut text, &rows, &open);
            open.clear();
        }
        open.push(column);
    }
    push_block(&mut text, &rows, &open);
    let _ = write!(text, "\n{READING}\n");
    text
}

/// A column of [`text`].
struct Column {
    title: String,
    cells: Vec<String>,
    width: usize,
}

impl Column {
    fn new(findings: &Findings, index: usize) -> Self {
        let card = findings.clean[index].card;
        let title = format!("{} {}", card.name, card.arrow());
        let cells: Vec<String> =
            findings.faults.iter().map(|fault| cell(fault, &fault.metrics[index])).collect();
        let width = width(cells.iter().chain([&title]).map(String::as_str));
        Self { title, cells, width }
    }
}

fn push_block(text: &mut String, rows: &[String], columns: &[Column]) {
    let first = width(rows.iter().map(String::as_str));
    let mut line = |label: &str, cells: &mut dyn Iterator<Item = (&str, usize)>| {
        let mut line = format!("{label:<first$}");
        cells.for_each(|(cell, width)| {
            let _ = write!(line, "  {cell:<width$}");
        });
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line("", &mut std::iter::empty());
    line("", &mut columns.iter().map(|column| (column.title.as_str(), column.width)));
    for (i, row) in rows.iter().enumerate() {
        line(row, &mut columns.iter().map(|column| (column.cells[i].as_str(), column.width)));
    }
}

fn width<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or_default()
}

/// Name and levels: `noise (2 … 64)`.
fn row_label(fault: &FaultFindings) -> String {
    format!("{} ({})", fault.fault.name, fault.range_text())
}

/// A Markdown table for each group of metrics.
pub fn markdown(findings: &Findings) -> String {
    let table = |group: &Vec<usize>| {
        let titles = group.iter().map(|&i| {
            let card = findings.clean[i].card;
            format!(" {} {} |", card.title, card.arrow())
        });
        let titles: String = titles.collect();
        let rule = ":--|".repeat(group.len());
        let mut text = format!("| fault (levels) |{titles}\n|:--|{rule}\n");
        for fault in &findings.faults {
            let cells = group.iter().map(|&i| format!(" {} |", cell(fault, &fault.metrics[i])));
            let cells: String = cells.collect();
            let _ = writeln!(text, "| {} ({}) |{cells}", fault.title, fault.range_text());
        }
        text
    };
    groups(findings).iter().map(table).collect::<Vec<_>>().join("\n")
}

/// Mean and standard deviation of clean images, a Markdown table.
pub fn clean_markdown(findings: &Findings) -> String {
    let mut text = String::from(
        "| metric | clean mean | sd | differences are divided by |\n|:--|--:|--:|--:|\n",
    );
    for clean in &findings.clean {
        let digits = clean.card.decimals + 2;
        let _ = writeln!(
            text,
            "| {} {} | {:.digits$} | {:.digits$} | {:.digits$} |",
            clean.metric,
            clean.card.arrow(),
            clean.mean,
            clean.sd,
            clean.scale
        );
    }
    text
}
