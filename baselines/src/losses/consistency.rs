//! Consistency regularisation: what the discriminator says of an image shall not change under
//! augmentation (CR, bCR), nor under a small move of the latent, which shall change the image
//! (zCR).
//!
//! CR: Zhang et al. 2020, arXiv:1910.12027; bCR, zCR: Zhao et al. 2021, arXiv:2002.04724. Formulas
//! `gan-recipes.md` §3.1 (no stop-gradient, §3.9).

use candle_core::{Result, Tensor};

use super::adversarial::HEAD;
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};
use crate::augment::Augmentation;
use crate::networks::Scored;

/// The same quantity of two versions of the same samples, `[n, …]`: logits, embeddings, class
/// logits or images.
pub struct Versions {
    pub first: Tensor,
    pub second: Tensor,
}

/// Mean over all entries of (first − second)².
///
/// # Errors
/// If the two differ in shape.
pub fn mean_square_change(v: &Versions) -> Result<Tensor> {
    (&v.first - &v.second)?.sqr()?.mean_all()
}

/// λ·E(d(x) − d(T(x)))² of reals, and the same of fakes (CR: λ_fake = 0).
pub struct Consistency {
    pub lambda_real: f64,
    pub lambda_fake: f64,
    pub augmentation: Augmentation,
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

const IMAGES: &[&str] = &["m", "channels", "height", "width"];
const OUTPUTS_REAL: Array =
    Array::floats("outputs_real", &["n", "..."], "of D at the reals: logits or embeddings");
const OUTPUTS_REAL_AUGMENTED: Array =
    Array::floats("outputs_real_augmented", &["n", "..."], "at the same reals, augmented");

pub(super) const ENTRIES: [Entry; 3] = [
    Entry {
        name: "cr",
        summary: "consistency regularisation of D on reals",
        source: "Zhang et al. 2020, arXiv:1910.12027",
        arrays: &[OUTPUTS_REAL, OUTPUTS_REAL_AUGMENTED],
        settings: &[Setting::number("lambda", 10.0, "weight")],
        terms: |a, s| Ok(vec![Term::new("d_cr", s.number("lambda"), change_of_reals(a)?)]),
    },
    Entry {
        name: "bcr",
        summary: "balanced consistency regularisation of D, on reals and fakes",
        source: "Zhao et al. 2021, arXiv:2002.04724, section 2.2",
        arrays: &[
            OUTPUTS_REAL,
            OUTPUTS_REAL_AUGMENTED,
            Array::floats("outputs_fake", &["m", "..."], "of D at the fakes"),
            Array::floats("outputs_fake_augmented", &["m", "..."], "at the same fakes, augmented"),
        ],
        settings: &[
            Setting::number("lambda_real", 10.0, "weight of d_cr"),
            Setting::number("lambda_fake", 10.0, "weight of d_cr_fake"),
        ],
        terms: bcr,
    },
    Entry {
        name: "zcr",
        summary: "latent consistency: D shall not follow a small move of z, the image shall",
        source: "Zhao et al. 2021, arXiv:2002.04724, section 2.3; means as in PyTorch-StudioGAN",
        arrays: &[
            Array::floats("outputs_fake", &["m", "..."], "of D at G(z)"),
            Array::floats("outputs_fake_moved", &["m", "..."], "of D at G(z + Δz)"),
            Array::floats("x_fake", IMAGES, "G(z)"),
            Array::floats("x_fake_moved", IMAGES, "G(z + Δz)"),
        ],
        settings: &[
            Setting::number("lambda_d", 20.0, "weight of d_zcr"),
            Setting::number("lambda_g", 0.5, "weight of −g_zcr: G's loss falls as images move"),
        ],
        terms: zcr,
    },
];

fn change(a: &Arrays, first: &str, second: &str) -> Result<Tensor> {
    mean_square_change(&Versions { first: a.tensor(first)?, second: a.tensor(second)? })
}

fn change_of_reals(a: &Arrays) -> Result<Tensor> {
    change(a, OUTPUTS_REAL.name, OUTPUTS_REAL_AUGMENTED.name)
}

fn bcr(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let fakes = change(a, "outputs_fake", "outputs_fake_augmented")?;
    Ok(vec![
        Term::new("d_cr", s.number("lambda_real"), change_of_reals(a)?),
        Term::new("d_cr_fake", s.number("lambda_fake"), fakes),
    ])
}

fn zcr(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let outputs = change(a, "outputs_fake", "outputs_fake_moved")?;
    Ok(vec![
        Term::new("d_zcr", s.number("lambda_d"), outputs),
        Term::new("g_zcr", -s.number("lambda_g"), change(a, "x_fake", "x_fake_moved")?),
    ])
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
