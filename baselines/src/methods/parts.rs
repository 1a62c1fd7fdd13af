//! The parts of a method as data: what `plan.toml` holds and `--set` changes.

use serde::{Deserialize, Serialize};

use super::regularisers::RegulariserPart;
use crate::augment::{AdaRule, Augmentation};
use crate::losses::Loss;
use crate::losses::acgan::{AcGan, AcGanConstants};
use crate::losses::adversarial::{Adversarial, Form};
use crate::losses::contragan::{ContraGan, ContraGanConstants};
use crate::losses::contrastive::Contrastive;
use crate::losses::d2dce::{D2dCe, D2dCeConstants, Stabilise};
use crate::losses::embedded::Normalise;
use crate::losses::kdd::{AnchorSets, Kdd, KddConstants};
use crate::losses::projection::{OF_LOG_RATIO, OF_LOGITS, Projection};
use crate::losses::supcon::{Denominator, Pairs, SupCon, SupConConstants, Variant};
use crate::networks::HeadKind;

/// What tells reals from fakes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdversarialPart {
    /// StyleGAN's `logistic` is another name of it.
    #[serde(alias = "logistic")]
    NonSaturating {
        head: HeadKind,
        stop_gradient: bool,
        /// One-sided: 1 minus the target of the reals, in [0, 1).
        #[serde(default, skip_serializing_if = "is_zero")]
        label_smoothing: f64,
    },
    Hinge {
        head: HeadKind,
        stop_gradient: bool,
    },
    /// Targets 1 and 0.
    LeastSquares {
        head: HeadKind,
        stop_gradient: bool,
        label_smoothing: f64,
    },
    /// Needs spectral norm or a penalty beside it.
    Wasserstein {
        head: HeadKind,
        stop_gradient: bool,
    },
    Kdd {
        tau: f64,
        leave_one_out: bool,
        gamma: f64,
        alpha: f64,
        head: HeadKind,
        /// Augmented reals and fakes that are further anchors (+DA×N).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchors: Option<AnchorSets>,
        /// The generator's loss takes the reals' features from D's last step, before its update
        /// (Joint†).
        #[serde(default, skip_serializing_if = "is_off")]
        stale_reals: bool,
    },
    SupCon {
        tau: f64,
        variant: Variant,
        denominator: Denominator,
        /// How often the numerator counts a real–fake pair.
        #[serde(default, skip_serializing_if = "Pairs::is_ordered")]
        pairs: Pairs,
        /// Features are divided by their length first.
        #[serde(default = "on", skip_serializing_if = "is_on")]
        normalise: bool,
    },
}

impl AdversarialPart {
    /// Whether the loss reads logits of a head that may be linear or have a hidden layer.
    pub fn reads_a_head(&self) -> bool {
        match self {
            Self::NonSaturating { .. }
            | Self::Hinge { .. }
            | Self::LeastSquares { .. }
            | Self::Wasserstein { .. } => true,
            Self::Kdd { alpha, .. } => *alpha > 0.0,
            Self::SupCon { .. } => false,
        }
    }
}

// Values at which a part is what it was before it had the field stay out of plans and their ids.

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

fn is_off(x: &bool) -> bool {
    !*x
}

fn on() -> bool {
    true
}

fn is_on(x: &bool) -> bool {
    *x
}

/// How class labels enter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConditioningPart {
    None,
    /// Labels reach the generator alone.
    Generator,
    /// An auxiliary classifier. `classify_fakes`: by D's loss too, as the original's;
    /// PyTorch-StudioGAN's has reals only. `embedding`: of D2D-CE's linear embedding instead of the
    /// trunk's features.
    Acgan {
        lambda: f64,
        tau: f64,
        classify_fakes: bool,
        embedding: bool,
        normalise_features: bool,
        /// Of the classifier's weight, row by row.
        normalise_proxies: bool,
    },
    /// A class vector times the features, added to the logit or to KDD's log-ratio.
    Projection {
        unit_features: bool,
    },
    /// ContraGAN's.
    #[serde(rename = "2c")]
    TwoC {
        lambda: f64,
        tau: f64,
        normalise_features: bool,
        normalise_proxies: bool,
    },
    D2dce {
        lambda: f64,
        tau: f64,
        margin_positive: f64,
        stabilise: Stabilise,
        #[serde(default = "on", skip_serializing_if = "is_on")]
        normalise_features: bool,
        #[serde(default = "on", skip_serializing_if = "is_on")]
        normalise_proxies: bool,
    },
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

