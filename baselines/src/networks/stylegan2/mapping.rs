//! From z to the styles w.

use candle_core::{Result, Tensor, bail};
use ganbench_nn::layers::Pass;
use ganbench_nn::layers::equalised::{EqualLinear, EqualOptions};
use ganbench_nn::layers::styled::pixel_norm;
use ganbench_nn::params::{Buffer, Init, Scope};

use super::super::{LayerSize, NetworkSizes};
use super::Variant;

/// How much slower than the others these layers learn.
const LR_MULTIPLIER: f64 = 0.01;
/// Of the running mean of w.
const MEAN_DECAY: f64 = 0.995;

/// Normalised z, with a normalised class embedding beside it where there are classes, through
/// linear layers with activations.
pub(super) struct Mapping {
    embed: Option<(EqualLinear, usize)>,
    layers: Vec<EqualLinear>,
    mean: Buffer,
}

/// Inputs and outputs of each linear layer after the embedding.
fn linear_sizes(s: NetworkSizes, variant: Variant) -> Vec<(usize, usize)> {
    let inputs = s.z_dim + s.classes.map_or(0, |_| s.width);
    (0..variant.mapping_layers).map(|i| (if i == 0 { inputs } else { s.width }, s.width)).collect()
}

pub(super) fn layers(s: NetworkSizes, variant: Variant) -> Vec<LayerSize> {
    let embed = s.classes.map(|classes| (classes, s.width));
    let sizes = embed.into_iter().chain(linear_sizes(s, variant));
    sizes.map(|(inputs, outputs)| LayerSize::linear(inputs, outputs)).collect()
}

impl Mapping {
    pub fn new(scope: &Scope, s: NetworkSizes, variant: Variant) -> Result<Self> {
        let embed = s.classes.map(|classes| {
            let layer =
                EqualLinear::new(&scope.at("embed"), classes, s.width, EqualOptions::linear());
            layer.map(|layer| (layer, classes))
        });
        let options = EqualOptions { lr_multiplier: LR_MULTIPLIER, ..EqualOptions::activated() };
        let mut layers = Vec::new();
        for (i, (inputs, outputs)) in linear_sizes(s, variant).into_iter().enumerate() {
            layers.push(EqualLinear::new(&scope.at("fc").at(i), inputs, outputs, options)?);
        }
        let mean = scope.buffer("w_avg", s.width, Init::Zeros);
        Ok(Self { embed: embed.transpose()?, layers, mean })
    }

    /// z `[n, z_dim]` and, where there are classes, u32 labels `[n]` to w `[n, width]`.
    pub fn forward(&self, z: &Tensor, labels: Option<&Tensor>, pass: Pass) -> Result<Tensor> {
        let mut w = pixel_norm(z)?;
        if let Some((embed, classes)) = &self.embed {
            let Some(labels) = labels else { bail!("a conditional StyleGAN2 needs labels") };
            let one_hot = Tensor::eye(*classes, z.dtype(), z.device())?.index_select(labels, 0)?;
            w = Tensor::cat(&[&w, &pixel_norm(&embed.forward(&one_hot, pass)?)?], 1)?;
        }
        self.layers.iter().try_fold(w, |w, layer| layer.forward(&w, pass))
    }

    /// Moves the running mean towards that of w `[n, width]`.
    pub fn take_in(&self, w: &Tensor) -> Result<()> {
        let batch = w.detach().mean(0)?.to_dtype(candle_core::DType::F64)?.to_vec1::<f64>()?;
        let mean = self.mean.get();
        let mixed = mean.iter().zip(batch).map(|(m, b)| MEAN_DECAY * m + (1.0 - MEAN_DECAY) * b);
        self.mean.set(&mixed.collect::<Vec<_>>());
        Ok(())
    }

    #[cfg(test)]
    pub fn mean(&self) -> Vec<f64> {
        self.mean.get()
    }

    /// mean + psi · (w − mean).
    pub fn truncate(&self, w: &Tensor, psi: f64) -> Result<Tensor> {
        let mean = Tensor::from_vec(self.mean.get(), (1, w.dim(1)?), w.device())?;
        (w * psi)?.broadcast_add(&(mean.to_dtype(w.dtype())? * (1.0 - psi))?)
    }
}
