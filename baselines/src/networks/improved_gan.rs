//! The CIFAR-10 networks of "Improved techniques for training GANs" (Salimans et al. 2016, arXiv:1606.03498): batch
//! norm in the generator, weight norm, dropout and a global mean in the discriminator; with minibatch
//! discrimination, Gaussian noise at the input instead of dropout.
//!
//! Source: `gan-recipes.md` §2 (openai/improved-gan, `train_cifar_feature_matching.py`,
//! `train_cifar_minibatch_discrimination.py`, `nn.py`). The script's width is 32, its z 100 values of U(0, 1).
//! What differs: the heads on the features are plain layers, the script's last layer is weight-normalised; batch
//! norm in the generator has a gain and 1e-5 under the root, the script's none and 1e-6. The first training pass
//! sets the weights' lengths from its batch, where the script takes 500 images before it starts.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::minibatch_discrimination::{Kernels, MinibatchDiscrimination};
use ganbench_nn::layers::random::{Dropout, GaussianNoise};
use ganbench_nn::layers::weight_norm::{WeightNormConv2d, WeightNormOptions};
use ganbench_nn::layers::{BatchNorm, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, Scope};

use super::{Architecture, Generator, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "improved-gan",
    summary: "Salimans et al.'s CIFAR networks: weight norm and dropout in D",
    spectral_norm: false,
    slope: SLOPE,
    init_std: INIT_STD,
    noise: false,
    image_sizes: &[32],
    generator: |scope, sizes| Ok(Box::new(ImprovedGenerator::new(scope, sizes)?)),
    trunk: |scope, sizes| Ok(Box::new(ImprovedTrunk::new(scope, sizes, Regularised::Dropout)?)),
    generator_layers,
    trunk_layers: |sizes| trunk_layers(sizes, Regularised::Dropout),
};

pub const MINIBATCH: Architecture = Architecture {
    name: "improved-gan-minibatch",
    summary: "The same with minibatch discrimination, and noise instead of dropout at D's input",
    trunk: |scope, sizes| Ok(Box::new(ImprovedTrunk::new(scope, sizes, Regularised::Minibatch)?)),
    trunk_layers: |sizes| trunk_layers(sizes, Regularised::Minibatch),
    ..ARCHITECTURE
};

const SLOPE: f64 = 0.2;
const INIT_STD: f64 = 0.05;
const KERNELS: Kernels = Kernels { count: 100, length: 5 };

/// What keeps the discriminator from learning the images by heart.
#[derive(Clone, Copy, PartialEq)]
enum Regularised {
    /// Of the input too.
    Dropout,
    Minibatch,
}

const WEIGHT_NORM: WeightNormOptions = WeightNormOptions {
    activation: Activation::LeakyRelu(SLOPE),
    start_std: 1.0,
    learnt_length: false,
    transposed: false,
};

fn generator_kernels(s: NetworkSizes) -> [Kernel; 3] {
    let w = s.width;
    let up = |inputs, outputs| Kernel { inputs, outputs, size: 5, stride: 2, padding: 2 };
    [up(16 * w, 8 * w), up(8 * w, 4 * w), up(4 * w, s.channels)]
}

fn generator_layers(s: NetworkSizes) -> Vec<LayerSize> {
    let up = generator_kernels(s).into_iter().zip([4, 8, 16]);
    let up = up.map(|(kernel, side)| LayerSize::transposed(kernel, side));
    std::iter::once(LayerSize::linear(s.z_dim, 16 * s.width * 16)).chain(up).collect()
}

/// Dropout follows the third and the sixth.
fn trunk_kernels(s: NetworkSizes) -> [Kernel; 9] {
    let w = s.width;
    let same = |inputs, outputs| Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 };
    let half = |c| Kernel { inputs: c, outputs: c, size: 3, stride: 2, padding: 1 };
    let valid = |c| Kernel { inputs: c, outputs: c, size: 3, stride: 1, padding: 0 };
    let pointwise = |c| Kernel { inputs: c, outputs: c, size: 1, stride: 1, padding: 0 };
    [
        same(s.channels, 3 * w),
        same(3 * w, 3 * w),
        half(3 * w),
        same(3 * w, 6 * w),
        same(6 * w, 6 * w),
        half(6 * w),
        valid(6 * w),
        pointwise(6 * w),
        pointwise(6 * w),
    ]
}

fn trunk_layers(s: NetworkSizes, regularised: Regularised) -> Vec<LayerSize> {
    let mut layers = LayerSize::convolutions(&trunk_kernels(s), s.image_size);
    if regularised == Regularised::Minibatch {
        layers.push(LayerSize::linear(6 * s.width, KERNELS.count * KERNELS.length));
    }
    layers
}

struct ImprovedGenerator {
    width: usize,
    fc: Linear,
    bn0: BatchNorm,
    up: Vec<(ganbench_nn::layers::weight_norm::TransposedConv, BatchNorm)>,
    out: WeightNormConv2d,
}
