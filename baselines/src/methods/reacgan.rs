//! ReACGAN: hinge loss with data-to-data cross-entropy.

use super::{AdversarialPart, ConditioningPart, Method, Parts};
use crate::losses::d2dce::Stabilise;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "reacgan",
    title: "ReACGAN",
    summary: "hinge loss and D2D-CE on class labels, λ 0.5, τ 0.5, m_p 0.98",
    source: "Kang et al. 2021, arXiv:2111.01118; constants and `studiogan` stabilisation of PyTorch-StudioGAN",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::D2dce {
            lambda: 0.5,
            tau: 0.5,
            margin_positive: 0.98,
            stabilise: Stabilise::Studiogan,
            normalise_features: true,
            normalise_proxies: true,
        },
        ..Parts::plain(AdversarialPart::Hinge { head: HeadKind::Mlp, stop_gradient: false })
    },
};
