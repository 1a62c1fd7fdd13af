//! LeCam regularisation: the discriminator's outputs shall stay near their moving averages of the other side.
//!
//! Tseng et al. 2021, arXiv:2104.03310; the code's form with a clip, and its order (the averages take in the
//! batch before the penalty), `gan-recipes.md` §3.1 and §3.9.

use std::cell::Cell;

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};

use super::adversarial::{HEAD, Logits};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::HeadSpec;

/// Moving averages of the discriminator's outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    pub real: f64,
    pub fake: f64,
}

/// E[d_r − ema_fake]₊² + E[ema_real − d_f]₊².
///
/// # Errors
/// None in practice.
pub fn lecam(logits: &Logits, averages: Averages) -> Result<Tensor> {
    let positive_square = |x: &Tensor| activate(x, Activation::Relu)?.sqr()?.mean_all();
    let real = positive_square(&(&logits.real - averages.fake)?)?;
    let fake = positive_square(&(averages.real - &logits.fake)?)?;
    real + fake
}

/// λ·LeCam from discriminator step `start_d_step` on.
pub struct LeCam {
    pub lambda: f64,
    pub decay: f64,
    pub start_d_step: u64,
    averages: Cell<Option<Averages>>,
}

impl LeCam {
    pub fn new(lambda: f64, decay: f64, start_d_step: u64) -> Self {
        Self { lambda, decay, start_d_step, averages: Cell::new(None) }
    }

    /// The averages with a batch taken in: its own means first, then (1 − decay) of them. Before the start
    /// they follow the batch, as the code's decay of 0 there.
    fn follow(&self, batch: Averages, d_step: u64) -> Averages {
        let next = match self.averages.get().filter(|_| d_step >= self.start_d_step) {
            None => batch,
            Some(old) => Averages {
                real: self.decay * old.real + (1.0 - self.decay) * batch.real,
                fake: self.decay * old.fake + (1.0 - self.decay) * batch.fake,
            },
        };
        self.averages.set(Some(next));
        next
    }
}

impl Loss for LeCam {
    fn heads(&self) -> Vec<HeadSpec> {
        Vec::new()
    }

    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn memory(&self) -> Vec<(&'static str, f64)> {
        let averages = self.averages.get();
        averages.map_or(Vec::new(), |a| vec![("lecam_real", a.real), ("lecam_fake", a.fake)])
    }

    fn remember(&self, name: &str, value: f64) {
        let old = self.averages.get().unwrap_or(Averages { real: 0.0, fake: 0.0 });
        match name {
            "lecam_real" => self.averages.set(Some(Averages { real: value, ..old })),
            "lecam_fake" => self.averages.set(Some(Averages { fake: value, ..old })),
            _ => {}
        }
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let logits = Logits { real: batch.real().head(HEAD)?, fake: batch.fake.head(HEAD)? };
        let mean = |x: &Tensor| -> Result<f64> {
            Ok(f64::from(x.detach().mean_all()?.to_scalar::<f32>()?))
        };
        let means = Averages { real: mean(&logits.real)?, fake: mean(&logits.fake)? };
        let averages = self.follow(means, batch.d_step);
        let mut terms = Vec::new();
        if batch.d_step >= self.start_d_step {
            terms.push(Term::new("d_lecam", self.lambda, lecam(&logits, averages)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, _: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn a_case_solved_on_paper() {
        // [2 − 0.5]₊² = 2.25, [−1 − 0.5]₊ = 0; [1 − (−1)]₊² = 4.
        let of = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        let logits = Logits { real: of(&[2.0, -1.0]), fake: of(&[-1.0]) };
        let value = lecam(&logits, Averages { real: 1.0, fake: 0.5 }).unwrap();
        assert_eq!(value.to_scalar::<f64>().unwrap(), 2.25 / 2.0 + 4.0);
    }

    #[test]
    fn the_averages_start_at_the_batch_and_follow_it_slowly_after_the_start() {
        let part = LeCam::new(1.0, 0.75, 2);
        let follow = |real, d_step| part.follow(Averages { real, fake: -real }, d_step).real;
        assert_eq!([follow(1.0, 0), follow(3.0, 1), follow(7.0, 2)], [1.0, 3.0, 4.0]);
        let again = LeCam::new(1.0, 0.75, 2);
        part.memory().into_iter().for_each(|(name, value)| again.remember(name, value));
        assert_eq!(again.averages.get(), Some(Averages { real: 4.0, fake: -4.0 }));
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        check(&[normal(1, &[6, 1]), normal(2, &[5, 1])], |v| {
            let logits = Logits { real: v[0].clone(), fake: v[1].clone() };
            lecam(&logits, Averages { real: 0.2, fake: -0.3 })
        });
    }
}
