//! StudioGAN's `big_resnet` for 32×32 and 64×64: the networks of its BigGAN, ContraGAN and ReACGAN.
//!
//! Source: `gan-recipes.md` §2 (`src/models/big_resnet.py`): z in equal chunks, one for the linear
//! layer and one for each block, where it enters the batch norms beside an embedding of the class
//! of 128 that all blocks share; self-attention; spectral norm in both. The papers' widths are 96
//! with z 80 at 32×32 (generator of 9,416,196 parameters) and 80 with z 100 at 64×64 (17,335,204
//! with 200 classes). z has to be a multiple of 4 or 5. Without classes the batch norms get the
//! chunks alone. See `studiogan.rs` for what differs from the papers.

use ganbench_nn::params::Init;

use super::residual::{GeneratorSpec, ResidualGenerator, ResidualTrunk, TrunkSpec};
use super::{Architecture, Follows, HeadLayers, NetworkSizes, studiogan};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "big_resnet",
    summary: "StudioGAN's BigGAN: hierarchical z, shared class embedding, self-attention",
    spectral_norm_g: true,
    spectral_norm: true,
    spectral_eps: studiogan::SPECTRAL_EPS,
    attention: true,
    // z enters the generator through batch norm.
    follows: Follows { batch_norm: false, ..Follows::ALL },
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

/// Size of the shared class embedding.
const CLASS_EMBEDDING: usize = 128;

fn generator(s: NetworkSizes) -> GeneratorSpec {
    let attention = s.options.attention.unwrap_or(true);
    GeneratorSpec {
        channels: studiogan::generator_channels(s),
        attention: attention.then(|| studiogan::generator_attention(s)),
        class_embedding: Some(CLASS_EMBEDDING),
        spectral_embeddings: true,
        style: studiogan::style(s.options.spectral_norm_g.unwrap_or(true)),
    }
}

fn trunk(s: NetworkSizes) -> TrunkSpec {
    let spectral_norm = s.options.spectral_norm_d.unwrap_or(true);
    studiogan::trunk(s, spectral_norm, s.options.attention.unwrap_or(true))
}
