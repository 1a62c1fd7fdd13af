//! Layers, initialisation, optimisers, CPU kernels and an op timer: what networks are made of.
//!
//! # Example
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use ganbench_nn::kernels::activation::Activation;
//! use ganbench_nn::layers::{LayerOptions, Linear, Pass};
//! use ganbench_nn::params::{Init, ParamStore};
//!
//! // The initial weights follow from the network's name, the seed and each layer's name.
//! let store = ParamStore::new("generator", 0, &Device::Cpu);
//! let options = LayerOptions {
//!     weight: Init::TorchDefault,
//!     bias: Some(Init::Zeros),
//!     spectral_norm: false,
//!     activation: Activation::None,
//! };
//! let layer = Linear::new(&store.root().at("first"), 3, 2, options)?;
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
