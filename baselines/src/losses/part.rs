//! What a loss part owns beside its formulas: how training builds it, and its entry for
//! `ganbench loss`.

use super::Loss;
use super::projection::ProjectionPart;
use super::registry::Entry;
use crate::part::Part;

/// What a part takes from the rest of its plan.
#[derive(Clone, Copy, Debug)]
pub struct BuildContext {
    /// Width of hidden layers and embeddings.
    pub hidden: usize,
    /// What class labels add to logits.
    pub projection: Option<ProjectionPart>,
}

/// The configuration of a loss part: the struct that a plan holds.
pub trait LossPart: Part {
    /// The loss that training steps with; none where the part is built into another.
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>>;

    /// The part on a user's arrays; none where there is nothing to compute without networks.
    fn entry(&self) -> Option<&'static Entry> {
        None
    }

    /// Whether the loss reads logits of a head that may be linear or have a hidden layer.
    fn reads_a_head(&self) -> bool {
        false
    }

    /// Whether the loss has a logit that a projection of class labels can be added to.
    fn has_logit(&self) -> bool {
        true
    }

    /// Whether the generator's loss reads what D's last step has left.
    fn reads_last_d_step(&self) -> bool {
        false
    }

    /// The projection of class labels, which the adversarial loss builds.
    fn projection(&self) -> Option<ProjectionPart> {
        None
    }
}
