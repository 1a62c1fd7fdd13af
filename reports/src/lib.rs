//! Result rows in, comparison tables and plots out.
//!
//! [`ResultRow`] is one measured number with everything that is needed to judge it; [`Anchor`] says
//! what such a number means; [`Table`]
//! compares methods over such rows; [`plot`] draws the curves and sample grids; [`reported`] holds
//! the numbers that papers print, which never share a column with ours; [`Report`] is
//! all of it, and writes it into one folder; [`statistics`] says how sure a number is, [`claim`]
//! whether a claim about two rows holds over seeds; [`MetricCards`] is how the caller tells what is
//! known of each metric. Nothing here trains, measures or prints.
//!
//! # Example
//!
//! ```
//! use ganbench_reports::statistics::{Row, Rows};
//!
//! // FIDs of two methods on the same three seeds, as logarithms.
//! let row = |fids: [f64; 3]| Row { seeds: vec![0, 1, 2], values: fids.map(f64::ln).to_vec() };
//! let rows = Rows::new(&[row([20.1, 21.0, 19.8]), row([15.2, 15.9, 15.0])]);
//! let difference = rows.difference(1, 0).ok_or("too few seeds")?;
//! assert!(difference.effect < 0.0 && difference.p().is_some_and(|p| p < 0.05));
//! # Ok::<(), &str>(())
//! ```

mod anchor;
mod card;
pub mod claim;
mod error;
pub mod escape;
mod metric;
pub mod plot;
mod report;
pub mod reported;
mod row;
pub mod statistics;
pub mod table;

pub use anchor::{Anchor, AnchorKey, AnchorNetworks, AnchorValue};
pub use card::{MetricCard, MetricCards, ValueAxis};
pub use error::{Disagreement, Finding, ReportError};
pub use metric::{Direction, MetricName};
pub use report::{Figure, Report, ReportInput, TableNote};
pub use row::{
    COLUMNS, Checkpoint, Column, ColumnKind, IMPORTED, ResultRow, RowError, Status, kimg_name,
    protocol_sentence,
};
pub use statistics::{Interval, rank_correlation, student_t_two_sided};
pub use table::{Keys, MethodLabel, Table, TableKey, row_of, short_hash, split_by_table};
