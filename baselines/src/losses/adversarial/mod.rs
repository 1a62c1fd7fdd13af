//! Adversarial losses on one logit per image: what all of them share. Each has a file of its own,
//! with its formulas as a [`LogitLoss`].

mod hinge;
mod least_squares;
mod non_saturating;
mod wasserstein;

#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor};

pub use hinge::Hinge;
pub use least_squares::LeastSquares;
pub use non_saturating::NonSaturating;
pub use wasserstein::Wasserstein;

pub(super) use hinge::hinge;

use super::part::{BuildContext, LossPart};
use super::projection::{OF_LOGITS, Projection};
use super::registry::{Array, Arrays, Entry, OnArrays};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Outputs, Term};
use crate::networks::{HeadKind, HeadSpec, Scored};
use crate::part::{Field, Part};

/// The head that every adversarial loss on logits reads.
pub const HEAD: &str = "adv";

/// Logits of a discriminator step, `[n]` each.
pub struct Logits {
    /// d_r, one per real image.
    pub real: Tensor,
    /// d_f, one per fake image.
    pub fake: Tensor,
}

/// How a loss reads its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogitHead {
    /// The layers between the features and the logit.
    pub kind: HeadKind,
    /// The discriminator's loss does not reach the trunk (ContraD's L_dis); the generator's does.
    pub stop_gradient: bool,
}

impl LogitHead {
    /// The two fields of every loss on logits.
    pub(super) fn fields(self) -> Vec<Field> {
        vec![
            Field::choice("head", self.kind, "the layers between features and logit").in_training(),
            Field::switch("stop_gradient", self.stop_gradient, "D's loss does not reach its trunk")
                .in_training(),
        ]
    }
}

/// An adversarial loss on logits: its configuration is the implementor, its formulas are here.
pub trait LogitLoss: Part + Clone + 'static {
    /// Its name, source and arrays for `ganbench loss`.
    const ENTRY: &'static Entry;

    /// The layers of its head, and whether D's loss reaches the trunk through them.
    fn head(&self) -> LogitHead;

    /// A scalar.
    ///
    /// # Errors
    /// If the logits are not of rank 1.
    fn discriminator(&self, logits: &Logits) -> Result<Tensor>;

    /// A scalar, of the fakes' logits.
    ///
    /// # Errors
    /// If the logits are not of rank 1.
    fn generator(&self, logits_fake: &Tensor) -> Result<Tensor>;

    /// Both networks' terms.
    ///
    /// # Errors
    /// If the logits are not of rank 1.
    fn terms_of(&self, logits: &Logits) -> Result<Vec<Term>> {
        Ok(vec![
            Term::new("d_adv", 1.0, self.discriminator(logits)?),
            Term::new("g_adv", 1.0, self.generator(&logits.fake)?),
        ])
    }
}

impl<L: LogitLoss> LossPart for L {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        let projection = context.projection.map(|part| part.on(OF_LOGITS));
        Some(Box::new(Adversarial { loss: self.clone(), hidden: context.hidden, projection }))
    }

    fn entry(&self) -> Option<&'static Entry> {
        Some(L::ENTRY)
    }

    fn reads_a_head(&self) -> bool {
        true
    }
}

impl<L: LogitLoss> OnArrays for L {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let logits = Logits { real: a.tensor("logits_real")?, fake: a.tensor("logits_fake")? };
        self.terms_of(&logits)
    }
}

/// A [`LogitLoss`] on a head of the discriminator.
struct Adversarial<L> {
    loss: L,
    hidden: usize,
    /// What class labels add to the logits.
    projection: Option<Projection>,
}

impl<L: LogitLoss> Adversarial<L> {
    /// `constant`: no gradient reaches the trunk.
    fn logits_of(&self, scored: &Scored<'_>, constant: bool) -> Result<Tensor> {
        let logits =
            if constant { scored.head_on_constant_features(HEAD) } else { scored.head(HEAD) };
        let logits = logits?.squeeze(1)?;
        match &self.projection {
            None => Ok(logits),
            Some(projection) => logits + projection.added(scored, constant)?,
        }
    }
}

impl<L: LogitLoss> Loss for Adversarial<L> {
    fn heads(&self) -> Vec<HeadSpec> {
        let kind = self.loss.head().kind;
        let head = HeadSpec { name: HEAD, kind, outputs: 1, hidden: self.hidden };
        std::iter::once(head).chain(self.projection.map(|p| p.spec())).collect()
    }

    fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        self.logits_of(scored, false)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let logits = |scored| self.logits_of(scored, self.loss.head().stop_gradient);
        let logits = Logits { real: logits(batch.real())?, fake: logits(&batch.fake)? };
        Ok(DiscriminatorLoss {
            terms: vec![Term::new("d_adv", 1.0, self.loss.discriminator(&logits)?)],
            outputs: Some(Outputs { real: logits.real.detach(), fake: logits.fake.detach() }),
        })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let logits = self.logits_of(&batch.fake, false)?;
        Ok(vec![Term::new("g_adv", 1.0, self.loss.generator(&logits)?)])
    }
}

/// What the entry of a loss on logits takes.
const LOGITS: &[Array] = &[Array::LOGITS_REAL, Array::LOGITS_FAKE];

/// ½E x².
fn half_square(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.mean_all()? * 0.5
}

/// How far the targets of the reals in D's loss and of the fakes in G's lie below 1.
fn smoothing_fields(real: f64, generator: f64) -> Vec<Field> {
    vec![
        Field::share("label_smoothing", real, "one-sided: the reals' target is 1 minus this"),
        Field::share("g_label_smoothing", generator, "G's target for its fakes is 1 minus this"),
    ]
}

// A value at which a part is what it was before it had the field stays out of plans and their ids.

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}
