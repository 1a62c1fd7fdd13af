//! Networks, methods and the training loop: real images in, samples out.

pub mod augment;
pub mod figure3;
pub mod linear_evaluation;
pub mod losses;
pub mod methods;
pub mod networks;
pub mod train;
