//! The CIFAR-10 networks of "Improved techniques for training GANs" (Salimans et al. 2016,
//! arXiv:1606.03498): batch norm in the generator, weight norm, dropout and a global mean in the
//! discriminator; with minibatch discrimination, Gaussian noise at the input instead of dropout.
//!
//! Source: `gan-recipes.md` §2 (openai/improved-gan, `train_cifar_feature_matching.py`,
//! `train_cifar_minibatch_discrimination.py`, `nn.py`). The script's width is 32, its z 100 values
//! of U(0, 1). What differs: the heads on the features are plain layers, the script's last layer is
//! weight-normalised; batch norm in the generator has a gain and 1e-5 under the root, the script's
//! none and 1e-6. The first training pass sets the weights' lengths from its batch, where the
//! script takes 500 images before it starts.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::Activation;
use ganbench_nn::layers::doubling::DoublingConv;
use ganbench_nn::layers::minibatch_discrimination::{Kernels, MinibatchDiscrimination};
use ganbench_nn::layers::random::{Dropout, GaussianNoise};
use ganbench_nn::layers::weight_norm::{WeightNormConv2d, WeightNormOptions};
use ganbench_nn::layers::{BatchNorm, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, Scope};

use super::{Architecture, Follows, Generator, HeadLayers, Latent, LayerSize, NetworkSizes, Trunk};

pub const ARCHITECTURE: Architecture = Architecture {
    name: "improved-gan",
    summary: "Salimans et al.'s CIFAR networks: weight norm and dropout in D",
    spectral_norm_g: false,
    spectral_norm: false,
    spectral_eps: 1e-12,
    attention: false,
    follows: Follows { batch_norm: true, ..Follows::NOTHING },
    heads: HeadLayers::Plain,
    slope: SLOPE,
    weight_init: Init::normal(INIT_STD),
    bias_init: Init::Zeros,
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
    up: Vec<(DoublingConv, BatchNorm)>,
    out: WeightNormConv2d,
}

impl ImprovedGenerator {
    fn new(scope: &Scope, s: NetworkSizes) -> Result<Self> {
        let norm = |i, channels| {
            let at = scope.at("bn").at(i);
            BatchNorm::new(&at, channels, s.classes, Init::Ones, Activation::Relu)
        };
        let [kernels @ .., last] = generator_kernels(s);
        let mut up = Vec::new();
        for (i, kernel) in kernels.into_iter().enumerate() {
            let conv = DoublingConv::new(&scope.at("up").at(i), kernel, Init::normal(INIT_STD))?;
            up.push((conv, norm(i + 1, kernel.outputs)?));
        }
        let fc = LayerOptions {
            weight: Init::normal(INIT_STD),
            bias: None,
            spectral_norm: false,
            activation: Activation::None,
        };
        let out = WeightNormOptions {
            activation: Activation::Tanh,
            start_std: 0.1,
            learnt_length: true,
            transposed: true,
        };
        Ok(Self {
            width: s.width,
            fc: Linear::new(&scope.at("fc"), s.z_dim, 16 * s.width * 16, fc)?,
            // Over the units, not the channels, as the script has it before its reshape.
            bn0: norm(0, 16 * s.width * 16)?,
            up,
            out: WeightNormConv2d::new(&scope.at("out"), last, out)?,
        })
    }
}

impl Generator for ImprovedGenerator {
    fn forward(&self, latent: &Latent, pass: Pass) -> Result<Tensor> {
        let labels = latent.labels.as_ref();
        let h = self.bn0.forward(&self.fc.forward(&latent.z, pass)?, labels, pass)?;
        let mut h = h.reshape((h.dim(0)?, 16 * self.width, 4, 4))?;
        for (up, bn) in &self.up {
            h = bn.forward(&up.forward(&h, pass)?, labels, pass)?;
        }
        self.out.forward(&h, pass)
    }
}

struct ImprovedTrunk {
    noise: Option<GaussianNoise>,
    dropout: Vec<(usize, Dropout)>,
    convs: Vec<WeightNormConv2d>,
    minibatch: Option<MinibatchDiscrimination>,
    feature_dim: usize,
}

