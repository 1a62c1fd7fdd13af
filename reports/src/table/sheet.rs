//! The printed form of a table, shared by all text formats: headings and cells as strings.

use super::{Block, Cell, FinalCheckpoint, MetricColumn, Spent, Standing, Table, row_of};
use crate::escape::visible;
use crate::statistics::{Interval, Scale};

/// A heading of up to two lines.
#[derive(Clone)]
pub(super) struct Heading {
    pub top: String,
    pub bottom: String,
}

/// A printed cell.
#[derive(Clone)]
pub(super) struct Entry {
    pub text: String,
    pub standing: Standing,
    /// Whether this is the mean of those runs that did not diverge or collapse.
    pub leaves_runs_out: bool,
}

impl Entry {
    pub fn plain(text: String) -> Self {
        let text = visible(&text).into_owned();
        Self { text, standing: Standing::Other, leaves_runs_out: false }
    }

    /// The text with its dagger, where runs were left out.
    pub fn with_dagger(&self) -> String {
        let dagger = if self.leaves_runs_out { "†" } else { "" };
        format!("{}{dagger}", self.text)
    }
}

/// One printed table: the first column is text, the others are numbers, and the status column,
/// where there is one, is the last.
pub(super) struct Sheet {
    pub title: String,
    pub headings: Vec<Heading>,
    pub rows: Vec<Vec<Entry>>,
    /// Whether the last column holds the status.
    pub has_status: bool,
}

/// Where the spending stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In the rows of the first block.
    Beside,
    /// In a sheet of its own.
    Below,
}

/// `12.34 ± 0.56`, `12.34 (11.80–12.91)` where the interval is not even, `12.34` without one, or
/// `–` where there is no value.
fn value(cell: &Cell, column: &MetricColumn, leaves_runs_out: bool) -> Entry {
    let decimals = column.decimals;
    let text = match cell.interval {
        None => "–".to_string(),
        Some(Interval { mean, ends: None, .. }) => format!("{mean:.decimals$}"),
        Some(Interval { mean, ends: Some([low, high]), .. }) => {
            let shown = |v: f64| format!("{v:.decimals$}");
            let even =
                column.metric.scale() != Scale::Ratio && shown(high - mean) == shown(mean - low);
            match even {
                true => format!("{} ± {}", shown(mean), shown(high - mean)),
                false => format!("{} ({}–{})", shown(mean), shown(low), shown(high)),
            }
        }
    };
    let leaves_runs_out = leaves_runs_out && cell.interval.is_some();
    Entry { text, standing: cell.standing, leaves_runs_out }
}

pub(super) fn metric_heading(column: &MetricColumn) -> Heading {
    let arrow = column.metric.direction().arrow();
    let with_arrow = |text: &str| format!("{text} {arrow}").trim().to_string();
    match column.metric.extractor_suffix() {
        "" => heading(&with_arrow(column.metric.short_title())),
        suffix => Heading {
            bottom: visible(&with_arrow(suffix)).into_owned(),
            ..heading(column.metric.short_title())
        },
    }
}

const SPENT_HEADINGS: [&str; 9] = [
    "G steps",
    "real kimg",
    "D kfwd",
    "in G steps",
    "G kfwd",
    "TFLOPs",
    "CPU s",
    "train s",
    "peak MB",
];

fn spent_entries(spent: &Spent) -> [Entry; 9] {
    // One decimal below a hundred, none above: the last digits of a mean of times say nothing.
    let short = |v: f64| match v.abs() {
        size if size < 0.995 && size > 0.0 => format!("{v:.2}"),
        size if size < 99.95 => format!("{v:.1}"),
        _ => format!("{v:.0}"),
    };
    let known = |v: Option<f64>| Entry::plain(v.map_or_else(|| "–".to_string(), short));
    let whole = |v: f64| if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.1}") };
    [
        Entry::plain(whole(spent.g_steps)),
        Entry::plain(short(spent.real_kimg)),
        Entry::plain(short(spent.d_kforwards)),
        Entry::plain(short(spent.d_kforwards_g_step)),
        Entry::plain(short(spent.g_kforwards)),
        known(spent.tflops),
        known(spent.cpu_s),
        Entry::plain(short(spent.train_s)),
        Entry::plain(format!("{:.0}", spent.peak_rss_mb)),
    ]
}

pub(super) fn heading(text: &str) -> Heading {
    Heading { top: visible(text).into_owned(), bottom: String::new() }
}

/// What the sheet of a block holds beside its scores.
#[derive(Clone, Copy)]
struct Beside {
    spent: bool,
    published: bool,
}

