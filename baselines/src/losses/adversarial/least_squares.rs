//! LSGAN's least-squares loss.
//!
//! Mao et al. 2017, arXiv:1611.04076, eq. 9 (b = c = 1, a = 0): D minimises
//! ½E(d_r − 1)² + ½E d_f², G minimises ½E(d_f − 1)².

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::{LOGITS, LogitHead, LogitLoss, Logits, half_square};
use crate::losses::registry::{Alias, Entry};
use crate::networks::HeadKind;
use crate::part::{Field, Part};

/// The part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeastSquares {
    /// The layers between the features and the logit.
    pub head: HeadKind,
    /// Whether D's loss stops at the features and leaves the trunk alone; G's loss never does.
    pub stop_gradient: bool,
    /// s of one-sided label smoothing: the target of the reals in D's loss is 1 − s (Salimans et
    /// al. 2016, arXiv:1606.03498, section 3.4).
    pub label_smoothing: f64,
    /// G's target for its fakes is 1 minus this.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub g_label_smoothing: f64,
}

impl Default for LeastSquares {
    fn default() -> Self {
        let (label_smoothing, g_label_smoothing) = (0.0, 0.0);
        Self { head: HeadKind::Linear, stop_gradient: false, label_smoothing, g_label_smoothing }
    }
}

impl Part for LeastSquares {
    fn fields(&self) -> Vec<Field> {
        let mut fields = self.head().fields();
        fields.extend(super::smoothing_fields(self.label_smoothing, self.g_label_smoothing));
        fields
    }
}

impl LogitLoss for LeastSquares {
    const ENTRY: &'static Entry = &Entry {
        name: "least_squares",
        aliases: &[Alias::new("least-squares")],
        summary: "LSGAN's loss with targets 1 and 0 and factors ½",
        source: "Mao et al. 2017, arXiv:1611.04076, eq. 9",
        arrays: LOGITS,
        configure: Entry::configured::<Self>,
    };

    fn head(&self) -> LogitHead {
        LogitHead { kind: self.head, stop_gradient: self.stop_gradient }
    }

    fn discriminator(&self, logits: &Logits) -> Result<Tensor> {
        half_square(&(&logits.real - (1.0 - self.label_smoothing))?)? + half_square(&logits.fake)?
    }

    fn generator(&self, logits_fake: &Tensor) -> Result<Tensor> {
        half_square(&(logits_fake - (1.0 - self.g_label_smoothing))?)
    }
}
