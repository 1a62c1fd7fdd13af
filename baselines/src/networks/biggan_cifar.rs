//! The CIFAR networks of ajbrock/BigGAN-PyTorch, as KDD GAN and data-efficient GANs use them:
//! neither hierarchical z nor a shared embedding nor attention.
//!
//! Source: `gan-recipes.md` §2 (`BigGAN.py`, `layers.py`). At the papers' width 64 the generator
//! has 4,304,387 parameters with 10 classes, the trunk 4,204,544. Weights N(0, 0.02²), biases as
//! PyTorch starts them; spectral norm everywhere but on the class embeddings of the generator's
//! batch norms. (That code renews the right singular vector in evaluation too; here evaluation
//! takes the one of the last training pass.)

use ganbench_nn::params::Init;

use super::residual::{GeneratorSpec, ResidualGenerator, ResidualTrunk, Style, TrunkSpec};
use super::{Architecture, Follows, HeadLayers, NetworkSizes};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "biggan-cifar",
    summary: "BigGAN-PyTorch's CIFAR networks: spectral norm in both, no attention",
    spectral_norm_g: true,
    spectral_norm: true,
    spectral_eps: SPECTRAL_EPS,
    attention: false,
    follows: Follows::LAYERS,
    heads: HeadLayers::Plain,
    slope: 0.1,
    weight_init: WEIGHT,
    bias_init: Init::TorchDefault,
    noise: false,
    image_sizes: &[32],
    generator: |scope, s| Ok(Box::new(ResidualGenerator::new(scope, &generator(s), s)?)),
    trunk: |scope, s| Ok(Box::new(ResidualTrunk::new(scope, &trunk(s), s)?)),
    generator_layers: |s| generator(s).layers(s),
    trunk_layers: |s| trunk(s).layers(s),
};

/// The default of that code's command line.
pub(super) const SPECTRAL_EPS: f64 = 1e-8;
const WEIGHT: Init = Init::normal(0.02);

/// Layers as that code makes them.
pub(super) fn style(weight: Init, spectral_norm: Option<bool>) -> Style {
    Style {
        weight,
        bias: Init::TorchDefault,
        spectral_norm: spectral_norm.unwrap_or(true),
        spectral_eps: SPECTRAL_EPS,
        batch_norm_eps: 1e-5,
    }
}

fn generator(s: NetworkSizes) -> GeneratorSpec {
    GeneratorSpec {
        channels: vec![4 * s.width; 4],
        attention: None,
        class_embedding: None,
        spectral_embeddings: false,
        style: style(WEIGHT, s.options.spectral_norm_g),
    }
}

fn trunk(s: NetworkSizes) -> TrunkSpec {
    TrunkSpec {
        channels: vec![4 * s.width; 4],
        halving: 2,
        attention: None,
        batch_norm: false,
        rectified_shortcut: false,
        style: style(WEIGHT, s.options.spectral_norm_d),
    }
}
