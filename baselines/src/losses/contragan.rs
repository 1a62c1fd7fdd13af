//! 2C, ContraGAN's conditional contrastive loss.
//!
//! Kang and Park 2020, "ContraGAN", arXiv:2006.12681; formula `gan-recipes.md` §3.4
//! (PyTorch-StudioGAN, `ConditionalContrastiveLoss`, without the margins of its first release).

use candle_core::{Result, Tensor};

use super::embedded::{Embedded, Normalise, heads};
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::similarity::{keep_only, log_sum_exp_rows, mask};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::{HeadSpec, Scored};

/// The constants of the loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContraGanConstants {
    pub tau: f64,
    /// The paper: both.
    pub normalise: Normalise,
}

/// Mean over i of −log of the share of e(f_i, v_i) + Σ_{k≠i, y_k=y_i} e(f_i, f_k) in e(f_i, v_i) +
/// Σ_{k≠i} e(f_i, f_k), with e(a, b) = e^{cos(a, b)/τ}. At least 0; 0 where all are of one class.
///
/// # Errors
/// If the labels are not one a sample.
pub fn two_c(e: &Embedded, c: ContraGanConstants) -> Result<Tensor> {
    let sides = e.sides(c.normalise)?;
    let (f, n, y) = (&sides.samples, e.labels.len(), &e.labels);
    let at_proxy = ((f * &sides.proxies)?.sum_keepdim(1)? / c.tau)?; // [n, 1]
    let s = (f.matmul(&f.t()?)? / c.tau)?; // [n, n]
    let log_sum =
        |keep: Tensor| log_sum_exp_rows(&Tensor::cat(&[&at_proxy, &keep_only(&s, &keep)?], 1)?);
    let all = log_sum(mask(&s, (n, n), |i, k| i != k)?)?;
    let same_class = log_sum(mask(&s, (n, n), |i, k| i != k && y[i] == y[k])?)?;
    (all - same_class)?.mean_all()
}

/// λ·2C on reals in the discriminator's step, on fakes in the generator's.
pub struct ContraGan {
    pub lambda: f64,
    pub constants: ContraGanConstants,
    pub embed_dim: usize,
}

impl ContraGan {
    fn loss(&self, scored: &Scored<'_>) -> Result<Tensor> {
        two_c(&Embedded::of(scored)?, self.constants)
    }
}

impl Loss for ContraGan {
    fn heads(&self) -> Vec<HeadSpec> {
        heads(self.embed_dim)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let terms = vec![Term::new("d_2c", self.lambda, self.loss(batch.real())?)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(vec![Term::new("g_2c", self.lambda, self.loss(&batch.fake)?)])
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "2c",
    summary: "ContraGAN's conditional contrastive loss, D on reals and G on fakes",
    source: "Kang and Park 2020, arXiv:2006.12681; PyTorch-StudioGAN",
    arrays: Array::EMBEDDED,
    settings: &[
        Setting::positive("lambda", 1.0, "weight of both terms"),
        Setting::positive("tau", 1.0, "temperature"),
        Setting::NORMALISE_FEATURES,
        Setting::NORMALISE_PROXIES,
    ],
    terms,
};

fn terms(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let c = ContraGanConstants { tau: s.number("tau"), normalise: s.normalise() };
    let (lambda, sides) = (s.number("lambda"), a.embedded()?);
    Ok(vec![
        Term::new("d_2c", lambda, two_c(&sides.real, c)?),
        Term::new("g_2c", lambda, two_c(&sides.fake, c)?),
    ])
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
        let c = ContraGanConstants { tau: 0.5, normalise: Normalise::BOTH };
        two_c(&e, c).unwrap().to_scalar().unwrap()
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
        for normalise in [Normalise::BOTH, Normalise::NEITHER] {
            check(&[normal(1, &[6, 4]), normal(2, &[6, 4])], |v| {
                let labels = vec![0, 1, 2, 0, 1, 1];
                let e = Embedded { samples: v[0].clone(), proxies: v[1].clone(), labels };
                two_c(&e, ContraGanConstants { tau: 0.5, normalise })
            });
        }
    }
}
