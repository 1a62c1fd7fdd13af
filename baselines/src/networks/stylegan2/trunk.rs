//! The discriminator's trunk.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::upfirdn::{UpFirDn, upfirdn2d};
use ganbench_nn::layers::equalised::{EqualConv2d, EqualLinear, EqualOptions};
use ganbench_nn::layers::minibatch_std::minibatch_std;
use ganbench_nn::layers::{Kernel, Pass};
use ganbench_nn::params::Scope;

use super::super::{LayerSize, NetworkSizes, Trunk};
use super::{Variant, sides};

fn same(inputs: usize, outputs: usize) -> Kernel {
    Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 }
}

/// On maps that were filtered and are one pixel larger for it.
fn half(inputs: usize, outputs: usize) -> Kernel {
    Kernel { inputs, outputs, size: 3, stride: 2, padding: 0 }
}

fn pointwise(inputs: usize, outputs: usize) -> Kernel {
    Kernel { inputs, outputs, size: 1, stride: 1, padding: 0 }
}

/// Two convolutions, the second to half the size, and where asked for a shortcut past both.
struct Block {
    conv: EqualConv2d,
    down: EqualConv2d,
    shortcut: Option<EqualConv2d>,
}

impl Block {
    /// From maps of `side`×`side`.
    fn new(scope: &Scope, s: NetworkSizes, variant: Variant, side: usize) -> Result<Self> {
        let channels = |side| (variant.channels)(s.width, side);
        let (inputs, outputs) = (channels(side), channels(side / 2));
        // The sum of two ways is divided by √2, each way at its own end.
        let gain = if variant.residual { 0.5f64.sqrt() } else { 1.0 };
        let down = EqualOptions { gain, ..EqualOptions::activated() };
        let shortcut = EqualOptions { gain, bias: None, ..EqualOptions::linear() };
        let shortcut = variant
            .residual
            .then(|| EqualConv2d::new(&scope.at("skip"), pointwise(inputs, outputs), shortcut));
        Ok(Self {
            conv: EqualConv2d::new(
                &scope.at("conv").at(0),
                same(inputs, inputs),
                EqualOptions::activated(),
            )?,
            down: EqualConv2d::new(&scope.at("conv").at(1), half(inputs, outputs), down)?,
            shortcut: shortcut.transpose()?,
        })
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let h = self.conv.forward(x, pass)?;
        let h = upfirdn2d(&h, &UpFirDn::before_downsampling())?;
        let h = self.down.forward(&h, pass)?;
        match &self.shortcut {
            // Filtering and taking every second pixel before the 1×1 convolution: no other is
            // looked at.
            Some(shortcut) => h + shortcut.forward(&upfirdn2d(x, &UpFirDn::downsample())?, pass)?,
            None => Ok(h),
        }
    }
}

pub(super) struct StyleTrunk {
    from_pixels: EqualConv2d,
    blocks: Vec<Block>,
    group: usize,
    last: EqualConv2d,
    last_linear: Option<EqualLinear>,
    feature_dim: usize,
}

pub(super) fn layers(s: NetworkSizes, variant: Variant) -> Vec<LayerSize> {
    let channels = |side| (variant.channels)(s.width, side);
    let first = pointwise(s.channels, channels(s.image_size));
    let mut layers = vec![LayerSize::convolution(first, s.image_size)];
    for side in falling_sides(s) {
        let (inputs, outputs) = (channels(side), channels(side / 2));
        layers.push(LayerSize::convolution(same(inputs, inputs), side));
        layers.push(LayerSize::convolution(half(inputs, outputs), side + 1));
        if variant.residual {
            layers.push(LayerSize::convolution(pointwise(inputs, outputs), side / 2));
        }
    }
    let channels = channels(4);
    layers.push(LayerSize::convolution(same(channels + 1, channels), 4));
    layers.extend(variant.last_linear.then(|| LayerSize::linear(16 * channels, channels)));
    layers
}

/// Heights of the maps that the blocks halve.
fn falling_sides(s: NetworkSizes) -> Vec<usize> {
    let mut sides: Vec<usize> = sides(s).filter(|&side| side > 4).collect();
    sides.reverse();
    sides
}

