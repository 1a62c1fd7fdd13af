//! Layers, initialisation, optimisers, CPU kernels and an op timer: what networks are made of.

mod init;
pub mod kernels;
pub mod layers;
pub mod optim;
pub mod params;
pub mod profile;
