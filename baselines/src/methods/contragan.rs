//! ContraGAN: hinge loss with the conditional contrastive loss 2C.

use super::{ConditioningPart, Method, Parts};
use crate::losses::adversarial::Hinge;
use crate::losses::contragan::TwoC;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "contragan",
    title: "ContraGAN",
    summary: "hinge loss and 2C on class labels, λ 1, τ 1",
    source: "Kang and Park 2020, arXiv:2006.12681; constants of PyTorch-StudioGAN; two-layer adversarial head as every \
             row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::TwoC(TwoC::default()),
        ..Parts::plain(Hinge { head: HeadKind::Mlp, ..Hinge::default() })
    },
};
