//! LeCam regularisation: logits are held to the averaged logits of the other side.
//!
//! Tseng et al. 2021, arXiv:2104.03310, eq. 5, in the form of its code and of PyTorch-StudioGAN,
//! which clip at 0 (`gan-recipes.md` §3.1, §3.9: the averages take the batch in before the penalty
//! reads them). As printed nothing is clipped: `clip` is false.

use std::cell::Cell;

use candle_core::{DType, Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::adversarial::{HEAD, Logits};
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};
use crate::part::{Field, Part, Range};

/// Mean logits of a batch, or their running averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanLogits {
    /// Over the reals.
    pub real: f64,
    /// Over the fakes.
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
    /// The averages after `step` (counted from 0), whose batch has these means. `before`: None at
    /// the first.
    pub fn after(self, before: Option<MeanLogits>, batch: MeanLogits, step: u64) -> MeanLogits {
        let Some(before) = before.filter(|_| step >= self.start_step) else { return batch };
        let mix = |old: f64, new: f64| self.decay * old + (1.0 - self.decay) * new;
        MeanLogits { real: mix(before.real, batch.real), fake: mix(before.fake, batch.fake) }
    }
}

/// Which differences of logits and averages are punished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// D's logits beyond the other side's average: the code's [·]₊.
    Beyond,
    /// Any, as printed.
    Both,
}

/// E[d_r − ema_f]₊² + E[ema_r − d_f]₊², of logits `[n]` and `[m]`, or without the []₊: a scalar of
/// at least 0. The averages are constants.
///
/// # Errors
/// None in practice.
pub fn lecam(logits: &Logits, averages: MeanLogits, side: Side) -> Result<Tensor> {
    let square = |x: Tensor| match side {
        Side::Beyond => activate(&x, Activation::Relu)?.sqr()?.mean_all(),
        Side::Both => x.sqr()?.mean_all(),
    };
    square((&logits.real - averages.fake)?)? + square((averages.real - &logits.fake)?)?
}

/// The part of a plan: λ·LeCam from a discriminator step on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeCam {
    /// λ, the weight of `d_lecam`, any finite number.
    pub lambda: f64,
    /// Of the averages, in [0, 1).
    pub decay: f64,
    /// Before this discriminator step the averages are the batch's own means and λ is 0.
    #[serde(alias = "start_step")]
    pub start_d_step: u64,
    /// Only logits beyond the other side's average count (the code's [·]₊); else all, as printed.
    #[serde(skip_serializing_if = "super::is_on")]
    pub clip: bool,
}

impl Default for LeCam {
    fn default() -> Self {
        Self { lambda: 0.3, decay: 0.99, start_d_step: 0, clip: true }
    }
}

impl Part for LeCam {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::finite("lambda", self.lambda, "weight"),
            Field::share("decay", self.decay, "of the averages, where earlier steps are given"),
            Field::count(
                "start_d_step",
                self.start_d_step,
                Range::Any,
                "before it averages are the batch's own and lambda is 0",
            )
            .once_called("start_step"),
            Field::switch(
                "clip",
                self.clip,
                "only logits beyond the average count (the code); else all",
            ),
        ]
    }
}

impl LeCam {
    fn average(&self) -> LeCamAverage {
        LeCamAverage { decay: self.decay, start_step: self.start_d_step }
    }

    fn side(&self) -> Side {
        if self.clip { Side::Beyond } else { Side::Both }
    }
}

/// The part in training, with the averages so far.
struct LeCamLoss {
    part: LeCam,
    means: Cell<Option<MeanLogits>>,
}

impl Loss for LeCamLoss {
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
        let means = self.part.average().after(self.means.get(), of_batch, batch.d_step);
        self.means.set(Some(means));
        let mut terms = Vec::new();
        if batch.d_step >= self.part.start_d_step {
            let value = lecam(&logits, means, self.part.side())?;
            terms.push(Term::new("d_lecam", self.part.lambda, value));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }
}

