//! Arithmetic that several metrics share: rows of features, their statistics, spectra, distances
//! and neighbours, and numpy's random numbers.

pub(crate) mod balls;
pub(crate) mod estimates;
pub(crate) mod neighbours;
pub mod numpy_random;
pub(crate) mod products;
pub(crate) mod rows;
pub(crate) mod spectrum;
pub mod statistics;
