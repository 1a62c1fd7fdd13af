//! ContraD's two contrastive losses on the discriminator's projections.
//!
//! Jeong and Shin 2021, "Training GANs with Stronger Augmentations via Contrastive Discriminator",
//! arXiv:2103.09742; formulas `gan-recipes.md` §3.2 (`training/gan/contrad.py`,
//! `training/criterion.py`).

use candle_core::{Result, Tensor};

use serde::{Deserialize, Serialize};

use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::similarity::{accuracy, keep_only, log_sum_exp_rows, mask, unit_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, Loss, Term};
use crate::networks::{HeadKind, HeadSpec};
use crate::part::{Field, Part, Range};

const HEAD_REAL: &str = "projection";
const HEAD_FAKE: &str = "projection2";

/// Projections of two views of the same reals, `[n, d]` each, any length.
pub struct Views {
    /// Row i is the first view of real i.
    pub first: Tensor,
    /// Row i is the second view of real i.
    pub second: Tensor,
}

impl Views {
    /// Share of the 2n views whose nearest other is their partner.
    ///
    /// # Errors
    /// If the two views differ in shape.
    pub fn accuracy(&self) -> Result<Tensor> {
        let n = self.first.dim(0)?;
        let u = unit_rows(&Tensor::cat(&[&self.first, &self.second], 0)?.detach())?;
        accuracy(&u.matmul(&u.t()?)?, &|r, c| r != c, &|r, c| r % n == c % n)
    }
}

/// L⁺, SimCLR's NT-Xent over the 2n views: −mean log softmax at the partner view, itself removed.
///
/// # Errors
/// If the two views differ in shape.
pub fn nt_xent(views: &Views, tau: f64) -> Result<Tensor> {
    let n = views.first.dim(0)?;
    let u = unit_rows(&Tensor::cat(&[&views.first, &views.second], 0)?)?;
    let s = (u.matmul(&u.t()?)? / tau)?;
    let others = mask(&s, (2 * n, 2 * n), |r, c| r != c)?;
    let partner = mask(&s, (2 * n, 2 * n), |r, c| r % n == c % n && r != c)?;
    let at_partner = (&s * partner)?.sum(1)?;
    (log_sum_exp_rows(&keep_only(&s, &others)?)? - at_partner)?.mean_all()
}

/// Projections of reals (all views) and fakes, `[m, d]` and `[n, d]`.
pub struct RealFake {
    /// `[m, d]`: every view of every real, in any order.
    pub real: Tensor,
    /// `[n, d]`: the fakes, of which [`fakes_together`] needs at least 2.
    pub fake: Tensor,
}

impl RealFake {
    /// Share of the fakes whose nearest other is a fake.
    ///
    /// # Errors
    /// If the two sides differ in width.
    pub fn accuracy(&self) -> Result<Tensor> {
        let (m, n) = (self.real.dim(0)?, self.fake.dim(0)?);
        let all = unit_rows(&Tensor::cat(&[&self.real, &self.fake], 0)?.detach())?;
        let s = all.narrow(0, m, n)?.matmul(&all.t()?)?;
        accuracy(&s, &|r, c| c != m + r, &|_, c| c >= m)
    }
}

/// L⁻: each fake is drawn to the other fakes among all reals and fakes; reals are negatives only.
/// Mean over fakes i of −1/(n−1) Σ_{j≠i} log softmax_{k≠i}(w_i·w_k/τ) at j.
///
/// # Errors
/// If there are fewer than two fakes.
pub fn fakes_together(w: &RealFake, tau: f64) -> Result<Tensor> {
    let (m, n) = (w.real.dim(0)?, w.fake.dim(0)?);
    if n < 2 {
        candle_core::bail!("the contrastive loss of the fakes needs at least 2 fakes, got {n}")
    }
    let all = unit_rows(&Tensor::cat(&[&w.real, &w.fake], 0)?)?;
    let fake = all.narrow(0, m, n)?;
    let s = (fake.matmul(&all.t()?)? / tau)?; // [n, m + n]
    let others = mask(&s, (n, m + n), |r, c| c != m + r)?;
    let other_fakes = mask(&s, (n, m + n), |r, c| c >= m && c != m + r)?;
    let mean_positive = ((&s * other_fakes)?.sum(1)? / (n - 1) as f64)?;
    (log_sum_exp_rows(&keep_only(&s, &others)?)? - mean_positive)?.mean_all()
}

/// The part of a plan: λ_real·L⁺ + λ_fake·L⁻ in the discriminator's loss, nothing in the
/// generator's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Contrastive {
    /// τ, the temperature of both losses: above 0.
    pub tau: f64,
    /// Weight of L⁺ ([`nt_xent`]), any finite number.
    pub lambda_real: f64,
    /// Weight of L⁻ ([`fakes_together`]), any finite number.
    pub lambda_fake: f64,
    /// Outputs of each of the two heads.
    pub projection_dim: usize,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self { tau: 0.1, lambda_real: 1.0, lambda_fake: 1.0, projection_dim: 128 }
    }
}

impl Part for Contrastive {
    fn fields(&self) -> Vec<Field> {
        let (width, range) = (self.projection_dim as u64, Range::UpTo(16_384));
        vec![
            Field::positive("tau", self.tau, "temperature"),
            Field::finite("lambda_real", self.lambda_real, "weight of d_simclr"),
            Field::finite("lambda_fake", self.lambda_fake, "weight of d_fakes"),
            Field::count("projection_dim", width, range, "outputs of each head").in_training(),
        ]
    }
}

