//! KDD GAN: a discriminator that is the log-ratio of two kernel density estimates in feature space.
//!
//! `gan-recipes.md` §3.6 with the corrections of §3.9 (kdd-gan, eq. 3–6). φ = features of unit
//! length, K(a, b) = e^{a·b/τ}, ρ(x) = log p_r(φ(x)) − log p_g(φ(x)), and with class labels + ⟨v_y,
//! φ(x)⟩ (its §2.3).

#[cfg(test)]
#[path = "kdd_tests.rs"]
mod tests;

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::adversarial::{HEAD, Logits, hinge};
use super::part::{BuildContext, LossPart};
use super::projection::{OF_LOG_RATIO, OF_LOGITS, Projection};
use super::registry::{Array, Arrays, Entry, OnArrays};
use super::similarity::{keep_only, log_sum_exp_rows, mask, unit_rows};
use super::{
    DiscriminatorBatch, DiscriminatorLoss, FurtherPasses, GeneratorBatch, Loss, Outputs, Term,
    reals,
};
use crate::augment::Augmentation;
use crate::networks::{HeadKind, HeadSpec, Scored};
use crate::part::{Field, InvalidPart, Part, Range};

/// Features before normalisation, `[n, d]` and `[m, d]`. Every point is also an anchor.
pub struct Features {
    /// `[n, d]`.
    pub real: Tensor,
    /// `[m, d]`.
    pub fake: Tensor,
}

/// Further anchors that the ratio is not evaluated at: features of augmented copies before
/// normalisation, `[a, d]` of reals and `[b, d]` of fakes, all sets one below the other (the
/// paper's +DA×N: N·n of each). A side may have none.
pub struct Anchors {
    /// `[a, d]`; None: the reals themselves are the only anchors of p_r.
    pub real: Option<Tensor>,
    /// `[b, d]`; None: the fakes themselves are the only anchors of p_g.
    pub fake: Option<Tensor>,
}

/// The part of a plan: γ·KDD + α·hinge (α on the ordinary head; 0: no head).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Kdd {
    /// Temperature of the kernel; 1 is the paper's best.
    pub tau: f64,
    /// A point's own kernel is left out of the estimate it belongs to, and the count lowered by
    /// one. Its augmented copies stay: like it, but not equal (the paper's §2.1).
    pub leave_one_out: bool,
    /// γ, the weight of the terms on ρ of both networks: 0 or above.
    pub gamma: f64,
    /// α, the weight of the hinge terms of both networks: 0 or above.
    pub alpha: f64,
    /// The layers of the hinge's head, which exists where `alpha` is above 0.
    pub head: HeadKind,
    /// Augmented reals and fakes that are further anchors (+DA×N).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchors: Option<AnchorSets>,
    /// The generator's loss takes the reals' features from D's last step, before its update
    /// (Joint†).
    #[serde(skip_serializing_if = "super::is_off")]
    pub stale_reals: bool,
}

impl Default for Kdd {
    fn default() -> Self {
        Self {
            tau: 1.0,
            leave_one_out: true,
            gamma: 1.0,
            alpha: 0.0,
            head: HeadKind::Linear,
            anchors: None,
            stale_reals: false,
        }
    }
}

