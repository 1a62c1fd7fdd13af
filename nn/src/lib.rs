//! Layers, initialisation, optimisers, CPU kernels and an op timer: what networks are made of.
//!
//! # Example
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use ganbench_nn::layers::{LayerOptions, Linear, Pass};
//! use ganbench_nn::params::ParamStore;
//!
//! // The initial weights follow from the network's name, the seed and each layer's name.
//! let store = ParamStore::new("generator", 0, &Device::Cpu);
//! let layer = Linear::new(&store.root().at("first"), 3, 2, LayerOptions::default())?;
//! let x = Tensor::ones((4, 3), candle_core::DType::F32, &Device::Cpu)?;
//! assert_eq!(layer.forward(&x, Pass::Train)?.dims(), [4, 2]);
//! assert_eq!(store.parameter_count(), 8);
//! # Ok::<(), candle_core::Error>(())
//! ```

mod init;
pub mod kernels;
pub mod layers;
pub mod optim;
pub mod params;
pub mod profile;
