//! SupCon-GAN (Gu): the supervised contrastive loss between reals and fakes as the adversarial
//! loss.
//!
//! `gan-recipes.md` §3.7: the paper's formulas contradict each other, so this is our reading of
//! them. Variant `log` (default): D minimises Khosla et al.'s L_out (2020, arXiv:2004.11362, eq. 2)
//! with two classes, real and fake; G minimises −log of the share of real–fake pairs. Variant
//! `printed`: −share itself, which G minimises and D maximises.
//!
//! The paper's numerator sums over r in P and g in G: each real–fake pair once. Its denominator
//! sums over x ≠ y: each pair in both orders. `Pairs::Once` follows it. `Pairs::Ordered` counts
//! both orders above as well, which makes the share twice as large: `log` differs by log 2 and not
//! in its gradient, `printed` by a factor of 2. Plans without the field are from before it was
//! there and mean `Ordered`.

use candle_core::{Result, Tensor};
use serde::{Deserialize, Serialize};

use super::kdd::Features;
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::similarity::{accuracy, keep_only, log_sum_exp_all, log_sum_exp_rows, mask, unit_rows};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Outputs, Term, reals};
use crate::part::{Field, Part};

/// Which of the two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// D minimises [`l_out`], G minimises −log of the share of real–fake pairs.
    Log,
    /// D minimises the share of real–fake pairs, G maximises it.
    Printed,
}

/// The pairs that the share of real–fake pairs is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Denominator {
    /// All pairs of different samples, real and fake (§3.1 of the paper).
    A,
    /// Pairs of different reals (§2 and §3.2 of the paper); the share can then exceed 1.
    P,
}

/// How often the numerator of the share counts a real–fake pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairs {
    /// As the paper prints it.
    Once,
    /// In both orders, as the denominator counts its pairs.
    #[default]
    Ordered,
}

impl Pairs {
    /// Stays out of plans: see the module's words.
    pub fn is_ordered(&self) -> bool {
        *self == Self::Ordered
    }
}

/// The part of a plan: the adversarial loss on the trunk's features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SupCon {
    /// τ, the temperature that inner products are divided by: above 0.
    pub tau: f64,
    /// Which reading of the paper D's and G's losses follow.
    pub variant: Variant,
    /// Of the share. L_out always runs over all samples: it is the loss whose gradient the paper
    /// analyses.
    pub denominator: Denominator,
    /// How often the numerator counts a real–fake pair.
    #[serde(skip_serializing_if = "Pairs::is_ordered")]
    pub pairs: Pairs,
    /// Features are divided by their length first. The paper does not say.
    #[serde(skip_serializing_if = "super::is_on", alias = "normalise_features")]
    pub normalise: bool,
}

impl Default for SupCon {
    fn default() -> Self {
        Self {
            tau: 0.1,
            variant: Variant::Log,
            denominator: Denominator::A,
            pairs: Pairs::default(),
            normalise: true,
        }
    }
}

impl Part for SupCon {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::positive("tau", self.tau, "temperature"),
            Field::choice("variant", self.variant, "which reading of the paper"),
            Field::choice("denominator", self.denominator, "pairs of all samples or of reals"),
            Field::choice(
                "pairs",
                self.pairs,
                "how often the numerator counts a real-fake pair: as printed, or in both orders",
            ),
            Field::switch(
                "normalise",
                self.normalise,
                "features are divided by their length first",
            )
            .once_called("normalise_features"),
        ]
    }
}

/// Inner products over τ of all samples, reals first.
fn similarities(f: &Features, tau: f64, normalise: bool) -> Result<Tensor> {
    let all = Tensor::cat(&[&f.real, &f.fake], 0)?;
    let z = if normalise { unit_rows(&all)? } else { all };
    z.matmul(&z.t()?)? / tau
}

/// Khosla's L_out with the classes real and fake: mean over i of
/// −1/|P(i)| Σ_{p∈P(i)} log softmax_{a≠i}(z_i·z_a/τ) at p.
///
/// # Errors
/// If there are fewer than two reals or two fakes.
pub fn l_out(f: &Features, tau: f64, normalise: bool) -> Result<Tensor> {
    let (n, m) = (f.real.dim(0)?, f.fake.dim(0)?);
    if n < 2 || m < 2 {
        candle_core::bail!(
            "the supervised contrastive loss needs 2 reals and 2 fakes, got {n} and {m}"
        )
    }
    let s = similarities(f, tau, normalise)?;
    let size = (n + m, n + m);
    let others = mask(&s, size, |r, c| r != c)?;
    let positive = mask(&s, size, |r, c| r != c && (r < n) == (c < n))?;
    let counts: Vec<f64> = (0..n + m).map(|i| if i < n { n - 1 } else { m - 1 } as f64).collect();
    let counts = Tensor::new(counts, s.device())?.to_dtype(s.dtype())?;
    let mean_positive = ((&s * positive)?.sum(1)? / counts)?;
    (log_sum_exp_rows(&keep_only(&s, &others)?)? - mean_positive)?.mean_all()
}

