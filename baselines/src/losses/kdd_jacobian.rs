//! KDD GAN's Jacobian regularisation: features shall move as far as the image does.
//!
//! KDD GAN, eq. 8 and 9: a part of both networks' losses, weight 1e-5, δ = 1e-3. `gan-recipes.md`
//! §3.9: divided by the number of reals, summed over reals and fakes. Only un-augmented images take
//! part (our reading).

use candle_core::{Result, Tensor};

use serde::{Deserialize, Serialize};

use super::kdd::Features;
use super::part::{BuildContext, LossPart};
use super::registry::{Alias, Array, Arrays, Entry, OnArrays};
use super::similarity::row_norms;
use super::{DiscriminatorBatch, DiscriminatorLoss, FurtherPasses, GeneratorBatch, Loss, Term};
use crate::part::{Field, Part};

/// Features before normalisation at images x, and at x + δu with u uniform on the unit sphere of
/// image space. With δ = 1e-3 the difference takes f32 or more.
pub struct Perturbed {
    /// φ(x).
    pub at: Features,
    /// φ(x + δu), of the same shapes.
    pub moved: Features,
    /// δ, the Euclidean length of the move: above 0.
    pub delta: f64,
}

/// (1/n) Σ over n reals and m fakes of |‖φ(x + δu) − φ(x)‖/δ − 1|: a scalar of at least 0.
///
/// # Errors
/// If the features at x and at x + δu differ in shape.
pub fn kdd_jacobian(x: &Perturbed) -> Result<Tensor> {
    let n = x.at.real.dim(0)?;
    let off = |at: &Tensor, moved: &Tensor| {
        ((row_norms(&(moved - at)?)? / x.delta)? - 1.0)?.abs()?.sum_all()
    };
    let reals = off(&x.at.real, &x.moved.real)?;
    (reals + off(&x.at.fake, &x.moved.fake)?)? / n as f64
}

/// The part of a plan: λ·[`kdd_jacobian`] of the reals and fakes that the discriminator saw (the
/// paper's JacD).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KddJacobian {
    /// λ, the weight of `d_jacobian` and `g_jacobian`, any finite number.
    pub lambda: f64,
    /// How far an image moves.
    pub delta: f64,
    /// A term of G's loss too (its eq. 9).
    pub generator: bool,
}

impl Default for KddJacobian {
    fn default() -> Self {
        Self { lambda: 1e-5, delta: 1e-3, generator: false }
    }
}

impl Part for KddJacobian {
    fn fields(&self) -> Vec<Field> {
        vec![
            Field::finite("lambda", self.lambda, "weight"),
            Field::positive("delta", self.delta, "length of the move in image space"),
            Field::switch("generator", self.generator, "a term of G's loss too").in_training(),
        ]
    }
}

/// Images of a step, `[n, channels, h, w]`.
struct Images<'a> {
    real: &'a Tensor,
    fake: &'a Tensor,
}

impl KddJacobian {
    /// All images in one pass: the power iterations of a second one would move the features further
    /// than the images do.
    fn penalty(&self, x: &Images<'_>, further: &FurtherPasses<'_>) -> Result<Tensor> {
        let at = Tensor::cat(&[x.real, x.fake], 0)?;
        let direction = further.normal_like(&at)?;
        let length = row_norms(&direction.flatten_from(1)?)?.reshape((at.dim(0)?, 1, 1, 1))?;
        let moved = (&at + (direction.broadcast_div(&length)? * self.delta)?)?;
        let features = further.score(&Tensor::cat(&[&at, &moved], 0)?, None)?.features;
        let (n, m) = (x.real.dim(0)?, x.fake.dim(0)?);
        let rows = |first: usize| -> Result<Features> {
            Ok(Features {
                real: features.narrow(0, first, n)?,
                fake: features.narrow(0, first + n, m)?,
            })
        };
        kdd_jacobian(&Perturbed { at: rows(0)?, moved: rows(n + m)?, delta: self.delta })
    }
}

impl Loss for KddJacobian {
    fn generator_reads_reals(&self) -> bool {
        self.generator
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let x = Images { real: &batch.images.x_real, fake: &batch.images.x_fake };
        let penalty = self.penalty(&x, &batch.further)?;
        let terms = vec![Term::new("d_jacobian", self.lambda, penalty)];
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, batch: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        let Some(real) = batch.x_real.as_ref().filter(|_| self.generator) else {
            return Ok(Vec::new());
        };
        let x = Images { real, fake: &batch.x_fake };
        Ok(vec![Term::new("g_jacobian", self.lambda, self.penalty(&x, &batch.further)?)])
    }
}

impl LossPart for KddJacobian {
    fn build(&self, _: &BuildContext) -> Option<Box<dyn Loss>> {
        Some(Box::new(self.clone()))
    }

    fn entry(&self) -> Option<&'static Entry> {
        static ENTRY: Entry = Entry {
            name: "kdd_jacobian",
            aliases: &[Alias::new("kdd-jacobian")],
            summary: "KDD GAN's Jacobian regularisation, of both networks (JacD: of D)",
            source: "KDD GAN, eq. 8; divided by the number of reals",
            arrays: &[
                Array::FEATURES_REAL,
                Array::floats("features_real_moved", &["n", "d"], "at x + δu"),
                Array::FEATURES_FAKE,
                Array::floats("features_fake_moved", &["m", "d"], "at x + δu"),
            ],
            configure: Entry::configured::<KddJacobian>,
        };
        Some(&ENTRY)
    }
}

impl OnArrays for KddJacobian {
    fn terms(&self, a: &Arrays) -> Result<Vec<Term>> {
        let features = |real: &str, fake: &str| {
            Ok::<_, candle_core::Error>(Features { real: a.tensor(real)?, fake: a.tensor(fake)? })
        };
        let x = Perturbed {
            at: features("features_real", "features_fake")?,
            moved: features("features_real_moved", "features_fake_moved")?,
            delta: self.delta,
        };
        Ok(vec![Term::new("kdd_jacobian", self.lambda, kdd_jacobian(&x)?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        let inputs = [(1, [4, 3]), (2, [3, 3]), (3, [4, 3]), (4, [3, 3])];
        check(&inputs.map(|(seed, shape)| normal(seed, &shape)), |v| {
            let features = |i: usize| Features { real: v[i].clone(), fake: v[i + 1].clone() };
            kdd_jacobian(&Perturbed { at: features(0), moved: features(2), delta: 0.5 })
        });
    }

    #[test]
    fn a_linear_map_gives_its_stretch_less_one_and_the_fakes_count_against_the_reals() {
        // φ(x) = 3x along u: |3 − 1| for each of 1 real and 2 fakes, over 1 real: 6.
        let rows = |n: usize| Tensor::ones((n, 2), candle_core::DType::F64, &Device::Cpu).unwrap();
        let delta = 1e-3;
        let shift = Tensor::new(&[[3.0 * delta, 0.0]], &Device::Cpu).unwrap();
        let moved = |n| rows(n).broadcast_add(&shift).unwrap();
        let x = Perturbed {
            at: Features { real: rows(1), fake: rows(2) },
            moved: Features { real: moved(1), fake: moved(2) },
            delta,
        };
        let value = kdd_jacobian(&x).unwrap().to_scalar::<f64>().unwrap();
        assert!((value - 6.0).abs() < 1e-11, "{value}");
    }
}
