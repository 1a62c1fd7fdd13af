//! Data-to-data cross-entropy, ReACGAN's conditioning.
//!
//! Kang et al. 2021, "Rebooting ACGAN", arXiv:2111.01118; formulas `gan-recipes.md` §3.5
//! (PyTorch-StudioGAN, `Data2DataCrossEntropyLoss`).

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::embedded::{Embedded, Normalise, heads};
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::similarity::{keep_only, log_sum_exp_rows, mask};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadSpec, Scored};

/// What is subtracted from the negatives' exponents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stabilise {
    /// The largest shifted similarity to any other sample, from the negatives only: changes the
    /// loss. What the published numbers were made with.
    Studiogan,
    /// Nothing: the paper's formula.
    Exact,
}

/// The constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct D2dCeConstants {
    pub tau: f64,
    /// m_p; the negative margin is m_n = 1 − m_p.
    pub margin_positive: f64,
    pub stabilise: Stabilise,
    /// The paper: both.
    pub normalise: Normalise,
}

/// Mean over i of p_i + log(e^{−p_i} + Σ_{y_j≠y_i} e^{n_ij}), p_i = [m_p − cos(f_i, v_i)]₊/τ, n_ij
/// = [cos(f_i, f_j) − m_n]₊/τ (− M_i with [`Stabilise::Studiogan`]); without normalisation an inner
/// product stands for each cosine. A sample without a negative of another class has loss 0.
///
/// # Errors
/// If the labels are not one a sample.
pub fn d2dce(e: &Embedded, c: D2dCeConstants) -> Result<Tensor> {
    let relu = |x: &Tensor| activate(x, Activation::Relu);
    let sides = e.sides(c.normalise)?;
    let (f, n) = (&sides.samples, e.labels.len());
    let cos_proxy = (f * &sides.proxies)?.sum(1)?;
    let p = relu(&((c.margin_positive - cos_proxy)? / c.tau)?)?; // [n]
    let a = ((f.matmul(&f.t()?)? + (c.margin_positive - 1.0))? / c.tau)?; // [n, n]
    let negative = relu(&a)?;
    let negative = match c.stabilise {
        Stabilise::Exact => negative,
        Stabilise::Studiogan => {
            let others = mask(&a, (n, n), |r, k| r != k)?;
            negative.broadcast_sub(&keep_only(&a, &others)?.max_keepdim(1)?.detach())?
        }
    };
    let other_class = mask(&a, (n, n), |r, k| e.labels[r] != e.labels[k])?;
    let negative = keep_only(&negative, &other_class)?;
    let all = Tensor::cat(&[&p.neg()?.unsqueeze(1)?, &negative], 1)?;
    (p + log_sum_exp_rows(&all)?)?.mean_all()
}

/// λ·D2D-CE on reals in the discriminator's step, on fakes in the generator's.
pub struct D2dCe {
    pub lambda: f64,
    pub constants: D2dCeConstants,
    pub embed_dim: usize,
}

impl D2dCe {
    fn loss(&self, scored: &Scored<'_>) -> Result<Tensor> {
        d2dce(&Embedded::of(scored)?, self.constants)
    }
}

impl Loss for D2dCe {
    fn heads(&self) -> Vec<HeadSpec> {
        heads(self.embed_dim)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let terms = vec![Term::new("d_d2dce", self.lambda, self.loss(batch.real())?)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::new("g_d2dce", self.lambda, self.loss(&batch.fake)?)])
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "d2d-ce",
    summary: "ReACGAN's data-to-data cross-entropy, D on reals and G on fakes",
    source: "Kang et al. 2021, arXiv:2111.01118; PyTorch-StudioGAN",
    arrays: Array::EMBEDDED,
    settings: &[
        Setting::positive("lambda", 0.5, "weight of both terms"),
        Setting::positive("tau", 0.5, "temperature"),
        Setting::number("margin_positive", 0.98, "m_p; the negative margin is 1 − m_p"),
        Setting::choice(
            "stabilise",
            &["studiogan", "exact"],
            "studiogan",
            "what is taken from the negatives",
        ),
        Setting::NORMALISE_FEATURES,
        Setting::NORMALISE_PROXIES,
    ],
    terms,
};

fn terms(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let c = D2dCeConstants {
        tau: s.number("tau"),
        margin_positive: s.number("margin_positive"),
        stabilise: match s.choice("stabilise") {
            "exact" => Stabilise::Exact,
            _ => Stabilise::Studiogan,
        },
        normalise: s.normalise(),
    };
    let (lambda, sides) = (s.number("lambda"), a.embedded()?);
    Ok(vec![
        Term::new("d_d2dce", lambda, d2dce(&sides.real, c)?),
        Term::new("g_d2dce", lambda, d2dce(&sides.fake, c)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn value(labels: &[u32], stabilise: Stabilise) -> f64 {
        // Samples on the axes, each at its proxy.
        let samples = Tensor::new(&[[1.0f64, 0.0], [0.0, 1.0]], &Device::Cpu).unwrap();
        let e = Embedded { proxies: samples.clone(), samples, labels: labels.to_vec() };
        let normalise = Normalise::BOTH;
        let c = D2dCeConstants { tau: 0.5, margin_positive: 0.98, stabilise, normalise };
        d2dce(&e, c).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn samples_at_their_proxies_and_orthogonal_to_others_reach_the_optimum() {
        // p = 0, n = [0 − 0.02]₊/0.5 = 0: log(1 + 1), which is log(1 + number of negatives).
        assert!((value(&[0, 1], Stabilise::Exact) - 2f64.ln()).abs() < 1e-12);
        // M = −0.02/0.5 = −0.04: log(1 + e^0.04).
        let expected = (1.0 + 0.04f64.exp()).ln();
        assert!((value(&[0, 1], Stabilise::Studiogan) - expected).abs() < 1e-12);
    }

    #[test]
    fn without_a_negative_the_loss_is_0() {
        assert_eq!(value(&[3, 3], Stabilise::Exact), 0.0);
        assert_eq!(value(&[3, 3], Stabilise::Studiogan), 0.0);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for margin_positive in [0.98, 0.3] {
            let (stabilise, normalise) = (Stabilise::Exact, Normalise::BOTH);
            let c = D2dCeConstants { tau: 0.5, margin_positive, stabilise, normalise };
            check(&[normal(1, &[6, 4]), normal(2, &[6, 4])], |v| {
                let labels = vec![0, 1, 2, 0, 1, 1];
                d2dce(&Embedded { samples: v[0].clone(), proxies: v[1].clone(), labels }, c)
            });
        }
    }
}
