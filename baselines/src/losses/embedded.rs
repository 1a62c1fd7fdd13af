//! Embeddings of samples and one proxy a class: what the conditionings on class labels compare.

use candle_core::{Result, Tensor};

use super::similarity::{label_list, unit_rows};
use crate::networks::{HeadKind, HeadSpec, Scored};

/// The head that embeds samples.
pub(super) const EMBED: &str = "embed";
/// The table with one proxy a class.
pub const PROXY: &str = "proxy";

/// The two heads, of width `dim`.
pub(super) fn heads(dim: usize) -> Vec<HeadSpec> {
    [(EMBED, HeadKind::Linear), (PROXY, HeadKind::Embedding)]
        .map(|(name, kind)| HeadSpec { name, kind, outputs: dim, hidden: 0 })
        .to_vec()
}

/// Which sides of a similarity are divided by their Euclidean length first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalise {
    pub features: bool,
    /// Proxies, or the rows of a classifier's weight.
    pub proxies: bool,
}

impl Normalise {
    /// Similarities are cosines.
    pub const BOTH: Self = Self { features: true, proxies: true };
    /// Similarities are inner products.
    pub const NEITHER: Self = Self { features: false, proxies: false };
}

/// x, or its rows divided by their lengths.
pub(super) fn rows(x: &Tensor, unit: bool) -> Result<Tensor> {
    if unit { unit_rows(x) } else { Ok(x.clone()) }
}

/// Embeddings and their classes' proxies, `[n, d]` each, any length; labels `[n]`.
pub struct Embedded {
    pub samples: Tensor,
    pub proxies: Tensor,
    pub labels: Vec<u32>,
}

/// Both sides as they are compared, `[n, d]` each.
pub(super) struct Sides {
    pub samples: Tensor,
    pub proxies: Tensor,
}

impl Embedded {
    /// Of a batch that went through D with the two [`heads`].
    ///
    /// # Errors
    /// If the batch has no labels, or D not the heads.
    pub(super) fn of(scored: &Scored<'_>) -> Result<Self> {
        let Some(labels) = &scored.labels else {
            candle_core::bail!("the conditioning on class labels needs labels")
        };
        Ok(Self {
            samples: scored.head(EMBED)?,
            proxies: scored.embedding(PROXY)?,
            labels: label_list(labels)?,
        })
    }

    /// # Errors
    /// If the labels are not one a sample.
    pub(super) fn sides(&self, normalise: Normalise) -> Result<Sides> {
        let n = self.samples.dim(0)?;
        if self.labels.len() != n {
            candle_core::bail!("the conditioning got {n} samples and {} labels", self.labels.len())
        }
        Ok(Sides {
            samples: rows(&self.samples, normalise.features)?,
            proxies: rows(&self.proxies, normalise.proxies)?,
        })
    }
}
