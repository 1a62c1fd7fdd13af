//! Layers, initialisation, optimisers, CPU kernels, an op timer and NumPy files, and what all
//! readers and writers of files share: one door for files, one budget of memory, one boundary for
//! panics, and files in shared folders.

pub mod blur;
pub mod files;
pub mod images;
mod init;
pub mod kernels;
pub mod layers;
pub mod memory;
pub mod numpy;
pub mod optim;
pub mod panics;
pub mod params;
pub mod profile;
pub mod rng;
pub mod shapes;
pub mod shared;
pub mod subset;
