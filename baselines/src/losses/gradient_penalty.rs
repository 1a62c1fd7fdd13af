//! Penalties on the gradient of the discriminator's logit with respect to images.
//!
//! R1: Mescheder et al. 2018, arXiv:1801.04406, eq. 9. GP: Gulrajani et al. 2017, arXiv:1704.00028, eq. 3.
//! DRAGAN: Kodali et al. 2017, arXiv:1705.07215, with StudioGAN's points (`gan-recipes.md` §3.1). The loss holds
//! a gradient, so its own gradient is one of second order.

use candle_core::{Result, Tensor, Var};
use ganbench_nn::kernels::TwiceDifferentiable;
use serde::{Deserialize, Serialize};

use super::adversarial::HEAD;
use super::{DiscriminatorBatch, DiscriminatorLoss, GeneratorBatch, Loss, Term};
use crate::networks::HeadSpec;

/// Which penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Penalty {
    /// ½E‖∇d(x)‖² at the reals that the discriminator saw.
    R1,
    /// E(‖∇d(x̂)‖ − 1)² at x̂ = αx_r + (1 − α)x_f, α ~ U(0, 1) an image.
    Gp,
    /// The same at x̂ = x_r + α·½·std(x_r)·U(0, 1), the uniform numbers one a pixel.
    Dragan,
}

/// Below which a norm has no direction: keeps the gradient of ‖0‖ at 0.
const TINY: f64 = 1e-24;

impl Penalty {
    /// The penalty of gradients `[n, …]`, one an image.
    ///
    /// # Errors
    /// If the gradients have no batch dimension.
    pub fn of(self, gradients: &Tensor) -> Result<Tensor> {
        let square = gradients.flatten_from(1)?.sqr()?.sum(1)?;
        match self {
            Self::R1 => square.mean_all()? * 0.5,
            Self::Gp | Self::Dragan => ((square + TINY)?.sqrt()? - 1.0)?.sqr()?.mean_all(),
        }
    }

    fn points(self, batch: &DiscriminatorBatch<'_>) -> Result<Tensor> {
        let (real, fake) = (&batch.images.seen_real, &batch.images.seen_fake);
        let alpha = || batch.further.uniform(&[real.dim(0)?, 1, 1, 1], real);
        match self {
            Self::R1 => Ok(real.clone()),
            Self::Gp => fake + (real - fake)?.broadcast_mul(&alpha()?)?,
            Self::Dragan => {
                // Over all values of the batch, unbiased, as torch.std.
                let n = real.elem_count() as f64;
                let centred = real.broadcast_sub(&real.mean_all()?)?;
                let std = (centred.sqr()?.sum_all()? / (n - 1.0))?.sqrt()?;
                let noise = batch.further.uniform(real.dims(), real)?;
                let step = (noise.broadcast_mul(&std)? * 0.5)?.broadcast_mul(&alpha()?)?;
                real + step
            }
        }
    }

    fn term(self) -> &'static str {
        match self {
            Self::R1 => "d_r1",
            Self::Gp => "d_gp",
            Self::Dragan => "d_dragan",
        }
    }
}

/// λ times a penalty, in every `interval`th discriminator step and then `interval` times as heavy
/// (StyleGAN2's lazy regularisation; 1: in every step).
pub struct GradientPenalty {
    pub penalty: Penalty,
    pub lambda: f64,
    pub interval: u64,
}

impl Loss for GradientPenalty {
    fn heads(&self) -> Vec<HeadSpec> {
        Vec::new()
    }

    fn reads(&self) -> Vec<&'static str> {
        vec![HEAD]
    }

    fn second_order(&self) -> bool {
        true
    }

    fn discriminator(&self, batch: &DiscriminatorBatch<'_>) -> Result<DiscriminatorLoss> {
        let mut terms = Vec::new();
        if batch.d_step.is_multiple_of(self.interval) {
            let x = Var::from_tensor(&self.penalty.points(batch)?)?;
            let labels = batch.real().labels.as_ref();
            let within = TwiceDifferentiable::enter()?;
            let logits = batch.further.score(x.as_tensor(), labels)?.head(HEAD)?;
            let grads = logits.sum_all()?.backward()?;
            drop(within);
            let Some(gradients) = grads.get(&x) else {
                candle_core::bail!("the discriminator's logit does not depend on its image")
            };
            let weight = self.lambda * self.interval as f64;
            terms.push(Term::new(self.penalty.term(), weight, self.penalty.of(gradients)?));
        }
        Ok(DiscriminatorLoss { terms, outputs: None })
    }

    fn generator(&self, _: &GeneratorBatch<'_>) -> Result<Vec<Term>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn the_penalties_of_a_case_solved_on_paper() {
        // Norms 5 and 0: ½·(25 + 0)/2; (4² + 1²)/2.
        let g = Tensor::new(&[[3.0f64, 4.0], [0.0, 0.0]], &Device::Cpu).unwrap();
        let value = |p: Penalty| p.of(&g).unwrap().to_scalar::<f64>().unwrap();
        assert_eq!(value(Penalty::R1), 6.25);
        assert!((value(Penalty::Gp) - 8.5).abs() < 1e-11);
        assert_eq!(value(Penalty::Gp), value(Penalty::Dragan));
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences_and_0_at_0() {
        for penalty in [Penalty::R1, Penalty::Gp] {
            check(&[normal(1, &[3, 2, 2, 2])], |v| penalty.of(&v[0]));
        }
        let g = Var::zeros((2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
        let grads = Penalty::Gp.of(g.as_tensor()).unwrap().backward().unwrap();
        let of_zero = grads.get(&g).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(of_zero, [0.0; 6]);
    }
}
