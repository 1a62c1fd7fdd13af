//! Latent consistency regularisation (zCR): a small step of z shall not change the discriminator's
//! logit, but the image. With bCR it is improved consistency regularisation (ICR).
//!
//! Zhao et al. 2020, arXiv:2002.04724; constants and signs `gan-recipes.md` §3.9 (StudioGAN).

use candle_core::Result;

use super::adversarial::HEAD;
use super::consistency::{Versions, mean_square_change};
use super::{DiscriminatorBatch, DiscriminatorLoss, FurtherPasses, GeneratorBatch, Loss, Term};
use crate::networks::Latent;

/// λ_d·E(d(G(z)) − d(G(z + δ)))² for D, −λ_g·E(G(z) − G(z + δ))² for G; δ ~ N(0, radius²).
pub struct LatentConsistency {
    pub radius: f64,
    pub lambda_d: f64,
    pub lambda_g: f64,
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
