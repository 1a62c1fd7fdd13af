//! LSGAN: the least-squares loss.

use super::{Method, Parts};
use crate::losses::adversarial::LeastSquares;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "lsgan",
    title: "LSGAN",
    summary: "least-squares loss with targets 1 and 0",
    source: "Mao et al. 2017, arXiv:1611.04076, eq. 9; two-layer head as every row of ContraD's Table 1",
    our_constants: None,
    parts: || Parts::plain(LeastSquares { head: HeadKind::Mlp, ..LeastSquares::default() }),
};
