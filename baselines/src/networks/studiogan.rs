//! What StudioGAN's `resnet`, `big_resnet` and, but for the shortcuts, `deep_conv` have in common.
//!
//! POSTECH-CVLab/PyTorch-StudioGAN, `src/models/resnet.py`, `big_resnet.py`, `src/utils/ops.py` and
//! `src/config.py`: orthogonal weights and zero biases, batch norm with an eps of 1e-4, spectral
//! norm with one of 1e-6, and batch norm in the discriminator where it has no spectral norm. The
//! activations work in place: in a discriminator without batch norm the shortcut of every block but
//! the first gets the rectified maps, which no paper says. This is kept.

use ganbench_nn::params::Init;

use super::NetworkSizes;
use super::residual::{Style, TrunkSpec};

pub const SPECTRAL_EPS: f64 = 1e-6;
pub const BATCH_NORM_EPS: f64 = 1e-4;

pub fn style(spectral_norm: bool) -> Style {
    Style {
        weight: Init::Orthogonal,
        bias: Init::Zeros,
        spectral_norm,
        spectral_eps: SPECTRAL_EPS,
        batch_norm_eps: BATCH_NORM_EPS,
    }
}

/// Of the generator's 4×4 maps and of each block's output.
pub fn generator_channels(s: NetworkSizes) -> Vec<usize> {
    let multiples: &[usize] = if s.image_size == 32 { &[4; 4] } else { &[16, 8, 4, 2, 1] };
    multiples.iter().map(|m| m * s.width).collect()
}

/// After how many blocks the generator's attention stands: on maps of 16×16 of a 32×32 image and of
/// 32×32 of a 64×64 one.
pub fn generator_attention(s: NetworkSizes) -> usize {
    if s.image_size == 32 { 2 } else { 3 }
}

pub fn trunk(s: NetworkSizes, spectral_norm: bool, attention: bool) -> TrunkSpec {
    let (multiples, halving): (&[usize], usize) =
        if s.image_size == 32 { (&[2; 4], 2) } else { (&[1, 2, 4, 8, 16], 4) };
    TrunkSpec {
        channels: multiples.iter().map(|m| m * s.width).collect(),
        halving,
        attention: attention.then_some(1),
        batch_norm: !spectral_norm,
        rectified_shortcut: true,
        style: style(spectral_norm),
    }
}
