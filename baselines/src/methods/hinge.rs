//! The hinge GAN.

use super::{Method, Parts};
use crate::losses::adversarial::Hinge;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "hinge",
    title: "Hinge GAN",
    summary: "hinge loss",
    source: "Lim and Ye 2017, arXiv:1705.02894; two-layer head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts::plain(Hinge { head: HeadKind::Mlp, ..Hinge::default() }),
};
