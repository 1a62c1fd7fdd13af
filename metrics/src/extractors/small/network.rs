//! The network of the small extractors, once as layers that train and once folded for evaluation.
//!
//! Convolutions, some residual, with batch norm and leaky ReLU, then the mean over the plane and a
//! linear classifier. Leaky, so that no feature can die and every image moves every feature.
//!
//! Folding puts the running statistics of each batch norm into the convolution before it: the same
//! function up to rounding, with half the passes over memory and nothing but plain tensors, which
//! threads can share.

use std::collections::BTreeMap;

use candle_core::{D, Device, Result, Tensor, bail};
use ganbench_data::images::ImageView;
use ganbench_nn::kernels::activation::{Activation, bias_activate};
use ganbench_nn::kernels::conv::{Convolution, Geometry, conv2d};
use ganbench_nn::layers::{BatchNorm, Conv2d, Kernel, LayerOptions, Linear, Pass};
use ganbench_nn::params::{Init, ParamStore};
use rayon::prelude::*;

use super::factors::OUTPUTS as FACTOR_OUTPUTS;
use crate::weights::{TensorSpec, WeightTensor};

/// Height and width of the images.
pub(super) const SIDE: usize = 32;
/// Grey images are repeated to as many.
pub(super) const CHANNELS: usize = 3;
/// Number of classes.
pub(super) const CLASSES: usize = 10;
/// Number of features.
pub(super) const DIM: usize = BLOCKS[BLOCKS.len() - 1].outputs;

/// A convolution, padded by 1, with its norm and activation.
struct Block {
    inputs: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    /// Whether the input is added to the output.
    residual: bool,
}

const BLOCKS: [Block; 4] = [
    Block { inputs: CHANNELS, outputs: 48, kernel: 4, stride: 2, residual: false },
    Block { inputs: 48, outputs: 96, kernel: 3, stride: 2, residual: false },
    Block { inputs: 96, outputs: 96, kernel: 3, stride: 1, residual: true },
    Block { inputs: 96, outputs: 128, kernel: 3, stride: 2, residual: false },
];

impl Block {
    fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }

    /// Inputs of one output.
    fn taps(&self) -> usize {
        self.inputs * self.kernel * self.kernel
    }
}

const PADDING: usize = 1;
const ACTIVATION: Activation = Activation::LeakyRelu(0.1);
/// Of `ganbench_nn::layers::BatchNorm`.
const BN_EPS: f64 = 1e-5;

/// What the network tells beside the ten classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heads {
    Classes,
    /// The other factors of `shapes` too.
    Factors,
}

impl Heads {
    /// Those of the data set that the network is trained on.
    pub(super) fn for_dataset(dataset: &str) -> Self {
        if dataset == "shapes" { Self::Factors } else { Self::Classes }
    }
}

/// Names, as PyTorch would give them, and shapes.
pub(super) fn tensor_specs(heads: Heads) -> Vec<TensorSpec> {
    let mut specs = Vec::new();
    let mut add = |name: String, shape: Vec<usize>| specs.push(TensorSpec { name, shape });
    for (i, block) in BLOCKS.iter().enumerate() {
        let i = i + 1;
        add(format!("conv{i}.weight"), block.weight_shape().to_vec());
        for part in ["weight", "bias", "running_mean", "running_var"] {
            add(format!("bn{i}.{part}"), vec![block.outputs]);
        }
    }
    add("fc.weight".into(), vec![CLASSES, DIM]);
    add("fc.bias".into(), vec![CLASSES]);
    if heads == Heads::Factors {
        add("factors.weight".into(), vec![FACTOR_OUTPUTS, DIM]);
        add("factors.bias".into(), vec![FACTOR_OUTPUTS]);
    }
    specs
}

/// The layers that train.
pub(super) struct Classifier {
    blocks: Vec<(Conv2d, BatchNorm)>,
    fc: Linear,
    factors: Option<Linear>,
}

/// What [`Classifier::forward`] gives.
pub(super) struct Scores {
    /// `[n, DIM]`
    pub(super) features: Tensor,
    /// `[n, 10]`
    pub(super) logits: Tensor,
    /// `[n, FACTOR_OUTPUTS]`
    pub(super) factors: Option<Tensor>,
}

