//! SupCon-GAN: the supervised contrastive loss between reals and fakes, no logit.

use super::{AdversarialPart, Method, Parts};
use crate::losses::supcon::{Denominator, Variant};

pub const METHOD: Method = Method {
    name: "supcon",
    title: "SupCon-GAN",
    summary: "supervised contrastive loss of reals against fakes, τ 0.1",
    source: "Gu, SupCon-GAN: no code and no hyper-parameters; our reading, see `losses/supcon.rs`",
    parts: || {
        Parts::plain(AdversarialPart::SupCon {
            tau: 0.1,
            variant: Variant::Log,
            denominator: Denominator::A,
        })
    },
};
