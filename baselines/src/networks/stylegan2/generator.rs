//! The generator: images of all sizes, each made from its maps by one layer, added up.

use candle_core::{Result, Tensor, bail};
use ganbench_data::rng::Stream;
use ganbench_nn::kernels::upfirdn::{UpFirDn, upfirdn2d};
use ganbench_nn::layers::styled::{Constant, Styled, StyledConv, ToPixels};
use ganbench_nn::layers::{Kernel, Pass};
use ganbench_nn::params::Scope;

use super::super::{Generator, Latent, LayerSize, NetworkSizes};
use super::mapping::{self, Mapping};
use super::{Variant, sides};

/// The layers of one size.
struct Block {
    side: usize,
    convs: Vec<StyledConv>,
    to_pixels: ToPixels,
}

pub(super) struct StyleGenerator {
    mixing: f64,
    mapping: Mapping,
    /// What the first block starts from.
    constant: Constant,
    blocks: Vec<Block>,
}

/// Inputs and outputs of a block's convolutions, the first of them upsampling but in the smallest
/// block.
fn block_channels(s: NetworkSizes, variant: Variant, side: usize) -> Vec<(usize, usize)> {
    let channels = |side| (variant.channels)(s.width, side);
    let last = (channels(side), channels(side));
    if side == 4 { vec![last] } else { vec![(channels(side / 2), channels(side)), last] }
}

pub(super) fn layers(s: NetworkSizes, variant: Variant) -> Vec<LayerSize> {
    let mut layers = mapping::layers(s, variant);
    let channels = (variant.channels)(s.width, 4);
    // The constant is a weight that nothing is multiplied with.
    layers.push(LayerSize { inputs: 1, outputs: channels, kernel: 4, positions: 0 });
    for side in sides(s) {
        for (i, (inputs, outputs)) in block_channels(s, variant, side).into_iter().enumerate() {
            let kernel = Kernel { inputs, outputs, size: 3, stride: 1, padding: 1 };
            layers.push(LayerSize::linear(s.width, inputs));
            layers.push(match i == 0 && side > 4 {
                true => LayerSize::transposed(Kernel { stride: 2, padding: 0, ..kernel }, side / 2),
                false => LayerSize::convolution(kernel, side),
            });
        }
        let inputs = (variant.channels)(s.width, side);
        let kernel = Kernel { inputs, outputs: s.channels, size: 1, stride: 1, padding: 0 };
        layers.push(LayerSize::linear(s.width, inputs));
        layers.push(LayerSize::convolution(kernel, side));
    }
    layers
}

impl StyleGenerator {
    pub fn new(scope: &Scope, s: NetworkSizes, variant: Variant) -> Result<Self> {
        let mut blocks = Vec::new();
        for side in sides(s) {
            let at = scope.at(format_args!("b{side}"));
            let styled = |inputs, outputs| Styled { style: s.width, inputs, outputs };
            let mut convs = Vec::new();
            for (i, (inputs, outputs)) in block_channels(s, variant, side).into_iter().enumerate() {
                let upsample = i == 0 && side > 4;
                convs.push(StyledConv::new(
                    &at.at("conv").at(i),
                    styled(inputs, outputs),
                    upsample,
                )?);
            }
            let channels = (variant.channels)(s.width, side);
            let to_pixels = ToPixels::new(&at.at("to_rgb"), styled(channels, s.channels))?;
            blocks.push(Block { side, convs, to_pixels });
        }
        let channels = (variant.channels)(s.width, 4);
        Ok(Self {
            mixing: variant.mixing,
            mapping: Mapping::new(&scope.at("mapping"), s, variant)?,
            constant: Constant::new(&scope.at("input"), channels, 4)?,
            blocks,
        })
    }

    /// Layers that take a w: a block's convolutions, and the last layer to pixels. The other layers
    /// to pixels share the w of the next block's first convolution.
    fn style_count(&self) -> usize {
        self.blocks.iter().map(|b| b.convs.len()).sum::<usize>() + 1
    }