/// log of (Σ over real–fake pairs of e^{z·z′/τ}) / (Σ over the denominator's pairs).
///
/// # Errors
/// If the denominator has no pair.
pub fn log_share(f: &Features, c: &SupCon) -> Result<Tensor> {
    let (n, m) = (f.real.dim(0)?, f.fake.dim(0)?);
    if n < 2 {
        candle_core::bail!("the share of real-fake pairs needs at least 2 reals, got {n}")
    }
    let s = similarities(f, c.tau, c.normalise)?;
    let size = (n + m, n + m);
    let across = mask(&s, size, |r, c| (r < n) != (c < n))?;
    let below = match c.denominator {
        Denominator::A => mask(&s, size, |r, c| r != c)?,
        Denominator::P => mask(&s, size, |r, c| r != c && r < n && c < n)?,
    };
    let ordered =
        (log_sum_exp_all(&keep_only(&s, &across)?)? - log_sum_exp_all(&keep_only(&s, &below)?)?)?;
    match c.pairs {
        Pairs::Ordered => Ok(ordered),
        Pairs::Once => ordered - std::f64::consts::LN_2,
    }
}

impl SupCon {
    fn share(&self, f: &Features) -> Result<Tensor> {
        log_share(f, self)
    }

    /// # Errors
    /// If there are fewer than two reals or two fakes.
    fn discriminator_loss(&self, f: &Features) -> Result<Tensor> {
        match self.variant {
            Variant::Log => l_out(f, self.tau, self.normalise),
            Variant::Printed => self.share(f)?.exp(),
        }
    }

    /// # Errors
    /// If the denominator has no pair.
    fn generator_loss(&self, f: &Features) -> Result<Tensor> {
        match self.variant {
            Variant::Log => self.share(f)?.neg(),
            Variant::Printed => self.share(f)?.exp()?.neg(),
        }
    }
}

impl Loss for SupCon {
    fn generator_reads_reals(&self) -> bool {
        true
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let f = Features { real: batch.real().features.clone(), fake: batch.fake.features.clone() };
        let value = self.discriminator_loss(&f)?;
        Ok(DiscriminatorLoss {
            terms: vec![
                Term::new("d_supcon", 1.0, value),
                Term::looked_at("d_supcon_accuracy", &side_accuracy(&f)?),
            ],
            outputs: Some(leanings(&f)?),
        })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let f =
            Features { real: reals(batch)?.features.detach(), fake: batch.fake.features.clone() };
        Ok(vec![Term::new("g_supcon", 1.0, self.generator_loss(&f)?)])
    }
}

/// Share of the samples whose nearest other is of their own side, real or fake.
fn side_accuracy(f: &Features) -> Result<Tensor> {
    let n = f.real.dim(0)?;
    let constant = Features { real: f.real.detach(), fake: f.fake.detach() };
    accuracy(&similarities(&constant, 1.0, true)?, &|r, c| r != c, &|r, c| (r < n) == (c < n))
}

/// Mean cosine to the reals minus mean cosine to the fakes: this loss has no logit of its own.
fn leanings(f: &Features) -> Result<Outputs> {
    let (r, g) = (unit_rows(&f.real.detach())?, unit_rows(&f.fake.detach())?);
    let towards = (r.mean_keepdim(0)? - g.mean_keepdim(0)?)?.t()?;
    Ok(Outputs { real: r.matmul(&towards)?.squeeze(1)?, fake: g.matmul(&towards)?.squeeze(1)? })
}

impl LossPart for SupCon {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "sup_con",
            aliases: &[Alias { name: "supcon", set: &[("pairs", "once")] }],
            summary: "supervised contrastive loss with the classes real and fake",
            source: "Gu, SupCon-GAN (our reading); Khosla et al. 2020, arXiv:2004.11362, eq. 2",
            arrays: &[Array::FEATURES_REAL, Array::FEATURES_FAKE],
            configure: Entry::configured::<SupCon>,
        };
        Some(&ENTRY)
    }

    fn has_logit(&self) -> bool {
        false
    }
}

