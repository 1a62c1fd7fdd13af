//! LeCam regularisation: logits are held to the averaged logits of the other side.
//!
//! Tseng et al. 2021, arXiv:2104.03310, eq. 5, in the form of its code and of PyTorch-StudioGAN, which clip at 0
//! (`gan-recipes.md` §3.1, §3.9: the averages take the batch in before the penalty reads them).

use std::cell::Cell;

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::adversarial::{HEAD, Logits};
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};

/// Mean logits of a batch, or their running averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanLogits {
    pub real: f64,
    pub fake: f64,
}

/// How the averages run. PyTorch-StudioGAN: decay 0.99 from step 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeCamAverage {
    /// In [0, 1).
    pub decay: f64,
    /// Before this discriminator step the averages are the batch's own means.
    pub start_step: u64,
}

impl LeCamAverage {
    /// The averages after `step` (counted from 0), whose batch has these means. `before`: None at the first.
    pub fn after(self, before: Option<MeanLogits>, batch: MeanLogits, step: u64) -> MeanLogits {
        let Some(before) = before.filter(|_| step >= self.start_step) else { return batch };
        let mix = |old: f64, new: f64| self.decay * old + (1.0 - self.decay) * new;
        MeanLogits { real: mix(before.real, batch.real), fake: mix(before.fake, batch.fake) }
    }
}

/// E[d_r − ema_f]₊² + E[ema_r − d_f]₊², of logits `[n]` and `[m]`: a scalar of at least 0. The averages are
/// constants.
///
/// # Errors
/// None in practice.
pub fn lecam(logits: &Logits, averages: MeanLogits) -> Result<Tensor> {
    let square = |x: Tensor| activate(&x, Activation::Relu)?.sqr()?.mean_all();
    square((&logits.real - averages.fake)?)? + square((averages.real - &logits.fake)?)?
}

/// λ·LeCam from discriminator step `average.start_step` on.
pub struct LeCam {
    lambda: f64,
    average: LeCamAverage,
    means: Cell<Option<MeanLogits>>,
}

impl LeCam {
    pub fn new(lambda: f64, average: LeCamAverage) -> Self {
        Self { lambda, average, means: Cell::new(None) }
    }
}

impl Loss for LeCam {
    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn memory(&self) -> Vec<(&'static str, f64)> {
        let means = self.means.get();
        means.map_or(Vec::new(), |m| vec![("lecam_real", m.real), ("lecam_fake", m.fake)])
    }

    fn remember(&self, name: &str, value: f64) {
        let old = self.means.get().unwrap_or(MeanLogits { real: 0.0, fake: 0.0 });
        match name {
            "lecam_real" => self.means.set(Some(MeanLogits { real: value, ..old })),
            "lecam_fake" => self.means.set(Some(MeanLogits { fake: value, ..old })),
            _ => {}
        }
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let logits = Logits {
            real: batch.further.logits(batch.real())?,
            fake: batch.further.logits(&batch.fake)?,
        };
        let mean = |x: &Tensor| -> Result<f64> {
            Ok(f64::from(x.detach().mean_all()?.to_scalar::<f32>()?))
        };
        let of_batch = MeanLogits { real: mean(&logits.real)?, fake: mean(&logits.fake)? };
        let means = self.average.after(self.means.get(), of_batch, batch.d_step);
        self.means.set(Some(means));
        let mut terms = Vec::new();
        if batch.d_step >= self.average.start_step {
            terms.push(Term::new("d_lecam", self.lambda, lecam(&logits, means)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "lecam",
    summary: "LeCam regularisation of D's logits with averages of earlier ones",
    source: "Tseng et al. 2021, arXiv:2104.03310, and its code, which clips at 0",
    arrays: &[Array::LOGITS_REAL, Array::LOGITS_FAKE],
    settings: &[
        Setting::number("lambda", 0.3, "weight"),
        Setting::number("average_real", 0.0, "running average of the reals' logits"),
        Setting::number("average_fake", 0.0, "of the fakes' logits"),
    ],
    terms,
};

fn terms(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let logits = Logits { real: a.tensor("logits_real")?, fake: a.tensor("logits_fake")? };
    let averages = MeanLogits { real: s.number("average_real"), fake: s.number("average_fake") };
    Ok(vec![Term::new("d_lecam", s.number("lambda"), lecam(&logits, averages)?)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_penalty_of_a_case_solved_on_paper() {
        // Averages 1 and −1: mean((2 + 1)², [−2 + 1]₊²) + mean([1 − 0]₊²) = 4.5 + 1.
        let of = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        let logits = Logits { real: of(&[2.0, -2.0]), fake: of(&[0.0]) };
        let value = lecam(&logits, MeanLogits { real: 1.0, fake: -1.0 }).unwrap();
        assert_eq!(value.to_scalar::<f64>().unwrap(), 5.5);
    }

    #[test]
    fn averages_follow_the_batch_until_they_start() {
        let rule = LeCamAverage { decay: 0.75, start_step: 2 };
        let batch = |v: f64| MeanLogits { real: v, fake: -v };
        let first = rule.after(None, batch(4.0), 0);
        assert_eq!(first, batch(4.0));
        let second = rule.after(Some(first), batch(8.0), 1);
        assert_eq!(second, batch(8.0));
        assert_eq!(rule.after(Some(second), batch(0.0), 2), batch(6.0));
    }
}