impl Part for Kdd {
    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            Field::positive("tau", self.tau, "temperature of the kernel"),
            Field::switch("leave_one_out", self.leave_one_out, "a point is no anchor of itself"),
            Field::weight("gamma", self.gamma, "weight of both terms"),
            Field::weight("alpha", self.alpha, "weight of the hinge on a head").in_training(),
            Field::choice("head", self.head, "the layers of that head").in_training(),
            Field::switch("stale_reals", self.stale_reals, "G compares with D's last reals")
                .in_training(),
        ];
        if let Some(anchors) = &self.anchors {
            let (sets, range) = (anchors.sets as u64, Range::UpTo(1_024));
            let summary = "augmented copies of all images";
            fields.push(Field::count("anchors.sets", sets, range, summary).in_training());
        }
        fields
    }

    fn check(&self) -> std::result::Result<(), InvalidPart> {
        self.fields().iter().try_for_each(Field::check)?;
        let Some(anchors) = &self.anchors else { return Ok(()) };
        if self.stale_reals {
            let expected = "left out with stale_reals, whose reals are augmented no more";
            return Err(InvalidPart::new("anchors", expected, format!("{} sets", anchors.sets)));
        }
        anchors.augmentation.check().map_err(|e| e.within("anchors.augmentation"))
    }
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
pub fn log_ratio(f: &Features, c: &Kdd) -> Result<Logits> {
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
pub fn log_ratio_among(f: &Features, anchors: &Anchors, c: &Kdd) -> Result<Logits> {
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

/// The part on a discriminator.
struct KddLoss {
    part: Kdd,
    hidden: usize,
    /// What class labels add to ρ. The hinge's logits then gain a projection of their own on raw
    /// features, as BigGAN's discriminator has it (our reading: the paper does not say).
    projection: Option<Projection>,
}

/// Augmented copies of a step's images that are further anchors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorSets {
    /// N of the paper's +DA×N.
    pub sets: usize,
    /// Makes each copy, from images before the method's own augmentation.
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

impl KddLoss {
    fn ratio(&self, f: &Features, anchors: Option<Anchors>) -> Result<Logits> {
        match anchors {
            None => log_ratio(f, &self.part),
            Some(anchors) => log_ratio_among(f, &anchors, &self.part),
        }
    }

    fn with_class(&self, ratio: Tensor, scored: &Scored<'_>) -> Result<Tensor> {
        match &self.projection {
            None => Ok(ratio),
            Some(projection) => ratio + projection.added(scored, false)?,
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
            Some(projection) => logits + projection.added(scored, false)?,
        }
    }
}

impl Loss for KddLoss {
    fn heads(&self) -> Vec<HeadSpec> {
        let mut heads: Vec<HeadSpec> = self.projection.iter().map(|p| p.spec()).collect();
        if self.part.alpha != 0.0 {
            let hidden = self.hidden;
            heads.push(HeadSpec { name: HEAD, kind: self.part.head, outputs: 1, hidden });
            heads.extend(self.hinge_projection().map(|p| p.spec()));
        }
        heads
    }

    fn generator_reads_reals(&self) -> bool {
        !self.part.stale_reals
    }

    fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        self.hinge_logits(scored)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let features =
            Features { real: batch.real().features.clone(), fake: batch.fake.features.clone() };
        let anchors = match &self.part.anchors {
            None => None,
            Some(sets) => {
                let copies = |x: &Tensor, scored: &Scored<'_>| {
                    sets.features(x, scored.labels.as_ref(), &batch.further)
                };
                let real = Some(copies(&batch.images.x_real, batch.real())?);
                Some(Anchors { real, fake: Some(copies(&batch.images.x_fake, &batch.fake)?) })
            }
        };
        let ratio = self.ratio(&features, anchors)?;
        let ratio = Logits {
            real: self.with_class(ratio.real, batch.real())?,
            fake: self.with_class(ratio.fake, &batch.fake)?,
        };
        let mut terms = vec![Term::new("d_kdd", self.part.gamma, hinge(&ratio)?)];
        if self.part.alpha != 0.0 {
            let logits = Logits {
                real: self.hinge_logits(batch.real())?,
                fake: self.hinge_logits(&batch.fake)?,
            };
            terms.push(Term::new("d_adv", self.part.alpha, hinge(&logits)?));
        }
        let outputs = Outputs { real: ratio.real.detach(), fake: ratio.fake.detach() };
        Ok(DiscriminatorLoss { terms, outputs: Some(outputs) })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let real = match (&batch.stale_real_features, self.part.stale_reals) {
            (Some(stale), true) => stale.clone(),
            (None, true) => {
                candle_core::bail!("stale reals need a discriminator step before the generator's")
            }
            (_, false) => reals(batch)?.features.detach(),
        };
        let features = Features { real, fake: batch.fake.features.clone() };
        let anchors = match (&self.part.anchors, &batch.x_real) {
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
        let mut terms = vec![Term::new("g_kdd", self.part.gamma, generator(&ratio)?)];
        if self.part.alpha != 0.0 {
            let logits = self.hinge_logits(&batch.fake)?;
            terms.push(Term::new("g_adv", self.part.alpha, logits.mean_all()?.neg()?));
        }
        Ok(terms)
    }
}

impl LossPart for Kdd {
    fn build(&self, context: &BuildContext) -> Option<Box<dyn Loss>> {
        let projection = context.projection.map(|part| part.on(OF_LOG_RATIO));
        Some(Box::new(KddLoss { part: self.clone(), hidden: context.hidden, projection }))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "kdd",
            aliases: &[],
            summary: "hinge loss on the log-ratio of two kernel density estimates of features",
            source: "KDD GAN, eq. 3-6 and section 2.3; leave-one-out lowers the count (our reading)",
            arrays: ARRAYS,
            configure: Entry::configured::<KddOnArrays>,
        };
        Some(&ENTRY)
    }

    fn reads_a_head(&self) -> bool {
        self.alpha > 0.0
    }

    fn reads_last_d_step(&self) -> bool {
        self.stale_reals
    }
}

