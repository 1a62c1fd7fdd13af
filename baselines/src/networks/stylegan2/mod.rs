//! StyleGAN2 (Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN",
//! arXiv:1912.04958): a mapping network from z to styles, a generator of modulated convolutions
//! that adds up images of all sizes, and a residual or plain discriminator that sees how much the
//! images of a batch differ.
//!
//! Two code bases' networks. `stylegan2` is ContraD's small one for 32×32 images (`gan-recipes.md`
//! §2; jh-jeong/ContraD, `models/gan/stylegan2/`, `small32`), `stylegan2-studiogan` StudioGAN's
//! (`src/models/stylegan2.py`). Width 512 and z of 512 normal values are the papers'; w has as many
//! values as the width.
//!
//! Both are as their codes have them, with these differences. The generator conditions on classes
//! as StudioGAN's does, which ContraD's cannot. Images are in [−1, 1] and not in [0, 1]; where
//! evaluation clamps, training does not. The mean of w is a running average, as StudioGAN's is;
//! ContraD averages over new draws. ContraD's heads are plain layers, StudioGAN's equalised, with a
//! mapping network of one layer in the place of a table of classes. Convolutions scale the maps
//! instead of the filters, which is the same function. Of images that go through the discriminator
//! in one pass, reals and fakes are in common groups of the minibatch deviation, as in ContraD's
//! code.

mod generator;
#[cfg(test)]
mod golden_tests;
mod mapping;
#[cfg(test)]
mod second_order_tests;
mod trunk;

use ganbench_nn::params::Init;

use super::{Architecture, Follows, HeadLayers, NetworkSizes};

use self::generator::StyleGenerator;
use self::trunk::StyleTrunk;

/// In what the code bases differ.
#[derive(Clone, Copy)]
struct Variant {
    /// Linear layers from z to w.
    mapping_layers: usize,
    /// Channels at a height of so many pixels, of a width.
    channels: fn(usize, usize) -> usize,
    /// How often two z share an image in training, each one's style from a random layer on.
    mixing: f64,
    /// Whether the discriminator's blocks have a shortcut.
    residual: bool,
    /// Images whose deviation is taken together.
    group: usize,
    /// Whether a linear layer with activation follows the discriminator's last convolution. Its
    /// width many values are then the features, else the 16 pixels of each channel.
    last_linear: bool,
}

const CONTRAD: Variant = Variant {
    mapping_layers: 8,
    channels: |width, size| (width / (size / 8).max(1)).max(1),
    mixing: 0.9,
    residual: true,
    group: 4,
    last_linear: false,
};

const STUDIO: Variant = Variant {
    mapping_layers: 2,
    // 16384 / size, at most 512, which is the width.
    channels: |width, size| (width / (size / 32).max(1)).max(1),
    mixing: 0.0,
    residual: false,
    group: 32,
    last_linear: true,
};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "stylegan2",
    summary: "ContraD's StyleGAN2 for 32x32 images: skip generator, residual discriminator",
    spectral_norm_g: false,
    spectral_norm: false,
    spectral_eps: 1e-12,
    attention: false,
    follows: Follows::NOTHING,
    heads: HeadLayers::Plain,
    slope: 0.1,
    // Of the heads.
    weight_init: Init::TorchDefault,
    bias_init: Init::TorchDefault,
    noise: true,
    image_sizes: &[32],
    generator: |scope, sizes| Ok(Box::new(StyleGenerator::new(scope, sizes, CONTRAD)?)),
    trunk: |scope, sizes| Ok(Box::new(StyleTrunk::new(scope, sizes, CONTRAD)?)),
    generator_layers: |sizes| generator::layers(sizes, CONTRAD),
    trunk_layers: |sizes| trunk::layers(sizes, CONTRAD),
};

pub const STUDIOGAN: Architecture = Architecture {
    name: "stylegan2-studiogan",
    summary: "StudioGAN's StyleGAN2: 2 mapping layers, plain discriminator, deviation over 32 images",
    heads: HeadLayers::Equalised,
    image_sizes: &[32, 64],
    generator: |scope, sizes| Ok(Box::new(StyleGenerator::new(scope, sizes, STUDIO)?)),
    trunk: |scope, sizes| Ok(Box::new(StyleTrunk::new(scope, sizes, STUDIO)?)),
    generator_layers: |sizes| generator::layers(sizes, STUDIO),
    trunk_layers: |sizes| trunk::layers(sizes, STUDIO),
    ..ARCHITECTURE
};

/// Heights from 4 to that of the images.
fn sides(sizes: NetworkSizes) -> impl Iterator<Item = usize> {
    (2..).map(|log| 1 << log).take_while(move |&side| side <= sizes.image_size)
}
