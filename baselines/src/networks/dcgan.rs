//! DCGAN after the guidelines of Radford et al. 2016, arXiv:1511.06434: strided convolutions, batch
//! norm everywhere but in the generator's output and the discriminator's input, ReLU and LeakyReLU
//! 0.2, N(0, 0.02²). At 32×32 with width w: G projects z to 4w×4×4 and doubles three times; D
//! mirrors it.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::{BatchNorm, Conv2d, ConvTranspose2d, Kernel, LayerOptions, Pass};
use ganbench_nn::params::{Init, Scope};

use super::{Architecture, Follows, Generator, HeadLayers, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "dcgan",
    summary: "Radford et al.'s DCGAN: batch norm in both networks",
    spectral_norm_g: false,
    spectral_norm: false,
    spectral_eps: 1e-12,
    attention: false,
    follows: Follows::LAYERS,
    heads: HeadLayers::Plain,
    slope: SLOPE,
    weight_init: Init::normal(INIT_STD),
    bias_init: Init::Zeros,
    noise: false,
    image_sizes: &[32],
    generator: |scope, sizes| Ok(Box::new(DcganGenerator::new(scope, sizes)?)),
    trunk: |scope, sizes| Ok(Box::new(DcganTrunk::new(scope, sizes)?)),
    generator_layers: |sizes| LayerSize::transposed_convolutions(&generator_kernels(sizes), 1),
    trunk_layers: |sizes| LayerSize::convolutions(&trunk_kernels(sizes), sizes.image_size),
};

const SLOPE: f64 = 0.2;
const INIT_STD: f64 = 0.02;
/// The gains of batch norm start at N(1, 0.02²).
const GAIN: Init = Init::Normal { mean: 1.0, std: INIT_STD };

/// A layer without bias, as those before a batch norm are.
fn before_norm(spectral_norm: Option<bool>) -> LayerOptions {
    LayerOptions {
        weight: Init::normal(INIT_STD),
        bias: None,
        spectral_norm: spectral_norm.unwrap_or(false),
        activation: Activation::None,
    }
}

fn with_bias(spectral_norm: Option<bool>, activation: Activation) -> LayerOptions {
    LayerOptions { bias: Some(Init::Zeros), activation, ..before_norm(spectral_norm) }
}

/// The transposed convolutions, the one that makes the image last.
fn generator_kernels(s: NetworkSizes) -> [Kernel; 4] {
    let w = s.width;
    let kernel =
        |inputs, outputs, stride, padding| Kernel { inputs, outputs, size: 4, stride, padding };
    [
        kernel(s.z_dim, 4 * w, 1, 0),
        kernel(4 * w, 2 * w, 2, 1),
        kernel(2 * w, w, 2, 1),
        kernel(w, s.channels, 2, 1),
    ]
}

fn trunk_kernels(s: NetworkSizes) -> [Kernel; 3] {
    let w = s.width;
    let kernel = |inputs, outputs| Kernel { inputs, outputs, size: 4, stride: 2, padding: 1 };
    [kernel(s.channels, w), kernel(w, 2 * w), kernel(2 * w, 4 * w)]
}

struct DcganGenerator {
    up: Vec<(ConvTranspose2d, BatchNorm)>,
    out: ConvTranspose2d,
}

impl DcganGenerator {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let [kernels @ .., last] = generator_kernels(s);
        let mut up = Vec::new();
        for (i, kernel) in kernels.into_iter().enumerate() {
            up.push((
                ConvTranspose2d::new(
                    &scope.at("up").at(i),
                    kernel,
                    before_norm(s.options.spectral_norm_g),
                )?,
                BatchNorm::new(
                    &scope.at("bn").at(i),
                    kernel.outputs,
                    s.classes,
                    GAIN,
                    Activation::Relu,
                )?,
            ));
        }
        let tanh = with_bias(s.options.spectral_norm_g, Activation::Tanh);
        let out = ConvTranspose2d::new(&scope.at("out"), last, tanh)?;
        Ok(Self { up, out })
    }
}

impl Generator for DcganGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        let (n, z_dim) = latent.z.dims2()?;
        let mut h = latent.z.reshape((n, z_dim, 1, 1))?;
        for (up, bn) in &self.up {
            h = bn.forward(&up.forward(&h, pass)?, latent.labels.as_ref(), pass)?;
        }
        self.out.forward(&h, pass)
    }
}

struct DcganTrunk {
    first: Conv2d,
    rest: Vec<(Conv2d, BatchNorm)>,
    feature_dim: usize,
}

impl DcganTrunk {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let [first, kernels @ ..] = trunk_kernels(s);
        let leaky = Activation::LeakyRelu(SLOPE);
        let mut rest = Vec::new();
        for (i, kernel) in kernels.into_iter().enumerate() {
            rest.push((
                Conv2d::new(
                    &scope.at("conv").at(i + 1),
                    kernel,
                    before_norm(s.options.spectral_norm_d),
                )?,
                BatchNorm::new(&scope.at("bn").at(i + 1), kernel.outputs, None, GAIN, leaky)?,
            ));
        }
        let first = Conv2d::new(
            &scope.at("conv").at(0),
            first,
            with_bias(s.options.spectral_norm_d, leaky),
        )?;
        Ok(Self { first, rest, feature_dim: 4 * s.width * 16 })
    }
}

impl Trunk for DcganTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = self.first.forward(x, pass)?;
        for (conv, bn) in &self.rest {
            h = bn.forward(&conv.forward(&h, pass)?, None, pass)?;
        }
        h.flatten_from(1)
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::tests::PAPER_32;
    use candle_core::Device;
    use ganbench_nn::params::ParamStore;

    #[test]
    fn a_conditional_generator_starts_as_the_unconditional_one() {
        let image = |classes| {
            let store = ParamStore::new("generator", 3, &Device::Cpu);
            let sizes = NetworkSizes { width: 4, z_dim: 16, classes, ..PAPER_32 };
            let g = DcganGenerator::new(&store.root(), sizes).unwrap();
            let z = ganbench_data::rng::Stream::new(0, "z").normal(64);
            let z = Tensor::from_vec(z, (4, 16), &Device::Cpu).unwrap();
            let labels = Some(Tensor::new(&[0u32, 1, 2, 1], &Device::Cpu).unwrap());
            let x = g.forward(&Latent { z, labels, noise: None }, Pass::Train).unwrap();
            x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(image(None), image(Some(3)));
    }

    #[test]
    fn a_generated_image_has_the_shape_that_the_trunk_takes() {
        let sizes = NetworkSizes { width: 4, z_dim: 16, ..PAPER_32 };
        let (g, d) = (
            ParamStore::new("generator", 0, &Device::Cpu),
            ParamStore::new("discriminator", 0, &Device::Cpu),
        );
        let generator = DcganGenerator::new(&g.root(), sizes).unwrap();
        let trunk = DcganTrunk::new(&d.root(), sizes).unwrap();
        let z = Tensor::from_vec(
            ganbench_data::rng::Stream::new(0, "z").normal(48),
            (3, 16),
            &Device::Cpu,
        )
        .unwrap();
        let x = generator.forward(&Latent { z, labels: None, noise: None }, Pass::Train).unwrap();
        assert_eq!(x.dims(), [3, 3, 32, 32]);
        assert_eq!(trunk.features(&x, Pass::Train).unwrap().dims(), [3, trunk.feature_dim()]);
    }
}
