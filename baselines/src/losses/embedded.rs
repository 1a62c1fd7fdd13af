//! Embeddings of samples and one proxy a class: what the conditionings on class labels compare.

use candle_core::{Result, Tensor};

use super::registry::Arrays;
use super::similarity::{label_list, unit_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadKind, HeadSpec, Scored};
use crate::part::Field;

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

/// The fields of a part that says so.
pub(super) fn normalise_fields(normalise: Normalise) -> [Field; 2] {
    let Normalise { features, proxies } = normalise;
    [
        Field::switch("normalise_features", features, "features are divided by their length first"),
        Field::switch("normalise_proxies", proxies, "class vectors are divided by theirs"),
    ]
}

/// Which sides of a similarity are divided by their Euclidean length first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Normalise {
    /// Features of samples, or their embeddings.
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
    /// f_i: the embedding, or the features, of each sample.
    pub samples: Tensor,
    /// v_i: row i is the proxy of sample i's class.
    pub proxies: Tensor,
    /// The class of each sample.
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
    fn from_scored(scored: &Scored<'_>) -> Result<Self> {
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

/// A loss on embeddings and proxies: λ times it on reals in the discriminator's step, on fakes in
/// the generator's.
pub(super) trait EmbeddedLoss: Clone + 'static {
    /// The names of D's term and of G's.
    const TERMS: [&'static str; 2];

    /// λ.
    fn lambda(&self) -> f64;

    /// # Errors
    /// If the labels are not one per sample.
    fn value(&self, embedded: &Embedded) -> Result<Tensor>;

    /// Both networks' terms on a user's arrays.
    fn terms_on(&self, arrays: &Arrays) -> Result<Vec<Term>> {
        let (sides, [d, g]) = (arrays.embedded()?, Self::TERMS);
        Ok(vec![
            Term::new(d, self.lambda(), self.value(&sides.real)?),
            Term::new(g, self.lambda(), self.value(&sides.fake)?),
        ])
    }

    /// The loss that training steps with, on embeddings of this width.
    fn on_embedding(&self, embed_dim: usize) -> Option<Box<dyn Loss>> {
        Some(Box::new(OnEmbedding { loss: self.clone(), embed_dim }))
    }
}

struct OnEmbedding<L> {
    loss: L,
    embed_dim: usize,
}

impl<L: EmbeddedLoss> Loss for OnEmbedding<L> {
    fn heads(&self) -> Vec<HeadSpec> {
        heads(self.embed_dim)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let value = self.loss.value(&Embedded::from_scored(batch.real())?)?;
        let terms = vec![Term::new(L::TERMS[0], self.loss.lambda(), value)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let value = self.loss.value(&Embedded::from_scored(&batch.fake)?)?;
        Ok(vec![Term::new(L::TERMS[1], self.loss.lambda(), value)])
    }
}
