//! Generators and discriminator trunks. A new architecture is one file and one line in
//! [`ARCHITECTURES`].
//!
//! Images are f32 `[n, channels, size, size]` in [−1, 1] on both sides.

mod dcgan;
mod deep_conv;
mod discriminator;
#[cfg(test)]
mod golden;
mod improved_gan;
mod layer_size;
#[cfg(test)]
mod network_tests;
mod sndcgan;
mod stylegan2;

pub use discriminator::{Discriminator, HeadKind, HeadSpec, Scored};
pub use layer_size::LayerSize;

use candle_core::{Result, Tensor, bail};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::Scope;

/// What the generator starts from.
#[derive(Clone, Debug)]
pub struct Latent {
    /// f32 `[n, z_dim]`.
    pub z: Tensor,
    /// u32 `[n]`, for conditional generators.
    pub labels: Option<Tensor>,
    /// The key of the random numbers that the generator itself draws, each image batch its own; None for
    /// none, and for generators that draw none ([`Architecture::noise`]).
    pub noise: Option<u64>,
}

/// Latents in, images out.
pub trait Generator {
    /// `[n, channels, size, size]` in [−1, 1].
    ///
    /// # Errors
    /// If the latent does not fit the network.
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor>;

    /// As [`Generator::forward`] in evaluation, with every w at mean + `psi`·(w − mean) (the truncation of
    /// Karras et al. 2019, arXiv:1812.04948, section B).
    ///
    /// # Errors
    /// If the network has no w, or as [`Generator::forward`].
    fn truncated(&self, _latent: &Latent, _psi: f64) -> Result<Tensor> {
        bail!(
            "this generator has no w to truncate; truncation needs an architecture of stylegan2's"
        )
    }
}

/// The discriminator without its heads.
pub trait Trunk {
    /// Features `[n, feature_dim]` of images `[n, channels, size, size]`.
    ///
    /// # Errors
    /// If the images do not fit the network.
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor>;

    fn feature_dim(&self) -> usize;
}

/// The sizes that an architecture is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSizes {
    /// Channels of the widest feature map; every other scales with it.
    pub width: usize,
    /// Image height and width.
    pub image_size: usize,
    /// Image channels, 1 or 3.
    pub channels: usize,
    pub z_dim: usize,
    /// Classes of a conditional generator.
    pub classes: Option<usize>,
}

/// One pair of networks.
pub struct Architecture {
    pub name: &'static str,
    pub summary: &'static str,
    /// Whether the discriminator's weights, heads included, are spectrally normalised.
    pub spectral_norm: bool,
    /// Negative slope of the discriminator's leaky ReLU, heads included.
    pub slope: f64,
    /// Deviation of the initial weights, heads included.
    pub init_std: f64,
    /// Whether the generator draws random numbers of its own: [`Latent::noise`].
    pub noise: bool,
    pub image_sizes: &'static [usize],
    pub generator: fn(&Scope, NetworkSizes) -> Result<Box<dyn Generator>>,
    pub trunk: fn(&Scope, NetworkSizes) -> Result<Box<dyn Trunk>>,
    /// The generator's layers with weights from z to the image, to count their work.
    pub generator_layers: fn(NetworkSizes) -> Vec<LayerSize>,
    /// The trunk's, from the image to the features.
    pub trunk_layers: fn(NetworkSizes) -> Vec<LayerSize>,
}

/// Every architecture, by name.
pub const ARCHITECTURES: &[Architecture] = &[
    sndcgan::ARCHITECTURE,
    dcgan::ARCHITECTURE,
    deep_conv::ARCHITECTURE,
    stylegan2::ARCHITECTURE,
    stylegan2::STUDIOGAN,
    improved_gan::ARCHITECTURE,
    improved_gan::MINIBATCH,
];

/// The architecture called `name`.
pub fn architecture(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name)
}