impl ImprovedTrunk {
    fn new(scope: &Scope, s: NetworkSizes, regularised: Regularised) -> Result<Self> {
        let mut convs = Vec::new();
        for (i, kernel) in trunk_kernels(s).into_iter().enumerate() {
            convs.push(WeightNormConv2d::new(&scope.at("conv").at(i), kernel, WEIGHT_NORM)?);
        }
        let compares = regularised == Regularised::Minibatch;
        let rates = [(0, 0.2), (3, 0.5), (6, 0.5)];
        let rates = rates.into_iter().filter(|(before, _)| !(compares && *before == 0));
        let dropout =
            |(before, rate)| (before, Dropout::new(&scope.at("dropout").at(before), rate));
        let minibatch =
            || MinibatchDiscrimination::new(&scope.at("minibatch"), 6 * s.width, KERNELS);
        Ok(Self {
            noise: compares.then(|| GaussianNoise::new(&scope.at("noise"), 0.2)),
            dropout: rates.map(dropout).collect(),
            convs,
            minibatch: compares.then(minibatch).transpose()?,
            feature_dim: 6 * s.width + if compares { KERNELS.count } else { 0 },
        })
    }
}

impl Trunk for ImprovedTrunk {
    fn features(&self, x: &Tensor, pass: Pass) -> Result<Tensor> {
        let mut h = match &self.noise {
            Some(noise) => noise.forward(x, pass)?,
            None => x.clone(),
        };
        for (i, conv) in self.convs.iter().enumerate() {
            if let Some((_, dropout)) = self.dropout.iter().find(|(before, _)| *before == i) {
                h = dropout.forward(&h, pass)?;
            }
            h = conv.forward(&h, pass)?;
        }
        let f = h.flatten_from(2)?.mean(2)?;
        match &self.minibatch {
            Some(minibatch) => minibatch.forward(&f, pass),
            None => Ok(f),
        }
    }

    fn feature_dim(&self) -> usize {
        self.feature_dim
    }
}

#[cfg(test)]
mod tests {
    use super::super::golden::{agrees, f64_store, set_weights, tensor};
    use super::super::tests::{PAPER_32, discriminator_count, generator_count};
    use super::*;

    #[test]
    fn parameter_counts_are_those_counted_on_paper() {
        // G: dense 100·8192, its bias in the norm 8192; 512·256·25 + 256; 256·128·25 + 128;
        // 128·3·25 with a bias and a length 9606; the script has 4,933,382, and each norm here a
        // gain: 8192 + 256 + 128. D, without lengths, which do not learn: 2,688; 83,040 twice;
        // 166,080; 331,968 three times; 37,056 twice. The script's last layer, 1,940, is a head
        // here.
        let sizes = NetworkSizes { width: 32, z_dim: 100, ..PAPER_32 };
        let g = 4_933_382 + 8_576;
        let d = 2_688 + 2 * 83_040 + 166_080 + 3 * 331_968 + 2 * 37_056;
        assert_eq!(generator_count(&ARCHITECTURE, sizes), g);
        assert_eq!(discriminator_count(&ARCHITECTURE, sizes, &[]), d);
        // 192·500 weights, 500 scales, 100 biases.
        assert_eq!(discriminator_count(&MINIBATCH, sizes, &[]), d + 96_600);
    }

    #[test]
    fn networks_agree_with_pytorch() {
        let golden = include_str!("../../tests-data/improved_gan.json");
        let sizes = NetworkSizes { width: 2, z_dim: 6, ..PAPER_32 };
        let (store, z) = (f64_store(), tensor("z", &[4, 6]));
        let generator = ImprovedGenerator::new(&store.root(), sizes).unwrap();
        set_weights(&store);
        agrees(golden, "generator", &[z], |v| {
            generator.forward(&Latent { z: v[0].clone(), labels: None, noise: None }, Pass::Train)
        });
        for (name, regularised) in
            [("trunk", Regularised::Dropout), ("trunk_minibatch", Regularised::Minibatch)]
        {
            let store = f64_store();
            let trunk = ImprovedTrunk::new(&store.root(), sizes, regularised).unwrap();
            set_weights(&store);
            let x = [tensor("x", &[4, 3, 32, 32])];
            agrees(golden, name, &x, |v| trunk.features(&v[0], Pass::Eval));
        }
    }
}