/// The part on a discriminator.
struct ContrastiveLoss {
    part: Contrastive,
    hidden: usize,
}

impl Loss for ContrastiveLoss {
    fn heads(&self) -> Vec<HeadSpec> {
        [HEAD_REAL, HEAD_FAKE]
            .map(|name| HeadSpec {
                name,
                kind: HeadKind::Mlp,
                outputs: self.part.projection_dim,
                hidden: self.hidden,
            })
            .to_vec()
    }

    fn real_views(&self) -> usize {
        2
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let [first, second] = batch.real_views.as_slice() else {
            candle_core::bail!(
                "the contrastive loss needs 2 views of the reals, got {}",
                batch.real_views.len()
            )
        };
        let views = Views { first: first.head(HEAD_REAL)?, second: second.head(HEAD_REAL)? };
        let real = Tensor::cat(&[&first.head(HEAD_FAKE)?, &second.head(HEAD_FAKE)?], 0)?;
        let projections = RealFake { real, fake: batch.fake.head(HEAD_FAKE)? };
        let terms = vec![
            Term::new("d_simclr", self.part.lambda_real, nt_xent(&views, self.part.tau)?),
            Term::new(
                "d_fakes",
                self.part.lambda_fake,
                fakes_together(&projections, self.part.tau)?,
            ),
            Term::looked_at("d_simclr_accuracy", &views.accuracy()?),
            Term::looked_at("d_fakes_accuracy", &projections.accuracy()?),
        ];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }
}

impl LossPart for Contrastive {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(ContrastiveLoss { part: self.clone(), hidden: context.hidden }))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "contrastive",
            aliases: &[Alias::new("contrad")],
            summary: "ContraD's contrast of two views of the reals, and of the fakes with the reals",
            source: "Jeong and Shin 2021, arXiv:2103.09742, and its official code",
            arrays: ARRAYS,
            configure: Entry::configured::<Contrastive>,
        };
        Some(&ENTRY)
    }
}

const ARRAYS: &[Array] = &[
    Array::floats("views_first", &["n", "d"], "projections of the reals' first view"),
    Array::floats("views_second", &["n", "d"], "of their second view"),
    Array::floats("projections_real", &["k", "e"], "second head, of all views of the reals"),
    Array::floats("projections_fake", &["m", "e"], "second head, of the fakes"),
];

impl OnArrays for Contrastive {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let views = Views { first: a.tensor("views_first")?, second: a.tensor("views_second")? };
        let w =
            RealFake { real: a.tensor("projections_real")?, fake: a.tensor("projections_fake")? };
        Ok(vec![
            Term::new("d_simclr", self.lambda_real, nt_xent(&views, self.tau)?),
            Term::new("d_fakes", self.lambda_fake, fakes_together(&w, self.tau)?),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn t(rows: &[[f64; 2]]) -> Tensor {
        Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap()
    }

    #[test]
    fn accuracies_count_partners_and_fakes_nearest_to_fakes() {
        // The second image's first view points nearer to the first image than to its own partner.
        let views =
            Views { first: t(&[[1.0, 0.0], [2.0, 1.0]]), second: t(&[[3.0, 0.1], [0.0, 1.0]]) };
        let value = |x: Tensor| x.to_scalar::<f64>().unwrap();
        // Partners of 0 and 2 are nearest; 1 is nearest to 2, 3 to 1.
        assert_eq!(value(views.accuracy().unwrap()), 0.75);
        let w = RealFake { real: t(&[[1.0, 0.0]]), fake: t(&[[1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]) };
        // The first fake lies beside the real.
        assert!((value(w.accuracy().unwrap()) - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn two_orthogonal_images_with_equal_views_give_the_value_on_paper() {
        // Each view: partner at cosine 1, two others at 0. −log(e^{1/τ} / (e^{1/τ} + 2)) with τ =
        // 1.
        let views =
            Views { first: t(&[[1.0, 0.0], [0.0, 2.0]]), second: t(&[[3.0, 0.0], [0.0, 1.0]]) };
        let e = 1f64.exp();
        let value = nt_xent(&views, 1.0).unwrap().to_scalar::<f64>().unwrap();
        assert!((value - ((e + 2.0) / e).ln()).abs() < 1e-12, "{value}");
    }

    #[test]
    fn equal_fakes_orthogonal_to_the_reals_give_the_value_on_paper() {
        // Each of 3 fakes: two others at cosine 1, one real at 0: log(2e + 1) − 1 with τ = 1.
        let w = RealFake { real: t(&[[0.0, 1.0]]), fake: t(&[[1.0, 0.0]; 3]) };
        let value = fakes_together(&w, 1.0).unwrap().to_scalar::<f64>().unwrap();
        assert!((value - ((2.0 * 1f64.exp() + 1.0).ln() - 1.0)).abs() < 1e-12, "{value}");
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        check(&[normal(1, &[4, 5]), normal(2, &[4, 5])], |v| {
            nt_xent(&Views { first: v[0].clone(), second: v[1].clone() }, 0.1)
        });
        check(&[normal(1, &[4, 5]), normal(2, &[3, 5])], |v| {
            fakes_together(&RealFake { real: v[0].clone(), fake: v[1].clone() }, 0.1)
        });
    }

    #[test]
    fn a_single_fake_is_refused() {
        let w = RealFake { real: t(&[[0.0, 1.0]]), fake: t(&[[1.0, 0.0]]) };
        assert!(
            fakes_together(&w, 1.0).unwrap_err().to_string().contains("at least 2 fakes, got 1")
        );
    }
}
