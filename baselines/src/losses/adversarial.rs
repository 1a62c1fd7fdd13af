//! Adversarial losses on one logit an image.
//!
//! Formulas: `gan-recipes.md` §3.1. Non-saturating: Goodfellow et al. 2014, arXiv:1406.2661,
//! section 3. Hinge: Miyato et al. 2018, arXiv:1802.05957, and Lim and Ye 2017, arXiv:1705.02894.
//! Least squares: Mao et al. 2017, arXiv:1611.04076, eq. 9 (b = c = 1, a = 0). Wasserstein:
//! Arjovsky et al. 2017, arXiv:1701.07875; it needs a discriminator that is held to a Lipschitz
//! constant, by spectral norm or a penalty.
//!
//! The logistic loss of StyleGAN (softplus) is the non-saturating loss to the letter: −log σ(d) =
//! s(−d) and −log(1 − σ(d)) = s(d). What StyleGAN adds is R1.

use candle_core::{Result, Tensor, bail};
use ganbench_nn::kernels::activation::{Activation, activate};

use super::projection::Projection;
use super::registry::{Array, Arrays, Entry, Setting, Settings};
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Outputs, Term, softplus};
use crate::networks::{HeadKind, HeadSpec, Scored};

/// The head that every adversarial loss on logits reads.
pub const HEAD: &str = "adv";

/// Logits of a discriminator step, `[n]` each.
pub struct Logits {
    pub real: Tensor,
    pub fake: Tensor,
}

/// The form of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    NonSaturating,
    Hinge,
    LeastSquares,
    Wasserstein,
}

impl Form {
    /// Names of all forms, as settings have them.
    pub const NAMES: &'static [&'static str] =
        &["non-saturating", "hinge", "least-squares", "wasserstein"];

    /// # Errors
    /// If there is none of this name.
    pub(super) fn named(name: &str) -> Result<Self> {
        Ok(match name {
            "non-saturating" => Self::NonSaturating,
            "hinge" => Self::Hinge,
            "least-squares" => Self::LeastSquares,
            "wasserstein" => Self::Wasserstein,
            _ => bail!("unknown form \"{name}\"; known: {}", Self::NAMES.join(", ")),
        })
    }

    /// Non-saturating: E s(−d_r) + E s(d_f); hinge: E[1 − d_r]₊ + E[1 + d_f]₊; least squares:
    /// ½E(d_r − 1)² + ½E d_f²; Wasserstein: E d_f − E d_r.
    ///
    /// # Errors
    /// None in practice.
    pub fn discriminator(self, logits: &Logits) -> Result<Tensor> {
        match self {
            Self::NonSaturating => {
                softplus(&logits.real.neg()?)?.mean_all()? + softplus(&logits.fake)?.mean_all()?
            }
            Self::Hinge => hinge(logits),
            Self::LeastSquares => half_square(&(&logits.real - 1.0)?)? + half_square(&logits.fake)?,
            Self::Wasserstein => logits.fake.mean_all()? - logits.real.mean_all()?,
        }
    }

    /// As [`Self::discriminator`] with the target 1 − s in place of 1 for the reals (one-sided
    /// label smoothing, Salimans et al. 2016, arXiv:1606.03498, section 3.4; `smoothing` is s in
    /// [0, 1)).
    ///
    /// # Errors
    /// If s is not 0 and the form has no targets.
    pub fn smoothed_discriminator(self, logits: &Logits, smoothing: f64) -> Result<Tensor> {
        match self {
            _ if smoothing == 0.0 => self.discriminator(logits),
            // −(1 − s) log σ(d) − s log(1 − σ(d)) = s(−d) + s·d.
            Self::NonSaturating => {
                self.discriminator(logits)? + (logits.real.mean_all()? * smoothing)?
            }
            Self::LeastSquares => {
                half_square(&(&logits.real - (1.0 - smoothing))?)? + half_square(&logits.fake)?
            }
            Self::Hinge | Self::Wasserstein => self.no_targets(),
        }
    }

    /// Non-saturating: E s(−d_f); hinge and Wasserstein: −E d_f; least squares: ½E(d_f − 1)².
    ///
    /// # Errors
    /// None in practice.
    pub fn generator(self, logits_fake: &Tensor) -> Result<Tensor> {
        match self {
            Self::NonSaturating => softplus(&logits_fake.neg()?)?.mean_all(),
            Self::Hinge | Self::Wasserstein => logits_fake.mean_all()?.neg(),
            Self::LeastSquares => half_square(&(logits_fake - 1.0)?),
        }
    }

    /// As [`Self::generator`] with the target 1 − s in place of 1 (the ImageNet code of Salimans et
    /// al. 2016 has 0.375).
    ///
    /// # Errors
    /// If s is not 0 and the form has no targets.
    pub fn smoothed_generator(self, logits_fake: &Tensor, smoothing: f64) -> Result<Tensor> {
        match self {
            _ if smoothing == 0.0 => self.generator(logits_fake),
            Self::NonSaturating => {
                self.generator(logits_fake)? + (logits_fake.mean_all()? * smoothing)?
            }
            Self::LeastSquares => half_square(&(logits_fake - (1.0 - smoothing))?),
            Self::Hinge | Self::Wasserstein => self.no_targets(),
        }
    }

    fn no_targets(self) -> Result<Tensor> {
        bail!("label smoothing needs a loss with targets, and {self:?} has none")
    }

    /// Both networks' terms, for the registry.
    pub(super) fn terms(self, logits: &Logits, smoothing: Smoothing) -> Result<Vec<Term>> {
        Ok(vec![
            Term::new("d_adv", 1.0, self.smoothed_discriminator(logits, smoothing.real)?),
            Term::new("g_adv", 1.0, self.smoothed_generator(&logits.fake, smoothing.generator)?),
        ])
    }
}

