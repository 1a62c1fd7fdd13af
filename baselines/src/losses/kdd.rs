//! KDD GAN: a discriminator that is the log-ratio of two kernel density estimates in feature space.
//!
//! `gan-recipes.md` §3.6 with the corrections of §3.9 (kdd-gan, eq. 3–6). φ = features of unit
//! length, K(a, b) = e^{a·b/τ}, ρ(x) = log p_r(φ(x)) − log p_g(φ(x)), and with class labels + ⟨v_y,
//! φ(x)⟩ (its §2.3).

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::adversarial::{HEAD, Logits, hinge};
use super::projection::{OF_LOGITS, Projection};
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::similarity::{keep_only, log_sum_exp_rows, mask, unit_rows};
use super::{
    DiscriminatorBatch, DiscriminatorLoss, FurtherPasses, GeneratorBatch, Loss, Outputs, Term,
    reals,
};
use crate::augment::Augmentation;
use crate::networks::{HeadKind, HeadSpec, Scored};

/// Features before normalisation, `[n, d]` and `[m, d]`. Every point is also an anchor.
pub struct Features {
    pub real: Tensor,
    pub fake: Tensor,
}

/// Further anchors that the ratio is not evaluated at: features of augmented copies before
/// normalisation, `[a, d]` of reals and `[b, d]` of fakes, all sets one below the other (the
/// paper's +DA×N: N·n of each). A side may have none.
pub struct Anchors {
    pub real: Option<Tensor>,
    pub fake: Option<Tensor>,
}

/// The constants of the density estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KddConstants {
    pub tau: f64,
    /// A point's own kernel is left out of the estimate it belongs to, and the count lowered by
    /// one. Its augmented copies stay: like it, but not equal (the paper's §2.1).
    pub leave_one_out: bool,
}

/// log mean over the anchors (columns) of e^s; the diagonal may be left out.
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

/// As [`log_ratio`], with further anchors beside the points. Gradients reach these too.
///
/// # Errors
/// If leave-one-out meets a single anchor, or the anchors' features have another dimension.
pub fn log_ratio_among(f: &Features, anchors: &Anchors, c: KddConstants) -> Result<Logits> {
    let (r, g) = (unit_rows(&f.real)?, unit_rows(&f.fake)?);
    // The points come first, so that a point's own kernel lies on the diagonal.
    let among = |points: &Tensor, further: &Option<Tensor>| match further {
        None => points.t()?.contiguous(),
        Some(further) => Tensor::cat(&[points, &unit_rows(further)?], 0)?.t(),
    };
    let (to_reals, to_fakes) = (among(&r, &anchors.real)?, among(&g, &anchors.fake)?);
    let log_density = |x: &Tensor, anchors: &Tensor, own: bool| {
        log_mean_exp(&(x.matmul(anchors)? / c.tau)?, own && c.leave_one_out)
    };
    Ok(Logits {
        real: (log_density(&r, &to_reals, true)? - log_density(&r, &to_fakes, false)?)?,
        fake: (log_density(&g, &to_reals, false)? - log_density(&g, &to_fakes, true)?)?,
    })
}

/// The generator's loss −E ρ(x_g), of [`Logits::fake`]. In training the reals' features are
/// constants, and may be those that the last discriminator step saw (the paper's Joint†: D then
/// needs no reals in G's step).
///
/// # Errors
/// None in practice.
pub fn generator(ratio_fake: &Tensor) -> Result<Tensor> {
    ratio_fake.mean_all()?.neg()
}

/// γ·KDD + α·hinge (α on the ordinary head; 0: no head).
pub struct Kdd {
    pub constants: KddConstants,
    pub gamma: f64,
    pub alpha: f64,
    pub head: HeadKind,
    pub hidden: usize,
    /// What class labels add to ρ. The hinge's logits then gain a projection of their own on raw
    /// features, as BigGAN's discriminator has it (our reading: the paper does not say).
    pub projection: Option<Projection>,
    pub anchors: Option<AnchorSets>,
    /// The generator's loss takes the reals' features from D's last step (Joint†).
    pub stale_reals: bool,
}

/// Augmented copies of a step's images that are further anchors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorSets {
    /// N of the paper's +DA×N.
    pub sets: usize,
    pub augmentation: Augmentation,
}

impl AnchorSets {
    /// Features of N augmented copies of x.
    fn features(
        &self,
        x: &Tensor,
        labels: Option<&Tensor>,
        further: &FurtherPasses<'_>,
    ) -> Result<Tensor> {
        let copy = |_| {
            let copy = further.augment(self.augmentation, x)?;
            Ok(further.score(&copy, labels)?.features)
        };
        Tensor::cat(&(0..self.sets).map(copy).collect::<Result<Vec<_>>>()?, 0)
    }
}

