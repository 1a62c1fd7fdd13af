//! Layers, initialisation, optimisers, CPU kernels and an op timer, used by `baselines` and `metrics`.

pub mod images;
pub mod kernels;
pub mod layers;
pub mod optim;
pub mod params;
pub mod profile;
pub mod rng;
