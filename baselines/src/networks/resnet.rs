//! StudioGAN's `resnet` for 32×32 and 64×64: SNGAN's networks, and with attention SA-GAN's.
//!
//! Source: `gan-recipes.md` §2 (`src/models/resnet.py` as of the published logs, with one gain and
//! bias a class). The papers' width is 64: at 32×32 the generator has 4,276,739 parameters,
//! 4,304,387 with 10 classes. By default as its SNGAN: spectral norm in the discriminator alone.
//! `spectral_norm_d = false` makes ProjGAN, ACGAN and the WGANs (batch norm in the discriminator),
//! `spectral_norm_g = true` and `attention = true` SAGAN. See `studiogan.rs` for what differs from
//! the papers.

use ganbench_nn::params::Init;

use super::residual::{GeneratorSpec, ResidualGenerator, ResidualTrunk, TrunkSpec};
use super::{Architecture, Follows, HeadLayers, NetworkSizes, studiogan};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "resnet",
    summary: "StudioGAN's ResNet: SNGAN, with options SA-GAN, ProjGAN, ACGAN, WGAN-GP",
    spectral_norm_g: false,
    spectral_norm: true,
    spectral_eps: studiogan::SPECTRAL_EPS,
    attention: false,
    follows: Follows::ALL,
    heads: HeadLayers::Plain,
    slope: 0.1,
    weight_init: Init::Orthogonal,
    bias_init: Init::Zeros,
    noise: false,
    image_sizes: &[32, 64],
    generator: |scope, s| Ok(Box::new(ResidualGenerator::new(scope, &generator(s), s)?)),
    trunk: |scope, s| Ok(Box::new(ResidualTrunk::new(scope, &trunk(s), s)?)),
    generator_layers: |s| generator(s).layers(s),
    trunk_layers: |s| trunk(s).layers(s),
};

fn generator(s: NetworkSizes) -> GeneratorSpec {
    let attention = s.options.attention.unwrap_or(false);
    GeneratorSpec {
        channels: studiogan::generator_channels(s),
        attention: attention.then(|| studiogan::generator_attention(s)),
        class_embedding: None,
        spectral_embeddings: true,
        style: studiogan::style(s.options.spectral_norm_g.unwrap_or(false)),
    }
}

fn trunk(s: NetworkSizes) -> TrunkSpec {
    let spectral_norm = s.options.spectral_norm_d.unwrap_or(true);
    studiogan::trunk(s, spectral_norm, s.options.attention.unwrap_or(false))
}
