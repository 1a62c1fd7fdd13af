//! Weight clipping, the first Wasserstein GAN's way to a Lipschitz bound.
//!
//! Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1.

use candle_core::Result;

use super::{DiscriminatorBatch, DiscriminatorLoss, Loss};

/// Clips every parameter of the discriminator to ± `bound` after each of its updates.
pub struct WeightClipping {
    pub bound: f64,
}

impl Loss for WeightClipping {
    fn weight_bound(&self) -> Option<f64> {
        Some(self.bound)
    }

    fn discriminator(&self, _: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        Ok(DiscriminatorLoss { terms: Vec::new(), outputs: None })
    }
}
