//! The loss parts that a method is put together from. Each part says which heads it reads, what it
//! adds to the discriminator's loss and what to the generator's; none knows the training loop or
//! another part.

pub mod acgan;
pub mod adversarial;
pub mod consistency;
pub mod contragan;
pub mod contrastive;
pub mod d2dce;
pub mod embedded;
mod further;
pub mod gradient_penalty;
pub mod input_gradients;
pub mod kdd;
pub mod kdd_jacobian;
pub mod latent_consistency;
pub mod lecam;
pub mod part;
mod projected_logits;
pub mod projection;
pub mod registry;
pub mod similarity;
pub mod supcon;
pub mod weight_clipping;

#[cfg(test)]
mod golden_tests;

pub use further::{FurtherPasses, Opponents, TurnPasses};

use candle_core::{Result, Tensor};

use crate::networks::{HeadSpec, Latent, Scored};

/// The images of a step, f32 `[n, channels, h, w]` in [−1, 1], constants of the discriminator's
/// step.
pub struct StepImages {
    /// Reals before the method's augmentation.
    pub x_real: Tensor,
    /// Fakes before the method's augmentation.
    pub x_fake: Tensor,
    /// Augmented as the discriminator saw them; of the reals, the first view.
    pub seen_real: Tensor,
    /// Fakes, augmented as the discriminator saw them.
    pub seen_fake: Tensor,
}

/// What a discriminator step sees: every view of the reals, and the fakes.
pub struct DiscriminatorBatch<'a> {
    /// One entry a view; the first is what adversarial losses read.
    pub real_views: Vec<Scored<'a>>,
    /// The augmented fakes, which are constants of this step.
    pub fake: Scored<'a>,
    /// The images themselves, before augmentation and as the discriminator saw them.
    pub images: StepImages,
    /// What the fakes were made from.
    pub latent: Latent,
    /// Discriminator steps made before this one.
    pub d_step: u64,
    /// What parts may ask of the networks beyond these scores.
    pub further: FurtherPasses<'a>,
}

impl<'a> DiscriminatorBatch<'a> {
    /// The first view of the reals.
    pub fn real(&self) -> &Scored<'a> {
        &self.real_views[0]
    }
}

/// What a generator step sees. Weights of the discriminator are constants here.
pub struct GeneratorBatch<'a> {
    /// The augmented fakes; gradients reach the generator.
    pub fake: Scored<'a>,
    /// Reals as constants, for losses that ask for them.
    pub real: Option<Scored<'a>>,
    /// The reals before augmentation, where a part asks for them.
    pub x_real: Option<Tensor>,
    /// Features of the reals of the discriminator's last step, from before its update; none where
    /// the generator learns first.
    pub stale_real_features: Option<Tensor>,
    /// The fakes before augmentation, f32 `[n, channels, h, w]`; gradients reach the generator.
    pub x_fake: Tensor,
    /// What they were made from.
    pub latent: Latent,
    /// What parts may ask of the networks beyond these scores.
    pub further: FurtherPasses<'a>,
}

/// One summand of a loss.
#[derive(Clone, Debug)]
pub struct Term {
    /// As logs name it: `d_…` in the discriminator's loss, `g_…` in the generator's.
    pub name: &'static str,
    /// Factor of the value in the loss; 0: the term adds nothing and is only looked at.
    pub weight: f64,
    /// A scalar, before the weight.
    pub value: Tensor,
}

impl Term {
    /// A summand `weight`·`value`; the value is a scalar.
    pub fn new(name: &'static str, weight: f64, value: Tensor) -> Self {
        Self { name, weight, value }
    }

    /// What is only looked at: a constant that adds nothing.
    pub fn looked_at(name: &'static str, value: &Tensor) -> Self {
        Self { name, weight: 0.0, value: value.detach() }
    }
}

/// The discriminator's outputs on single images, for the curves: higher means more real.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[n]`.
    pub real: Tensor,
    /// `[n]`.
    pub fake: Tensor,
}

/// A part's share of the discriminator's loss.
#[derive(Clone, Debug)]
pub struct DiscriminatorLoss {
    /// Its summands, each with a weight.
    pub terms: Vec<Term>,
    /// What this part would call the discriminator's output, where it has one.
    pub outputs: Option<Outputs>,
}

/// A loss part.
pub trait Loss {
    /// Heads that the discriminator must have for this part; regularisers bring none.
    fn heads(&self) -> Vec<HeadSpec> {
        Vec::new()
    }

    /// Heads of other parts that this part reads.
    fn reads(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Independently augmented views of each real image that a discriminator step needs.
    fn real_views(&self) -> usize {
        1
    }

    /// Whether the generator's loss compares fakes with reals.
    fn generator_reads_reals(&self) -> bool {
        false
    }

    /// The logits `[n]` that regularisers hold to something, of an adversarial part.
    ///
    /// # Errors
    /// If this part has no logit an image.
    fn logits(&self, _scored: &Scored<'_>) -> Result<Tensor> {
        candle_core::bail!("a regulariser reads the adversarial loss's logits, and it has none")
    }

    /// Whether this part differentiates a gradient again
    /// ([`ganbench_nn::kernels::TwiceDifferentiable`]).
    fn second_order(&self) -> bool {
        false
    }

    /// The discriminator's weights are clipped to ± this after each of its updates.
    fn weight_bound(&self) -> Option<f64> {
        None
    }

    /// What this part remembers from step to step, by name: a part of the run's state.
    fn memory(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Takes back one value of [`Loss::memory`]; a name that is not its own is none of its
    /// business.
    fn remember(&self, _name: &str, _value: f64) {}

    /// # Errors
    /// If the batch lacks what this part reads.
    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss>;

    /// What it adds to the generator's loss; most regularisers nothing.
    ///
    /// # Errors
    /// If the batch lacks what this part reads.
    fn generator(&self, _batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(Vec::new())
    }
}

/// log(1 + eˣ) without overflow, as x/2 + |x|/2 + log(1 + e^−|x|): the gradient at 0 is 1/2
/// whatever the gradient of |x| is taken to be there.
///
/// # Errors
/// None in practice.
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    let magnitude = x.abs()?;
    let tail = (magnitude.neg()?.exp()? + 1.0)?.log()?;
    ((x + magnitude)? * 0.5)? + tail
}

/// The reals of a generator step.
///
/// # Errors
/// If the step was given none.
pub(crate) fn reals<'b, 'a>(batch: &'b GeneratorBatch<'a>) -> Result<&'b Scored<'a>> {
    match &batch.real {
        Some(real) => Ok(real),
        None => {
            candle_core::bail!("this generator loss compares with reals, and the step has none")
        }
    }
}

// Values at which a part is what it was before it had the field stay out of plans and their ids.

fn is_on(x: &bool) -> bool {
    *x
}

fn is_off(x: &bool) -> bool {
    !*x
}
