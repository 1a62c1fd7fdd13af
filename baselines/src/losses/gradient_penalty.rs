//! Penalties on the gradient of the discriminator's logit with respect to images, as a part of a
//! method: the formulas of [`super::input_gradients`] at gradients that are taken here. The loss
//! holds a gradient, so its own gradient is one of second order.

use candle_core::{Result, Tensor, Var};
use ganbench_nn::kernels::TwiceDifferentiable;
use serde::{Deserialize, Serialize};

use super::adversarial::HEAD;
use super::input_gradients::{Draws, Ends, around_reals, gradient_penalty, interpolated, r1};
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};
use crate::part::{Field, Part, Range};

/// Which penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// ½E‖∇d(x)‖² at the reals that the discriminator saw.
    R1,
    /// E(‖∇d(x̂)‖ − 1)² at x̂ = αx_r + (1 − α)x_f, α ~ U(0, 1) an image.
    Gp,
    /// The same at x̂ = x_r + α·½·std(x_r)·U(0, 1), the uniform numbers one a pixel.
    Dragan,
}

impl Penalty {
    fn value(self, gradients: &Tensor) -> Result<Tensor> {
        match self {
            Self::R1 => r1(gradients),
            Self::Gp | Self::Dragan => gradient_penalty(gradients),
        }
    }

    fn points(self, batch: &DiscriminatorBatch<'_>) -> Result<Tensor> {
        let (real, fake) = (batch.images.seen_real.clone(), batch.images.seen_fake.clone());
        let alpha = || batch.further.uniform(&[real.dim(0)?], &real);
        match self {
            Self::R1 => Ok(real),
            Self::Gp => {
                let alpha = alpha()?;
                interpolated(&Ends { real, fake }, &alpha)
            }
            Self::Dragan => {
                let alpha = alpha()?;
                let share = batch.further.uniform(real.dims(), &real)?;
                around_reals(&Draws { x_real: real, alpha, share })
            }
        }
    }

    fn term(self) -> &'static str {
        match self {
            Self::R1 => "d_r1",
            Self::Gp => "d_gp",
            Self::Dragan => "d_dragan",
        }
    }
}

/// The part of a plan: λ times a penalty, in every `interval`th discriminator step and then
/// `interval` times as heavy (StyleGAN2's lazy regularisation; 1: in every step).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GradientPenalty {
    /// Where D's gradient is taken, and what it is held to.
    pub penalty: Penalty,
    /// λ, any finite number. With R1 it is the paper's γ: the penalty has the factor ½ already.
    pub lambda: f64,
    /// Discriminator steps from one penalty to the next: 1 or more.
    pub interval: u64,
}

impl Default for GradientPenalty {
    fn default() -> Self {
        Self { penalty: Penalty::Gp, lambda: 10.0, interval: 1 }
    }
}

impl Part for GradientPenalty {
    fn fields(&self) -> Vec<Field> {
        let interval = "D steps from one penalty to the next";
        vec![
            Field::choice(
                "penalty",
                self.penalty,
                "r1 at reals, gp between reals and fakes, dragan around reals",
            ),
            Field::finite("lambda", self.lambda, "weight").once_called("gamma"),
            Field::count("interval", self.interval, Range::UpTo(u64::MAX), interval).in_training(),
        ]
    }
}

impl LossPart for GradientPenalty {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "gradient_penalty",
            aliases: &[
                Alias::new("gradient-penalty"),
                Alias { name: "r1", set: &[("penalty", "r1"), ("lambda", "1")] },
                Alias { name: "dragan", set: &[("penalty", "dragan")] },
            ],
            summary: "penalty of D's gradients at its inputs: WGAN-GP's, R1 or DRAGAN's",
            source: "Gulrajani et al. 2017, arXiv:1704.00028, eq. 3; Mescheder et al. 2018, \
                     arXiv:1801.04406, eq. 9; Kodali et al. 2017, arXiv:1705.07215, PyTorch-StudioGAN",
            arrays: &[Array::floats(
                "gradients",
                &["n", "..."],
                "of the sum of D's logits, at its inputs",
            )],
            configure: Entry::configured::<GradientPenalty>,
        };
        Some(&ENTRY)
    }
}

impl OnArrays for GradientPenalty {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let value = self.penalty.value(&a.tensor("gradients")?)?;
        Ok(vec![Term::new(self.penalty.term(), self.lambda, value)])
    }
}

impl Loss for GradientPenalty {
    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn second_order(&self) -> bool {
        true
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let mut terms = Vec::new();
        if batch.d_step.is_multiple_of(self.interval) {
            let x = Var::from_tensor(&self.penalty.points(batch)?)?;
            let labels = batch.real().labels.as_ref();
            let within = TwiceDifferentiable::enter()?;
            let scored = batch.further.score(x.as_tensor(), labels)?;
            let grads = batch.further.logits(&scored)?.sum_all()?.backward()?;
            drop(within);
            let Some(gradients) = grads.get(&x) else {
                candle_core::bail!("the discriminator's logit does not depend on its image")
            };
            let weight = self.lambda * self.interval as f64;
            terms.push(Term::new(self.penalty.term(), weight, self.penalty.value(gradients)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }
}
