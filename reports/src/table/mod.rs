//! Methods down, metrics across: mean and 95 % interval over seeds, what is better than all others
//! in bold, what cannot be told from the best underlined, and what each method spent.
//!
//! A table is made of the rows of the last and the best checkpoint. All of them share one
//! [`TableKey`]: dataset content, split, networks, batch, budget, protocol and extractor. Rows that
//! do not are refused by [`Table::new`]; [`split_by_table`] sorts mixed rows into groups that are
//! each a table of its own. A run with status `diverged` gives no value to any cell; where only
//! some seeds of a method diverged, the mean of the others is shown with a dagger and is never
//! marked best, since it is the mean of the lucky ones. Runs that collapsed are counted in the
//! status; the values beside it are those of the typical run, see
//! [`typical`](crate::statistics::typical).

mod against;
mod anchors;
mod build;
mod caption;
mod csv_file;
mod key;
mod latex;
mod markdown;
mod notes;
mod published;
mod sheet;
mod text;

pub use against::{Against, Compared, MetricAgainst};
pub use anchors::{AnchorLine, Anchors};
pub use build::short_hash;
pub use csv_file::csv;
pub(crate) use key::shared_key;
pub use key::{Keys, TableKey, split_by_table};
pub(crate) use markdown::details as table_details;
pub use published::{OurColumn, Published, PublishedColumn, PublishedSpending};

use serde::Serialize;

use crate::metric::MetricName;
use crate::statistics::{Interval, Rows, Scale};

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
    /// The printed name of a method that result rows call `method`.
    pub fn new(method: &str, label: &str) -> Self {
        Self { method: method.to_string(), label: label.to_string() }
    }
}

/// Which state of each run a block of the table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalCheckpoint {
    /// The state at the end of the training.
    Last,
    /// The state with the lowest FID on the curve.
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Of the typical run, over the seeds that have a value; `None` where none has.
    pub interval: Option<Interval>,
    /// Seeds of this method that diverged.
    pub diverged: usize,
    /// How the value compares with the best of its column.
    pub standing: Standing,
}

/// How a value stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Worse than the best, or not judged.
    Other,
    /// Better than all others, by tests that are corrected together.
    Best,
    /// The best, or not to be told from it.
    NotToldFromBest,
}

/// One method at one checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodRow {
    /// As in the result rows.
    pub method: String,
    /// As printed, without the mark of methods that were given class labels.
    pub label: String,
    /// Whether the method was given class labels.
    pub conditional: bool,
    /// Sorted; those that diverged included.
    pub seeds: Vec<u64>,
    /// The seeds that diverged, sorted.
    pub diverged: Vec<u64>,
    /// The seeds that collapsed, sorted; see [`typical`](crate::statistics::typical).
    pub collapsed: Vec<u64>,
    /// Whether most runs collapsed, so that the values are those of all runs.
    pub is_collapse_typical: bool,
    /// One per metric of the table.
    pub cells: Vec<Cell>,
}

impl MethodRow {
    /// The label, with a mark on methods that were given class labels.
    pub fn marked_label(&self) -> String {
        if self.conditional { format!("{} (cond.)", self.label) } else { self.label.clone() }
    }

    /// `ok`, or how many runs diverged and collapsed: `diverged 1 of 3, collapsed 1 of 3`.
    pub fn status(&self) -> String {
        let runs = self.seeds.len();
        let of = |what: &str, n: usize| (n > 0).then(|| format!("{what} {n} of {runs}"));
        let both = [of("diverged", self.diverged.len()), of("collapsed", self.collapsed.len())];
        match both.into_iter().flatten().collect::<Vec<_>>().join(", ") {
            text if text.is_empty() => "ok".to_string(),
            text => text,
        }
    }

    /// Whether runs were left out of the values.
    pub fn leaves_runs_out(&self) -> bool {
        !self.diverged.is_empty() || (!self.collapsed.is_empty() && !self.is_collapse_typical)
    }
}

/// A metric column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricColumn {
    /// The metric, with its card.
    pub metric: MetricName,
    /// Digits behind the point.
    pub decimals: usize,
}

/// The methods at one checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Which state of each run the block shows.
    pub checkpoint: FinalCheckpoint,
    /// One row for each method, in table order.
    pub rows: Vec<MethodRow>,
    /// One per metric of the table.
    #[serde(skip)]
    pub models: Vec<Model>,
}

/// The rows of a column as they are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// How values of the metric are averaged and compared.
    pub scale: Scale,
    /// The values of each method, with what is known of their spread.
    pub rows: Rows,
}

/// What a method used up to its last checkpoint: means over the seeds that finished, or over all of
/// them where none did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spent {
    /// As in the result rows.
    pub method: String,
    /// Generator steps.
    pub g_steps: f64,
    /// Discriminator steps.
    pub d_steps: f64,
    /// Thousands of real images shown to D.
    pub real_kimg: f64,
    /// Thousands of images through D, in the steps of D and of G.
    pub d_kforwards: f64,
    /// Those of them in G steps.
    pub d_kforwards_g_step: f64,
    /// Thousands of images through G.
    pub g_kforwards: f64,
    /// 10¹² floating-point operations of convolutions and linear layers; none in rows of ganbench
    /// 0.1.
    pub tflops: Option<f64>,
    /// Seconds of processors; none in rows of ganbench 0.1.
    pub cpu_s: Option<f64>,
    /// Seconds of training without evaluation.
    pub train_s: f64,
    /// In 2^20 bytes.
    pub peak_rss_mb: f64,
}

/// Real and generated images behind the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SampleCounts {
    /// Real images; 0 for a metric that looks at fakes alone.
    pub n_real: u64,
    /// Generated images.
    pub n_fake: u64,
}

/// A comparison of methods; see the module's text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What all numbers of the table agree in.
    pub key: TableKey,
    /// The metrics, from left to right.
    pub columns: Vec<MetricColumn>,
    /// `last`, then `best`, where there are rows of them.
    pub blocks: Vec<Block>,
    /// One per method, in table order.
    pub spent: Vec<Spent>,
    /// Per block and column; `None` where every run of the column diverged.
    pub counts: Vec<Vec<Option<SampleCounts>>>,
    /// What was published of these rows.
    pub published: Published,
    /// What the values mean.
    pub anchors: Anchors,
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

    /// Aligned text for a terminal `width` characters wide: scores and spending side by side where
    /// they fit, below one another where they do not. `*` stands for bold, `~` for underlined.
    pub fn text(&self, width: usize) -> String {
        text::render(self, width)
    }
}

#[cfg(test)]
pub(crate) mod tests;
