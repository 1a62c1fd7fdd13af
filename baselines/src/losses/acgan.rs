//! The auxiliary classifier GAN's classification loss.
//!
//! Odena et al. 2017, arXiv:1610.09585, eq. 3; formulas `gan-recipes.md` §3.3. PyTorch-StudioGAN's
//! form is the default: D classifies reals only, and the classifier is one layer without bias on
//! the trunk's features.

use candle_core::{Result, Tensor};

use serde::{Deserialize, Serialize};

use super::embedded::{EMBED, Normalise, PROXY, heads, normalise_fields, rows};
use super::part::{BuildContext, LossPart};
use super::registry::{Array, Arrays, Entry, OnArrays};
use super::similarity::{accuracy, label_list, log_sum_exp_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadKind, HeadSpec, Scored};
use crate::part::{Field, Part};

/// The classifier on the trunk's features: a row a class.
pub const CLASSIFIER: &str = "classifier";

/// What is classified.
pub struct Classified {
    /// `[n, d]`, any length.
    pub features: Tensor,
    /// The classifier's weight, `[classes, d]`.
    pub class_vectors: Tensor,
    /// u32 `[n]`, below the number of classes.
    pub labels: Tensor,
}

/// The part of a plan: λ·cross-entropy on reals in the discriminator's step, on fakes in the
/// generator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AcGan {
    /// λ, the weight of every cross-entropy: 0 or above.
    pub lambda: f64,
    /// Logits are divided by it; 1 in the papers.
    pub tau: f64,
    /// D's loss has the fakes' cross-entropy too, as the original's; PyTorch-StudioGAN's has reals
    /// only.
    pub classify_fakes: bool,
    /// A linear embedding is classified in place of the features, with the heads of D2D-CE.
    pub embedding: bool,
    /// The papers: neither.
    pub normalise_features: bool,
    /// The classifier's weight, row by row.
    pub normalise_proxies: bool,
}

impl Default for AcGan {
    fn default() -> Self {
        Self {
            lambda: 1.0,
            tau: 1.0,
            classify_fakes: false,
            embedding: false,
            normalise_features: false,
            normalise_proxies: false,
        }
    }
}

impl AcGan {
    fn normalise(&self) -> Normalise {
        Normalise { features: self.normalise_features, proxies: self.normalise_proxies }
    }
}

impl Part for AcGan {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::weight("lambda", self.lambda, "weight of all terms"),
            Field::positive("tau", self.tau, "temperature"),
            Field::switch(
                "classify_fakes",
                self.classify_fakes,
                "D is charged for the fakes' classes too",
            ),
            Field::switch("embedding", self.embedding, "an embedding is classified").in_training(),
        ];
        fields.extend(normalise_fields(self.normalise()));
        fields
    }
}

/// Cross-entropy of softmax(h·Wᵀ/τ) and the labels, averaged over the samples: a scalar of at least
/// 0.
///
/// # Errors
/// If the shapes disagree.
pub fn classification(x: &Classified, c: &AcGan) -> Result<Tensor> {
    let h = rows(&x.features, c.normalise_features)?;
    let w = rows(&x.class_vectors, c.normalise_proxies)?;
    let logits = (h.matmul(&w.t()?)? / c.tau)?; // [n, classes]
    let at_label = logits.gather(&x.labels.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum_exp_rows(&logits)? - at_label)?.mean_all()
}

/// Share of the samples whose largest class logit is their label's.
///
/// # Errors
/// If the shapes disagree.
pub fn class_accuracy(x: &Classified, c: &AcGan) -> Result<Tensor> {
    let h = rows(&x.features.detach(), c.normalise_features)?;
    let w = rows(&x.class_vectors.detach(), c.normalise_proxies)?;
    let labels = label_list(&x.labels)?;
    accuracy(&h.matmul(&w.t()?)?, &|_, _| true, &|r, c| c == labels[r] as usize)
}

/// The part on a discriminator.
struct AcGanLoss {
    part: AcGan,
    /// Width of the embedding that is classified in place of the features.
    embed_dim: Option<usize>,
}

impl AcGanLoss {
    fn loss(&self, scored: &Scored<'_>) -> Result<Tensor> {
        classification(&self.classified(scored)?, &self.part)
    }

    fn classified(&self, scored: &Scored<'_>) -> Result<Classified> {
        let Some(labels) = &scored.labels else { candle_core::bail!("acgan needs labels") };
        let (features, table) = match self.embed_dim {
            None => (scored.features.clone(), CLASSIFIER),
            Some(_) => (scored.head(EMBED)?, PROXY),
        };
        let class_vectors = scored.class_table(table)?;
        Ok(Classified { features, class_vectors, labels: labels.clone() })
    }
}