/// By how much the targets of the reals in D's loss and of the fakes in G's lie below 1.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothing {
    pub(super) real: f64,
    pub(super) generator: f64,
}

impl Smoothing {
    fn of(s: &Settings) -> Self {
        let (real, generator) = (s.number("label_smoothing"), s.number("g_label_smoothing"));
        Self { real, generator }
    }
}

/// ½E x².
fn half_square(x: &Tensor) -> Result<Tensor> {
    x.sqr()?.mean_all()? * 0.5
}

/// E[1 − d_r]₊ + E[1 + d_f]₊.
pub(super) fn hinge(logits: &Logits) -> Result<Tensor> {
    let positive = |x: Tensor| activate(&x, Activation::Relu)?.mean_all();
    positive((1.0 - &logits.real)?)? + positive((&logits.fake + 1.0)?)?
}

/// A [`Form`] on a head of the discriminator.
pub struct Adversarial {
    pub form: Form,
    pub head: HeadKind,
    pub hidden: usize,
    /// The discriminator's loss does not reach the trunk (ContraD's L_dis); the generator's does.
    pub stop_gradient: bool,
    /// One-sided: 1 minus the target of the reals. 0 where the form has no targets.
    pub label_smoothing: f64,
    /// What class labels add to the logits.
    pub projection: Option<Projection>,
}

impl Adversarial {
    /// `constant`: no gradient reaches the trunk.
    fn logits_of(&self, scored: &Scored<'_>, constant: bool) -> Result<Tensor> {
        let logits =
            if constant { scored.head_on_constant_features(HEAD) } else { scored.head(HEAD) };
        let logits = logits?.squeeze(1)?;
        match &self.projection {
            None => Ok(logits),
            Some(projection) => logits + projection.of(scored, constant)?,
        }
    }

    fn both(&self, batch: &DiscriminatorBatch<'_>) -> Result<Logits> {
        let logits = |scored| self.logits_of(scored, self.stop_gradient);
        Ok(Logits { real: logits(batch.real())?, fake: logits(&batch.fake)? })
    }
}

