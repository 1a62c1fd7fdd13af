//! KDD GAN's Figure 3: what a generator update does to fakes in the plane, under the hinge loss of
//! a fixed linear discriminator and under KDD.
//!
//! The setting is that of the paper's appendix A. A thousand reals lie in two Gaussian modes, and a
//! thousand fakes start uniform in a square. The linear discriminator is trained first. Then the
//! fakes themselves move by SGD, 200 iterations at learning rate 10. Features are not normalised,
//! and the kernel is Gaussian with σ = 1: K(φ, ξ) ∝ e^{−‖φ−ξ‖²/2}.
//!
//! The paper gives no places. Here the modes lie at (3, ±2) with deviation 0.3, and the square is
//! [−1, 1]² (ours). A fake is no anchor of itself, as in the KDD loss of this crate.

use candle_core::{Device, Result, Tensor, Var};
use ganbench_data::rng::Stream;

use crate::losses::adversarial::{Hinge, LogitLoss as _, Logits};
use crate::losses::kdd::generator;
use crate::losses::similarity::{keep_only, log_sum_exp_rows, mask};

/// Centres of the modes.
pub const MODES: [[f64; 2]; 2] = [[3.0, 2.0], [3.0, -2.0]];
const MODE_STD: f64 = 0.3;
const POINTS: usize = 1000;
const ITERATIONS: usize = 200;
const LR: f64 = 10.0;
/// Of the Gaussian kernel.
const SIGMA: f64 = 1.0;
/// Of the linear discriminator's own training.
const D_STEPS: usize = 2000;
const D_LR: f64 = 0.1;

/// Points of the plane.
pub type Cloud = Vec<[f64; 2]>;

/// d(x) = w·x + b.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// The normal of the line.
    pub w: [f64; 2],
    /// The value at the origin.
    pub b: f64,
}

/// The clouds before and after.
#[derive(Clone, Debug)]
pub struct Figure3 {
    /// The real points.
    pub real: Cloud,
    /// The fakes before any step.
    pub start: Cloud,
    /// The fakes after the steps of hinge loss.
    pub hinge: Cloud,
    /// The fakes after the steps of the KDD loss.
    pub kdd: Cloud,
    /// The linear discriminator, trained on the reals and the first fakes, that the hinge loss
    /// follows.
    pub boundary: Boundary,
}

/// What became of a cloud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// Mean distance to the nearest mode's centre.
    pub to_mode: f64,
    /// Share of the points within three deviations of a mode's centre.
    pub within_3_std: f64,
    /// Mean distance that points moved.
    pub moved: f64,
    /// Largest distance between a point's move and the mean move: 0 for a pure translation.
    pub deformed: f64,
}

fn tensor(cloud: &Cloud) -> Result<Tensor> {
    Tensor::from_vec(cloud.concat(), (cloud.len(), 2), &Device::Cpu)
}

fn cloud(points: &Tensor) -> Result<Cloud> {
    Ok(points.to_vec2::<f64>()?.into_iter().map(|p| [p[0], p[1]]).collect())
}

/// −‖a_i − b_j‖²/2σ², `[n, m]`.
fn log_kernel(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let squares = |x: &Tensor| x.sqr()?.sum_keepdim(1);
    let cross = (a.matmul(&b.t()?)? * 2.0)?;
    let distances = cross.broadcast_sub(&squares(a)?)?.broadcast_sub(&squares(b)?.t()?)?;
    distances / (2.0 * SIGMA * SIGMA)
}

/// −E ρ at the fakes; a fake is no anchor of itself.
fn kdd_loss(real: &Tensor, fake: &Tensor) -> Result<Tensor> {
    let n = fake.dim(0)?;
    let among = log_kernel(fake, fake)?;
    let others = keep_only(&among, &mask(&among, (n, n), |r, c| r != c)?)?;
    let log_p_r = (log_sum_exp_rows(&log_kernel(fake, real)?)? - (real.dim(0)? as f64).ln())?;
    let log_p_g = (log_sum_exp_rows(&others)? - ((n - 1) as f64).ln())?;
    generator(&(log_p_r - log_p_g)?)
}

