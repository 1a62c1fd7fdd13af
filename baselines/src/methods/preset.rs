//! A method as data: what `plan.toml` holds and `--set` changes.

use serde::{Deserialize, Serialize};

use super::parts::{AdversarialPart, ConditioningPart, RegulariserPart};
use crate::augment::{AdaRule, Augmentation};
use crate::losses::Loss;
use crate::losses::contrastive::Contrastive;
use crate::losses::part::{BuildContext, LossPart};
use crate::part::InvalidPart;

/// Which network learns first in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    /// The discriminator makes all its updates of the step, then the generator its one.
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
    /// How reals and fakes go through the discriminator in its own step.
    pub passes: Passes,
    /// Which network learns first in a step.
    #[serde(default, skip_serializing_if = "First::is_default")]
    pub first: First,
    /// The learning rates rise linearly over this share of the budget.
    pub lr_warmup_share: f64,
    /// What tells reals from fakes; the first of [`Parts::losses`].
    pub adversarial: AdversarialPart,
    /// How class labels enter.
    pub conditioning: ConditioningPart,
    /// What images go through before D sees them, in both networks' steps.
    pub augmentation: Augmentation,
    /// Moves the probability of an ADA augmentation; left out, it stays what the augmentation says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ada: Option<AdaRule>,
    /// ContraD's two contrastive losses in D's loss; None: neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contrastive: Option<Contrastive>,
    /// What else D is held to, in the order of [`Parts::losses`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<RegulariserPart>,
}

impl Parts {
    /// An adversarial loss and nothing else.
    pub fn plain(adversarial: impl Into<AdversarialPart>) -> Self {
        Self {
            passes: Passes::Separate,
            first: First::default(),
            lr_warmup_share: 0.0,
            adversarial: adversarial.into(),
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

    /// The parts that bring losses, the adversarial one first, each with its field.
    fn loss_parts(&self) -> impl Iterator<Item = (&'static str, &dyn LossPart)> {
        let contrastive = self.contrastive.as_ref().map(|part| part as &dyn LossPart);
        let regularisers = self.regularisers.iter().filter_map(RegulariserPart::part);
        [
            ("parts.adversarial", self.adversarial.part()),
            ("parts.conditioning", self.conditioning.part()),
            ("parts.contrastive", contrastive),
        ]
        .into_iter()
        .filter_map(|(field, part)| Some((field, part?)))
        .chain(regularisers.map(|part| ("parts.regularisers", part)))
    }

    /// # Errors
    /// Naming the first field that has a value of which no method can be made.
    pub fn check(&self) -> Result<(), InvalidPart> {
        for (field, part) in self.loss_parts() {
            part.check().map_err(|e| e.within(field))?;
        }
        self.augmentation.check().map_err(|e| e.within("parts.augmentation"))?;
        self.check_together()
    }

    /// That the parts go together.
    fn check_together(&self) -> Result<(), InvalidPart> {
        let adversarial = self.adversarial.part();
        let projects = self.conditioning.part().is_some_and(|part| part.projection().is_some());
        if let Some(part) = adversarial.filter(|part| projects && !part.has_logit()) {
            let kind = part.entry().map_or("given", |entry| entry.name);
            let expected = format!(
                "another than projection with the adversarial part {kind}, which has no logit"
            );
            return Err(InvalidPart::new("parts.conditioning.kind", expected, "projection"));
        }
        if self.first == First::Generator && adversarial.is_some_and(|a| a.reads_last_d_step()) {
            let expected = "discriminator with stale_reals, which are those of its step";
            return Err(InvalidPart::new("parts.first", expected, "generator"));
        }
        let Some(rule) = &self.ada else { return Ok(()) };
        if !matches!(self.augmentation, Augmentation::Ada(_)) {
            let expected = "left out where the augmentation is not ada";
            return Err(InvalidPart::new("parts.ada", expected, "a rule"));
        }
        rule.check().map_err(|e| e.within("parts.ada"))
    }

    /// The losses, the adversarial one first. `hidden` is the width of hidden layers and
    /// embeddings.
    pub fn losses(&self, hidden: usize) -> Vec<Box<dyn Loss>> {
        let projection = self.conditioning.part().and_then(|part| part.projection());
        let context = BuildContext { hidden, projection };
        self.loss_parts().filter_map(|(_, part)| part.build(&context)).collect()
    }
}
