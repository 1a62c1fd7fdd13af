//! The anchors of a table: sets of known kind that were measured exactly as its rows were.

use serde::Serialize;

use super::sheet::{Entry, Sheet, heading, metric_heading};
use super::{MetricColumn, SampleCounts, Table};
use crate::anchor::{Anchor, AnchorValue};

/// What stands below a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Anchors {
    /// The anchors that were measured as the table was.
    pub lines: Vec<AnchorLine>,
    /// Anchors that the reader will look for, each with why it is not there.
    pub left_out: Vec<String>,
}

/// One anchor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorLine {
    /// As printed.
    pub label: String,
    /// One per metric of the table; `None` where it was not measured, or from other counts.
    pub values: Vec<Option<f64>>,
}

impl Anchors {
    /// Those of `anchors` that share protocol, extractor, reference and counts with the table.
    pub(crate) fn new(table: &Table, anchors: &[Anchor]) -> Self {
        let mut found = Self::default();
        for anchor in anchors.iter().filter(|anchor| anchor.belongs_to(&table.key)) {
            let value = |i: usize| {
                let metric = table.columns[i].metric.full();
                let value = anchor.values.iter().find(|v| v.metric == metric)?;
                value.value.filter(|_| shared_counts(table, i) == Some(counts(value)))
            };
            let values: Vec<Option<f64>> = (0..table.columns.len()).map(value).collect();
            if values.iter().any(Option::is_some) {
                found.lines.push(AnchorLine { label: anchor.label.clone(), values });
            } else if let Some(why) =
                anchor.left_out.as_ref().filter(|_| images(table) == Some(anchor.measured.n_fake))
            {
                found.left_out.push(format!("{}, since {why}", anchor.label));
            }
        }
        found
    }

    /// A sheet of their own, so that nobody takes them for methods; `None` without a line.
    pub(super) fn sheet(&self, columns: &[MetricColumn]) -> Option<Sheet> {
        let mut headings = vec![heading("Images")];
        headings.extend(columns.iter().map(metric_heading));
        let value = |(value, column): (&Option<f64>, &MetricColumn)| {
            let Some(value) = value else { return Entry::plain("–".to_string()) };
            // The distance of real images is far below that of any generator.
            let decimals = column.metric.decimals_for([*value]).max(column.decimals);
            Entry::plain(format!("{value:.decimals$}"))
        };
        let row = |line: &AnchorLine| {
            let values = line.values.iter().zip(columns).map(value);
            std::iter::once(Entry::plain(line.label.clone())).chain(values).collect()
        };
        let rows: Vec<Vec<Entry>> = self.lines.iter().map(row).collect();
        let sheet = Sheet { title: "Anchors".to_string(), headings, rows, has_status: false };
        (!sheet.rows.is_empty()).then_some(sheet)
    }

    /// What the reader must know of them; nothing where there are none.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut out = Vec::new();
        if !self.lines.is_empty() {
            out.push(
                "Anchors say what a value means: sets of known kind, measured by the same protocol, extractor, \
                 reference and counts. They are no methods and are not ranked; other real images get what a perfect \
                 generator would."
                    .to_string(),
            );
        }
        if !self.left_out.is_empty() {
            out.push(format!("Anchors left out: {}.", self.left_out.join("; ")));
        }
        out
    }
}

fn counts(value: &AnchorValue) -> SampleCounts {
    SampleCounts { n_real: value.n_real, n_fake: value.n_fake }
}

/// Images of each set of fakes: what the metric that takes most of them took.
fn images(table: &Table) -> Option<u64> {
    table.counts.iter().flatten().flatten().map(|counts| counts.n_fake).max()
}

/// The counts of a column; `None` without a value, and where its checkpoints have several.
fn shared_counts(table: &Table, column: usize) -> Option<SampleCounts> {
    let mut counts = table.counts.iter().filter_map(|block| block[column]);
    let first = counts.next()?;
    counts.all(|other| other == first).then_some(first)
}

#[cfg(test)]
#[path = "anchors_tests.rs"]
mod tests;