impl OnArrays for SupCon {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let f = Features { real: a.tensor("features_real")?, fake: a.tensor("features_fake")? };
        Ok(vec![
            Term::new("d_supcon", 1.0, self.discriminator_loss(&f)?),
            Term::new("g_supcon", 1.0, self.generator_loss(&f)?),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    const CONSTANTS: SupCon = SupCon {
        tau: 0.5,
        variant: Variant::Log,
        denominator: Denominator::A,
        pairs: Pairs::Once,
        normalise: true,
    };

    fn clouds() -> Features {
        let of = |rows: &[[f64; 2]]| {
            Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap()
        };
        Features { real: of(&[[1.0, 0.0], [2.0, 0.0]]), fake: of(&[[0.0, 1.0], [0.0, 3.0]]) }
    }

    fn value(t: Result<Tensor>) -> f64 {
        t.unwrap().to_scalar().unwrap()
    }

    #[test]
    fn accuracy_is_the_share_of_samples_beside_their_own_side() {
        assert_eq!(value(side_accuracy(&clouds())), 1.0);
        let of = |rows: &[[f64; 2]]| {
            Tensor::from_vec(rows.concat(), (rows.len(), 2), &Device::Cpu).unwrap()
        };
        // One of each lies in each cloud: all have the other side nearest.
        let real = of(&[[1.0, 0.0], [0.0, 1.0]]);
        let mixed = Features { real, fake: of(&[[1.0, 0.1], [0.1, 1.0]]) };
        assert_eq!(value(side_accuracy(&mixed)), 0.0);
    }

    #[test]
    fn two_tight_orthogonal_clouds_give_the_values_on_paper() {
        // τ = 1. L_out: the one positive at 1, two negatives at 0: log(e + 2) − 1.
        let e = 1f64.exp();
        assert!((value(l_out(&clouds(), 1.0, true)) - ((e + 2.0).ln() - 1.0)).abs() < 1e-12);
        // Share: 4 real–fake pairs at 0, 8 ordered ones; within the classes 4 ordered pairs at 1, 2
        // of them real.
        let share = |denominator, pairs| {
            let c = SupCon { tau: 1.0, denominator, pairs, ..CONSTANTS };
            value(log_share(&clouds(), &c)).exp()
        };
        let below = 8.0 + 4.0 * e;
        assert!((share(Denominator::A, Pairs::Once) - 4.0 / below).abs() < 1e-12);
        assert!((share(Denominator::A, Pairs::Ordered) - 8.0 / below).abs() < 1e-12);
        assert!((share(Denominator::P, Pairs::Once) - 4.0 / (2.0 * e)).abs() < 1e-12);
        assert!((share(Denominator::P, Pairs::Ordered) - 8.0 / (2.0 * e)).abs() < 1e-12);
    }

    #[test]
    fn counting_pairs_in_both_orders_moves_the_log_form_by_log_2_and_doubles_the_printed_one() {
        let real = candle_core::Var::from_tensor(&normal(1, &[4, 5])).unwrap();
        let f = Features { real: real.as_tensor().clone(), fake: normal(2, &[3, 5]) };
        let of = |variant, pairs| {
            let loss = SupCon { variant, pairs, ..CONSTANTS }.generator_loss(&f).unwrap();
            let gradient = loss.backward().unwrap().get(&real).unwrap().flatten_all().unwrap();
            (loss.to_scalar::<f64>().unwrap(), gradient.to_vec1::<f64>().unwrap())
        };
        let [(once, gradient), (ordered, other)] =
            [Pairs::Once, Pairs::Ordered].map(|pairs| of(Variant::Log, pairs));
        assert!((once - ordered - std::f64::consts::LN_2).abs() < 1e-12, "{once} {ordered}");
        assert_eq!(gradient, other);
        let [(once, gradient), (ordered, other)] =
            [Pairs::Once, Pairs::Ordered].map(|pairs| of(Variant::Printed, pairs));
        assert!((ordered - 2.0 * once).abs() < 1e-12, "{once} {ordered}");
        assert!(gradient.iter().zip(&other).all(|(a, b)| (2.0 * a - b).abs() < 1e-12));
    }

    #[test]
    fn plans_without_the_fields_mean_pairs_in_both_orders_and_features_of_length_1() {
        use crate::methods::AdversarialPart;
        let old = r#"{"kind":"sup_con","tau":0.1,"variant":"log","denominator":"A"}"#;
        let part: AdversarialPart = serde_json::from_str(old).unwrap();
        let AdversarialPart::SupCon(read) = &part else { panic!("{part:?}") };
        assert_eq!((read.pairs, read.normalise), (Pairs::Ordered, true));
        assert_eq!(serde_json::to_string(&part).unwrap(), old);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        let inputs = [normal(1, &[4, 5]), normal(2, &[3, 5])];
        let of = |v: &[Tensor]| Features { real: v[0].clone(), fake: v[1].clone() };
        for normalise in [true, false] {
            let of_p = SupCon { denominator: Denominator::P, normalise, ..CONSTANTS };
            check(&inputs, |v| l_out(&of(v), 0.5, normalise));
            check(&inputs, |v| log_share(&of(v), &SupCon { normalise, ..CONSTANTS }));
            check(&inputs, |v| log_share(&of(v), &of_p)?.exp());
        }
    }

    #[test]
    fn too_small_a_batch_is_refused() {
        let f = Features { real: normal(1, &[1, 4]), fake: normal(2, &[3, 4]) };
        assert!(
            l_out(&f, 0.1, true)
                .unwrap_err()
                .to_string()
                .contains("2 reals and 2 fakes, got 1 and 3")
        );
    }
}
