//! The hinge loss.
//!
//! Miyato et al. 2018, arXiv:1802.05957, and Lim and Ye 2017, arXiv:1705.02894: D minimises
//! E[1 − d_r]₊ + E[1 + d_f]₊, G minimises −E d_f.

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::{LOGITS, LogitHead, LogitLoss, Logits};
use crate::losses::registry::Entry;
use crate::networks::HeadKind;
use crate::part::{Field, Part};

/// The part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hinge {
    /// The layers between the features and the logit.
    pub head: HeadKind,
    /// Whether D's loss stops at the features and leaves the trunk alone; G's loss never does.
    pub stop_gradient: bool,
}

impl Default for Hinge {
    fn default() -> Self {
        Self { head: HeadKind::Linear, stop_gradient: false }
    }
}

impl Part for Hinge {
    fn fields(&self) -> Vec<Field> {
        self.head().fields()
    }
}

/// E[1 − d_r]₊ + E[1 + d_f]₊.
pub(in crate::losses) fn hinge(logits: &Logits) -> Result<Tensor> {
    let positive = |x: Tensor| activate(&x, Activation::Relu)?.mean_all();
    positive((1.0 - &logits.real)?)? + positive((&logits.fake + 1.0)?)?
}

impl LogitLoss for Hinge {
    const ENTRY: &'static Entry = &Entry {
        name: "hinge",
        aliases: &[],
        summary: "hinge loss",
        source: "Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957",
        arrays: LOGITS,
        configure: Entry::configured::<Self>,
    };

    fn head(&self) -> LogitHead {
        LogitHead { kind: self.head, stop_gradient: self.stop_gradient }
    }

    fn discriminator(&self, logits: &Logits) -> Result<Tensor> {
        hinge(logits)
    }

    fn generator(&self, logits_fake: &Tensor) -> Result<Tensor> {
        logits_fake.mean_all()?.neg()
    }
}
