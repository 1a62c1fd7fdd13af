//! What else the discriminator is held to, as data.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::losses::Loss;
use crate::losses::consistency::Consistency;
use crate::losses::gradient_penalty::{GradientPenalty, Penalty};
use crate::losses::kdd_jacobian::KddJacobian;
use crate::losses::latent_consistency::LatentConsistency;
use crate::losses::lecam::{LeCam, LeCamAverage};
use crate::losses::weight_clipping::WeightClipping;

/// One regulariser.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RegulariserPart {
    /// CR with `lambda_fake` 0, bCR with both.
    Consistency {
        /// Weight of the change of D's outputs when a real image is augmented.
        lambda_real: f64,
        /// Weight of the same of fakes.
        lambda_fake: f64,
        /// How images are augmented.
        augmentation: Augmentation,
    },
    /// zCR; with bCR it is ICR.
    LatentConsistency {
        /// Standard deviation of the latent's move.
        radius: f64,
        /// Weight of the change of D's outputs, in the loss of D.
        lambda_d: f64,
        /// Weight of the change of the image, which the loss of G rewards.
        lambda_g: f64,
    },
    /// A penalty on the gradients of D's output with respect to images.
    GradientPenalty {
        /// Which penalty.
        penalty: Penalty,
        /// Weight of the penalty.
        lambda: f64,
        /// In every so many discriminator steps, and then as many times as heavy; 1: in every step.
        interval: u64,
    },
    /// Logits of D are held near their running averages over the other kind of images.
    LeCam {
        /// Weight of the term.
        lambda: f64,
        /// Decay of the running averages at each step of D, in [0, 1).
        decay: f64,
        /// Before this step of D the averages are the batch's own means.
        start_d_step: u64,
    },
    /// Every parameter of D is clipped after each of its updates (the Wasserstein GAN's rule).
    WeightClipping {
        /// The largest absolute value, above 0.
        bound: f64,
    },
    /// KDD GAN's JacD. `generator`: a term of G's loss too (its eq. 9).
    KddJacobian {
        /// Weight of the term.
        lambda: f64,
        /// Length of the move in image space, above 0.
        delta: f64,
        /// Whether the term stands in the loss of G too.
        generator: bool,
    },
}

impl RegulariserPart {
    pub(super) fn loss(&self) -> Box<dyn Loss> {
        match *self {
            Self::Consistency { lambda_real, lambda_fake, augmentation } => {
                Box::new(Consistency { lambda_real, lambda_fake, augmentation })
            }
            Self::LatentConsistency { radius, lambda_d, lambda_g } => {
                Box::new(LatentConsistency { radius, lambda_d, lambda_g })
            }
            Self::GradientPenalty { penalty, lambda, interval } => {
                Box::new(GradientPenalty { penalty, lambda, interval })
            }
            Self::LeCam { lambda, decay, start_d_step } => {
                Box::new(LeCam::new(lambda, LeCamAverage { decay, start_step: start_d_step }))
            }
            Self::WeightClipping { bound } => Box::new(WeightClipping { bound }),
            Self::KddJacobian { lambda, delta, generator } => {
                Box::new(KddJacobian { lambda, delta, of_generator: generator })
            }
        }
    }

    /// A value that cannot be: its field, what it must be, and what it is.
    pub(super) fn wrong(&self) -> Option<(&'static str, &'static str, String)> {
        let above_0 = |field, value: f64| {
            let right = value.is_finite() && value > 0.0;
            (!right).then(|| (field, "a number above 0", value.to_string()))
        };
        match *self {
            Self::GradientPenalty { interval: 0, .. } => {
                Some(("parts.regularisers.interval", "1 or more", "0".into()))
            }
            Self::LeCam { decay, .. } if !(0.0..1.0).contains(&decay) => {
                let expected = "a number of 0 and above and below 1";
                Some(("parts.regularisers.decay", expected, decay.to_string()))
            }
            Self::WeightClipping { bound } => above_0("parts.regularisers.bound", bound),
            Self::KddJacobian { delta, .. } => above_0("parts.regularisers.delta", delta),
            _ => None,
        }
    }
}
