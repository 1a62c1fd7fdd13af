//! 2C, ContraGAN's conditional contrastive loss.
//!
//! Kang and Park 2020, "ContraGAN", arXiv:2006.12681; formula `gan-recipes.md` §3.4
//! (PyTorch-StudioGAN, `ConditionalContrastiveLoss`, without the margins of its first release).

use candle_core::{Result, Tensor};

use serde::{Deserialize, Serialize};

use super::embedded::{Embedded, EmbeddedLoss, Normalise, normalise_fields};
use super::part::{BuildContext, LossPart};
use super::registry::{Array, Arrays, Entry, OnArrays};
use super::similarity::{keep_only, log_sum_exp_rows, mask};
use super::{Loss, Term};
use crate::part::{Field, Part};

/// The part of a plan: λ·2C on reals in the discriminator's step, on fakes in the generator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TwoC {
    /// λ, the weight of both networks' terms: 0 or above.
    pub lambda: f64,
    /// τ, the temperature that similarities are divided by: above 0.
    pub tau: f64,
    /// The paper: both.
    pub normalise_features: bool,
    /// Whether proxies are divided by their Euclidean length first.
    pub normalise_proxies: bool,
}

impl Default for TwoC {
    fn default() -> Self {
        Self { lambda: 1.0, tau: 1.0, normalise_features: true, normalise_proxies: true }
    }
}

impl TwoC {
    fn normalise(&self) -> Normalise {
        Normalise { features: self.normalise_features, proxies: self.normalise_proxies }
    }
}

impl Part for TwoC {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::weight("lambda", self.lambda, "weight of both terms"),
            Field::positive("tau", self.tau, "temperature"),
        ];
        fields.extend(normalise_fields(self.normalise()));
        fields
    }
}

/// Mean over i of −log of the share of e(f_i, v_i) + Σ_{k≠i, y_k=y_i} e(f_i, f_k) in e(f_i, v_i) +
/// Σ_{k≠i} e(f_i, f_k), with e(a, b) = e^{cos(a, b)/τ}. At least 0; 0 where all are of one class.
///
/// # Errors
/// If the labels are not one a sample.
pub fn two_c(e: &Embedded, c: &TwoC) -> Result<Tensor> {
    let sides = e.sides(c.normalise())?;
    let (f, n, y) = (&sides.samples, e.labels.len(), &e.labels);
    let at_proxy = ((f * &sides.proxies)?.sum_keepdim(1)? / c.tau)?; // [n, 1]
    let s = (f.matmul(&f.t()?)? / c.tau)?; // [n, n]
    let log_sum =
        |keep: Tensor| log_sum_exp_rows(&Tensor::cat(&[&at_proxy, &keep_only(&s, &keep)?], 1)?);
    let all = log_sum(mask(&s, (n, n), |i, k| i != k)?)?;
    let same_class = log_sum(mask(&s, (n, n), |i, k| i != k && y[i] == y[k])?)?;
    (all - same_class)?.mean_all()
}

impl EmbeddedLoss for TwoC {
    const TERMS: [&'static str; 2] = ["d_2c", "g_2c"];

    fn lambda(&self) -> f64 {
        self.lambda
    }

    fn value(&self, embedded: &Embedded) -> Result<Tensor> {
        two_c(embedded, self)
    }
}

impl LossPart for TwoC {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        self.on_embedding(context.hidden)
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "2c",
            aliases: &[],
            summary: "ContraGAN's conditional contrastive loss, D on reals and G on fakes",
            source: "Kang and Park 2020, arXiv:2006.12681; PyTorch-StudioGAN",
            arrays: Array::EMBEDDED,
            configure: Entry::configured::<TwoC>,
        };
        Some(&ENTRY)
    }
}

impl OnArrays for TwoC {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        self.terms_on(a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn value(labels: &[u32]) -> f64 {
        // Samples on the axes, each at its proxy.
        let samples = Tensor::new(&[[1.0f64, 0.0], [0.0, 3.0]], &Device::Cpu).unwrap();
        let e = Embedded { proxies: samples.clone(), samples, labels: labels.to_vec() };
        two_c(&e, &TwoC { tau: 0.5, ..TwoC::default() }).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn samples_at_their_proxies_and_orthogonal_to_others_give_the_value_on_paper() {
        // Proxy at cosine 1, the other sample at 0: log((e² + 1)/e²) if that is of another class,
        // else log 1.
        let e2 = 2f64.exp();
        assert!((value(&[0, 1]) - ((e2 + 1.0) / e2).ln()).abs() < 1e-12);
        assert!(value(&[4, 4]).abs() < 1e-12);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for normalised in [true, false] {
            let c = TwoC {
                tau: 0.5,
                normalise_features: normalised,
                normalise_proxies: normalised,
                ..TwoC::default()
            };
            check(&[normal(1, &[6, 4]), normal(2, &[6, 4])], |v| {
                let labels = vec![0, 1, 2, 0, 1, 1];
                let e = Embedded { samples: v[0].clone(), proxies: v[1].clone(), labels };
                two_c(&e, &c)
            });
        }
    }
}