    /// The w of each layer, `[n, width]` each: one for all, or a second one from a random layer on.
    fn styles(&self, latent: &Latent, pass: Pass) -> Result<Vec<Tensor>> {
        let count = self.style_count();
        let labels = latent.labels.as_ref();
        let key = latent.noise.filter(|_| pass.trains() && self.mixing > 0.0);
        let Some(key) = key else {
            let w = self.mapping.forward(&latent.z, labels, pass)?;
            if pass.trains() {
                self.mapping.take_in(&w)?;
            }
            return Ok(vec![w; count]);
        };
        let (n, z_dim) = latent.z.dims2()?;
        let second = Stream::new(key, "mixing/z").normal(n * z_dim);
        let second = Tensor::from_vec(second, (n, z_dim), latent.z.device())?;
        let z = Tensor::cat(&[&latent.z, &second.to_dtype(latent.z.dtype())?], 0)?;
        let labels = labels.map(|l| Tensor::cat(&[l, l], 0)).transpose()?;
        let w = self.mapping.forward(&z, labels.as_ref(), pass)?;
        self.mapping.take_in(&w.narrow(0, 0, n)?)?;
        let crossovers = self.crossovers(key, n);
        let of_layer = |layer: usize| {
            let row = |i: usize| if layer < crossovers[i] { i } else { n + i };
            let rows: Vec<u32> = (0..n).map(|i| row(i) as u32).collect();
            w.index_select(&Tensor::from_vec(rows, n, w.device())?, 0)
        };
        (0..count).map(of_layer).collect()
    }

    /// The first layer of each image's second w; beyond the last of those that do not mix.
    fn crossovers(&self, key: u64, n: usize) -> Vec<usize> {
        let (mut stream, count) = (Stream::new(key, "mixing/crossover"), self.style_count());
        let mut draw = || {
            // Both drawn in any case: an image's layer does not depend on the images before it.
            let (mixes, layer) = (stream.chance(self.mixing), stream.below(count as u64));
            if mixes { layer as usize } else { count }
        };
        (0..n).map(|_| draw()).collect()
    }

    /// `styles`: of each layer.
    fn synthesise(&self, styles: &[Tensor], noise: Option<u64>, pass: Pass) -> Result<Tensor> {
        let n = styles[0].dim(0)?;
        let mut h = self.constant.forward(n, pass)?;
        let mut image: Option<Tensor> = None;
        let mut layer = 0;
        for block in &self.blocks {
            for (i, conv) in block.convs.iter().enumerate() {
                let noise =
                    noise.map(|key| noise_images(key, [n, block.side], i, &h)).transpose()?;
                h = conv.forward(&h, &styles[layer], noise.as_ref(), pass)?;
                layer += 1;
            }
            let pixels = block.to_pixels.forward(&h, &styles[layer], pass)?;
            image = Some(match image {
                Some(image) => (upfirdn2d(&image, &UpFirDn::upsample())? + pixels)?,
                None => pixels,
            });
        }
        let Some(image) = image else { bail!("a generator needs images of 4x4 or more") };
        if !pass.trains() { image.clamp(-1.0, 1.0) } else { Ok(image) }
    }
}

/// Standard normal `[n, 1, side, side]` of the type of `like`, for convolution `i` of a block.
fn noise_images(key: u64, [n, side]: [usize; 2], i: usize, like: &Tensor) -> Result<Tensor> {
    let values = Stream::new(key, &format!("noise/b{side}/{i}")).normal(n * side * side);
    Tensor::from_vec(values, (n, 1, side, side), like.device())?.to_dtype(like.dtype())
}

