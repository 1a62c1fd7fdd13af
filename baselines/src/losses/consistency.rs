//! Consistency regularisation: the discriminator's logit of a real image shall not change under
//! augmentation.
//!
//! Zhang et al. 2020, arXiv:1910.12027; formula `gan-recipes.md` §3.1 (no stop-gradient, §3.9).

use candle_core::Result;

use super::adversarial::HEAD;
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::augment::Augmentation;
use crate::networks::HeadSpec;

/// λ·E(d(x) − d(T(x)))².
pub struct Consistency {
    pub lambda: f64,
    pub augmentation: Augmentation,
}

impl Loss for Consistency {
    /// The adversarial part's head is read; this part brings none.
    fn heads(&self) -> Vec<HeadSpec> {
        Vec::new()
    }

    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn extra_view(&self) -> Option<Augmentation> {
        Some(self.augmentation)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let Some(augmented) = &batch.extra_view else {
            candle_core::bail!("consistency regularisation needs an augmented view of the reals")
        };
        let difference = (batch.real().head(HEAD)? - augmented.head(HEAD)?)?;
        let terms = vec![Term::new("d_cr", self.lambda, difference.sqr()?.mean_all()?)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, _: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(Vec::new())
    }
}