impl LossPart for LeCam {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(LeCamLoss { part: *self, means: Cell::new(None) }))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "le_cam",
            aliases: &[Alias::new("lecam")],
            summary: "LeCam regularisation of D's logits with averages of earlier ones",
            source: "Tseng et al. 2021, arXiv:2104.03310, eq. 5, and its code, which clips at 0",
            arrays: ARRAYS,
            configure: Entry::configured::<LeCamOnArrays>,
        };
        Some(&ENTRY)
    }
}

const ARRAYS: &[Array] = &[
    Array::LOGITS_REAL,
    Array::LOGITS_FAKE,
    Array::floats("logits_real_before", &["t", "p"], "of the earlier D steps, a row per step")
        .with(&["logits_fake_before"]),
    Array::floats("logits_fake_before", &["t", "q"], "of the same steps")
        .with(&["logits_real_before"]),
];

/// The part beside averages that are given in place of earlier steps.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LeCamOnArrays {
    #[serde(flatten)]
    part: LeCam,
    average_real: f64,
    average_fake: f64,
}

impl Part for LeCamOnArrays {
    fn fields(&self) -> Vec<Field> {
        let mut fields = self.part.fields();
        let summary = "running average of the reals' logits";
        fields.push(Field::finite("average_real", self.average_real, summary));
        fields.push(Field::finite("average_fake", self.average_fake, "of the fakes' logits"));
        fields
    }
}

impl OnArrays for LeCamOnArrays {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let logits = Logits { real: a.tensor("logits_real")?, fake: a.tensor("logits_fake")? };
        let (LeCam { lambda, start_d_step, .. }, side) = (self.part, self.part.side());
        if !a.has("logits_real_before") {
            let given = MeanLogits { real: self.average_real, fake: self.average_fake };
            return Ok(vec![Term::new("d_lecam", lambda, lecam(&logits, given, side)?)]);
        }
        let average = self.part.average();
        let by_step = |x: &Tensor| x.detach().to_dtype(DType::F64)?.mean(1)?.to_vec1::<f64>();
        let mut real = by_step(&a.tensor("logits_real_before")?)?;
        let mut fake = by_step(&a.tensor("logits_fake_before")?)?;
        // The averages take this step's batch in too.
        real.extend(by_step(&logits.real.unsqueeze(0)?)?);
        fake.extend(by_step(&logits.fake.unsqueeze(0)?)?);
        let mut means = None;
        for (step, (&real, &fake)) in real.iter().zip(&fake).enumerate() {
            means = Some(average.after(means, MeanLogits { real, fake }, step as u64));
        }
        let means = means.unwrap_or(MeanLogits { real: 0.0, fake: 0.0 });
        let started = real.len() as u64 > start_d_step;
        let lambda = if started { lambda } else { 0.0 };
        let shown = |name, mean| {
            Ok::<_, candle_core::Error>(Term::new(name, 0.0, constant(&logits, mean)?))
        };
        Ok(vec![
            Term::new("d_lecam", lambda, lecam(&logits, means, side)?),
            shown("average_real", means.real)?,
            shown("average_fake", means.fake)?,
        ])
    }
}

fn constant(like: &Logits, value: f64) -> Result<Tensor> {
    Tensor::new(value, like.real.device())?.to_dtype(like.real.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for side in [Side::Beyond, Side::Both] {
            check(&[normal(1, &[6]), normal(2, &[5])], |v| {
                let logits = Logits { real: v[0].clone(), fake: v[1].clone() };
                lecam(&logits, MeanLogits { real: 0.3, fake: -0.2 }, side)
            });
        }
    }

    #[test]
    fn the_penalty_of_a_case_solved_on_paper() {
        // Averages 1 and −1: mean((2 + 1)², [−2 + 1]₊²) + mean([1 − 0]₊²) = 4.5 + 1.
        let of = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        let logits = Logits { real: of(&[2.0, -2.0]), fake: of(&[0.0]) };
        let value = |side| {
            let averages = MeanLogits { real: 1.0, fake: -1.0 };
            lecam(&logits, averages, side).unwrap().to_scalar::<f64>().unwrap()
        };
        assert_eq!(value(Side::Beyond), 5.5);
        // As printed: mean(3², 1²) + 1².
        assert_eq!(value(Side::Both), 6.0);
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
