//! ContraD: the discriminator's trunk learns by contrast, its adversarial head on constant
//! features.

use super::{Method, Parts, Passes};
use crate::augment::{Augmentation, SimClr};
use crate::losses::adversarial::NonSaturating;
use crate::losses::contrastive::Contrastive;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "contrad",
    title: "ContraD",
    summary: "SimCLR on reals, contrast of fakes, adversarial head with stop-gradient",
    source: "Jeong and Shin 2021, arXiv:2103.09742, and its official code; warm-up of 3,000 of 200,000 steps \
             kept as a share of the budget",
    our_constants: None,
    parts: || Parts {
        passes: Passes::Joint,
        lr_warmup_share: 0.015,
        augmentation: Augmentation::SimClr(SimClr::default()),
        contrastive: Some(Contrastive::default()),
        ..Parts::plain(NonSaturating {
            head: HeadKind::Mlp,
            stop_gradient: true,
            ..NonSaturating::default()
        })
    },
};
