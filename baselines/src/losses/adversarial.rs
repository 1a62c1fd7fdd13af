//! Adversarial losses on one logit an image.
//!
//! Formulas: `gan-recipes.md` §3.1. Non-saturating: Goodfellow et al. 2014, arXiv:1406.2661, section 3.
//! Hinge: Miyato et al. 2018, arXiv:1802.05957, and Lim and Ye 2017, arXiv:1705.02894.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};

use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Outputs, Term, softplus};
use crate::networks::{HeadKind, HeadSpec, Scored};

/// The head that every adversarial loss on logits reads.
pub const HEAD: &str = "adv";

/// Logits of a discriminator step, `[n]` each.
pub struct Logits {
    pub real: Tensor,
    pub fake: Tensor,
}

/// The form of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    NonSaturating,
    Hinge,
}

impl Form {
    /// Non-saturating: E s(−d_r) + E s(d_f); hinge: E[1 − d_r]₊ + E[1 + d_f]₊.
    ///
    /// # Errors
    /// None in practice.
    pub fn discriminator(self, logits: &Logits) -> Result<Tensor> {
        match self {
            Self::NonSaturating => {
                softplus(&logits.real.neg()?)?.mean_all()? + softplus(&logits.fake)?.mean_all()?
            }
            Self::Hinge => hinge(logits),
        }
    }

    /// Non-saturating: E s(−d_f); hinge: −E d_f.
    ///
    /// # Errors
    /// None in practice.
    pub fn generator(self, logits_fake: &Tensor) -> Result<Tensor> {
        match self {
            Self::NonSaturating => softplus(&logits_fake.neg()?)?.mean_all(),
            Self::Hinge => logits_fake.mean_all()?.neg(),
        }
    }
}

/// E[1 − d_r]₊ + E[1 + d_f]₊.
pub(super) fn hinge(logits: &Logits) -> Result<Tensor> {
    let positive = |x: Tensor| activate(&x, Activation::Relu)?.mean_all();
    positive((1.0 - &logits.real)?)? + positive((&logits.fake + 1.0)?)?
}

/// A [`Form`] on a head of the discriminator.
pub struct Adversarial {
    pub form: Form,
    pub head: HeadKind,
    pub hidden: usize,
    /// The discriminator's loss does not reach the trunk (ContraD's L_dis); the generator's does.
    pub stop_gradient: bool,
}

impl Adversarial {
    fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        let logits = if self.stop_gradient {
            scored.head_on_constant_features(HEAD)
        } else {
            scored.head(HEAD)
        };
        logits?.squeeze(1)
    }

    fn both(&self, batch: &DiscriminatorBatch<'_>) -> Result<Logits> {
        Ok(Logits { real: self.logits(batch.real())?, fake: self.logits(&batch.fake)? })
    }
}

impl Loss for Adversarial {
    fn heads(&self) -> Vec<HeadSpec> {
        vec![HeadSpec { name: HEAD, kind: self.head, outputs: 1, hidden: self.hidden }]
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let logits = self.both(batch)?;
        Ok(DiscriminatorLoss {
            terms: vec![Term::new("d_adv", 1.0, self.form.discriminator(&logits)?)],
            outputs: Some(Outputs { real: logits.real.detach(), fake: logits.fake.detach() }),
        })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let logits = batch.fake.head(HEAD)?.squeeze(1)?;
        Ok(vec![Term::new("g_adv", 1.0, self.form.generator(&logits)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn logits(real: &[f64], fake: &[f64]) -> Logits {
        let of = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        Logits { real: of(real), fake: of(fake) }
    }

    fn value(t: Tensor) -> f64 {
        t.to_scalar().unwrap()
    }

    #[test]
    fn the_losses_of_a_case_solved_on_paper() {
        // Hinge: mean([1−2]₊, [1−0]₊) + mean([1+(−3)]₊, [1+1]₊) = 0.5 + 1.
        let l = logits(&[2.0, 0.0], &[-3.0, 1.0]);
        assert_eq!(value(Form::Hinge.discriminator(&l).unwrap()), 1.5);
        assert_eq!(value(Form::Hinge.generator(&l.fake).unwrap()), 1.0);
        // Non-saturating at zero logits: 2 log 2 and log 2.
        let l = logits(&[0.0], &[0.0]);
        let log2 = std::f64::consts::LN_2;
        assert!((value(Form::NonSaturating.discriminator(&l).unwrap()) - 2.0 * log2).abs() < 1e-15);
        assert!((value(Form::NonSaturating.generator(&l.fake).unwrap()) - log2).abs() < 1e-15);
    }

    #[test]
    fn softplus_is_finite_where_the_exponential_is_not() {
        let x = Tensor::new(&[-1000.0f32, 1000.0], &Device::Cpu).unwrap();
        assert_eq!(softplus(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 1000.0]);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for form in [Form::NonSaturating, Form::Hinge] {
            check(&[normal(1, &[6]), normal(2, &[5])], |v| {
                form.discriminator(&Logits { real: v[0].clone(), fake: v[1].clone() })
            });
            check(&[normal(1, &[6])], |v| form.generator(&v[0]));
        }
    }

    #[test]
    fn softplus_has_gradient_one_half_at_0() {
        let x = candle_core::Var::new(&[0.0f64], &Device::Cpu).unwrap();
        let grads = softplus(x.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f64>().unwrap(), [0.5]);
    }
}
