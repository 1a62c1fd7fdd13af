//! The loss parts that a method is put together from. Each part says which heads it reads, what it adds
//! to the discriminator's loss and what to the generator's; none knows the training loop or another part.

pub mod acgan;
pub mod adversarial;
pub mod consistency;
pub mod contragan;
pub mod contrastive;
pub mod d2dce;
pub mod embedded;
pub mod input_gradients;
pub mod kdd;
pub mod kdd_jacobian;
pub mod lecam;
pub mod projection;
pub mod registry;
pub mod similarity;
pub mod supcon;

#[cfg(test)]
mod golden_tests;

use candle_core::{Result, Tensor};

use crate::augment::Augmentation;
use crate::networks::{HeadSpec, Scored};

/// What a discriminator step sees: every view of the reals, and the fakes.
pub struct DiscriminatorBatch<'a> {
    /// One entry a view; the first is what adversarial losses read.
    pub real_views: Vec<Scored<'a>>,
    pub fake: Scored<'a>,
    /// What the part at hand asked for with [`Loss::extra_view`].
    pub extra_view: Option<Scored<'a>>,
}

impl<'a> DiscriminatorBatch<'a> {
    /// The first view of the reals.
    pub fn real(&self) -> &Scored<'a> {
        &self.real_views[0]
    }
}

/// What a generator step sees. Weights of the discriminator are constants here.
pub struct GeneratorBatch<'a> {
    pub fake: Scored<'a>,
    /// Reals as constants, for losses that ask for them.
    pub real: Option<Scored<'a>>,
}

/// One summand of a loss.
#[derive(Clone, Debug)]
pub struct Term {
    pub name: &'static str,
    pub weight: f64,
    /// A scalar, before the weight.
    pub value: Tensor,
}

impl Term {
    pub fn new(name: &'static str, weight: f64, value: Tensor) -> Self {
        Self { name, weight, value }
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
    pub terms: Vec<Term>,
    /// What this part would call the discriminator's output, where it has one.
    pub outputs: Option<Outputs>,
}

/// A loss part.
pub trait Loss {
    /// Heads that the discriminator must have for this part.
    fn heads(&self) -> Vec<HeadSpec>;

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

    /// A further view of the reals that this part compares with, beside what the method's own
    /// augmentation gives; it reaches [`DiscriminatorBatch::extra_view`] of this part only.
    fn extra_view(&self) -> Option<Augmentation> {
        None
    }

    /// # Errors
    /// If the batch lacks what this part reads.
    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss>;

    /// # Errors
    /// If the batch lacks what this part reads.
    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>>;
}

/// log(1 + eˣ) without overflow, as x/2 + |x|/2 + log(1 + e^−|x|): the gradient at 0 is 1/2 whatever
/// the gradient of |x| is taken to be there.
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
