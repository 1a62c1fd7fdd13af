//! What a step leaves in the run's log.

use serde::{Deserialize, Serialize};

/// One line of `train.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The generator step, counted from 1.
    pub g_step: u64,
    /// Thousands of real images that were shown to D up to this step.
    pub real_kimg: f64,
    /// Every term before its weight, and the totals `d_loss` and `g_loss`.
    pub losses: std::collections::BTreeMap<String, f64>,
    /// Euclidean norm over all parameters.
    pub d_grad_norm: f64,
    /// The same of the generator's gradient.
    pub g_grad_norm: f64,
    /// Mean outputs on reals and fakes in the discriminator's step, where the loss has outputs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub d_real: Option<f64>,
    /// The same on fakes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub d_fake: Option<f64>,
    /// Mean length of the trunk's features of the reals, where the discriminator saw them first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub d_feature_norm: Option<f64>,
    /// Norm of the gradient of the classifier's or the proxies' table, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub d_class_grad_norm: Option<f64>,
    /// ADA's probability after the step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ada_p: Option<f64>,
}

impl StepRecord {
    /// Losses and gradient norms by name.
    pub fn terms(&self) -> impl Iterator<Item = (&str, f64)> {
        let norms = [("d_grad_norm", self.d_grad_norm), ("g_grad_norm", self.g_grad_norm)];
        self.losses.iter().map(|(name, value)| (name.as_str(), *value)).chain(norms)
    }

    /// That this step was not finite in `what`.
    pub(super) fn diverged(&self, what: String) -> Diverged {
        let terms = self.terms().map(|(name, value)| (name.to_string(), value.to_string()));
        Diverged { g_step: self.g_step, real_kimg: self.real_kimg, what, terms: terms.collect() }
    }
}

/// A step that was not finite. The weights may be damaged; the last checkpoint is not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diverged {
    /// The generator step, counted from 1.
    pub g_step: u64,
    /// Thousands of real images that were shown to D up to this step.
    pub real_kimg: f64,
    /// What was not finite: a loss term, a gradient norm or a tensor.
    pub what: String,
    /// Loss terms, totals and gradient norms of that step as text, which also holds `NaN` and
    /// `inf`.
    pub terms: std::collections::BTreeMap<String, String>,
}
