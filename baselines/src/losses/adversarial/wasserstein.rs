//! The Wasserstein GAN's critic.
//!
//! Arjovsky et al. 2017, arXiv:1701.07875: D minimises E d_f − E d_r, G minimises −E d_f. The loss
//! needs a discriminator that is held to a Lipschitz constant, by spectral norm or a penalty.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::{LOGITS, LogitHead, LogitLoss, Logits};
use crate::losses::registry::Entry;
use crate::networks::HeadKind;
use crate::part::{Field, Part};

/// The part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wasserstein {
    /// The layers between the features and the logit.
    pub head: HeadKind,
    /// Whether D's loss stops at the features and leaves the trunk alone; G's loss never does.
    pub stop_gradient: bool,
}

impl Default for Wasserstein {
    fn default() -> Self {
        Self { head: HeadKind::Linear, stop_gradient: false }
    }
}

impl Part for Wasserstein {
    fn fields(&self) -> Vec<Field> {
        self.head().fields()
    }
}

impl LogitLoss for Wasserstein {
    const ENTRY: &'static Entry = &Entry {
        name: "wasserstein",
        aliases: &[],
        summary: "WGAN's critic, without what makes it Lipschitz",
        source: "Arjovsky et al. 2017, arXiv:1701.07875",
        arrays: LOGITS,
        configure: Entry::configured::<Self>,
    };

    fn head(&self) -> LogitHead {
        LogitHead { kind: self.head, stop_gradient: self.stop_gradient }
    }

    fn discriminator(&self, logits: &Logits) -> Result<Tensor> {
        logits.fake.mean_all()? - logits.real.mean_all()?
    }

    fn generator(&self, logits_fake: &Tensor) -> Result<Tensor> {
        logits_fake.mean_all()?.neg()
    }
}
