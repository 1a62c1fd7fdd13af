//! The projection discriminator: the logit gains ⟨v_y, h(x)⟩ of a vector a class and the features.
//!
//! Miyato and Koyama 2018, "cGANs with Projection Discriminator", arXiv:1802.05637, eq. 3. In KDD
//! GAN the same form is log p_r(y|x)/p_g(y|x) (kdd-gan §2.3, yᵀV D(x)), read there on features of
//! unit length (`gan-recipes.md` §3.9).

use candle_core::{Result, Tensor};

use serde::{Deserialize, Serialize};

use super::embedded::rows;
use crate::networks::{HeadKind, HeadSpec, Scored};
use crate::part::{Field, Part};

/// The table of the vectors that are added to adversarial logits.
pub(super) const OF_LOGITS: &str = "class_projection";
/// The table of those that are added to KDD's log-ratio.
pub(super) const OF_LOG_RATIO: &str = "class_ratio";

/// Features and their classes' vectors, `[n, d]` each.
pub struct Projected {
    /// h, of any length.
    pub features: Tensor,
    /// v_y: row i is the vector of sample i's class.
    pub class_vectors: Tensor,
}

impl Projected {
    /// ⟨v_y, h⟩ of each sample, `[n]`.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn inner(&self, unit_features: bool) -> Result<Tensor> {
        (rows(&self.features, unit_features)? * &self.class_vectors)?.sum(1)
    }
}

/// The part of a plan: a class vector times the features, added to the logit or to KDD's log-ratio.
/// The adversarial loss builds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectionPart {
    /// Whether features are divided by their length first.
    pub unit_features: bool,
}

impl Part for ProjectionPart {
    fn fields(&self) -> Vec<Field> {
        vec![Field::switch(
            "unit_features",
            self.unit_features,
            "features are divided by their length first",
        )]
    }
}

impl ProjectionPart {
    /// With a table of class vectors.
    pub(super) fn on(self, head: &'static str) -> Projection {
        Projection { head, unit_features: self.unit_features }
    }
}

/// The projection as a part of an adversarial loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// The table of class vectors.
    pub head: &'static str,
    /// As [`ProjectionPart::unit_features`].
    pub unit_features: bool,
}

impl Projection {
    pub(super) fn spec(&self) -> HeadSpec {
        let outputs = HeadSpec::FEATURES;
        HeadSpec { name: self.head, kind: HeadKind::Embedding, outputs, hidden: 0 }
    }

    /// What a batch's logits gain, `[n]`; `constant`: no gradient reaches the features.
    ///
    /// # Errors
    /// If the batch has no labels.
    pub(super) fn added(&self, scored: &Scored<'_>, constant: bool) -> Result<Tensor> {
        let features = if constant { scored.features.detach() } else { scored.features.clone() };
        let class_vectors = scored.embedding(self.head)?;
        Projected { features, class_vectors }.inner(self.unit_features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_projection_of_a_case_solved_on_paper() {
        // ⟨(3, 4), (1, 2)⟩ = 11; of (3, 4)/5: 11/5.
        let of = |x: [f64; 2]| Tensor::new(&[x], &Device::Cpu).unwrap();
        let p = Projected { features: of([3.0, 4.0]), class_vectors: of([1.0, 2.0]) };
        let value = |unit| p.inner(unit).unwrap().to_vec1::<f64>().unwrap()[0];
        assert_eq!(value(false), 11.0);
        assert!((value(true) - 2.2).abs() < 1e-15);
    }
}
