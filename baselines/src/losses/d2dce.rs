//! Data-to-data cross-entropy, ReACGAN's conditioning.
//!
//! Kang et al. 2021, "Rebooting ACGAN", arXiv:2111.01118; formulas `gan-recipes.md` §3.5 (PyTorch-StudioGAN,
//! `Data2DataCrossEntropyLoss`).

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::similarity::{keep_only, label_list, log_sum_exp_rows, mask, unit_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadKind, HeadSpec, Scored};

const EMBED: &str = "embed";
const PROXY: &str = "proxy";

/// What is subtracted from the negatives' exponents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stabilise {
    /// The largest shifted similarity to any other sample, from the negatives only: changes the loss.
    /// What the published numbers were made with.
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
}

/// Embeddings and their classes' proxies, `[n, d]` each, any length; labels `[n]`.
pub struct Embedded {
    pub samples: Tensor,
    pub proxies: Tensor,
    pub labels: Vec<u32>,
}

/// Mean over i of p_i + log(e^{−p_i} + Σ_{y_j≠y_i} e^{n_ij}), p_i = [m_p − cos(f_i, v_i)]₊/τ,
/// n_ij = [cos(f_i, f_j) − m_n]₊/τ (− M_i with [`Stabilise::Studiogan`]). A sample without a negative
/// of another class has loss 0.
///
/// # Errors
/// If the labels are not one a sample.
pub fn d2dce(e: &Embedded, c: D2dCeConstants) -> Result<Tensor> {
    let n = e.samples.dim(0)?;
    if e.labels.len() != n {
        candle_core::bail!("d2d-ce got {n} samples and {} labels", e.labels.len())
    }
    let relu = |x: &Tensor| activate(x, Activation::Relu);
    let (f, v) = (unit_rows(&e.samples)?, unit_rows(&e.proxies)?);
    let cos_proxy = (&f * &v)?.sum(1)?;
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
        let Some(labels) = &scored.labels else { candle_core::bail!("d2d-ce needs labels") };
        let embedded = Embedded {
            samples: scored.head(EMBED)?,
            proxies: scored.embedding(PROXY)?,
            labels: label_list(labels)?,
        };
        d2dce(&embedded, self.constants)
    }
}

impl Loss for D2dCe {
    fn heads(&self) -> Vec<HeadSpec> {
        vec![
            HeadSpec { name: EMBED, kind: HeadKind::Linear, outputs: self.embed_dim, hidden: 0 },
            HeadSpec { name: PROXY, kind: HeadKind::Embedding, outputs: self.embed_dim, hidden: 0 },
        ]
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let terms = vec![Term::new("d_d2dce", self.lambda, self.loss(batch.real())?)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::new("g_d2dce", self.lambda, self.loss(&batch.fake)?)])
    }
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
        let c = D2dCeConstants { tau: 0.5, margin_positive: 0.98, stabilise };
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
            let c = D2dCeConstants { tau: 0.5, margin_positive, stabilise: Stabilise::Exact };
            check(&[normal(1, &[6, 4]), normal(2, &[6, 4])], |v| {
                let labels = vec![0, 1, 2, 0, 1, 1];
                d2dce(&Embedded { samples: v[0].clone(), proxies: v[1].clone(), labels }, c)
            });
        }
    }
}
