//! SupCon-GAN: the supervised contrastive loss between reals and fakes, no logit.

use super::{Method, Parts};
use crate::losses::supcon::{Denominator, Pairs, SupCon, Variant};

pub const METHOD: Method = Method {
    name: "supcon",
    title: "SupCon-GAN",
    summary: "supervised contrastive loss of reals against fakes, τ 0.1",
    source: "Gu, SupCon-GAN: no code and no hyper-parameters; our reading, see `losses/supcon.rs`",
    our_constants: Some("τ 0.1, chosen on this harness's metric; the paper prints none"),
    parts: || {
        Parts::plain(SupCon {
            tau: 0.1,
            variant: Variant::Log,
            denominator: Denominator::A,
            // The plans of kept runs say so; of the log form only the curve differs, by log 2.
            pairs: Pairs::Ordered,
            normalise: true,
        })
    },
};
