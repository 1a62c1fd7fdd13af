//! The hinge GAN.

use super::{AdversarialPart, Method, Parts};
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "hinge",
    title: "Hinge GAN",
    summary: "hinge loss",
    source: "Lim and Ye 2017, arXiv:1705.02894; two-layer head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts::plain(AdversarialPart::Hinge { head: HeadKind::Mlp, stop_gradient: false }),
};
