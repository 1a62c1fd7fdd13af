//! Measuring images from anywhere: images -> features -> metrics, for `eval`, `features` and `metrics`.

mod cache;
mod collect;
mod identity;
mod measure;
mod opened;
mod outcome;
mod reading;
mod source;

pub use cache::{Cache, Key};
pub use collect::{Collect, Keep, Side, collect};
pub use identity::{Origin, identity_of_files, is_of_extractor};
pub use measure::{ClassValue, Measured, RealSide, Request, computable, measure};
pub use opened::{Kind, NumbersFile, Opened};
pub use outcome::{ExtractorUsed, Outcome, Seconds};
pub use reading::Sides;
pub use source::{Images, both, open_images};