const ARRAYS: &[Array] = &[
    Array::FEATURES_REAL,
    Array::FEATURES_FAKE,
    Array::floats("anchors_real", &["a", "d"], "of augmented reals: further anchors").with(&[]),
    Array::floats("anchors_fake", &["b", "d"], "of augmented fakes").with(&[]),
    Array::floats("features_real_stale", &["s", "d"], "of the last D step, for G's (Joint†)")
        .with(&[]),
    Array::CLASS_VECTORS.with(&["labels_real", "labels_fake"]),
    Array::LABELS_REAL.with(&["class_vectors"]),
    Array::LABELS_FAKE.with(&["class_vectors"]),
];

/// The part beside the one setting of its conditioning.
#[derive(Deserialize)]
#[serde(default)]
struct KddOnArrays {
    #[serde(flatten)]
    kdd: Kdd,
    unit_features: bool,
}

impl Default for KddOnArrays {
    fn default() -> Self {
        Self { kdd: Kdd::default(), unit_features: true }
    }
}

impl Part for KddOnArrays {
    fn fields(&self) -> Vec<Field> {
        let summary = "class vectors meet features of length 1";
        let mut fields = self.kdd.fields();
        fields.push(Field::switch("unit_features", self.unit_features, summary));
        fields
    }
}

impl KddOnArrays {
    fn ratio(&self, a: &Arrays, real: &str) -> Result<Logits> {
        let f = Features { real: a.tensor(real)?, fake: a.tensor("features_fake")? };
        let further = |name| a.has(name).then(|| a.tensor(name)).transpose();
        let ratio = match (further("anchors_real")?, further("anchors_fake")?) {
            (None, None) => log_ratio(&f, &self.kdd)?,
            (real, fake) => log_ratio_among(&f, &Anchors { real, fake }, &self.kdd)?,
        };
        if !a.has("class_vectors") {
            return Ok(ratio);
        }
        let (sides, unit) = (a.projected()?, self.unit_features);
        // Stale reals are anchors only: D's loss alone looks at what they gain.
        let real = match real == "features_real" {
            true => (ratio.real + sides.real.inner(unit)?)?,
            false => ratio.real,
        };
        Ok(Logits { real, fake: (ratio.fake + sides.fake.inner(unit)?)? })
    }
}

impl OnArrays for KddOnArrays {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let now = self.ratio(a, "features_real")?;
        let d = hinge(&now)?;
        let for_generator = match a.has("features_real_stale") {
            true => self.ratio(a, "features_real_stale")?.fake,
            false => now.fake,
        };
        let gamma = self.kdd.gamma;
        Ok(vec![
            Term::new("d_kdd", gamma, d),
            Term::new("g_kdd", gamma, generator(&for_generator)?),
        ])
    }
}
