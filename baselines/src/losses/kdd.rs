//! KDD GAN: a discriminator that is the log-ratio of two kernel density estimates in feature space.
//!
//! `gan-recipes.md` §3.6 with the corrections of §3.9 (kdd-gan, eq. 3–6). φ = features of unit length,
//! K(a, b) = e^{a·b/τ}, ρ(x) = log p_r(φ(x)) − log p_g(φ(x)).

use candle_core::{Result, Tensor};

use super::adversarial::{HEAD, Logits, hinge};
use super::similarity::{keep_only, log_sum_exp_rows, mask, unit_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Outputs, Term, reals};
use crate::networks::{HeadKind, HeadSpec};

/// Features before normalisation, `[n, d]` and `[m, d]`. Every point is also an anchor.
pub struct Features {
    pub real: Tensor,
    pub fake: Tensor,
}

/// The constants of the density estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KddConstants {
    pub tau: f64,
    /// A point's own kernel is left out of the estimate it belongs to, and the count lowered by one.
    pub leave_one_out: bool,
}

/// log mean over the anchors (columns) of e^s; square matrices may leave the diagonal out.
fn log_mean_exp(s: &Tensor, leave_one_out: bool) -> Result<Tensor> {
    let (rows, cols) = s.dims2()?;
    if !leave_one_out {
        return log_sum_exp_rows(s)? - (cols as f64).ln();
    }
    if cols < 2 {
        candle_core::bail!("leave-one-out needs at least 2 anchors, got {cols}")
    }
    let others = mask(s, (rows, cols), |r, c| r != c)?;
    log_sum_exp_rows(&keep_only(s, &others)?)? - ((cols - 1) as f64).ln()
}

/// ρ at the reals `[n]` and at the fakes `[m]`.
///
/// # Errors
/// If leave-one-out meets a single anchor.
pub fn log_ratio(f: &Features, c: KddConstants) -> Result<Logits> {
    let (r, g) = (unit_rows(&f.real)?, unit_rows(&f.fake)?);
    let kernel = |a: &Tensor, b: &Tensor| a.matmul(&b.t()?)? / c.tau;
    let rg = kernel(&r, &g)?;
    Ok(Logits {
        real: (log_mean_exp(&kernel(&r, &r)?, c.leave_one_out)? - log_mean_exp(&rg, false)?)?,
        fake: (log_mean_exp(&rg.t()?.contiguous()?, false)?
            - log_mean_exp(&kernel(&g, &g)?, c.leave_one_out)?)?,
    })
}

/// γ·KDD + α·hinge (α on the ordinary head; 0: no head).
pub struct Kdd {
    pub constants: KddConstants,
    pub gamma: f64,
    pub alpha: f64,
    pub head: HeadKind,
    pub hidden: usize,
}

impl Loss for Kdd {
    fn heads(&self) -> Vec<HeadSpec> {
        if self.alpha == 0.0 {
            return Vec::new();
        }
        vec![HeadSpec { name: HEAD, kind: self.head, outputs: 1, hidden: self.hidden }]
    }

    fn generator_reads_reals(&self) -> bool {
        true
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let features =
            Features { real: batch.real().features.clone(), fake: batch.fake.features.clone() };
        let ratio = log_ratio(&features, self.constants)?;
        let mut terms = vec![Term::new("d_kdd", self.gamma, hinge(&ratio)?)];
        if self.alpha != 0.0 {
            let logits = Logits {
                real: batch.real().head(HEAD)?.squeeze(1)?,
                fake: batch.fake.head(HEAD)?.squeeze(1)?,
            };
            terms.push(Term::new("d_adv", self.alpha, hinge(&logits)?));
        }
        let outputs = Outputs { real: ratio.real.detach(), fake: ratio.fake.detach() };
        Ok(DiscriminatorLoss { terms, outputs: Some(outputs) })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let features =
            Features { real: reals(batch)?.features.detach(), fake: batch.fake.features.clone() };
        let ratio = log_ratio(&features, self.constants)?.fake;
        let mut terms = vec![Term::new("g_kdd", self.gamma, ratio.mean_all()?.neg()?)];
        if self.alpha != 0.0 {
            let logits = batch.fake.head(HEAD)?;
            terms.push(Term::new("g_adv", self.alpha, logits.mean_all()?.neg()?));
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn features() -> Features {
        let of = |rows: &[[f64; 2]]| {
            Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap()
        };
        Features { real: of(&[[1.0, 0.0], [2.0, 0.0]]), fake: of(&[[0.0, 1.0], [0.0, 3.0]]) }
    }

    #[test]
    fn two_tight_orthogonal_clouds_give_the_ratio_on_paper() {
        // Leave-one-out, τ = 0.5: p_r at a real is e^2, p_g is e^0: ρ = 2; at a fake −2.
        let c = KddConstants { tau: 0.5, leave_one_out: true };
        let rho = log_ratio(&features(), c).unwrap();
        assert_eq!(rho.real.to_vec1::<f64>().unwrap(), [2.0, 2.0]);
        assert_eq!(rho.fake.to_vec1::<f64>().unwrap(), [-2.0, -2.0]);
    }

    #[test]
    fn at_tau_1_the_ratio_of_signed_features_stays_within_2() {
        for leave_one_out in [true, false] {
            let f = Features { real: normal(1, &[8, 3]), fake: normal(2, &[8, 3]) };
            let rho = log_ratio(&f, KddConstants { tau: 1.0, leave_one_out }).unwrap();
            let all = Tensor::cat(&[rho.real, rho.fake], 0).unwrap().abs().unwrap();
            assert!(all.max_all().unwrap().to_scalar::<f64>().unwrap() <= 2.0);
        }
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences_where_the_clip_acts() {
        for leave_one_out in [true, false] {
            let c = KddConstants { tau: 0.05, leave_one_out };
            check(&[normal(1, &[5, 4]), normal(2, &[4, 4])], |v| {
                hinge(&log_ratio(&Features { real: v[0].clone(), fake: v[1].clone() }, c)?)
            });
        }
    }

    #[test]
    fn a_single_anchor_cannot_be_left_out() {
        let f = Features { real: normal(1, &[1, 4]), fake: normal(2, &[1, 4]) };
        let error = log_ratio(&f, KddConstants { tau: 1.0, leave_one_out: true }).err().unwrap();
        assert!(error.to_string().contains("at least 2 anchors, got 1"));
    }
}
