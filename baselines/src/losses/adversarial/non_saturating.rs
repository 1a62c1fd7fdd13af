//! The original GAN's loss, G's in its non-saturating form.
//!
//! Goodfellow et al. 2014, arXiv:1406.2661, section 3: with softplus s, D minimises
//! E s(−d_r) + E s(d_f) and G minimises E s(−d_f).
//!
//! The logistic loss of StyleGAN (softplus) is this loss to the letter: −log σ(d) = s(−d) and
//! −log(1 − σ(d)) = s(d). What StyleGAN adds is R1.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::{LOGITS, LogitHead, LogitLoss, Logits};
use crate::losses::registry::{Alias, Entry};
use crate::losses::softplus;
use crate::networks::HeadKind;
use crate::part::{Field, Part};

/// The part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NonSaturating {
    /// The layers between the features and the logit.
    pub head: HeadKind,
    /// Whether D's loss stops at the features and leaves the trunk alone; G's loss never does.
    pub stop_gradient: bool,
    /// s of one-sided label smoothing: the target of the reals in D's loss is 1 − s (Salimans et
    /// al. 2016, arXiv:1606.03498, section 3.4).
    #[serde(skip_serializing_if = "super::is_zero")]
    pub label_smoothing: f64,
    /// G's target for its fakes is 1 minus this (the ImageNet code of Salimans et al. has 0.375 in
    /// its place).
    #[serde(skip_serializing_if = "super::is_zero")]
    pub g_label_smoothing: f64,
}

impl Default for NonSaturating {
    fn default() -> Self {
        let (label_smoothing, g_label_smoothing) = (0.0, 0.0);
        Self { head: HeadKind::Linear, stop_gradient: false, label_smoothing, g_label_smoothing }
    }
}

impl Part for NonSaturating {
    fn fields(&self) -> Vec<Field> {
        let mut fields = self.head().fields();
        fields.extend(super::smoothing_fields(self.label_smoothing, self.g_label_smoothing));
        fields
    }
}

impl LogitLoss for NonSaturating {
    const ENTRY: &'static Entry = &Entry {
        name: "non_saturating",
        aliases: &[Alias::new("non-saturating"), Alias::new("logistic")],
        summary: "the original GAN's loss, G's in its non-saturating form; StyleGAN's logistic loss",
        source: "Goodfellow et al. 2014, arXiv:1406.2661, section 3",
        arrays: LOGITS,
        configure: Entry::configured::<Self>,
    };

    fn head(&self) -> LogitHead {
        LogitHead { kind: self.head, stop_gradient: self.stop_gradient }
    }

    fn discriminator(&self, logits: &Logits) -> Result<Tensor> {
        let loss =
            (softplus(&logits.real.neg()?)?.mean_all()? + softplus(&logits.fake)?.mean_all()?)?;
        smoothed(loss, &logits.real, self.label_smoothing)
    }

    fn generator(&self, logits_fake: &Tensor) -> Result<Tensor> {
        let loss = softplus(&logits_fake.neg()?)?.mean_all()?;
        smoothed(loss, logits_fake, self.g_label_smoothing)
    }
}

/// −(1 − s) log σ(d) − s log(1 − σ(d)) = s(−d) + s·d.
fn smoothed(loss: Tensor, logits: &Tensor, smoothing: f64) -> Result<Tensor> {
    if smoothing == 0.0 {
        return Ok(loss);
    }
    loss + (logits.mean_all()? * smoothing)?
}
