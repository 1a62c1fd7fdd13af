//! Measuring images from anywhere: images -> features -> metrics, for `eval`, `features` and `metrics`.

mod cache;
mod collect;
mod measure;
mod outcome;
mod source;

pub use cache::{Cache, Key, side};
pub use collect::{Collect, Keep, Side, collect};
pub use measure::{Request, computable, measure};
pub use outcome::{ExtractorUsed, Outcome};
pub use source::{Images, open_images};
