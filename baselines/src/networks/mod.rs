//! Generators and discriminator trunks. A new architecture is one file and one line in
//! [`ARCHITECTURES`].
//!
//! Images are f32 `[n, channels, size, size]` in [−1, 1] on both sides.

mod dcgan;
mod discriminator;
mod layer_size;
mod sndcgan;

pub use discriminator::{Discriminator, HeadKind, HeadSpec, Scored};
pub use layer_size::LayerSize;

use candle_core::{Result, Tensor};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::Scope;

/// What the generator starts from.
#[derive(Clone, Debug)]
pub struct Latent {
    /// f32 `[n, z_dim]`.
    pub z: Tensor,
    /// u32 `[n]`, for conditional generators.
    pub labels: Option<Tensor>,
}

/// Latents in, images out.
pub trait Generator {
    /// `[n, channels, size, size]` in [−1, 1].
    ///
    /// # Errors
    /// If the latent does not fit the network.
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor>;
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
    pub image_sizes: &'static [usize],
    pub generator: fn(&Scope, NetworkSizes) -> Result<Box<dyn Generator>>,
    pub trunk: fn(&Scope, NetworkSizes) -> Result<Box<dyn Trunk>>,
    /// The generator's layers with weights from z to the image, to count their work.
    pub generator_layers: fn(NetworkSizes) -> Vec<LayerSize>,
    /// The trunk's, from the image to the features.
    pub trunk_layers: fn(NetworkSizes) -> Vec<LayerSize>,
}

/// Every architecture, by name.
pub const ARCHITECTURES: &[Architecture] = &[sndcgan::ARCHITECTURE, dcgan::ARCHITECTURE];

/// The architecture called `name`.
pub fn architecture(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name)
}