impl Classifier {
    /// # Errors
    /// If the store holds these tensors already.
    pub(super) fn new(store: &ParamStore, heads: Heads) -> Result<Self> {
        let root = store.root();
        let mut blocks = Vec::new();
        for (i, block) in BLOCKS.iter().enumerate() {
            // He et al. 2015, arXiv:1502.01852: keeps the variance through rectifiers.
            let std = (2.0 / block.taps() as f64).sqrt();
            let options = LayerOptions {
                weight: Init::normal(std),
                bias: None,
                spectral_norm: false,
                activation: Activation::None,
            };
            let kernel = Kernel {
                inputs: block.inputs,
                outputs: block.outputs,
                size: block.kernel,
                stride: block.stride,
                padding: PADDING,
            };
            let conv = Conv2d::new(&root.at(format!("conv{}", i + 1)), kernel, options)?;
            let scope = root.at(format!("bn{}", i + 1));
            let norm = BatchNorm::new(&scope, block.outputs, None, Init::Ones, ACTIVATION)?;
            blocks.push((conv, norm));
        }
        let options = LayerOptions {
            weight: Init::fan_in(DIM),
            bias: Some(Init::Zeros),
            spectral_norm: false,
            activation: Activation::None,
        };
        let fc = Linear::new(&root.at("fc"), DIM, CLASSES, options)?;
        let factors = match heads {
            Heads::Classes => None,
            Heads::Factors => Some(Linear::new(&root.at("factors"), DIM, FACTOR_OUTPUTS, options)?),
        };
        Ok(Self { blocks, fc, factors })
    }

    /// x f32 `[n, 3, 32, 32]` as [`scaled`] gives it.
    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Result<Scores> {
        let mut x = x.clone();
        for (block, (conv, norm)) in BLOCKS.iter().zip(&self.blocks) {
            let y = norm.forward(&conv.forward(&x, pass)?, None, pass)?;
            x = if block.residual { (x + y)? } else { y };
        }
        let features = x.flatten_from(2)?.mean(D::Minus1)?;
        let logits = self.fc.forward(&features, pass)?;
        let factors =
            self.factors.as_ref().map(|head| head.forward(&features, pass)).transpose()?;
        Ok(Scores { features, logits, factors })
    }
}

/// The network for evaluation, batch norm folded into the convolutions.
pub(super) struct Folded {
    blocks: Vec<FoldedBlock>,
    fc: FoldedLinear,
    factors: Option<FoldedLinear>,
    device: Device,
}

struct FoldedBlock {
    weight: Tensor,
    bias: Tensor,
    geometry: Geometry,
    residual: bool,
}

/// A linear layer on the features.
struct FoldedLinear {
    /// `[outputs, DIM]`
    weight: Vec<f32>,
    /// `[outputs]`
    bias: Vec<f32>,
}

impl FoldedLinear {
    /// `[n, outputs]` of features `[n, DIM]`. Sums in f64 in a fixed order: no rounding that
    /// depends on how many images come together.
    fn forward(&self, features: &[f32]) -> Vec<f32> {
        let mut outputs = Vec::with_capacity(features.len() / DIM * self.bias.len());
        for row in features.chunks_exact(DIM) {
            for (weight, &bias) in self.weight.chunks_exact(DIM).zip(&self.bias) {
                let dot: f64 =
                    weight.iter().zip(row).map(|(&w, &f)| f64::from(w) * f64::from(f)).sum();
                outputs.push((dot + f64::from(bias)) as f32);
            }
        }
        outputs
    }
}

/// What [`Folded::forward`] gives.
pub(super) struct Output {
    /// `[n, DIM]`
    pub(super) features: Vec<f32>,
    /// `[n, CLASSES]`
    pub(super) logits: Vec<f32>,
    /// `[n, FACTOR_OUTPUTS]`
    pub(super) factors: Option<Vec<f32>>,
}

impl Output {
    /// Keeps what is said of the first `n` images.
    pub(super) fn truncate(&mut self, n: usize) {
        self.features.truncate(n * DIM);
        self.logits.truncate(n * CLASSES);
        if let Some(factors) = &mut self.factors {
            factors.truncate(n * FACTOR_OUTPUTS);
        }
    }
}

