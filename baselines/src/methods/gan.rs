//! The non-saturating GAN.

use super::{Method, Parts};
use crate::losses::adversarial::NonSaturating;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "gan",
    title: "GAN",
    summary: "non-saturating loss",
    source: "Goodfellow et al. 2014, arXiv:1406.2661; two-layer head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts::plain(NonSaturating { head: HeadKind::Mlp, ..NonSaturating::default() }),
};
