//! Latent consistency regularisation (zCR): a small step of z shall not change the discriminator's
//! logit, but the image. With bCR it is improved consistency regularisation (ICR).
//!
//! Zhao et al. 2020, arXiv:2002.04724; constants and signs `gan-recipes.md` §3.9 (StudioGAN).

use candle_core::Result;
use serde::{Deserialize, Serialize};

use super::adversarial::HEAD;
use super::consistency::{Versions, change_between, mean_square_change};
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::{DiscriminatorBatch, DiscriminatorLoss, FurtherPasses, GeneratorBatch, Loss, Term};
use crate::networks::Latent;
use crate::part::{Field, Part};

/// The part of a plan: λ_d·E(d(G(z)) − d(G(z + δ)))² for D, −λ_g·E(G(z) − G(z + δ))² for G;
/// δ ~ N(0, radius²).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LatentConsistency {
    /// Standard deviation of every entry of δ: 0 or above.
    pub radius: f64,
    /// λ_d, the weight of `d_zcr`, any finite number.
    pub lambda_d: f64,
    /// λ_g, any finite number; `g_zcr` has the weight −λ_g.
    pub lambda_g: f64,
}

impl Default for LatentConsistency {
    fn default() -> Self {
        Self { radius: 0.05, lambda_d: 20.0, lambda_g: 0.5 }
    }
}

impl Part for LatentConsistency {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::weight("radius", self.radius, "standard deviation of the move").in_training(),
            Field::finite("lambda_d", self.lambda_d, "weight of d_zcr"),
            Field::finite(
                "lambda_g",
                self.lambda_g,
                "weight of −g_zcr: G's loss falls as images move",
            ),
        ]
    }
}

impl LossPart for LatentConsistency {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "latent_consistency",
            aliases: &[Alias::new("zcr")],
            summary: "latent consistency (zCR): D shall not follow a small move of z, the image shall",
            source: "Zhao et al. 2021, arXiv:2002.04724, section 2.3; means as in PyTorch-StudioGAN",
            arrays: ARRAYS,
            configure: Entry::configured::<LatentConsistency>,
        };
        Some(&ENTRY)
    }
}

const IMAGES: &[&str] = &["m", "channels", "height", "width"];
const ARRAYS: &[Array] = &[
    Array::floats("outputs_fake", &["m", "..."], "of D at G(z)"),
    Array::floats("outputs_fake_moved", &["m", "..."], "of D at G(z + Δz)"),
    Array::floats("x_fake", IMAGES, "G(z)"),
    Array::floats("x_fake_moved", IMAGES, "G(z + Δz)"),
];

impl OnArrays for LatentConsistency {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let outputs = change_between(a, "outputs_fake", "outputs_fake_moved")?;
        Ok(vec![
            Term::new("d_zcr", self.lambda_d, outputs),
            Term::new("g_zcr", -self.lambda_g, change_between(a, "x_fake", "x_fake_moved")?),
        ])
    }
}

impl LatentConsistency {
    fn near(&self, latent: &Latent, further: &FurtherPasses<'_>) -> Result<Latent> {
        let z = (&latent.z + (further.normal_like(&latent.z)? * self.radius)?)?;
        Ok(Latent { z, ..latent.clone() })
    }
}

impl Loss for LatentConsistency {
    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let near = self.near(&batch.latent, &batch.further)?;
        let x = batch.further.generate(&near)?;
        let moved = batch.further.score(&x, near.labels.as_ref())?;
        let (first, second) = (batch.further.logits(&batch.fake)?, batch.further.logits(&moved)?);
        let change = mean_square_change(&Versions { first, second })?;
        let terms = vec![Term::new("d_zcr", self.lambda_d, change)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let near = self.near(&batch.latent, &batch.further)?;
        let second = batch.further.generate(&near)?;
        let change = mean_square_change(&Versions { first: batch.x_fake.clone(), second })?;
        Ok(vec![Term::new("g_zcr", -self.lambda_g, change)])
    }
}
