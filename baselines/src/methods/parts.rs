//! The parts of a method as data: what `plan.toml` holds and `--set` changes.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::losses::Loss;
use crate::losses::adversarial::{Adversarial, Form};
use crate::losses::consistency::Consistency;
use crate::losses::contrastive::Contrastive;
use crate::losses::d2dce::{D2dCe, D2dCeConstants, Stabilise};
use crate::losses::gradient_penalty::{GradientPenalty, Penalty};
use crate::losses::kdd::{Kdd, KddConstants};
use crate::losses::latent_consistency::LatentConsistency;
use crate::losses::lecam::LeCam;
use crate::losses::supcon::{Denominator, SupCon, SupConConstants, Variant};
use crate::losses::weight_clipping::WeightClipping;
use crate::networks::HeadKind;

/// What tells reals from fakes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdversarialPart {
    NonSaturating { head: HeadKind, stop_gradient: bool },
    Hinge { head: HeadKind, stop_gradient: bool },
    Kdd { tau: f64, leave_one_out: bool, gamma: f64, alpha: f64, head: HeadKind },
    SupCon { tau: f64, variant: Variant, denominator: Denominator },
}

/// How class labels enter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConditioningPart {
    None,
    D2dce { lambda: f64, tau: f64, margin_positive: f64, stabilise: Stabilise },
}

/// Contrastive representation learning on the discriminator (ContraD).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastivePart {
    pub tau: f64,
    pub lambda_real: f64,
    pub lambda_fake: f64,
    pub projection_dim: usize,
}

/// What else the discriminator is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RegulariserPart {
    /// CR with `lambda_fake` 0, bCR with both.
    Consistency {
        lambda_real: f64,
        lambda_fake: f64,
        augmentation: Augmentation,
    },
    /// zCR; with bCR it is ICR.
    LatentConsistency {
        radius: f64,
        lambda_d: f64,
        lambda_g: f64,
    },
    GradientPenalty {
        penalty: Penalty,
        lambda: f64,
        interval: u64,
    },
    LeCam {
        lambda: f64,
        decay: f64,
        start_d_step: u64,
    },
    WeightClipping {
        bound: f64,
    },
}

impl RegulariserPart {
    fn loss(&self) -> Box<dyn Loss> {
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
                Box::new(LeCam::new(lambda, decay, start_d_step))
            }
            Self::WeightClipping { bound } => Box::new(WeightClipping { bound }),
        }
    }
}

/// Which network learns first in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    #[default]
    Discriminator,
    /// And the first discriminator update of the step uses the same fakes (ContraD's StyleGAN2 code).
    Generator,
}

impl First {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How reals and fakes go through the discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Passes {
    /// One pass each, as the original GAN.
    Separate,
    /// All views and fakes in one batch.
    Joint,
}

/// A method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    pub passes: Passes,
    #[serde(default, skip_serializing_if = "First::is_default")]
    pub first: First,
    /// The learning rates rise linearly over this share of the budget.
    pub lr_warmup_share: f64,
    pub adversarial: AdversarialPart,
    pub conditioning: ConditioningPart,
    pub augmentation: Augmentation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrastive: Option<ContrastivePart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<RegulariserPart>,
}

impl Parts {
    /// An adversarial loss and nothing else.
    pub fn plain(adversarial: AdversarialPart) -> Self {
        Self {
            passes: Passes::Separate,
            first: First::default(),
            lr_warmup_share: 0.0,
            adversarial,
            conditioning: ConditioningPart::None,
            augmentation: Augmentation::None,
            contrastive: None,
            regularisers: Vec::new(),
        }
    }

    /// Whether class labels are used.
    pub fn conditional(&self) -> bool {
        self.conditioning != ConditioningPart::None
    }

    /// Whether a part differentiates a gradient again, for which candle's switch has to be set
    /// ([`ganbench_nn::kernels::SWITCH`]).
    pub fn second_order(&self) -> bool {
        self.losses(1).iter().any(|loss| loss.second_order())
    }

    /// The losses, the adversarial one first. `hidden` is the width of hidden layers and embeddings.
    pub fn losses(&self, hidden: usize) -> Vec<Box<dyn Loss>> {
        let mut losses: Vec<Box<dyn Loss>> = Vec::new();
        let on_logits =
            |form, head, stop_gradient| Box::new(Adversarial { form, head, hidden, stop_gradient });
        losses.push(match self.adversarial {
            AdversarialPart::NonSaturating { head, stop_gradient } => {
                on_logits(Form::NonSaturating, head, stop_gradient)
            }
            AdversarialPart::Hinge { head, stop_gradient } => {
                on_logits(Form::Hinge, head, stop_gradient)
            }
            AdversarialPart::Kdd { tau, leave_one_out, gamma, alpha, head } => Box::new(Kdd {
                constants: KddConstants { tau, leave_one_out },
                gamma,
                alpha,
                head,
                hidden,
            }),
            AdversarialPart::SupCon { tau, variant, denominator } => {
                Box::new(SupCon { constants: SupConConstants { tau, variant, denominator } })
            }
        });
        match self.conditioning {
            ConditioningPart::None => {}
            ConditioningPart::D2dce { lambda, tau, margin_positive, stabilise } => {
                losses.push(Box::new(D2dCe {
                    lambda,
                    constants: D2dCeConstants { tau, margin_positive, stabilise },
                    embed_dim: hidden,
                }))
            }
        }
        if let Some(c) = &self.contrastive {
            losses.push(Box::new(Contrastive {
                tau: c.tau,
                lambda_real: c.lambda_real,
                lambda_fake: c.lambda_fake,
                hidden,
                outputs: c.projection_dim,
            }));
        }
        losses.extend(self.regularisers.iter().map(RegulariserPart::loss));
        losses
    }
}
