//! The parts of a method as data: what `plan.toml` holds and `--set` changes.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::losses::Loss;
use crate::losses::adversarial::{Adversarial, Form};
use crate::losses::consistency::Consistency;
use crate::losses::contrastive::Contrastive;
use crate::losses::d2dce::{D2dCe, D2dCeConstants, Stabilise};
use crate::losses::kdd::{Kdd, KddConstants};
use crate::losses::supcon::{Denominator, SupCon, SupConConstants, Variant};
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
    Consistency { lambda: f64, augmentation: Augmentation },
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
        for regulariser in &self.regularisers {
            match regulariser {
                RegulariserPart::Consistency { lambda, augmentation } => {
                    losses.push(Box::new(Consistency {
                        lambda: *lambda,
                        augmentation: *augmentation,
                    }));
                }
            }
        }
        losses
    }
}
