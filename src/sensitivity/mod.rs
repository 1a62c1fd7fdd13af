//! Which metric sees which fault, and from which strength on.
//!
//! `faults/` plants faults at graded strength into real images. `instrument.rs` has the reals, the
//! extractor and the metrics; `measure.rs` sends clean images and spoilt ones through them;
//! `verdict.rs` says what of it is seen; `table.rs`, `answer.rs` and `page.rs` put it into words.

mod answer;
#[cfg(test)]
mod claims_tests;
pub mod faults;
pub mod instrument;
pub mod measure;
pub mod page;
pub mod table;
pub mod verdict;

pub use faults::Fault;
pub use instrument::{Images, Instrument};
pub use measure::{Request, measure};
