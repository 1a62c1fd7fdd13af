//! ACGAN: hinge loss with an auxiliary classifier.

use super::{ConditioningPart, Method, Parts};
use crate::losses::acgan::AcGan;
use crate::losses::adversarial::Hinge;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "acgan",
    title: "ACGAN",
    summary: "hinge loss and an auxiliary classifier on class labels, D on reals and G on fakes, λ 1",
    source: "Odena et al. 2017, arXiv:1610.09585, in PyTorch-StudioGAN's form: hinge, D classifies reals \
             only; two-layer adversarial head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::Acgan(AcGan::default()),
        ..Parts::plain(Hinge { head: HeadKind::Mlp, ..Hinge::default() })
    },
};