fn block_sheet(table: &Table, block: &Block, beside: Beside) -> Sheet {
    let published = match beside.published {
        true => table.published.columns.as_slice(),
        false => &[],
    };
    let has_status = block.rows.iter().any(|row| row.status() != "ok");
    let mut headings = vec![heading("Method")];
    headings.extend(table.columns.iter().map(metric_heading));
    headings.extend(published.iter().map(|column| Heading {
        top: format!("{} {}", column.metric.short_title(), column.metric.direction().arrow()),
        bottom: format!(" paper, {}", column.protocol),
    }));
    if beside.spent {
        headings.extend(SPENT_HEADINGS.map(heading));
    }
    if has_status {
        headings.push(heading("Status"));
    }
    let rows = block
        .rows
        .iter()
        .map(|row| {
            let mut entries = vec![Entry::plain(row.marked_label())];
            let cells = row.cells.iter().zip(&table.columns);
            let name = row_of(&row.method);
            entries.extend(cells.map(|(cell, column)| {
                let mut entry = value(cell, column, row.leaves_runs_out());
                let place = (column.metric.full().to_string(), name.to_string());
                // Every source reports its best checkpoint.
                let shown = beside.published && block.checkpoint == FinalCheckpoint::Best;
                if let Some(paper) = table.published.agreeing.get(&place).filter(|_| shown) {
                    entry.text.push_str(&format!(" [{paper}]"));
                }
                entry
            }));
            entries.extend(published.iter().map(|column| {
                let value = column.values.get(name).cloned();
                Entry::plain(value.unwrap_or_else(|| "–".to_string()))
            }));
            if beside.spent {
                match table.spent.iter().find(|s| s.method == row.method) {
                    Some(spent) => entries.extend(spent_entries(spent)),
                    None => entries.extend(SPENT_HEADINGS.map(|_| Entry::plain("–".to_string()))),
                }
            }
            if has_status {
                entries.push(Entry::plain(row.status()));
            }
            entries
        })
        .collect();
    Sheet { title: block.checkpoint.title().to_string(), headings, rows, has_status }
}

fn spent_sheet(table: &Table) -> Sheet {
    let mut headings = vec![heading("Method")];
    headings.extend(SPENT_HEADINGS.map(heading));
    let rows = table
        .spent
        .iter()
        .map(|spent| {
            let label = table
                .blocks
                .iter()
                .flat_map(|block| &block.rows)
                .find(|row| row.method == spent.method)
                .map_or_else(|| spent.method.clone(), |row| row.marked_label());
            let mut entries = vec![Entry::plain(label)];
            entries.extend(spent_entries(spent));
            entries
        })
        .collect();
    Sheet { title: "Spent".to_string(), headings, rows, has_status: false }
}

pub(super) fn sheets(table: &Table, layout: Layout) -> Vec<Sheet> {
    let spent_at = table
        .blocks
        .iter()
        .position(|block| block.checkpoint == FinalCheckpoint::Last)
        .unwrap_or_default();
    let mut sheets: Vec<Sheet> = table
        .blocks
        .iter()
        .enumerate()
        .map(|(i, block)| {
            let spent = layout == Layout::Beside && i == spent_at;
            // Papers print their best checkpoint; the block of ours is the last one.
            let published = i + 1 == table.blocks.len();
            block_sheet(table, block, Beside { spent, published })
        })
        .collect();
    sheets.extend(table.anchors.sheet(&table.columns));
    if layout == Layout::Below {
        sheets.push(spent_sheet(table));
    }
    sheets
}

/// Characters between two columns.
pub(super) const GAP: usize = 2;

impl Sheet {
    /// Whether column `i` holds text rather than numbers.
    pub fn is_text(&self, i: usize) -> bool {
        i == 0 || (self.has_status && i + 1 == self.headings.len())
    }

    /// Characters that column `i` takes, a place for the mark of a number included.
    pub fn column_width(&self, i: usize) -> usize {
        let length = |text: &str| text.chars().count();
        let heading = length(&self.headings[i].top).max(length(&self.headings[i].bottom));
        let cells = self.rows.iter().map(|row| length(&row[i].with_dagger())).max().unwrap_or(0);
        heading.max(cells) + usize::from(!self.is_text(i))
    }

    /// Characters of a line.
    pub fn width(&self) -> usize {
        (0..self.headings.len()).map(|i| self.column_width(i) + GAP).sum::<usize>() - GAP
    }

    /// The sheet in pieces no wider than `width` characters, each with the column of names; a
    /// single column that is wider stays whole.
    pub fn folded(&self, width: usize) -> Vec<Sheet> {
        let mut pieces: Vec<Vec<usize>> = Vec::new();
        let mut used = 0;
        for i in 1..self.headings.len() {
            let needed = GAP + self.column_width(i);
            match pieces.last_mut().filter(|_| used + needed <= width) {
                Some(piece) => {
                    piece.push(i);
                    used += needed;
                }
                None => {
                    pieces.push(vec![0, i]);
                    used = self.column_width(0) + needed;
                }
            }
        }
        let count = pieces.len();
        let piece = |(k, columns): (usize, Vec<usize>)| Sheet {
            title: match count {
                1 => self.title.clone(),
                _ => format!("{}, {} of {count}", self.title, k + 1),
            },
            headings: columns.iter().map(|&i| self.headings[i].clone()).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| columns.iter().map(|&i| row[i].clone()).collect())
                .collect(),
            has_status: self.has_status && columns.contains(&(self.headings.len() - 1)),
        };
        pieces.into_iter().enumerate().map(piece).collect()
    }
}