impl Kdd {
    fn ratio(&self, f: &Features, anchors: Option<Anchors>) -> Result<Logits> {
        match anchors {
            None => log_ratio(f, self.constants),
            Some(anchors) => log_ratio_among(f, &anchors, self.constants),
        }
    }

    fn with_class(&self, ratio: Tensor, scored: &Scored<'_>) -> Result<Tensor> {
        match &self.projection {
            None => Ok(ratio),
            Some(projection) => ratio + projection.of(scored, false)?,
        }
    }

    fn hinge_projection(&self) -> Option<Projection> {
        self.projection.map(|_| Projection { head: OF_LOGITS, unit_features: false })
    }

    /// Of the hinge's head, `[n]`.
    fn hinge_logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        let logits = scored.head(HEAD)?.squeeze(1)?;
        match self.hinge_projection() {
            None => Ok(logits),
            Some(projection) => logits + projection.of(scored, false)?,
        }
    }
}

impl Loss for Kdd {
    fn heads(&self) -> Vec<HeadSpec> {
        let mut heads: Vec<HeadSpec> = self.projection.iter().map(|p| p.spec()).collect();
        if self.alpha != 0.0 {
            heads.push(HeadSpec { name: HEAD, kind: self.head, outputs: 1, hidden: self.hidden });
            heads.extend(self.hinge_projection().map(|p| p.spec()));
        }
        heads
    }

    fn generator_reads_reals(&self) -> bool {
        !self.stale_reals
    }

    fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        self.hinge_logits(scored)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let features =
            Features { real: batch.real().features.clone(), fake: batch.fake.features.clone() };
        let anchors = match &self.anchors {
            None => None,
            Some(sets) => {
                let of = |x: &Tensor, scored: &Scored<'_>| {
                    sets.features(x, scored.labels.as_ref(), &batch.further)
                };
                let real = Some(of(&batch.images.x_real, batch.real())?);
                Some(Anchors { real, fake: Some(of(&batch.images.x_fake, &batch.fake)?) })
            }
        };
        let ratio = self.ratio(&features, anchors)?;
        let ratio = Logits {
            real: self.with_class(ratio.real, batch.real())?,
            fake: self.with_class(ratio.fake, &batch.fake)?,
        };
        let mut terms = vec![Term::new("d_kdd", self.gamma, hinge(&ratio)?)];
        if self.alpha != 0.0 {
            let logits = Logits {
                real: self.hinge_logits(batch.real())?,
                fake: self.hinge_logits(&batch.fake)?,
            };
            terms.push(Term::new("d_adv", self.alpha, hinge(&logits)?));
        }
        let outputs = Outputs { real: ratio.real.detach(), fake: ratio.fake.detach() };
        Ok(DiscriminatorLoss { terms, outputs: Some(outputs) })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let real = match (&batch.stale_real_features, self.stale_reals) {
            (Some(stale), true) => stale.clone(),
            (None, true) => {
                candle_core::bail!("stale reals need a discriminator step before the generator's")
            }
            (_, false) => reals(batch)?.features.detach(),
        };
        let features = Features { real, fake: batch.fake.features.clone() };
        let anchors = match (&self.anchors, &batch.x_real) {
            (None, _) => None,
            (Some(_), None) => candle_core::bail!("the anchors' reals are not there"),
            (Some(sets), Some(x_real)) => {
                let labels = reals(batch)?.labels.as_ref();
                let real = Some(sets.features(x_real, labels, &batch.further)?.detach());
                let labels = batch.fake.labels.as_ref();
                let fake = Some(sets.features(&batch.x_fake, labels, &batch.further)?);
                Some(Anchors { real, fake })
            }
        };
        let ratio = self.with_class(self.ratio(&features, anchors)?.fake, &batch.fake)?;
        let mut terms = vec![Term::new("g_kdd", self.gamma, generator(&ratio)?)];
        if self.alpha != 0.0 {
            let logits = self.hinge_logits(&batch.fake)?;
            terms.push(Term::new("g_adv", self.alpha, logits.mean_all()?.neg()?));
        }
        Ok(terms)
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "kdd",
    summary: "hinge loss on the log-ratio of two kernel density estimates of features",
    source: "KDD GAN, eq. 3-6 and section 2.3; leave-one-out lowers the count (our reading)",
    arrays: &[
        Array::FEATURES_REAL,
        Array::FEATURES_FAKE,
        Array::floats("anchors_real", &["a", "d"], "of augmented reals: further anchors").with(&[]),
        Array::floats("anchors_fake", &["b", "d"], "of augmented fakes").with(&[]),
        Array::floats("features_real_stale", &["s", "d"], "of the last D step, for G's (Joint†)")
            .with(&[]),
        Array::CLASS_VECTORS.with(&["labels_real", "labels_fake"]),
        Array::LABELS_REAL.with(&["class_vectors"]),
        Array::LABELS_FAKE.with(&["class_vectors"]),
    ],
    settings: &[
        Setting::positive("gamma", 1.0, "weight of both terms"),
        Setting::positive("tau", 1.0, "temperature of the kernel"),
        Setting::switch("leave_one_out", true, "a point is no anchor of itself"),
        Setting::switch("unit_features", true, "class vectors meet features of length 1"),
    ],
    terms,
};

