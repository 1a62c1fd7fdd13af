//! Generators and discriminator trunks. A new architecture is one file and one line in
//! [`ARCHITECTURES`].
//!
//! Images are f32 `[n, channels, size, size]` in [−1, 1] on both sides.

mod big_resnet;
mod biggan_cifar;
mod dcgan;
mod deep_conv;
mod discriminator;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_tests;
mod heads;
mod improved_gan;
mod layer_size;
mod options;
mod residual;
mod resnet;
mod sagan64;
mod sndcgan;
mod snresnet18;
mod studiogan;
mod stylegan2;
#[cfg(test)]
mod tests;

pub use discriminator::{Discriminator, Scored};
pub use heads::{HeadKind, HeadLayers, HeadSpec};
pub use layer_size::LayerSize;
pub use options::{BatchNormIn, Follows, Initialisation, NetworkOptions};

use candle_core::{Result, Tensor, bail};
use ganbench_nn::layers::Pass;
use ganbench_nn::params::{Init, Scope};

/// What the generator starts from.
#[derive(Clone, Debug)]
pub struct Latent {
    /// f32 `[n, z_dim]`.
    pub z: Tensor,
    /// u32 `[n]`, for conditional generators.
    pub labels: Option<Tensor>,
    /// The key of the random numbers that the generator itself draws, each image batch its own;
    /// None for none, and for generators that draw none ([`Architecture::noise`]).
    pub noise: Option<u64>,
}

/// Latents in, images out.
pub trait Generator {
    /// `[n, channels, size, size]` in [−1, 1].
    ///
    /// # Errors
    /// If the latent does not fit the network.
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor>;

    /// Whether images are made from styles w, which [`Generator::truncated`] draws towards their
    /// mean.
    fn has_style(&self) -> bool {
        false
    }

    /// As [`Generator::forward`] in evaluation, with every w at mean + `psi`·(w − mean) (the
    /// truncation of Karras et al. 2019, arXiv:1812.04948, section B).
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

    /// How many features each image has.
    fn feature_dim(&self) -> usize;
}

/// The sizes that an architecture is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSizes {
    /// The unit in which an architecture counts its channels: every feature map is a multiple of
    /// it.
    pub width: usize,
    /// Image height and width.
    pub image_size: usize,
    /// Image channels, 1 or 3.
    pub channels: usize,
    /// Length of the latent z.
    pub z_dim: usize,
    /// Classes of a conditional generator.
    pub classes: Option<usize>,
    /// What differs from the architecture. Initial weights and batch norm are the store's:
    /// [`NetworkOptions::generator_store`].
    pub options: NetworkOptions,
}

/// One pair of networks.
pub struct Architecture {
    /// As in plans and results.
    pub name: &'static str,
    /// One line for lists.
    pub summary: &'static str,
    /// Whether the generator's weights are spectrally normalised, where the plan leaves it open.
    pub spectral_norm_g: bool,
    /// The same of the discriminator's, heads included.
    pub spectral_norm: bool,
    /// Least length that the heads' spectral norm divides a singular vector by.
    pub spectral_eps: f64,
    /// Whether there is self-attention, where the plan leaves it open.
    pub attention: bool,
    /// The options of a plan that both networks can follow.
    pub follows: Follows,
    /// Which layers the heads have on the features.
    pub heads: HeadLayers,
    /// Negative slope of the heads' leaky ReLU, where they are plain.
    pub slope: f64,
    /// How the heads' weights and biases start.
    pub weight_init: Init,
    /// How the heads' biases start.
    pub bias_init: Init,
    /// Whether the generator draws random numbers of its own: [`Latent::noise`].
    pub noise: bool,
    /// Sides of the images that the networks can be built for.
    pub image_sizes: &'static [usize],
    /// Builds the generator.
    pub generator: fn(&Scope, NetworkSizes) -> Result<Box<dyn Generator>>,
    /// Builds the discriminator without its heads.
    pub trunk: fn(&Scope, NetworkSizes) -> Result<Box<dyn Trunk>>,
    /// The generator's layers with weights from z to the image, to count their work.
    pub generator_layers: fn(NetworkSizes) -> Vec<LayerSize>,
    /// The trunk's, from the image to the features.
    pub trunk_layers: fn(NetworkSizes) -> Vec<LayerSize>,
}

impl Architecture {
    /// The first option that asks for something which these networks cannot be: its name and value
    /// in a plan.
    pub fn cannot_follow(&self, o: &NetworkOptions) -> Option<(&'static str, String)> {
        let other = |asked: Option<bool>, own: bool| asked.filter(|&asked| asked != own);
        let Follows { init, spectral_norm, attention, batch_norm } = self.follows;
        let asked = [
            ("init", init, (o.init != Initialisation::Own).then(|| in_a_plan(&o.init))),
            (
                "spectral_norm_g",
                spectral_norm,
                other(o.spectral_norm_g, self.spectral_norm_g).map(|v| v.to_string()),
            ),
            (
                "spectral_norm_d",
                spectral_norm,
                other(o.spectral_norm_d, self.spectral_norm).map(|v| v.to_string()),
            ),
            ("attention", attention, other(o.attention, self.attention).map(|v| v.to_string())),
            (
                "batch_norm",
                batch_norm,
                (o.batch_norm != BatchNormIn::Default).then(|| in_a_plan(&o.batch_norm)),
            ),
        ];
        asked
            .into_iter()
            .filter(|(_, follows, _)| !follows)
            .find_map(|(name, _, asked)| asked.map(|value| (name, value)))
    }
}

/// The name of an option's value.
fn in_a_plan(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
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
    snresnet18::ARCHITECTURE,
    resnet::ARCHITECTURE,
    big_resnet::ARCHITECTURE,
    biggan_cifar::ARCHITECTURE,
    sagan64::ARCHITECTURE,
];

/// The architecture called `name`.
pub fn architecture(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name)
}