impl Loss for AcGanLoss {
    fn heads(&self) -> Vec<HeadSpec> {
        let (kind, outputs) = (HeadKind::Embedding, HeadSpec::FEATURES);
        match self.embed_dim {
            None => vec![HeadSpec { name: CLASSIFIER, kind, outputs, hidden: 0 }],
            Some(dim) => heads(dim),
        }
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let real = self.classified(batch.real())?;
        let mut terms = vec![
            Term::new("d_class", self.part.lambda, classification(&real, &self.part)?),
            Term::looked_at("d_class_accuracy", &class_accuracy(&real, &self.part)?),
        ];
        if self.part.classify_fakes {
            terms.push(Term::new("d_class_fake", self.part.lambda, self.loss(&batch.fake)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::new("g_class", self.part.lambda, self.loss(&batch.fake)?)])
    }
}

impl LossPart for AcGan {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        let embed_dim = self.embedding.then_some(context.hidden);
        Some(Box::new(AcGanLoss { part: self.clone(), embed_dim }))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "acgan",
            aliases: &[],
            summary: "cross-entropy of an auxiliary classifier, D on reals and G on fakes",
            source: "Odena et al. 2017, arXiv:1610.09585, eq. 3; PyTorch-StudioGAN",
            arrays: Array::EMBEDDED,
            configure: Entry::configured::<AcGan>,
        };
        Some(&ENTRY)
    }
}

impl OnArrays for AcGan {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let loss = |features: &str, labels: &str| {
            let (features, labels) = (a.tensor(features)?, a.tensor(labels)?);
            let class_vectors = a.tensor("class_vectors")?;
            classification(&Classified { features, class_vectors, labels }, self)
        };
        let real = loss("features_real", "labels_real")?;
        let fake = loss("features_fake", "labels_fake")?;
        let mut terms = vec![Term::new("d_class", self.lambda, real)];
        if self.classify_fakes {
            terms.push(Term::new("d_class_fake", self.lambda, fake.clone()));
        }
        terms.push(Term::new("g_class", self.lambda, fake));
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn classified(features: &Tensor, class_vectors: &Tensor, labels: &[u32]) -> Classified {
        let labels = Tensor::new(labels, &Device::Cpu).unwrap();
        Classified { features: features.clone(), class_vectors: class_vectors.clone(), labels }
    }

    #[test]
    fn the_loss_of_a_case_solved_on_paper() {
        // Logits (2, 0) of class 0 and, of unit vectors at τ = 1/2, (1, 0)/½: log(1 + e^−2) both
        // times.
        let h = Tensor::new(&[[2.0f64, 0.0]], &Device::Cpu).unwrap();
        let w = Tensor::new(&[[1.0f64, 0.0], [0.0, 5.0]], &Device::Cpu).unwrap();
        for (tau, unit) in [(1.0, false), (0.5, true)] {
            let c = AcGan {
                tau,
                normalise_features: unit,
                normalise_proxies: unit,
                ..AcGan::default()
            };
            let value = classification(&classified(&h, &w, &[0]), &c).unwrap();
            let expected = (-2f64).exp().ln_1p();
            assert!((value.to_scalar::<f64>().unwrap() - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn class_accuracy_is_the_share_of_largest_logits_at_the_label() {
        let h = Tensor::new(&[[2.0f64, 0.0], [1.0, 3.0], [1.0, 3.0]], &Device::Cpu).unwrap();
        let w = Tensor::new(&[[1.0f64, 0.0], [0.0, 0.1]], &Device::Cpu).unwrap();
        let accuracy = |unit| {
            let c = AcGan { normalise_features: unit, normalise_proxies: unit, ..AcGan::default() };
            let value = class_accuracy(&classified(&h, &w, &[0, 1, 0]), &c).unwrap();
            value.to_scalar::<f64>().unwrap()
        };
        // The short class vector loses (1 against 0.3), that of length 1 wins (1 against 3).
        assert!((accuracy(false) - 2.0 / 3.0).abs() < 1e-12);
        assert!((accuracy(true) - 2.0 / 3.0).abs() < 1e-12);
        let all = class_accuracy(&classified(&h, &w, &[0, 0, 0]), &AcGan::default()).unwrap();
        assert_eq!(all.to_scalar::<f64>().unwrap(), 1.0);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for normalise_features in [false, true] {
            let c = AcGan { tau: 0.5, normalise_features, ..AcGan::default() };
            check(&[normal(1, &[5, 4]), normal(2, &[3, 4])], |v| {
                let x = classified(&v[0], &v[1], &[0, 1, 2, 0, 1]);
                classification(&x, &c)
            });
        }
    }
}
