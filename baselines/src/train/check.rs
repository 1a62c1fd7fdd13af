//! What can be known to be wrong with a plan before any work.

use ganbench_data::images::ImageBatch;
use thiserror::Error;

use super::plan::TrainPlan;
use super::sizes::check_sizes;
use crate::losses::Loss;
use crate::networks::{ARCHITECTURES, Architecture, BatchNormIn, HeadSpec, architecture};
use crate::part::InvalidPart;

/// A run that cannot go on for a reason other than divergence.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum TrainError {
    #[error("unknown architecture \"{name}\"; known: {known}")]
    Architecture { name: String, known: String },
    #[error(
        "architecture {architecture} takes images of {expected} pixels, the data set has {got}"
    )]
    ImageSize { architecture: String, expected: String, got: String },
    #[error(
        "the plan asks for batches of {batch}, the data set has {images} images; lower the batch"
    )]
    TooFewImages { batch: usize, images: usize },
    #[error("the method is conditional, and the data set has no labels; leave it out of --methods")]
    NoLabels,
    #[error("two parts of the method ask for different heads called {0}")]
    Head(&'static str),
    #[error("a regulariser reads the head {0}, and the method's adversarial loss has none")]
    MissingHead(&'static str),
    #[error(
        "the method has a gradient penalty, whose gradient is one of second order, and candle keeps it only with {}=1 \
         in the environment of the program; set it and start again",
        ganbench_nn::kernels::SWITCH
    )]
    SecondOrder,
    #[error(
        "architecture {architecture} cannot have network.{option} = {got}; it can follow {known}"
    )]
    Option { architecture: String, option: &'static str, got: String, known: String },
    #[error(
        "the method is conditional, and with network.batch_norm = {0} its classes cannot enter the \
         generator; leave network.batch_norm out, or the method out of --methods"
    )]
    ClassesWithoutBatchNorm(&'static str),
    #[error("{field} must be {expected}, got {got}")]
    Value { field: &'static str, expected: &'static str, got: String },
    #[error(transparent)]
    Part(#[from] InvalidPart),
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

/// The architecture called `name`.
///
/// # Errors
/// If there is none.
pub fn known_architecture(name: &str) -> Result<&'static Architecture, TrainError> {
    architecture(name).ok_or_else(|| TrainError::Architecture {
        name: name.to_string(),
        known: ARCHITECTURES.iter().map(|a| a.name).collect::<Vec<_>>().join(", "),
    })
}

/// The architecture of a plan that can be trained on these images. `classes`: of the data set, 0
/// for none.
///
/// # Errors
/// If a value is out of its range, a name unknown, or the plan does not fit the images.
pub fn check(
    plan: &TrainPlan,
    images: &ImageBatch,
    classes: usize,
) -> Result<&'static Architecture, TrainError> {
    let name = &plan.network.architecture;
    let a = known_architecture(name)?;
    let size = images.size;
    if size.height != size.width || !a.image_sizes.contains(&size.height) {
        let sizes: Vec<String> = a.image_sizes.iter().map(|s| format!("{s}x{s}")).collect();
        return Err(TrainError::ImageSize {
            architecture: name.clone(),
            expected: sizes.join(" or "),
            got: format!("{}x{}", size.height, size.width),
        });
    }
    values(plan)?;
    options(plan, a)?;
    if images.len() < plan.batch {
        return Err(TrainError::TooFewImages { batch: plan.batch, images: images.len() });
    }
    if plan.parts.conditional() && (images.labels.is_none() || classes == 0) {
        return Err(TrainError::NoLabels);
    }
    heads(&plan.parts.losses(plan.network.head_hidden))?;
    if plan.parts.second_order() && !ganbench_nn::kernels::switched_on() {
        return Err(TrainError::SecondOrder);
    }
    Ok(a)
}

fn options(plan: &TrainPlan, a: &Architecture) -> Result<(), TrainError> {
    let options = plan.network.options();
    if let Some((option, got)) = a.cannot_follow(&options) {
        let known = a.follows.names();
        return Err(TrainError::Option {
            architecture: a.name.into(),
            option,
            got,
            known: if known.is_empty() { "none of the options".into() } else { known.join(", ") },
        });
    }
    match options.batch_norm {
        BatchNormIn::DOnly if plan.parts.conditional() => {
            Err(TrainError::ClassesWithoutBatchNorm("d-only"))
        }
        BatchNormIn::None if plan.parts.conditional() => {
            Err(TrainError::ClassesWithoutBatchNorm("none"))
        }
        _ => Ok(()),
    }
}

fn values(plan: &TrainPlan) -> Result<(), TrainError> {
    let wrong = |field, expected, got: String| Err(TrainError::Value { field, expected, got });
    check_sizes(plan)?;
    let kimg = plan.checkpoint_kimg;
    if !kimg.is_finite() || kimg <= 0.0 {
        return wrong("checkpoint_kimg", "a number above 0", kimg.to_string());
    }
    if let Some(replay) = &plan.replay {
        let steps = &replay.point_g_steps;
        if !plan.budget.unit.is_clock() {
            return wrong("replay", "left out of a plan whose budget is no minutes", "one".into());
        }
        if steps.first().is_none_or(|&step| step == 0) || !steps.is_sorted_by(|a, b| a < b) {
            return wrong("replay.point_g_steps", "rising numbers above 0", format!("{steps:?}"));
        }
    }
    plan.parts.check()?;
    if let Some(decay) = plan.ema.decay.filter(|decay| !(0.0..1.0).contains(decay)) {
        return wrong("ema.decay", "a number of 0 and above and below 1", decay.to_string());
    }
    let b = plan.budget.amount;
    if !b.is_finite() || b <= 0.0 {
        return wrong("budget.amount", "a number above 0", b.to_string());
    }
    for (field, rule) in
        [("optimizer_g.lr", plan.optimizer_g), ("optimizer_d.lr", plan.optimizer_d)]
    {
        if !rule.lr().is_finite() || rule.lr() <= 0.0 {
            return wrong(field, "a number above 0", rule.lr().to_string());
        }
    }
    Ok(())
}

/// The heads that all parts ask for, each once.
pub(super) fn heads(losses: &[Box<dyn Loss>]) -> Result<Vec<HeadSpec>, TrainError> {
    let mut heads: Vec<HeadSpec> = Vec::new();
    for spec in losses.iter().flat_map(|l| l.heads()) {
        match heads.iter().find(|h| h.name == spec.name) {
            None => heads.push(spec),
            Some(same) if *same == spec => {}
            Some(_) => return Err(TrainError::Head(spec.name)),
        }
    }
    for name in losses.iter().flat_map(|l| l.reads()) {
        if !heads.iter().any(|h| h.name == name) {
            return Err(TrainError::MissingHead(name));
        }
    }
    Ok(heads)
}
