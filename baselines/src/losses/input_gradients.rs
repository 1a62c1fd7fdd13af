//! Penalties on the discriminator's gradient with respect to its input, given that gradient, and
//! the points where they take it.
//!
//! R1: Mescheder et al. 2018, arXiv:1801.04406, eq. 9. GP: Gulrajani et al. 2017, arXiv:1704.00028,
//! eq. 3. DRAGAN: Kodali et al. 2017, arXiv:1705.07215, in PyTorch-StudioGAN's form
//! (`gan-recipes.md` §3.1).

use candle_core::{Result, Tensor};

use super::similarity::row_norms;

/// ½E‖∇‖² of gradients `[n, …]` of Σ d(x) at reals: a scalar of at least 0.
///
/// # Errors
/// If the gradients are a scalar.
pub fn r1(gradients: &Tensor) -> Result<Tensor> {
    gradients.flatten_from(1)?.sqr()?.sum(1)?.mean_all()? * 0.5
}

/// E(‖∇‖ − 1)² of gradients `[n, …]` of Σ d(x̂): of GP at [`interpolated`], of DRAGAN at
/// [`around_reals`] points. At a gradient of 0 the penalty has gradient 0.
///
/// # Errors
/// If the gradients are a scalar.
pub fn gradient_penalty(gradients: &Tensor) -> Result<Tensor> {
    (row_norms(gradients)? - 1.0)?.sqr()?.mean_all()
}

/// Images that GP's points lie between.
pub struct Ends {
    /// `[n, …]`.
    pub real: Tensor,
    /// `[n, …]`.
    pub fake: Tensor,
}

/// GP's points α·x_r + (1 − α)·x_g; `alpha` `[n]`, uniform in [0, 1).
///
/// # Errors
/// If the shapes differ.
pub fn interpolated(ends: &Ends, alpha: &Tensor) -> Result<Tensor> {
    let alpha = per_image(alpha, &ends.real)?;
    ends.real.broadcast_mul(&alpha)? + ends.fake.broadcast_mul(&(1.0 - alpha)?)?
}

/// Reals and the draws that move them.
pub struct Draws {
    /// Images `[n, …]`.
    pub x_real: Tensor,
    /// `[n]`, uniform in [0, 1): how far each goes.
    pub alpha: Tensor,
    /// `[n, …]`, uniform in [0, 1): each entry's share.
    pub share: Tensor,
}

/// DRAGAN's points x + α·½·std(x)·U, with the deviation of all of x's entries (divisor one less).
///
/// # Errors
/// If the shapes differ, or x has fewer than two entries.
pub fn around_reals(d: &Draws) -> Result<Tensor> {
    let deviation = d.x_real.flatten_all()?.var(0)?.sqrt()?;
    let move_ = d.share.broadcast_mul(&per_image(&d.alpha, &d.x_real)?)?;
    &d.x_real + move_.broadcast_mul(&(deviation * 0.5)?)?
}

/// A factor an image, `[n, 1, …]`.
fn per_image(alpha: &Tensor, x: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; x.rank()];
    shape[0] = x.dim(0)?;
    alpha.reshape(shape)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};
    use ganbench_nn::kernels::finite_difference::normal;

    fn t(x: &[f64], shape: &[usize]) -> Tensor {
        Tensor::from_slice(x, shape, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_penalties_of_a_case_solved_on_paper() {
        // Lengths 5 and 1: ½(25 + 1)/2 and (16 + 0)/2.
        let g = t(&[3.0, 0.0, 0.0, 4.0, 0.0, 1.0, 0.0, 0.0], &[2, 1, 2, 2]);
        assert_eq!(r1(&g).unwrap().to_scalar::<f64>().unwrap(), 6.5);
        assert!((gradient_penalty(&g).unwrap().to_scalar::<f64>().unwrap() - 8.0).abs() < 1e-14);
    }

    #[test]
    fn a_gradient_of_0_is_penalised_and_gets_a_finite_gradient() {
        let g = Var::zeros((2, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
        let value = gradient_penalty(g.as_tensor()).unwrap();
        assert!((value.to_scalar::<f64>().unwrap() - 1.0).abs() < 1e-11);
        let grad = value.backward().unwrap().get(&g).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(grad, [[0.0; 3]; 2]);
    }

    #[test]
    fn points_lie_where_the_papers_put_them() {
        let ends = Ends { real: t(&[1.0, 2.0, 3.0, 4.0], &[2, 2]), fake: t(&[0.0; 4], &[2, 2]) };
        let points = interpolated(&ends, &t(&[1.0, 0.25], &[2])).unwrap();
        assert_eq!(points.to_vec2::<f64>().unwrap(), [[1.0, 2.0], [0.75, 1.0]]);
        // Deviation of 1, 2, 3, 4: √(5/3). α = 0 leaves the image where it is.
        let share = t(&[1.0, 1.0, 0.0, 1.0], &[2, 2]);
        let d = Draws { x_real: ends.real, alpha: t(&[0.0, 0.5], &[2]), share };
        let points = around_reals(&d).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(points[0], [1.0, 2.0]);
        assert_eq!(points[1][0], 3.0);
        assert!((points[1][1] - (4.0 + 0.25 * (5.0f64 / 3.0).sqrt())).abs() < 1e-14);
    }

    #[test]
    fn the_penalty_of_a_linear_discriminator_is_that_of_its_weight() {
        // d(x) = w·x: ∇ = w at every x.
        let w = normal(3, &[4]);
        let length = w.sqr().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap().sqrt();
        let g = w.broadcast_left(3).unwrap();
        let value = gradient_penalty(&g).unwrap().to_scalar::<f64>().unwrap();
        assert!((value - (length - 1.0).powi(2)).abs() < 1e-12);
    }
}
