//! Measuring images from anywhere: images -> features -> metrics, for `eval`, `features` and
//! `metrics`.

mod append;
mod cache;
mod collect;
mod identity;
mod numbers;
mod opened;
mod outcome;
mod reading;
mod seal;
mod source;

pub use append::{Appended, append};
pub use cache::{Cache, Key, Sought};
pub use collect::{Collect, Keep, Side, collect};
pub use identity::{Origin, identity_of_files, is_of_extractor, note_protocol};
pub use numbers::{ClassValue, Measured, RealSide, Request, computable, measure};
pub use opened::{Kind, NumbersFile, Opened};
pub use outcome::{Asked, ExtractorUsed, Outcome, Seconds};
pub use reading::Sides;
pub use source::{Images, both, open_images, tell_skipped};