impl Loss for Adversarial {
    fn heads(&self) -> Vec<HeadSpec> {
        let head = HeadSpec { name: HEAD, kind: self.head, outputs: 1, hidden: self.hidden };
        std::iter::once(head).chain(self.projection.map(|p| p.spec())).collect()
    }

    fn logits(&self, scored: &Scored<'_>) -> Result<Tensor> {
        self.logits_of(scored, false)
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let logits = self.both(batch)?;
        Ok(DiscriminatorLoss {
            terms: vec![Term::new(
                "d_adv",
                1.0,
                self.form.smoothed_discriminator(&logits, self.label_smoothing)?,
            )],
            outputs: Some(Outputs { real: logits.real.detach(), fake: logits.fake.detach() }),
        })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let logits = self.logits_of(&batch.fake, false)?;
        Ok(vec![Term::new("g_adv", 1.0, self.form.generator(&logits)?)])
    }
}

const ARRAYS: &[Array] = &[Array::LOGITS_REAL, Array::LOGITS_FAKE];
const SMOOTHING: &[Setting] = &[
    Setting::share("label_smoothing", 0.0, "one-sided: the reals' target is 1 minus this"),
    Setting::share("g_label_smoothing", 0.0, "G's target for its fakes is 1 minus this"),
];

fn both(a: &Arrays) -> Result<Logits> {
    Ok(Logits { real: a.tensor("logits_real")?, fake: a.tensor("logits_fake")? })
}

fn non_saturating(a: &Arrays, s: &Settings) -> Result<Vec<Term>> {
    Form::NonSaturating.terms(&both(a)?, Smoothing::of(s))
}

