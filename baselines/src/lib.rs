//! Networks, methods and the training loop: real images in, samples out.
//!
//! # Example
//!
//! A method is a preset of parts. (`examples/train_and_score.rs` of the repository trains one.)
//!
//! ```
//! use ganbench_baselines::methods::method;
//!
//! let reacgan = method("reacgan").ok_or("there is no such method")?;
//! let parts = (reacgan.parts)();
//! assert!(reacgan.conditional());
//! assert!(!parts.second_order());
//! # Ok::<(), &str>(())
//! ```

pub mod augment;
pub mod figure3;
pub mod linear_evaluation;
pub mod losses;
pub mod methods;
pub mod networks;
pub mod part;
pub mod recipes;
pub mod train;
