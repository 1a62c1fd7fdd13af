//! Every row of a table against a reference row.

use serde::Serialize;

use super::{Block, Table, row_of};
use crate::claim::{Judged, Side, seeds_text};
use crate::error::ReportError;
use crate::escape::escape_markdown;
use crate::metric::{Direction, MetricName};
use crate::statistics::{Scale, holm_adjusted, p_text};

/// A row against the reference row under one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The row, as printed.
    pub label: String,
    /// On the scale of comparison: of ratios the logarithm.
    pub judged: Judged,
    /// Corrected by Holm over the rows that are compared under this metric; `None` without a spread
    /// to judge by.
    pub holm_p: Option<f64>,
    /// `better`, `worse` or `undecided`; `higher` or `lower` of a metric of unknown direction.
    pub verdict: &'static str,
}

/// The rows of a block against the reference row, by metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Against {
    /// The reference row, as printed.
    pub reference: String,
    /// `last` or `best`.
    pub checkpoint: &'static str,
    /// One for each metric of the table, in its order.
    pub metrics: Vec<MetricAgainst>,
}

/// The rows under one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricAgainst {
    /// The metric, with its card.
    pub metric: MetricName,
    /// How its values are averaged and compared.
    pub scale: Scale,
    /// The compared rows, in table order.
    pub rows: Vec<Compared>,
}

impl Table {
    /// The rows of each block against the row called `reference`, or against the first row. Nothing
    /// for a table with one row, or without a spread to judge by.
    ///
    /// # Errors
    /// If no row is called so.
    pub fn against(&self, reference: Option<&str>) -> Result<Vec<Against>, ReportError> {
        let mut found = Vec::new();
        for block in &self.blocks {
            let at = match reference {
                None => 0,
                Some(name) => {
                    let is = |method: &str| method == name || row_of(method) == name;
                    let at = block.rows.iter().position(|row| is(&row.method));
                    at.ok_or_else(|| ReportError::UnknownRow {
                        name: name.to_string(),
                        known: block
                            .rows
                            .iter()
                            .map(|r| r.method.as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    })?
                }
            };
            found.extend(self.block_against(block, at));
        }
        Ok(found)
    }

    fn block_against(&self, block: &Block, reference: usize) -> Option<Against> {
        let mut metrics = Vec::new();
        for (column, model) in self.columns.iter().zip(&block.models) {
            let direction = column.metric.direction();
            let side = if direction == Direction::Lower { Side::Lower } else { Side::Higher };
            let judged = |j: usize| {
                let estimate = model.rows.difference(j, reference)?;
                let runs = block.rows[j].seeds.len().min(block.rows[reference].seeds.len());
                let judged = Judged::of_estimate(Some(&estimate), runs as u64, 0.05, side);
                Some((j, judged))
            };
            let others = (0..block.rows.len()).filter(|j| *j != reference);
            let found: Vec<(usize, Judged)> = others.filter_map(judged).collect();
            let p: Vec<f64> = found.iter().filter_map(|(_, judged)| judged.p).collect();
            if p.is_empty() {
                continue;
            }
            let mut adjusted = holm_adjusted(&p).into_iter();
            let compared = found.into_iter().map(|(j, judged)| {
                let holm_p = judged.p.and_then(|_| adjusted.next());
                let decided = holm_p.is_some_and(|p| p <= 0.05);
                let verdict = match (direction, decided, judged.leans_to_claim) {
                    (_, false, _) => "undecided",
                    (Direction::Unknown, true, true) => "higher",
                    (Direction::Unknown, true, false) => "lower",
                    (_, true, true) => "better",
                    (_, true, false) => "worse",
                };
                Compared { label: block.rows[j].marked_label(), judged, holm_p, verdict }
            });
            metrics.push(MetricAgainst {
                metric: column.metric.clone(),
                scale: model.scale,
                rows: compared.collect(),
            });
        }
        let reference = block.rows[reference].marked_label();
        let checkpoint = block.checkpoint.name();
        (!metrics.is_empty()).then_some(Against { reference, checkpoint, metrics })
    }
}

impl Compared {
    /// `× 0.53 (0.41–0.68)`, or `+0.031 (−0.002–0.064)`.
    pub fn effect(&self, scale: Scale, decimals: usize) -> String {
        let Some(effect) = self.judged.effect else { return "–".into() };
        let shown = |v: f64| match scale {
            Scale::Ratio => format!("{:.2}", v.exp()),
            Scale::Difference | Scale::Share => format!("{v:+.decimals$}"),
        };
        let sign = if scale == Scale::Ratio { "× " } else { "" };
        match self.judged.interval {
            Some([low, high]) => {
                format!("{sign}{} ({} … {})", shown(effect), shown(low), shown(high))
            }
            None => format!("{sign}{}", shown(effect)),
        }
    }

    /// `5 (3 … over 100)`, or nothing where it is decided.
    pub fn seeds(&self) -> String {
        if self.verdict != "undecided" || self.judged.p.is_none() {
            return String::new();
        }
        let [few, many] = self.judged.seeds_range.map(seeds_text);
        format!("{} ({few} … {many})", seeds_text(self.judged.seeds_to_decide))
    }
}

impl Against {
    /// A section of the page.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "## Against {}, {} checkpoint\n\nEach row minus the reference row (× a ratio for distances), with the 95 % \
             interval; p by the moderated t, corrected by Holm over the rows of a metric. Seeds per row that would \
             decide in four of five repeats: at this effect, and at the far and near end of its interval.\n\n\
             | metric | row | effect (95 %) | p (Holm) | verdict | seeds to decide |\n|:--|:--|--:|--:|:--|--:|\n",
            escape_markdown(&self.reference),
            self.checkpoint
        );
        for MetricAgainst { metric, scale, rows } in &self.metrics {
            for row in rows {
                text.push_str(&format!(
                    "| {} | {} | {} | {} | {} | {} |\n",
                    escape_markdown(&metric.title()),
                    escape_markdown(&row.label),
                    row.effect(*scale, metric.decimals()),
                    row.holm_p.map_or_else(|| "–".into(), p_text),
                    row.verdict,
                    row.seeds()
                ));
            }
        }
        text
    }

    /// The first metric's lines for a terminal.
    pub fn text(&self) -> String {
        let Some(MetricAgainst { metric, scale, rows }) = self.metrics.first() else {
            return String::new();
        };
        let mut text = format!(
            "{} against {}, {} checkpoint\n",
            metric.title(),
            self.reference,
            self.checkpoint
        );
        for row in rows {
            let p = row.holm_p.map_or_else(String::new, |p| format!(", p {}", p_text(p)));
            let seeds = match row.seeds() {
                seeds if seeds.is_empty() => String::new(),
                seeds => format!("; {seeds} seeds per row would decide"),
            };
            text.push_str(&format!(
                "  {}: {}{p}: {}{seeds}\n",
                row.label,
                row.effect(*scale, metric.decimals()),
                row.verdict
            ));
        }
        text
    }
}