impl Generator for StyleGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        self.synthesise(&self.styles(latent, pass)?, latent.noise, pass)
    }

    fn has_style(&self) -> bool {
        true
    }

    fn truncated(&self, latent: &Latent, psi: f64) -> Result<Tensor> {
        let w = self.mapping.forward(&latent.z, latent.labels.as_ref(), Pass::Eval)?;
        let w = self.mapping.truncate(&w, psi)?;
        self.synthesise(&vec![w; self.style_count()], latent.noise, Pass::Eval)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{self, PAPER_32};
    use super::super::{CONTRAD, STUDIO};
    use super::*;
    use candle_core::Device;
    use ganbench_nn::params::ParamStore;

    const SMALL: NetworkSizes = NetworkSizes { width: 8, z_dim: 16, ..PAPER_32 };

    fn latent(noise: Option<u64>) -> Latent {
        Latent { noise, ..tests::latent(SMALL) }
    }

    /// A generator whose noise is not of strength 0, as it starts.
    fn generator(variant: Variant) -> StyleGenerator {
        let store = ParamStore::new("generator", 0, &Device::Cpu);
        let g = StyleGenerator::new(&store.root(), SMALL, variant).unwrap();
        for (name, var) in store.params() {
            if name.ends_with("noise_strength") {
                var.set(&Tensor::new(&[0.5f32], &Device::Cpu).unwrap()).unwrap();
            }
        }
        g
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn a_key_gives_the_same_images_again_and_another_key_others() {
        let g = generator(CONTRAD);
        for pass in [Pass::Eval, Pass::Train] {
            let of = |key| values(&g.forward(&latent(key), pass).unwrap());
            assert_eq!(of(Some(3)), of(Some(3)));
            assert_ne!(of(Some(3)), of(Some(4)));
            assert_ne!(of(Some(3)), of(None));
        }
    }

    #[test]
    fn images_behind_it_in_a_batch_do_not_change_an_image() {
        let g = generator(CONTRAD);
        let whole = latent(Some(3));
        let half = Latent { z: whole.z.narrow(0, 0, 2).unwrap(), ..whole.clone() };
        let of = |latent| values(&g.forward(latent, Pass::Eval).unwrap());
        let (whole, half) = (of(&whole), of(&half));
        assert!(whole.iter().zip(&half).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn nine_of_ten_images_mix_from_any_layer_on() {
        let g = generator(CONTRAD);
        // Seven convolutions and the last layer to pixels.
        assert_eq!(g.style_count(), 8);
        let mut counts = [0; 9];
        g.crossovers(5, 80_000).into_iter().for_each(|layer| counts[layer] += 1);
        // 9000 of each layer and 8000 without, within five standard deviations.
        assert!(counts[..8].iter().all(|&n| (n as f64 - 9000.0).abs() < 5.0 * 8000f64.sqrt()));
        assert!((f64::from(counts[8]) - 8000.0).abs() < 5.0 * 7200f64.sqrt(), "{counts:?}");
    }

    #[test]
    fn evaluation_and_a_network_without_mixing_use_one_style_for_all_layers() {
        let of = |variant, pass| generator(variant).styles(&latent(Some(3)), pass).unwrap();
        for (variant, pass, mixes) in [
            (CONTRAD, Pass::Train, true),
            (CONTRAD, Pass::Eval, false),
            (STUDIO, Pass::Train, false),
        ] {
            let styles = of(variant, pass);
            let first = values(&styles[0]);
            assert_eq!(styles.iter().any(|w| values(w) != first), mixes);
        }
    }

    #[test]
    fn truncation_leads_from_the_mean_image_to_the_images() {
        let g = generator(STUDIO);
        let latent = latent(Some(3));
        for _ in 0..3 {
            g.forward(&latent, Pass::Train).unwrap();
        }
        let images = g.forward(&latent, Pass::Eval).unwrap();
        let difference = |a: &Tensor, b: &Tensor| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
            difference.to_scalar::<f32>().unwrap()
        };
        assert!(difference(&g.truncated(&latent, 1.0).unwrap(), &images) < 1e-5);
        // At 0 all images are of the mean style; without noise they are the same.
        let still = Latent { noise: None, ..latent };
        let mean = g.truncated(&still, 0.0).unwrap();
        assert!(difference(&mean.narrow(0, 0, 3).unwrap(), &mean.narrow(0, 1, 3).unwrap()) < 1e-5);
        assert!(difference(&mean, &g.truncated(&still, 0.5).unwrap()) > 1e-3);
    }

    #[test]
    fn the_mean_style_follows_training_and_not_evaluation() {
        let g = generator(STUDIO);
        let mean = || g.mapping.mean();
        let at_start = mean();
        g.forward(&latent(Some(3)), Pass::Eval).unwrap();
        assert_eq!(mean(), at_start);
        let w = g.styles(&latent(Some(3)), Pass::Frozen).unwrap().remove(0);
        let batch = w.mean(0).unwrap().to_vec1::<f32>().unwrap();
        for (mean, batch) in mean().into_iter().zip(batch) {
            assert!((mean - 0.005 * f64::from(batch)).abs() < 1e-6);
        }
    }

    #[test]
    fn nan_is_never_hidden_by_the_clamp() {
        let x = Tensor::new(&[f32::NAN, -7.0, 7.0], &Device::Cpu).unwrap();
        let y = values(&x.clamp(-1.0, 1.0).unwrap());
        assert!(y[0].is_nan() && y[1..] == [-1.0, 1.0], "{y:?}");
    }
}
