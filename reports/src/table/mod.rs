//! Methods down, metrics across: mean ± 95 % interval over seeds, best in bold, and what each method
//! spent.
//!
//! A table is made of the rows of the last and the best checkpoint. All of them share one [`TableKey`]:
//! dataset content, split, networks, batch, budget, protocol and extractor. Rows that do not are refused
//! by [`Table::new`]; [`split_by_table`] sorts mixed rows into groups that are each a table of its own.
//! A run with status `diverged` gives no value to any cell; where only some seeds of a method diverged,
//! the mean of the others is shown with a dagger and is never marked best, since it is the mean of the
//! lucky ones.

mod build;
mod caption;
mod csv_file;
mod key;
mod latex;
mod markdown;
mod published;
mod sheet;
mod text;

pub use build::short_hash;
pub use csv_file::csv;
pub(crate) use key::shared_key;
pub use key::{Keys, TableKey, split_by_table};
pub(crate) use markdown::escape as escape_markdown;
pub use published::{OurColumn, Published, PublishedColumn, PublishedSpending};

use crate::metric::MetricName;
use crate::statistics::Interval;

/// The row behind a method of the table: `gan (2)` is gan under its second plan.
pub fn row_of(method: &str) -> &str {
    method.split(" (").next().unwrap_or(method)
}

/// A method's place and printed name; a table lists methods in the order of a slice of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodLabel {
    /// As in the result rows.
    pub method: String,
    /// As printed.
    pub label: String,
}

impl MethodLabel {
    pub fn new(method: &str, label: &str) -> Self {
        Self { method: method.to_string(), label: label.to_string() }
    }
}

/// Which state of each run a block of the table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalCheckpoint {
    Last,
    Best,
}

impl FinalCheckpoint {
    /// As in the result rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Best => "best",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Last => "Last checkpoint",
            Self::Best => "Best checkpoint (lowest FID on the curve)",
        }
    }
}

/// One metric of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Over the seeds that have a value; `None` where none has.
    pub interval: Option<Interval>,
    /// Seeds of this method that diverged.
    pub diverged: usize,
    /// Whether this is the best printed value of its column.
    pub best: bool,
}

/// One method at one checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodRow {
    pub method: String,
    pub label: String,
    pub conditional: bool,
    /// Sorted; those that diverged included.
    pub seeds: Vec<u64>,
    /// The seeds that diverged, sorted.
    pub diverged: Vec<u64>,
    /// One per metric of the table.
    pub cells: Vec<Cell>,
}

impl MethodRow {
    /// The label, with a mark on methods that were given class labels.
    pub fn marked_label(&self) -> String {
        if self.conditional { format!("{} (cond.)", self.label) } else { self.label.clone() }
    }

    /// `ok` or `diverged (1 of 3 seeds)`.
    pub fn status(&self) -> String {
        match (self.diverged.len(), self.seeds.len()) {
            (0, _) => "ok".to_string(),
            (1, 1) => "diverged".to_string(),
            (diverged, 1) => format!("diverged ({diverged} of 1 seed)"),
            (diverged, seeds) => format!("diverged ({diverged} of {seeds} seeds)"),
        }
    }
}

/// A metric column.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricColumn {
    pub metric: MetricName,
    /// Digits behind the point.
    pub decimals: usize,
}

/// The methods at one checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub checkpoint: FinalCheckpoint,
    pub rows: Vec<MethodRow>,
}

/// What a method used up to its last checkpoint: means over the seeds that finished, or over all of them
/// where none did.
#[derive(Clone, Debug, PartialEq)]
pub struct Spent {
    pub method: String,
    pub g_steps: f64,
    pub d_steps: f64,
    /// Thousands of real images shown to D.
    pub real_kimg: f64,
    /// Thousands of images through D in D steps.
    pub d_kforwards: f64,
    /// Thousands of images through D in G steps.
    pub d_kforwards_g_step: f64,
    /// Seconds of training without evaluation.
    pub train_s: f64,
    /// In 2^20 bytes.
    pub peak_rss_mb: f64,
}

/// Real and generated images behind the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleCounts {
    pub n_real: u64,
    pub n_fake: u64,
}

/// A comparison of methods; see the module's text.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub key: TableKey,
    pub columns: Vec<MetricColumn>,
    /// `last`, then `best`, where there are rows of them.
    pub blocks: Vec<Block>,
    /// One per method, in table order.
    pub spent: Vec<Spent>,
    /// Per block and column; `None` where every run of the column diverged.
    pub counts: Vec<Vec<Option<SampleCounts>>>,
    /// What was published of these rows.
    pub published: Published,
    /// Things a reader must know: unequal seeds, missing values, mixed versions.
    pub notes: Vec<String>,
}

impl Table {
    /// The columns that have values in the last block, with their counts.
    pub(crate) fn last_columns(&self) -> Vec<OurColumn<'_>> {
        let counts = self.counts.last().into_iter().flatten();
        let columns = self.columns.iter().zip(counts);
        columns
            .filter_map(|(column, counts)| {
                Some(OurColumn { metric: &column.metric, counts: (*counts)? })
            })
            .collect()
    }

    /// Markdown of GitHub's kind: heading line by line, one pipe table a block.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// A `table` environment that needs only the package `booktabs`.
    pub fn latex(&self) -> String {
        latex::render(self)
    }

    /// Aligned text for a terminal `width` characters wide: scores and spending side by side where they
    /// fit, below one another where they do not. The best value of a column carries a `*`.
    pub fn text(&self, width: usize) -> String {
        text::render(self, width)
    }
}

#[cfg(test)]
pub(crate) mod tests;
