//! The projection discriminator with the hinge loss.

use super::{ConditioningPart, Method, Parts};
use crate::losses::adversarial::Hinge;
use crate::losses::projection::ProjectionPart;
use crate::networks::HeadKind;

pub const METHOD: Method = Method {
    name: "projection",
    title: "Projection GAN",
    summary: "hinge loss on logits that gain a class vector times the features",
    source: "Miyato and Koyama 2018, arXiv:1802.05637, eq. 3; two-layer head as every row of ContraD's Table 1, projection of \
             the trunk's features",
    our_constants: None,
    parts: || Parts {
        conditioning: ConditioningPart::Projection(ProjectionPart { unit_features: false }),
        ..Parts::plain(Hinge { head: HeadKind::Mlp, ..Hinge::default() })
    },
};
