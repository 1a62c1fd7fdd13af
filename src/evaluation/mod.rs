//! Measuring images from anywhere: images -> features -> metrics, for `eval`, `features` and `metrics`.

mod cache;
mod collect;
mod measure;
mod outcome;
mod reading;
mod source;

pub use cache::{Cache, Key, side};
pub use collect::{Collect, Keep, Side, collect};
pub use measure::{Request, computable, measure};
pub use outcome::{ExtractorUsed, Outcome};
pub use reading::Sides;
pub use source::{Images, both, open_images};
