//! ReACGAN: hinge loss with data-to-data cross-entropy.

use super::{ConditioningPart, Method, Parts};
use crate::losses::adversarial::Hinge;
use crate::losses::d2dce::D2dCe;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "reacgan",
    title: "ReACGAN",
    summary: "hinge loss and D2D-CE on class labels, λ 0.5, τ 0.5, m_p 0.98",
    source: "Kang et al. 2021, arXiv:2111.01118; constants and `studiogan` stabilisation of PyTorch-StudioGAN",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::D2dce(D2dCe::default()),
        ..Parts::plain(Hinge { head: HeadKind::Mlp, ..Hinge::default() })
    },
};
