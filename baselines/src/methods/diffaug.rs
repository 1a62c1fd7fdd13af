//! DiffAug: the non-saturating GAN that sees augmented reals and fakes only.

use super::{Method, Parts};
use crate::augment::{Augmentation, DiffAug};
use crate::losses::adversarial::NonSaturating;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "diffaug",
    title: "DiffAug",
    summary: "non-saturating loss on colour-changed and cut images, policy color,cutout",
    source: "Zhao et al. 2020, arXiv:2006.10738; policy, loss and two-layer head of the DiffAug rows of ContraD's \
             Table 1, without the flip of its data loader",
    our_constants: None,
    parts: || Parts {
        augmentation: Augmentation::DiffAug(DiffAug::COLOR_CUTOUT),
        ..Parts::plain(NonSaturating { head: HeadKind::Mlp, ..NonSaturating::default() })
    },
};
