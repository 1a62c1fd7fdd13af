//! Layers, initialisation, optimisers and CPU kernels, used by `baselines` and `metrics`.

pub mod images;
pub mod kernels;
pub mod layers;
pub mod optim;
pub mod params;
pub mod rng;
