//! Data-to-data cross-entropy, ReACGAN's conditioning.
//!
//! Kang et al. 2021, "Rebooting ACGAN", arXiv:2111.01118; formulas `gan-recipes.md` §3.5
//! (PyTorch-StudioGAN, `Data2DataCrossEntropyLoss`).

use candle_core::{Result, Tensor};
use ganbench_nn::kernels::activation::{Activation, activate};
use serde::{Deserialize, Serialize};

use super::embedded::{Embedded, EmbeddedLoss, Normalise, normalise_fields};
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::similarity::{keep_only, log_sum_exp_rows, mask};
use super::{Loss, Term};
use crate::part::{Field, Part};

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

/// The part of a plan: λ·D2D-CE on reals in the discriminator's step, on fakes in the generator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct D2dCe {
    /// λ, the weight of both networks' terms: 0 or above.
    pub lambda: f64,
    /// τ, the temperature of p_i and n_ij: above 0.
    pub tau: f64,
    /// m_p; the negative margin is m_n = 1 − m_p.
    pub margin_positive: f64,
    /// Whether M_i is subtracted from the negatives' exponents.
    pub stabilise: Stabilise,
    /// The paper: both.
    #[serde(skip_serializing_if = "super::is_on")]
    pub normalise_features: bool,
    /// Whether proxies are divided by their Euclidean length first.
    #[serde(skip_serializing_if = "super::is_on")]
    pub normalise_proxies: bool,
}

impl Default for D2dCe {
    fn default() -> Self {
        Self {
            lambda: 0.5,
            tau: 0.5,
            margin_positive: 0.98,
            stabilise: Stabilise::Studiogan,
            normalise_features: true,
            normalise_proxies: true,
        }
    }
}

impl D2dCe {
    fn normalise(&self) -> Normalise {
        Normalise { features: self.normalise_features, proxies: self.normalise_proxies }
    }
}

impl Part for D2dCe {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::weight("lambda", self.lambda, "weight of both terms"),
            Field::positive("tau", self.tau, "temperature"),
            Field::finite(
                "margin_positive",
                self.margin_positive,
                "m_p; the negative margin is 1 − m_p",
            ),
            Field::choice("stabilise", self.stabilise, "what is taken from the negatives"),
        ];
        fields.extend(normalise_fields(self.normalise()));
        fields
    }
}

/// Mean over i of p_i + log(e^{−p_i} + Σ_{y_j≠y_i} e^{n_ij}), p_i = [m_p − cos(f_i, v_i)]₊/τ, n_ij
/// = [cos(f_i, f_j) − m_n]₊/τ (− M_i with [`Stabilise::Studiogan`]); without normalisation an inner
/// product stands for each cosine. A sample without a negative of another class has loss 0.
///
/// # Errors
/// If the labels are not one a sample.
pub fn d2dce(e: &Embedded, c: &D2dCe) -> Result<Tensor> {
    let relu = |x: &Tensor| activate(x, Activation::Relu);
    let sides = e.sides(c.normalise())?;
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

impl EmbeddedLoss for D2dCe {
    const TERMS: [&'static str; 2] = ["d_d2dce", "g_d2dce"];

    fn lambda(&self) -> f64 {
        self.lambda
    }

    fn value(&self, embedded: &Embedded) -> Result<Tensor> {
        d2dce(embedded, self)
    }
}

impl LossPart for D2dCe {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        self.on_embedding(context.hidden)
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "d2dce",
            aliases: &[Alias::new("d2d-ce")],
            summary: "ReACGAN's data-to-data cross-entropy, D on reals and G on fakes",
            source: "Kang et al. 2021, arXiv:2111.01118; PyTorch-StudioGAN",
            arrays: Array::EMBEDDED,
            configure: Entry::configured::<D2dCe>,
        };
        Some(&ENTRY)
    }
}

impl OnArrays for D2dCe {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        self.terms_on(a)
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
        d2dce(&e, &D2dCe { stabilise, ..D2dCe::default() }).unwrap().to_scalar().unwrap()
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
            let c = D2dCe { margin_positive, stabilise: Stabilise::Exact, ..D2dCe::default() };
            check(&[normal(1, &[6, 4]), normal(2, &[6, 4])], |v| {
                let labels = vec![0, 1, 2, 0, 1, 1];
                d2dce(&Embedded { samples: v[0].clone(), proxies: v[1].clone(), labels }, &c)
            });
        }
    }
}
