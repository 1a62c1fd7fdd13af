//! Consistency regularisation: the discriminator's logit of an image shall not change under augmentation.
//!
//! CR: Zhang et al. 2020, arXiv:1910.12027. bCR, of fakes too: Zhao et al. 2020, arXiv:2002.04724. Formulas
//! `gan-recipes.md` §3.1 (no stop-gradient, §3.9).

use candle_core::{Result, Tensor};

use super::adversarial::HEAD;
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::augment::Augmentation;
use crate::networks::{HeadSpec, Scored};

/// λ·E(d(x) − d(T(x)))² of reals, and the same of fakes (CR: λ_fake = 0).
pub struct Consistency {
    pub lambda_real: f64,
    pub lambda_fake: f64,
    pub augmentation: Augmentation,
}

/// Logits `[n, 1]` of the same images before and after augmentation.
pub struct BeforeAfter {
    pub before: Tensor,
    pub after: Tensor,
}

/// E(before − after)².
///
/// # Errors
/// If the shapes differ.
pub fn mean_square_change(logits: &BeforeAfter) -> Result<Tensor> {
    (&logits.before - &logits.after)?.sqr()?.mean_all()
}

impl Consistency {
    fn change(
        &self,
        batch: &DiscriminatorBatch<'_>,
        scored: &Scored<'_>,
        x: &Tensor,
    ) -> Result<Tensor> {
        let augmented = batch.further.augment(self.augmentation, x)?;
        let after = batch.further.score(&augmented, scored.labels.as_ref())?.head(HEAD)?;
        mean_square_change(&BeforeAfter { before: scored.head(HEAD)?, after })
    }
}

impl Loss for Consistency {
    /// The adversarial part's head is read; this part brings none.
    fn heads(&self) -> Vec<HeadSpec> {
        Vec::new()
    }

    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let mut terms = Vec::new();
        if self.lambda_real != 0.0 {
            let change = self.change(batch, batch.real(), &batch.images.x_real)?;
            terms.push(Term::new("d_cr", self.lambda_real, change));
        }
        if self.lambda_fake != 0.0 {
            let change = self.change(batch, &batch.fake, &batch.images.x_fake)?;
            terms.push(Term::new("d_cr_fake", self.lambda_fake, change));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, _: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(Vec::new())
    }
}
