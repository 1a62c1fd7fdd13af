//! GAN methods under equal budgets, exact metrics, tables and plots: the program `ganbench` as a
//! library.
//!
//! The folders follow the data's way: a [`plan`] says what is trained and how it is measured, a
//! [`run`] follows it, [`measure`] goes from images to numbers, [`results`] keeps them, and
//! [`report`] and [`experiments`] judge them. [`cli`] is the command line.
//!
//! Below [`cli`] nothing prints, reads arguments or changes anything for the whole process. Notices
//! go through the `log` crate, progress through [`progress`], and work is done in rayon's current
//! thread pool: call from within `rayon::ThreadPool::install` to have another one. Methods whose
//! losses hold a gradient need the environment variable that
//! [`ganbench_nn::kernels::SWITCH`] names, set before the first tensor is made.

#![deny(clippy::print_stderr)]
// `tell!` and `say!` of `cli` are the two doors to the terminal.
#![cfg_attr(not(test), deny(clippy::print_stdout))]

pub mod agreement;
pub mod anchors;
pub mod bench;
pub mod drift;
pub mod experiments;
pub mod machine;
pub mod measure;
pub mod message;
pub mod plan;
pub mod progress;
pub mod report;
pub mod results;
pub mod run;
pub mod sensitivity;

// Last, so that its macros are seen nowhere else.
pub mod cli;

mod csv_text;

#[cfg(test)]
mod hostile_files_tests;