impl StyleTrunk {
    pub fn new(scope: &Scope, s: NetworkSizes, variant: Variant) -> Result<Self> {
        let channels = |side| (variant.channels)(s.width, side);
        let activated = EqualOptions::activated();
        let block = |side| Block::new(&scope.at(format_args!("b{side}")), s, variant, side);
        let first = pointwise(s.channels, channels(s.image_size));
        let last = same(channels(4) + 1, channels(4));
        let linear = || EqualLinear::new(&scope.at("fc"), 16 * channels(4), channels(4), activated);
        let feature_dim = if variant.last_linear { channels(4) } else { 16 * channels(4) };
        Ok(Self {
            from_pixels: EqualConv2d::new(&scope.at("from_rgb"), first, activated)?,
            blocks: falling_sides(s).into_iter().map(block).collect::<Result<_>>()?,
            group: variant.group,
            last: EqualConv2d::new(&scope.at("b4").at("conv"), last, activated)?,
            last_linear: variant.last_linear.then(linear).transpose()?,
            feature_dim,
        })
    }
}

impl Trunk for StyleTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let h = self.from_pixels.forward(x, pass)?;
        let h = self.blocks.iter().try_fold(h, |h, block| block.forward(&h, pass))?;
        let h = self.last.forward(&minibatch_std(&h, self.group)?, pass)?.flatten_from(1)?;
        match &self.last_linear {
            Some(linear) => linear.forward(&h, pass),
            None => Ok(h),
        }
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{PAPER_32, discriminator_count, generator_count};
    use super::super::super::{HeadKind, HeadSpec};
    use super::super::{ARCHITECTURE, STUDIOGAN};
    use super::*;

    const PAPER: NetworkSizes = NetworkSizes { width: 512, z_dim: 512, ..PAPER_32 };

    #[test]
    fn contrads_parameters_are_those_counted_on_paper() {
        // The reference gives no number. From the official layer list, with a = 512² + 512 =
        // 262,656 for a linear layer of 512 to 512, 9·512² = 2,359,296. G: mapping 8a = 2,101,248;
        // constant 8,192; each 3×3 layer its weight, an affine layer to its inputs, a strength and
        // a bias: 4×4 and 8×8 2,359,296 + a + 1 + 512 = 2,622,465 three times; 16×16 from 512
        // 1,442,561, from 256 589,824 + 131,328 + 1 + 256 = 721,409; 32×32 from 256 426,369, from
        // 128 213,249; to pixels 3c + an affine layer + 3: 264,195 twice, 132,099, 66,051.
        let g = 2_101_248 + 8_192 + 3 * 2_622_465 + 1_442_561 + 721_409 + 426_369 + 213_249;
        let g = g + 2 * 264_195 + 132_099 + 66_051;
        assert_eq!(g, 13_506_963);
        // D: from pixels 512; 32×32 147,584 + 295,168 + 32,768; 16×16 590,080 + 1,180,160 +
        // 131,072; 8×8 2 · 2,359,808 + 262,144; last 513·512·9 + 512.
        let d = 512 + 475_520 + 1_901_312 + 4_981_760 + 2_364_416;
        assert_eq!(d, 9_723_520);
        assert_eq!(generator_count(&ARCHITECTURE, PAPER), g);
        assert_eq!(discriminator_count(&ARCHITECTURE, PAPER, &[]), d);
    }

    #[test]
    fn studiogans_parameters_are_those_of_its_logs() {
        // D's 23,089,664 of the logs hold the projection of classes: an embedding of 10·512 + 512,
        // eight layers of 262,656 and the output layer of 512 to 512.
        let projection = 5_632 + 9 * 262_656;
        let conditional = NetworkSizes { classes: Some(10), ..PAPER };
        assert_eq!(generator_count(&STUDIOGAN, conditional), 20_215_315);
        assert_eq!(discriminator_count(&STUDIOGAN, conditional, &[]), 23_089_664 - projection);
        let head = |name, kind, outputs| HeadSpec { name, kind, outputs, hidden: 0 };
        let d2dce = [
            head("logits", HeadKind::Linear, 1),
            head("embed", HeadKind::Linear, 512),
            head("proxy", HeadKind::Embedding, 512),
        ];
        assert_eq!(discriminator_count(&STUDIOGAN, conditional, &d2dce), 21_251_585);
    }

    #[test]
    fn features_are_the_pixels_of_the_last_maps_or_one_value_a_channel() {
        for (a, expected) in [(&ARCHITECTURE, 64), (&STUDIOGAN, 4)] {
            let store = ganbench_nn::params::ParamStore::new("d", 0, &candle_core::Device::Cpu);
            let trunk = (a.trunk)(&store.root(), NetworkSizes { width: 4, ..PAPER_32 }).unwrap();
            assert_eq!(trunk.feature_dim(), expected);
        }
    }
}
