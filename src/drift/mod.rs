//! The guard against drift: numbers that must not move unnoticed, in three layers.
//!
//! - `metric`: fixed u8 images through every resize, extractor and metric (1e-6 relative);
//! - `trace`: losses, gradient norms and samples of the first steps of every method (1e-4 relative
//!   before the first update, 1e-3 after it), and of the end of a short run of it (3e-3), where
//!   averages, schedules and second epochs act;
//! - `score`: trained scores, judged by noise: each by the baseline's spread over seeds and its
//!   bootstrap intervals, and many together ([`pooled`]), which sees much less.
//!
//! A fourth, `own`, holds numbers of a user's CSV. `probe/` makes the first two, results files hold
//! the third. What is compared is [`GuardedValue`]s; [`compare`] says what moved and
//! [`Comparison`]'s verdict what follows.

mod collapse;
mod compare;
mod files;
mod line;
mod noise;
mod own;
mod pooled;
mod power;
pub mod probe;
mod scores;
mod show;
mod update;
mod value;

pub use compare::{Comparison, Sides, compare};
pub use files::{read, write};
pub use power::{BLIND, Power};
pub use show::{Shown, markdown, text};
pub use update::{Update, updated};
pub use value::{GuardedValue, Provenance};

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod files_tests;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod planted_scores;
