//! How sure a number is: the one place where means, intervals, tests and verdicts over seeds come
//! from.
//!
//! The rule, which tables, `compare`, reports and claims share:
//!
//! 1. Values are averaged and compared on the scale of their metric's card ([`Scale`]): logarithms
//!    of FID and of norms, other scores as they are. Printed intervals stay within the values that
//!    the metric can take.
//! 2. Runs that collapsed are counted apart, and the typical run is judged without them
//!    ([`typical`]).
//! 3. Differences of rows are judged by Student's t with variances that the rows of a table lend
//!    one another ([`Rows`]); seed by seed only where seeds have an effect.
//! 4. Outcomes of runs are judged by exact tests ([`shares`], [`exact`]). The permutation test of
//!    [`exact`] is given beside p from four runs per row on: it assumes nothing, and with fewer
//!    runs it cannot decide.
//! 5. Several comparisons are corrected together by Holm ([`holm`]), repeated looks by spending
//!    ([`spending`]).
//!
//! `cargo run --release -p ganbench-reports --example error_rates` prints how often the rule errs
//! and how often it sees a difference, beside Welch's and the paired test.

pub mod exact;
mod holm;
mod ranks;
mod rows;
mod scale;
pub mod shares;
pub mod spending;
mod student;
pub mod typical;
mod variance;

pub use holm::{holm, holm_adjusted};
pub use ranks::{kendall_tau_b, rank_correlation};
pub use rows::{Estimate, Row, Rows};
pub use scale::{Interval, Scale, ValueRange};
pub use student::{student_t_975, student_t_exceeds, student_t_two_sided};
pub use variance::SampleVariance;

/// A p as it is printed: `0.031`, `< 0.001`.
pub fn p_text(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}
