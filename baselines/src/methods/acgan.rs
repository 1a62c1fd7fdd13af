//! ACGAN: hinge loss with an auxiliary classifier.

use super::{AdversarialPart, ConditioningPart, Method, Parts};
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "acgan",
    title: "ACGAN",
    summary: "hinge loss and an auxiliary classifier on class labels, D on reals and G on fakes, λ 1",
    source: "Odena et al. 2017, arXiv:1610.09585, in PyTorch-StudioGAN's form: hinge, D classifies reals \
             only; two-layer adversarial head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::Acgan {
            lambda: 1.0,
            tau: 1.0,
            classify_fakes: false,
            embedding: false,
            normalise_features: false,
            normalise_proxies: false,
        },
        ..Parts::plain(AdversarialPart::Hinge { head: HeadKind::Mlp, stop_gradient: false })
    },
};
