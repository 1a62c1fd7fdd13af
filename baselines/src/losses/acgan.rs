//! The auxiliary classifier GAN's classification loss.
//!
//! Odena et al. 2017, arXiv:1610.09585, eq. 3; formulas `gan-recipes.md` §3.3. PyTorch-StudioGAN's
//! form is the default: D classifies reals only, and the classifier is one layer without bias on
//! the trunk's features.

use candle_core::{Result, Tensor};

use super::embedded::{EMBED, Normalise, PROXY, heads, rows};
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::similarity::{accuracy, label_list, log_sum_exp_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadKind, HeadSpec, Scored};

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

/// How features become class logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AcGanConstants {
    /// Logits are divided by it; 1 in the papers.
    pub tau: f64,
    /// The papers: neither.
    pub normalise: Normalise,
}

/// Cross-entropy of softmax(h·Wᵀ/τ) and the labels, averaged over the samples: a scalar of at least
/// 0.
///
/// # Errors
/// If the shapes disagree.
pub fn classification(x: &Classified, c: AcGanConstants) -> Result<Tensor> {
    let h = rows(&x.features, c.normalise.features)?;
    let w = rows(&x.class_vectors, c.normalise.proxies)?;
    let logits = (h.matmul(&w.t()?)? / c.tau)?; // [n, classes]
    let at_label = logits.gather(&x.labels.unsqueeze(1)?, 1)?.squeeze(1)?;
    (log_sum_exp_rows(&logits)? - at_label)?.mean_all()
}

/// Share of the samples whose largest class logit is their label's.
///
/// # Errors
/// If the shapes disagree.
pub fn class_accuracy(x: &Classified, c: AcGanConstants) -> Result<Tensor> {
    let h = rows(&x.features.detach(), c.normalise.features)?;
    let w = rows(&x.class_vectors.detach(), c.normalise.proxies)?;
    let labels = label_list(&x.labels)?;
    accuracy(&h.matmul(&w.t()?)?, &|_, _| true, &|r, c| c == labels[r] as usize)
}

/// λ·cross-entropy on reals in the discriminator's step, on fakes in the generator's.
pub struct AcGan {
    pub lambda: f64,
    pub constants: AcGanConstants,
    /// D's loss has the fakes' cross-entropy too, as the original's.
    pub classify_fakes: bool,
    /// Width of a linear embedding that is classified in place of the features, with the heads of
    /// D2D-CE.
    pub embed_dim: Option<usize>,
}

impl AcGan {
    fn loss(&self, scored: &Scored<'_>) -> Result<Tensor> {
        classification(&self.classified(scored)?, self.constants)
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

impl Loss for AcGan {
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
            Term::new("d_class", self.lambda, classification(&real, self.constants)?),
            Term::looked_at("d_class_accuracy", &class_accuracy(&real, self.constants)?),
        ];
        if self.classify_fakes {
            terms.push(Term::new("d_class_fake", self.lambda, self.loss(&batch.fake)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::new("g_class", self.lambda, self.loss(&batch.fake)?)])
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "acgan",
    summary: "cross-entropy of an auxiliary classifier, D on reals and G on fakes",
    source: "Odena et al. 2017, arXiv:1610.09585, eq. 3; PyTorch-StudioGAN",
    arrays: Array::EMBEDDED,
    settings: &[
        Setting::positive("lambda", 1.0, "weight of all terms"),
        Setting::positive("tau", 1.0, "temperature"),
        Setting::switch("classify_fakes", false, "D is charged for the fakes' classes too"),
        Setting::switch("normalise_features", false, "features are divided by their length first"),
        Setting::switch("normalise_proxies", false, "class vectors are divided by theirs"),
    ],
    terms,
};

fn terms(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let c = AcGanConstants { tau: s.number("tau"), normalise: s.normalise() };
    let lambda = s.number("lambda");
    let loss = |features: &str, labels: &str| {
        let (features, labels) = (a.tensor(features)?, a.tensor(labels)?);
        let class_vectors = a.tensor("class_vectors")?;
        classification(&Classified { features, class_vectors, labels }, c)
    };
    let fake = loss("features_fake", "labels_fake")?;
    let mut terms = vec![Term::new("d_class", lambda, loss("features_real", "labels_real")?)];
    if s.switch("classify_fakes") {
        terms.push(Term::new("d_class_fake", lambda, fake.clone()));
    }
    terms.push(Term::new("g_class", lambda, fake));
    Ok(terms)
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
        for (tau, normalise) in [(1.0, Normalise::NEITHER), (0.5, Normalise::BOTH)] {
            let c = AcGanConstants { tau, normalise };
            let value = classification(&classified(&h, &w, &[0]), c).unwrap();
            let expected = (-2f64).exp().ln_1p();
            assert!((value.to_scalar::<f64>().unwrap() - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn class_accuracy_is_the_share_of_largest_logits_at_the_label() {
        let h = Tensor::new(&[[2.0f64, 0.0], [1.0, 3.0], [1.0, 3.0]], &Device::Cpu).unwrap();
        let w = Tensor::new(&[[1.0f64, 0.0], [0.0, 0.1]], &Device::Cpu).unwrap();
        let of = |normalise| {
            let c = AcGanConstants { tau: 1.0, normalise };
            let value = class_accuracy(&classified(&h, &w, &[0, 1, 0]), c).unwrap();
            value.to_scalar::<f64>().unwrap()
        };
        // The short class vector loses (1 against 0.3), that of length 1 wins (1 against 3).
        assert!((of(Normalise::NEITHER) - 2.0 / 3.0).abs() < 1e-12);
        assert!((of(Normalise::BOTH) - 2.0 / 3.0).abs() < 1e-12);
        let c = AcGanConstants { tau: 1.0, normalise: Normalise::NEITHER };
        let all = class_accuracy(&classified(&h, &w, &[0, 0, 0]), c).unwrap();
        assert_eq!(all.to_scalar::<f64>().unwrap(), 1.0);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for normalise in [Normalise::NEITHER, Normalise { features: true, proxies: false }] {
            check(&[normal(1, &[5, 4]), normal(2, &[3, 4])], |v| {
                let x = classified(&v[0], &v[1], &[0, 1, 2, 0, 1]);
                classification(&x, AcGanConstants { tau: 0.5, normalise })
            });
        }
    }
}