fn terms(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    let c = KddConstants { tau: s.number("tau"), leave_one_out: s.switch("leave_one_out") };
    let ratio = |real: &str| {
        let f = Features { real: a.tensor(real)?, fake: a.tensor("features_fake")? };
        let further = |name| a.has(name).then(|| a.tensor(name)).transpose();
        let ratio = match (further("anchors_real")?, further("anchors_fake")?) {
            (None, None) => log_ratio(&f, c)?,
            (real, fake) => log_ratio_among(&f, &Anchors { real, fake }, c)?,
        };
        if !a.has("class_vectors") {
            return Ok(ratio);
        }
        let (of, unit) = (a.projected()?, s.switch("unit_features"));
        // Stale reals are anchors only: D's loss alone looks at what they gain.
        let real = match real == "features_real" {
            true => (ratio.real + of.real.inner(unit)?)?,
            false => ratio.real,
        };
        Ok::<_, candle_core::Error>(Logits { real, fake: (ratio.fake + of.fake.inner(unit)?)? })
    };
    let now = ratio("features_real")?;
    let d = hinge(&now)?;
    let for_generator = match a.has("features_real_stale") {
        true => ratio("features_real_stale")?.fake,
        false => now.fake,
    };
    let gamma = s.number("gamma");
    Ok(vec![Term::new("d_kdd", gamma, d), Term::new("g_kdd", gamma, generator(&for_generator)?)])
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
    fn further_anchors_give_the_ratio_on_paper() {
        // One augmented copy of each at its point: p_r at a real is (e² + e² + e²)/3 without
        // itself, p_g e⁰. Without leave-one-out the same. A copy of another direction, cosine 0:
        // (e² + 2e⁰)/3.
        let f = features();
        let copies = |real: &Tensor, fake: &Tensor| Anchors {
            real: Some(real.clone()),
            fake: Some(fake.clone()),
        };
        let c = KddConstants { tau: 0.5, leave_one_out: true };
        let rho = log_ratio_among(&f, &copies(&f.real, &f.fake), c).unwrap();
        let all = |x: &Tensor, expected: f64| {
            x.to_vec1::<f64>().unwrap().iter().all(|v| (v - expected).abs() < 1e-14)
        };
        assert!(all(&rho.real, 2.0) && all(&rho.fake, -2.0));
        let rho = log_ratio_among(&f, &copies(&f.fake, &f.fake), c).unwrap();
        assert!(all(&rho.real, ((2f64.exp() + 2.0) / 3.0).ln()));
    }

    #[test]
    fn sets_that_repeat_the_points_change_nothing_where_none_is_left_out() {
        let f = Features { real: normal(1, &[5, 3]), fake: normal(2, &[4, 3]) };
        let c = KddConstants { tau: 0.2, leave_one_out: false };
        let plain = log_ratio(&f, c).unwrap().fake.to_vec1::<f64>().unwrap();
        for n in [1, 3, 7] {
            let times = |x: &Tensor| Tensor::cat(&vec![x; n], 0).unwrap();
            let anchors = Anchors { real: Some(times(&f.real)), fake: Some(times(&f.fake)) };
            let rho = log_ratio_among(&f, &anchors, c).unwrap().fake.to_vec1::<f64>().unwrap();
            assert!(rho.iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-13));
        }
    }

    #[test]
    fn a_single_anchor_cannot_be_left_out() {
        let f = Features { real: normal(1, &[1, 4]), fake: normal(2, &[1, 4]) };
        let error = log_ratio(&f, KddConstants { tau: 1.0, leave_one_out: true }).err().unwrap();
        assert!(error.to_string().contains("at least 2 anchors, got 1"));
    }
}
