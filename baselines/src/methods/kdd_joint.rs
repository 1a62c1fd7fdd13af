//! KDD GAN joint with the hinge loss.

use super::{Method, Parts};
use crate::losses::kdd::Kdd;

pub const METHOD: Method = Method {
    name: "kdd-joint",
    title: "KDD GAN (joint)",
    summary: "kernel density discriminator and hinge loss, γ = 1, α = 1",
    source: "KDD GAN, Joint rows of its Table 1; the hinge on a linear head of the same trunk (our reading)",
    our_constants: None,
    parts: || Parts::plain(Kdd { tau: 1.0, alpha: 1.0, ..Kdd::default() }),
};
