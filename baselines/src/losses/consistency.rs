//! Consistency regularisation: what the discriminator says of an image shall not change under
//! augmentation (CR, bCR), nor under a small move of the latent, which shall change the image
//! (zCR).
//!
//! CR: Zhang et al. 2020, arXiv:1910.12027; bCR, zCR: Zhao et al. 2021, arXiv:2002.04724. Formulas
//! `gan-recipes.md` §3.1 (no stop-gradient, §3.9).

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::adversarial::HEAD;
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};
use crate::augment::{Augmentation, FlipShift};
use crate::networks::Scored;
use crate::part::{Field, InvalidPart, Part};

/// The same quantity of two versions of the same samples, `[n, …]`: logits, embeddings, class
/// logits or images.
pub struct Versions {
    /// Of the samples as they are.
    pub first: Tensor,
    /// Of the same samples in the same order, after augmentation or a move of the latent.
    pub second: Tensor,
}

/// Mean over all entries of (first − second)².
///
/// # Errors
/// If the two differ in shape.
pub fn mean_square_change(v: &Versions) -> Result<Tensor> {
    (&v.first - &v.second)?.sqr()?.mean_all()
}

/// The part of a plan: λ·E(d(x) − d(T(x)))² of reals, and the same of fakes. It is bCR with both
/// weights, and CR with `lambda_fake` 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Consistency {
    /// Weight of the reals' term `d_cr`, any finite number; at 0 training leaves the term out.
    pub lambda_real: f64,
    /// Weight of the fakes' term `d_cr_fake`, any finite number; at 0 training leaves the term out.
    pub lambda_fake: f64,
    /// T.
    pub augmentation: Augmentation,
}

impl Default for Consistency {
    fn default() -> Self {
        let augmentation = Augmentation::FlipShift(FlipShift { max_shift: 4 });
        Self { lambda_real: 10.0, lambda_fake: 10.0, augmentation }
    }
}

impl Part for Consistency {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::finite("lambda_real", self.lambda_real, "weight of d_cr").once_called("lambda"),
            Field::finite("lambda_fake", self.lambda_fake, "weight of d_cr_fake"),
        ]
    }

    fn check(&self) -> std::result::Result<(), InvalidPart> {
        self.fields().iter().try_for_each(Field::check)?;
        self.augmentation.check().map_err(|e| e.within("augmentation"))
    }
}

impl Consistency {
    fn change(
        &self,
        batch: &DiscriminatorBatch<'_>,
        scored: &Scored<'_>,
        x: &Tensor,
    ) -> Result<Tensor> {
        let augmented = batch.further.augment(self.augmentation, x)?;
        let augmented = batch.further.score(&augmented, scored.labels.as_ref())?;
        let (first, second) = (batch.further.logits(scored)?, batch.further.logits(&augmented)?);
        mean_square_change(&Versions { first, second })
    }
}

impl Loss for Consistency {
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
}

impl LossPart for Consistency {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "consistency",
            aliases: &[Alias { name: "cr", set: &[("lambda_fake", "0")] }, Alias::new("bcr")],
            summary: "consistency regularisation of D on reals (CR) and fakes (bCR)",
            source: "Zhang et al. 2020, arXiv:1910.12027; Zhao et al. 2021, arXiv:2002.04724, section 2.2",
            arrays: ARRAYS,
            configure: Entry::configured::<Consistency>,
        };
        Some(&ENTRY)
    }
}

const ARRAYS: &[Array] = &[
    Array::floats("outputs_real", &["n", "..."], "of D at the reals: logits or embeddings"),
    Array::floats("outputs_real_augmented", &["n", "..."], "at the same reals, augmented"),
    Array::floats("outputs_fake", &["m", "..."], "of D at the fakes, which CR leaves out")
        .with(&["outputs_fake_augmented"]),
    Array::floats("outputs_fake_augmented", &["m", "..."], "at the same fakes, augmented")
        .with(&["outputs_fake"]),
];

/// [`mean_square_change`] between two of a user's arrays.
pub(super) fn change_between(a: &Arrays, first: &str, second: &str) -> Result<Tensor> {
    mean_square_change(&Versions { first: a.tensor(first)?, second: a.tensor(second)? })
}

impl OnArrays for Consistency {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let real = change_between(a, "outputs_real", "outputs_real_augmented")?;
        let mut terms = vec![Term::new("d_cr", self.lambda_real, real)];
        // CR knows no fakes.
        if self.lambda_fake != 0.0 || a.has("outputs_fake") {
            let fake = change_between(a, "outputs_fake", "outputs_fake_augmented")?;
            terms.push(Term::new("d_cr_fake", self.lambda_fake, fake));
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_mean_square_change_of_a_case_solved_on_paper() {
        // mean(1, 0, 9, 0) = 2.5.
        let of = |x: [[f64; 2]; 2]| Tensor::new(&x, &Device::Cpu).unwrap();
        let (first, second) = (of([[1.0, 2.0], [0.0, 5.0]]), of([[0.0, 2.0], [3.0, 5.0]]));
        let value = mean_square_change(&Versions { first, second }).unwrap();
        assert_eq!(value.to_scalar::<f64>().unwrap(), 2.5);
    }
}
