//! KDD GAN alone: the log-ratio of two kernel density estimates is the discriminator.

use super::{Method, Parts};
use crate::losses::kdd::Kdd;

pub const METHOD: Method = Method {
    name: "kdd",
    title: "KDD GAN",
    summary: "kernel density discriminator, γ = 1, α = 0",
    source: "KDD GAN, eq. 3-6, τ = 0.05 (its Table 1); no official code; features are the trunk's, \
             leave-one-out lowers the count (our reading)",
    our_constants: Some("τ 0.05, chosen on this harness's metric; the paper's is 1"),
    parts: || {
        Parts::plain(Kdd {
            // At τ = 1, the paper's best, ρ stays within ±2 (±1 for ReLU features) whatever D
            // learns: on this backbone D saturates within 2 kimg and its gradient with it
            // (`reports/kept/README.md`).
            tau: 0.05,
            ..Kdd::default()
        })
    },
};
