//! The 64×64 SA-GAN of instance selection (DeVries et al. 2020, arXiv:2007.15255), which KDD GAN
//! uses too.
//!
//! Source: `gan-recipes.md` §2 (uoguelph-mlrg/instance_selection_for_gans,
//! `scripts/launch_SAGAN_res64_ch32_bs128_dstep_1_rr40.sh`, on the layers of BigGAN-PyTorch): the
//! papers' width is 32, where the generator has 13,293,188 parameters with 1,000 classes. Xavier's
//! weights, biases as PyTorch starts them, self-attention on maps of 32×32 in both networks,
//! spectral norm as in `biggan_cifar.rs`.

use ganbench_nn::params::Init;

use super::biggan_cifar::{SPECTRAL_EPS, style};
use super::residual::{GeneratorSpec, ResidualGenerator, ResidualTrunk, TrunkSpec};
use super::{Architecture, Follows, HeadLayers, NetworkSizes};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "sagan64",
    summary: "instance selection's SA-GAN for 64x64: spectral norm and self-attention in both",
    spectral_norm_g: true,
    spectral_norm: true,
    spectral_eps: SPECTRAL_EPS,
    attention: true,
    follows: Follows::ALL,
    heads: HeadLayers::Plain,
    slope: 0.1,
    weight_init: Init::Xavier,
    bias_init: Init::TorchDefault,
    noise: false,
    image_sizes: &[64],
    generator: |scope, s| Ok(Box::new(ResidualGenerator::new(scope, &generator(s), s)?)),
    trunk: |scope, s| Ok(Box::new(ResidualTrunk::new(scope, &trunk(s), s)?)),
    generator_layers: |s| generator(s).layers(s),
    trunk_layers: |s| trunk(s).layers(s),
};

fn generator(s: NetworkSizes) -> GeneratorSpec {
    GeneratorSpec {
        channels: [16, 16, 8, 4, 2].map(|m| m * s.width).to_vec(),
        attention: s.options.attention.unwrap_or(true).then_some(3),
        class_embedding: None,
        spectral_embeddings: false,
        style: style(Init::Xavier, s.options.spectral_norm_g),
    }
}

fn trunk(s: NetworkSizes) -> TrunkSpec {
    TrunkSpec {
        channels: [1, 2, 4, 8, 16].map(|m| m * s.width).to_vec(),
        halving: 4,
        attention: s.options.attention.unwrap_or(true).then_some(1),
        batch_norm: false,
        rectified_shortcut: false,
        style: style(Init::Xavier, s.options.spectral_norm_d),
    }
}
