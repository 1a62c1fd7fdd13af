//! The non-saturating GAN.

use super::{AdversarialPart, Method, Parts};
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "gan",
    title: "GAN",
    summary: "non-saturating loss",
    source: "Goodfellow et al. 2014, arXiv:1406.2661; two-layer head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || {
        Parts::plain(AdversarialPart::NonSaturating {
            head: HeadKind::Mlp,
            stop_gradient: false,
            label_smoothing: 0.0,
        })
    },
};