impl Folded {
    /// `tensors` hold those of [`tensor_specs`] in their shapes; a missing one is an error of
    /// candle's. There is a head for factors where there are tensors for it.
    pub(super) fn new(tensors: &BTreeMap<String, WeightTensor>, device: &Device) -> Result<Self> {
        let get = |name: String| match tensors.get(&name) {
            Some(tensor) => Ok(&tensor.values),
            None => Err(candle_core::Error::Msg(format!("no tensor \"{name}\""))),
        };
        let mut blocks = Vec::new();
        for (i, block) in BLOCKS.iter().enumerate() {
            let i = i + 1;
            let weight = get(format!("conv{i}.weight"))?;
            let norm = |part: &str| get(format!("bn{i}.{part}"));
            let (gain, shift) = (norm("weight")?, norm("bias")?);
            let (mean, var) = (norm("running_mean")?, norm("running_var")?);
            let taps = block.taps();
            if weight.len() != block.outputs * taps
                || [gain, shift, mean, var].iter().any(|v| v.len() != block.outputs)
            {
                bail!("the tensors of block {i} do not fit one another")
            }
            let mut folded = Vec::with_capacity(weight.len());
            let mut bias = Vec::with_capacity(block.outputs);
            for (c, kernel) in weight.chunks_exact(taps).enumerate() {
                let scale = f64::from(gain[c]) / (f64::from(var[c]) + BN_EPS).sqrt();
                folded.extend(kernel.iter().map(|&w| (f64::from(w) * scale) as f32));
                bias.push((f64::from(shift[c]) - f64::from(mean[c]) * scale) as f32);
            }
            blocks.push(FoldedBlock {
                weight: Tensor::from_vec(folded, &block.weight_shape(), device)?,
                bias: Tensor::from_vec(bias, block.outputs, device)?,
                geometry: Geometry::square(block.stride, PADDING),
                residual: block.residual,
            });
        }
        let linear = |name: &str| {
            let weight = get(format!("{name}.weight"))?.clone();
            let bias = get(format!("{name}.bias"))?.clone();
            if weight.len() != bias.len() * DIM {
                bail!("the tensors of the layer {name} do not fit one another")
            }
            Ok(FoldedLinear { weight, bias })
        };
        let has_factors = tensors.contains_key("factors.weight");
        let factors = has_factors.then(|| linear("factors")).transpose()?;
        Ok(Self { blocks, fc: linear("fc")?, factors, device: device.clone() })
    }

    /// Features, logits and factors of x f32 `[n, 3, 32, 32]` as [`scaled`] gives it.
    pub(super) fn forward(&self, x: Vec<f32>) -> Result<Output> {
        let image = CHANNELS * SIDE * SIDE;
        let shape = (x.len() / image, CHANNELS, SIDE, SIDE);
        let mut x = Tensor::from_vec(x, shape, &self.device)?;
        for block in &self.blocks {
            let y = conv2d(&x, &block.weight, Convolution::direct(block.geometry))?;
            let y = bias_activate(&y, &block.bias, ACTIVATION)?;
            x = if block.residual { (x + y)? } else { y };
        }
        let plane = x.dim(2)? * x.dim(3)?;
        let x = x.flatten_all()?.to_vec1::<f32>()?;
        // In f64 in a fixed order, as in the linear layers.
        let sum = |row: &[f32]| row.iter().map(|&v| f64::from(v)).sum::<f64>();
        let features: Vec<f32> =
            x.chunks_exact(plane).map(|row| (sum(row) / plane as f64) as f32).collect();
        let logits = self.fc.forward(&features);
        let factors = self.factors.as_ref().map(|head| head.forward(&features));
        Ok(Output { features, logits, factors })
    }
}

/// Images `[n, 32, 32, c]` as the network reads them: f32 `[n, 3, 32, 32]`, (x − 127.5)/63.75, so
/// −2..2; grey is repeated.
pub(super) fn scaled(images: &[ImageView<'_>]) -> Vec<f32> {
    let plane = SIDE * SIDE;
    let mut x = vec![0f32; images.len() * CHANNELS * plane];
    x.par_chunks_exact_mut(CHANNELS * plane).zip(images).for_each(|(x, image)| {
        let (pixels, channels) = (image.pixels, image.size.channels);
        for (c, x) in x.chunks_exact_mut(plane).enumerate() {
            let source = pixels.iter().skip(c.min(channels - 1)).step_by(channels);
            for (x, &v) in x.iter_mut().zip(source) {
                *x = (f32::from(v) - 127.5) / 63.75;
            }
        }
    });
    x
}
