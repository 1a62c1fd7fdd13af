//! Layers, initialisation, optimisers, CPU kernels, an op timer, NumPy files and files in shared
//! folders, used by all other crates.

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
pub mod shared;
pub mod subset;