pub(super) const ENTRIES: [Entry; 5] = [
    Entry {
        name: "non-saturating",
        summary: "the original GAN's loss, G's in its non-saturating form",
        source: "Goodfellow et al. 2014, arXiv:1406.2661, section 3",
        arrays: ARRAYS,
        settings: SMOOTHING,
        terms: non_saturating,
    },
    Entry {
        name: "logistic",
        summary: "StyleGAN's name of the non-saturating loss: the same function",
        source: "Karras et al. 2019, arXiv:1812.04948; softplus is −log of the sigmoid",
        arrays: ARRAYS,
        settings: SMOOTHING,
        terms: non_saturating,
    },
    Entry {
        name: "hinge",
        summary: "hinge loss",
        source: "Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957",
        arrays: ARRAYS,
        settings: &[],
        terms: |a, _| Form::Hinge.terms(&both(a)?, Smoothing::default()),
    },
    Entry {
        name: "least-squares",
        summary: "LSGAN's loss with targets 1 and 0 and factors ½",
        source: "Mao et al. 2017, arXiv:1611.04076, eq. 9",
        arrays: ARRAYS,
        settings: SMOOTHING,
        terms: |a, s| Form::LeastSquares.terms(&both(a)?, Smoothing::of(s)),
    },
    Entry {
        name: "wasserstein",
        summary: "WGAN's critic, without what makes it Lipschitz",
        source: "Arjovsky et al. 2017, arXiv:1701.07875",
        arrays: ARRAYS,
        settings: &[],
        terms: |a, _| Form::Wasserstein.terms(&both(a)?, Smoothing::default()),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    fn logits(real: &[f64], fake: &[f64]) -> Logits {
        let of = |x: &[f64]| Tensor::new(x, &Device::Cpu).unwrap();
        Logits { real: of(real), fake: of(fake) }
    }

    fn value(t: Tensor) -> f64 {
        t.to_scalar().unwrap()
    }

    #[test]
    fn the_losses_of_a_case_solved_on_paper() {
        // Hinge: mean([1−2]₊, [1−0]₊) + mean([1+(−3)]₊, [1+1]₊) = 0.5 + 1.
        let l = logits(&[2.0, 0.0], &[-3.0, 1.0]);
        assert_eq!(value(Form::Hinge.discriminator(&l).unwrap()), 1.5);
        assert_eq!(value(Form::Hinge.generator(&l.fake).unwrap()), 1.0);
        // Non-saturating at zero logits: 2 log 2 and log 2.
        let l = logits(&[0.0], &[0.0]);
        let log2 = std::f64::consts::LN_2;
        assert!((value(Form::NonSaturating.discriminator(&l).unwrap()) - 2.0 * log2).abs() < 1e-15);
        assert!((value(Form::NonSaturating.generator(&l.fake).unwrap()) - log2).abs() < 1e-15);
        // Least squares: ½mean(1, 1) + ½mean(9, 1) = 3, and ½mean(16, 0) = 4.
        let l = logits(&[2.0, 0.0], &[-3.0, 1.0]);
        assert_eq!(value(Form::LeastSquares.discriminator(&l).unwrap()), 3.0);
        assert_eq!(value(Form::LeastSquares.generator(&l.fake).unwrap()), 4.0);
        // Wasserstein: −1 − 1, and 1.
        assert_eq!(value(Form::Wasserstein.discriminator(&l).unwrap()), -2.0);
        assert_eq!(value(Form::Wasserstein.generator(&l.fake).unwrap()), 1.0);
    }

    #[test]
    fn with_smoothing_s_the_best_output_on_reals_is_the_target_1_minus_s() {
        // Non-saturating: σ(d) = 0.9 at d = log 9; least squares: d = 0.9. There the gradient
        // vanishes.
        for (form, best) in [(Form::NonSaturating, 9f64.ln()), (Form::LeastSquares, 0.9)] {
            let real = candle_core::Var::new(&[best], &Device::Cpu).unwrap();
            let fake = Tensor::new(&[0.3f64], &Device::Cpu).unwrap();
            let l = Logits { real: real.as_tensor().clone(), fake };
            let grads = form.smoothed_discriminator(&l, 0.1).unwrap().backward().unwrap();
            assert!(grads.get(&real).unwrap().to_vec1::<f64>().unwrap()[0].abs() < 1e-15);
            let fake = candle_core::Var::new(&[best], &Device::Cpu).unwrap();
            let grads = form.smoothed_generator(&fake, 0.1).unwrap().backward().unwrap();
            assert!(grads.get(&fake).unwrap().to_vec1::<f64>().unwrap()[0].abs() < 1e-15);
        }
        let error = Form::Hinge.smoothed_discriminator(&logits(&[0.0], &[0.0]), 0.1).unwrap_err();
        assert!(error.to_string().contains("needs a loss with targets, and Hinge has none"));
        let zero = Tensor::new(&[0.0], &Device::Cpu).unwrap();
        let error = Form::Wasserstein.smoothed_generator(&zero, 0.1).unwrap_err();
        assert!(error.to_string().contains("needs a loss with targets, and Wasserstein has none"));
    }

    #[test]
    fn softplus_is_finite_where_the_exponential_is_not() {
        let x = Tensor::new(&[-1000.0f32, 1000.0], &Device::Cpu).unwrap();
        assert_eq!(softplus(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 1000.0]);
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        for form in Form::NAMES.iter().map(|name| Form::named(name).unwrap()) {
            check(&[normal(1, &[6]), normal(2, &[5])], |v| {
                form.discriminator(&Logits { real: v[0].clone(), fake: v[1].clone() })
            });
            check(&[normal(1, &[6])], |v| form.generator(&v[0]));
        }
        for form in [Form::NonSaturating, Form::LeastSquares] {
            check(&[normal(1, &[6])], |v| form.smoothed_generator(&v[0], 0.625));
        }
    }

    #[test]
    fn softplus_has_gradient_one_half_at_0() {
        let x = candle_core::Var::new(&[0.0f64], &Device::Cpu).unwrap();
        let grads = softplus(x.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f64>().unwrap(), [0.5]);
    }
}
