//! Layers, initialisation, optimisers, CPU kernels, an op timer and NumPy files, used by `baselines` and `metrics`.

pub mod blur;
pub mod images;
mod init;
pub mod kernels;
pub mod layers;
pub mod numpy;
pub mod optim;
pub mod params;
pub mod profile;
pub mod rng;
pub mod shapes;
pub mod subset;
