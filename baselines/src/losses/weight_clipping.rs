//! Weight clipping, the first Wasserstein GAN's way to a Lipschitz bound.
//!
//! Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1.

use candle_core::Result;
use serde::{Deserialize, Serialize};

use super::part::{BuildContext, LossPart};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss};
use crate::part::{Field, Part};

/// The part of a plan: every parameter of the discriminator is clipped to ± `bound` after each of
/// its updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeightClipping {
    /// c of the paper's algorithm.
    pub bound: f64,
}

impl Default for WeightClipping {
    fn default() -> Self {
        Self { bound: 0.01 }
    }
}

impl Part for WeightClipping {
    fn fields(&self) -> Vec<Field> {
        vec![Field::positive("bound", self.bound, "largest size of a weight").in_training()]
    }
}

impl LossPart for WeightClipping {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }
}

impl Loss for WeightClipping {
    fn weight_bound(&self) -> Option<f64> {
        Some(self.bound)
    }

    fn discriminator(&self, _: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        Ok(DiscriminatorLoss { terms: Vec::new(), outputs: None })
    }
}