/// Moves the points down the gradient of a loss.
fn descend(start: &Cloud, loss: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Cloud> {
    let points = Var::from_tensor(&tensor(start)?)?;
    for _ in 0..ITERATIONS {
        let grads = loss(points.as_tensor())?.backward()?;
        if let Some(grad) = grads.get(&points) {
            points.set(&(points.as_tensor() - (grad * LR)?)?)?;
        }
    }
    cloud(points.as_tensor())
}

fn linear_boundary(real: &Tensor, fake: &Tensor) -> Result<Boundary> {
    let w = Var::zeros((2, 1), candle_core::DType::F64, &Device::Cpu)?;
    let b = Var::zeros(1, candle_core::DType::F64, &Device::Cpu)?;
    for _ in 0..D_STEPS {
        let logits = |x: &Tensor| x.matmul(w.as_tensor())?.squeeze(1)?.broadcast_add(b.as_tensor());
        let logits = Logits { real: logits(real)?, fake: logits(fake)? };
        let grads = Hinge::default().discriminator(&logits)?.backward()?;
        for var in [&w, &b] {
            if let Some(grad) = grads.get(var) {
                var.set(&(var.as_tensor() - (grad * D_LR)?)?)?;
            }
        }
    }
    let (w, b) = (w.flatten_all()?.to_vec1::<f64>()?, b.to_vec1::<f64>()?);
    Ok(Boundary { w: [w[0], w[1]], b: b[0] })
}

impl Figure3 {
    /// The figure of one seed.
    ///
    /// # Errors
    /// None in practice.
    pub fn of(seed: u64) -> Result<Self> {
        let mut normal = Stream::new(seed, "figure3/real");
        let real: Cloud = (0..POINTS)
            .map(|i| {
                let draw = normal.normal(2);
                let [x, y] = MODES[i % 2];
                [x + MODE_STD * f64::from(draw[0]), y + MODE_STD * f64::from(draw[1])]
            })
            .collect();
        let mut uniform = Stream::new(seed, "figure3/fake");
        let start: Cloud =
            (0..POINTS).map(|_| [uniform.range(-1.0, 1.0), uniform.range(-1.0, 1.0)]).collect();
        let reals = tensor(&real)?;
        let boundary = linear_boundary(&reals, &tensor(&start)?)?;
        let w = Tensor::from_slice(&boundary.w, (2, 1), &Device::Cpu)?;
        let hinge = descend(&start, |x| {
            Hinge::default().generator(&(x.matmul(&w)?.squeeze(1)? + boundary.b)?)
        })?;
        let kdd = descend(&start, |x| kdd_loss(&reals, x))?;
        Ok(Self { real, start, hinge, kdd, boundary })
    }

    /// What became of the fakes that are now at `end`.
    pub fn moved(&self, end: &Cloud) -> Moved {
        let n = end.len() as f64;
        let distance = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let nearest: Vec<f64> = end
            .iter()
            .map(|p| MODES.iter().map(|m| distance(p, m)).fold(f64::INFINITY, f64::min))
            .collect();
        let moves: Cloud =
            end.iter().zip(&self.start).map(|(e, s)| [e[0] - s[0], e[1] - s[1]]).collect();
        let mean = moves.iter().fold([0.0; 2], |m, v| [m[0] + v[0] / n, m[1] + v[1] / n]);
        Moved {
            to_mode: nearest.iter().sum::<f64>() / n,
            within_3_std: nearest.iter().filter(|d| **d <= 3.0 * MODE_STD).count() as f64 / n,
            moved: moves.iter().map(|v| v[0].hypot(v[1])).sum::<f64>() / n,
            deformed: moves.iter().map(|v| distance(v, &mean)).fold(0.0, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_nn::kernels::finite_difference::{check, normal};

    #[test]
    fn the_hinge_moves_the_cloud_as_a_whole_and_kdd_pulls_it_to_the_modes() {
        let figure = Figure3::of(0).unwrap();
        let (hinge, kdd) = (figure.moved(&figure.hinge), figure.moved(&figure.kdd));
        // By lr·iterations·w/n, every point alike.
        let along = figure.boundary.w[0].hypot(figure.boundary.w[1]);
        assert!((hinge.moved - LR * ITERATIONS as f64 * along / POINTS as f64).abs() < 1e-9);
        assert!(hinge.deformed < 1e-9, "{hinge:?}");
        assert!(kdd.deformed > 1.0, "{kdd:?}");
        assert!(hinge.within_3_std == 0.0 && kdd.to_mode < hinge.to_mode, "{kdd:?} {hinge:?}");
        assert!(figure.moved(&figure.start).moved == 0.0);
    }

    /// Appendix A: a Gaussian kernel with σ = 1, K(φ, ξ) ∝ exp(−‖φ−ξ‖²/2).
    #[test]
    fn the_kernel_is_the_papers_gaussian_of_deviation_1() {
        let points = |cloud: Cloud| tensor(&cloud).unwrap();
        let (a, b) = (points(vec![[0.0, 0.0], [1.0, -2.0]]), points(vec![[0.0, 0.0], [1.0, 1.0]]));
        let found = log_kernel(&a, &b).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(found, [[0.0, -1.0], [-2.5, -4.5]]);
        assert_eq!((POINTS, ITERATIONS, LR), (1000, 200, 10.0));
    }

    /// Values of `baselines/tests-data/figure3.py`, which moves the same points in numpy.
    #[test]
    fn the_fakes_end_where_an_independent_gradient_descent_brings_them() {
        let figure = Figure3::of(0).unwrap();
        let kdd = figure.moved(&figure.kdd);
        let expected = [1.063191424708989, 0.431, 2.8702656862236107, 2.0388336647800704];
        let found = [kdd.to_mode, kdd.within_3_std, kdd.moved, kdd.deformed];
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{kdd:?}");
        }
    }

    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        check(&[normal(1, &[5, 2]), normal(2, &[4, 2])], |v| kdd_loss(&v[0], &v[1]));
    }

    #[test]
    fn a_seed_gives_one_figure() {
        let (a, b) = (Figure3::of(1).unwrap(), Figure3::of(1).unwrap());
        assert_eq!((a.kdd, a.boundary), (b.kdd, b.boundary));
    }
}
