//! Residual generators and trunks of SNGAN's family (Miyato et al. 2018, arXiv:1802.05957, appendix
//! B.4), as SA-GAN and BigGAN took them over. An architecture of the family says the sizes and the
//! style.
//!
//! A 1×1 convolution on a shortcut stands before the upsampling and after the pooling, where it
//! costs a quarter: convolution and resampling can change places, since both are linear and act on
//! channels alone and on places alone.

mod generator;
mod trunk;

pub(super) use generator::{GeneratorSpec, ResidualGenerator};
pub(super) use trunk::{ResidualTrunk, TrunkSpec};

use candle_core::Result;
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{Conv2d, Kernel, LayerOptions, SelfAttention};
use ganbench_nn::params::{Init, Scope};

use super::LayerSize;

/// How the layers of a network are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub weight: Init,
    pub bias: Init,
    pub spectral_norm: bool,
    pub spectral_eps: f64,
    pub batch_norm_eps: f64,
}

impl Style {
    fn layer(&self, activation: Activation) -> LayerOptions {
        LayerOptions {
            weight: self.weight,
            bias: Some(self.bias),
            spectral_norm: self.spectral_norm,
            activation,
        }
    }

    /// The place with the norms' constants.
    fn at(&self, scope: &Scope) -> Scope {
        scope.clone().with_spectral_eps(self.spectral_eps).with_batch_norm_eps(self.batch_norm_eps)
    }
}

/// 3×3 that keeps the size.
fn three(inputs: usize, outputs: usize) -> Kernel {
    Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 }
}

fn one(inputs: usize, outputs: usize) -> Kernel {
    Kernel { inputs, outputs, size: 1, stride: 1, padding: 0 }
}

fn conv(scope: &Scope, kernel: Kernel, style: &Style, activation: Activation) -> Result<Conv2d> {
    Conv2d::new(scope, kernel, style.layer(activation))
}

/// The layers of self-attention on maps of `side`×`side`; the products between places are not among
/// them.
fn attention_layers(channels: usize, side: usize) -> impl Iterator<Item = LayerSize> {
    let kernels = SelfAttention::kernels(channels);
    kernels.into_iter().map(move |kernel| LayerSize::convolution(kernel, side))
}