/// Which network learns first in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    #[default]
    Discriminator,
    /// And the first discriminator update of the step uses the same fakes (ContraD's StyleGAN2
    /// code).
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
    /// Moves the probability of an ADA augmentation; left out, it stays what the augmentation says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ada: Option<AdaRule>,
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
            ada: None,
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

    /// A value that no loss can be made of: its field, what it must be, and what it is.
    pub(crate) fn wrong(&self) -> Option<(&'static str, &'static str, String)> {
        let smoothing = match self.adversarial {
            AdversarialPart::NonSaturating { label_smoothing, .. }
            | AdversarialPart::LeastSquares { label_smoothing, .. } => label_smoothing,
            _ => 0.0,
        };
        if !(0.0..1.0).contains(&smoothing) {
            let expected = "a number of 0 and above and below 1";
            return Some(("parts.adversarial.label_smoothing", expected, smoothing.to_string()));
        }
        let projection = matches!(self.conditioning, ConditioningPart::Projection { .. });
        if projection && matches!(self.adversarial, AdversarialPart::SupCon { .. }) {
            let expected =
                "another than projection with the adversarial part sup_con, which has no logit";
            return Some(("parts.conditioning.kind", expected, "projection".into()));
        }
        if let AdversarialPart::Kdd { anchors: Some(AnchorSets { sets: 0, .. }), .. } =
            self.adversarial
        {
            return Some(("parts.adversarial.anchors.sets", "1 or more", "0".into()));
        }
        if let AdversarialPart::Kdd { anchors, stale_reals: true, .. } = self.adversarial {
            if let Some(anchors) = anchors {
                let expected = "left out with stale_reals, whose reals are augmented no more";
                let got = format!("{} sets", anchors.sets);
                return Some(("parts.adversarial.anchors", expected, got));
            }
            if self.first == First::Generator {
                let expected = "discriminator with stale_reals, which are those of its step";
                return Some(("parts.first", expected, "generator".into()));
            }
        }
        if let Some(rule) = &self.ada {
            if !matches!(self.augmentation, Augmentation::Ada(_)) {
                let expected = "left out where the augmentation is not ada";
                return Some(("parts.ada", expected, "a rule".into()));
            }
            let right = rule.kimg.is_finite() && rule.kimg > 0.0 && (0.0..=1.0).contains(&rule.p);
            if rule.interval == 0 || !right {
                let expected = "of interval 1 or more, kimg above 0 and p from 0 to 1";
                return Some(("parts.ada", expected, format!("{rule:?}")));
            }
        }
        self.regularisers.iter().find_map(RegulariserPart::wrong)
    }

    /// The losses, the adversarial one first. `hidden` is the width of hidden layers and
    /// embeddings.
    pub fn losses(&self, hidden: usize) -> Vec<Box<dyn Loss>> {
        let mut losses: Vec<Box<dyn Loss>> = Vec::new();
        let projection = |head| match self.conditioning {
            ConditioningPart::Projection { unit_features } => {
                Some(Projection { head, unit_features })
            }
            _ => None,
        };
        let on_logits = |form, head, stop_gradient, label_smoothing| {
            let projection = projection(OF_LOGITS);
            Box::new(Adversarial { form, head, hidden, stop_gradient, label_smoothing, projection })
        };
        losses.push(match self.adversarial {
            AdversarialPart::NonSaturating { head, stop_gradient, label_smoothing } => {
                on_logits(Form::NonSaturating, head, stop_gradient, label_smoothing)
            }
            AdversarialPart::Hinge { head, stop_gradient } => {
                on_logits(Form::Hinge, head, stop_gradient, 0.0)
            }
            AdversarialPart::LeastSquares { head, stop_gradient, label_smoothing } => {
                on_logits(Form::LeastSquares, head, stop_gradient, label_smoothing)
            }
            AdversarialPart::Wasserstein { head, stop_gradient } => {
                on_logits(Form::Wasserstein, head, stop_gradient, 0.0)
            }
            AdversarialPart::Kdd {
                tau,
                leave_one_out,
                gamma,
                alpha,
                head,
                anchors,
                stale_reals,
            } => Box::new(Kdd {
                constants: KddConstants { tau, leave_one_out },
                gamma,
                alpha,
                head,
                hidden,
                projection: projection(OF_LOG_RATIO),
                anchors,
                stale_reals,
            }),
            AdversarialPart::SupCon { tau, variant, denominator, pairs, normalise } => {
                let constants = SupConConstants { tau, variant, denominator, pairs, normalise };
                Box::new(SupCon { constants })
            }
        });
        let embed_dim = hidden;
        match self.conditioning {
            // A projection is a part of the adversarial loss.
            ConditioningPart::None
            | ConditioningPart::Generator
            | ConditioningPart::Projection { .. } => {}
            ConditioningPart::Acgan {
                lambda,
                tau,
                classify_fakes,
                embedding,
                normalise_features: features,
                normalise_proxies: proxies,
            } => losses.push(Box::new(AcGan {
                lambda,
                constants: AcGanConstants { tau, normalise: Normalise { features, proxies } },
                classify_fakes,
                embed_dim: embedding.then_some(embed_dim),
            })),
            ConditioningPart::TwoC {
                lambda,
                tau,
                normalise_features: features,
                normalise_proxies: proxies,
            } => {
                let constants =
                    ContraGanConstants { tau, normalise: Normalise { features, proxies } };
                losses.push(Box::new(ContraGan { lambda, constants, embed_dim }));
            }
            ConditioningPart::D2dce {
                lambda,
                tau,
                margin_positive,
                stabilise,
                normalise_features: features,
                normalise_proxies: proxies,
            } => {
                let normalise = Normalise { features, proxies };
                let constants = D2dCeConstants { tau, margin_positive, stabilise, normalise };
                losses.push(Box::new(D2dCe { lambda, constants, embed_dim }));
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
