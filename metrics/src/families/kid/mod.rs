//! Kernel inception distance (KID).
//!
//! Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401: the unbiased estimate of the
//! squared maximum mean discrepancy under the kernel (x·y / d + 1)³. Must agree with torch-fidelity
//! 0.4.0 with the fakes as its first input to 1e-7 absolute, the rounding of its f32 sums of
//! kernels near 1 (6e-8 on the golden sets, 4e-8 on 2,500 by 2,400 images of 2,048 dimensions): the
//! mean over subsets that numpy's `RandomState(2020)` draws without replacement, for each subset
//! first fakes, then reals; standard deviation over the subsets with divisor `subsets`.
//!
//! The estimator is unbiased, so small negative values are correct.
//!
//! Kernels are f32 products where the features are f32, summed in f64. A subset's kernels of fakes
//! with fakes and reals with reals are symmetric: of each pair one is computed (`kid_stacked.rs`;
//! for f64 features here, by tiles on and below the diagonal). Where that is less work than the
//! subsets one by one (up to about 7,000 images a side), the kernels of whole sets are computed and
//! each subset picks its own (`kid_whole.rs`).

pub(crate) mod influence;
mod stacked;
mod whole;

use std::sync::{Mutex, PoisonError};

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::{Mat, matmul};
use ganbench_nn::kernels::simd::{Kernel, Simd, dispatch};
use rayon::prelude::*;
use stacked::Stack;

use crate::bootstrap;
use crate::card::{LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::numpy_random::RandomState;
use crate::numerics::rows::Rows;

const METRIC: &str = "kid";

/// Rows of a kernel that are computed at a time, a whole part of the usual 1000: fewer would spend
/// longer on packing the other factor, more would compute more pairs twice.
const TILE: usize = 250;

/// KID in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: METRIC,
    metrics: &[Metric {
        name: METRIC,
        title: "KID",
        higher_is_better: false,
        decimals: 5,
        scale: Scale::Ratio,
        range: ValueRange::ANY,
        axis: ValueAxis::Fitted,
        column: 30,
        is_detail: false,
        least_images: LeastImages::KidSubset,
        fields: &[ProtocolField::KidSubset, ProtocolField::KidSubsets],
        description: "kernel distance, unbiased by the number of samples; mean of 100 subsets",
    }],
    by_default: false,
    needs: Needs::ALL_ROWS,
    compute,
    resample: Some(bootstrap::kid),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let fake = input.fake.pool_rows();
    let real = input.real.require_all_rows()?;
    let got = kid(KidInput { real, fake }, input.settings.kid)?;
    let (n_real, n_fake) = (real.len(), fake.len());
    Ok(vec![Score { value: got.mean, std: Some(got.std), n_real, n_fake }])
}

/// How the subsets are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Images of a subset, on either side.
    pub subset: usize,
    /// Number of subsets, ≥ 1.
    pub subsets: usize,
    /// Seed of numpy's legacy generator.
    pub seed: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { subset: 1000, subsets: 100, seed: 2020 }
    }
}

/// The two sets, `[n_real, d]` and `[n_fake, d]`.
#[derive(Clone, Copy, Debug)]
pub struct KidInput<'a, T> {
    /// Features of the real images.
    pub real: Rows<'a, T>,
    /// Features of the fakes.
    pub fake: Rows<'a, T>,
}

/// Mean and standard deviation (divisor: number of subsets) of the subsets' estimates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kid {
    /// The reported value; slightly below 0 where the two sets are alike.
    pub mean: f64,
    /// The spread between the subsets, ≥ 0.
    pub std: f64,
}

/// KID over random subsets.
///
/// # Errors
/// If either side has fewer images than a subset, a subset fewer than 2, there are no subsets, the
/// dimensions differ, or a number is not finite.
pub fn kid<T: Real>(input: KidInput<'_, T>, options: Options) -> Result<Kid, MetricError> {
    let KidInput { real, fake } = input;
    let Options { subset, subsets, seed } = options;
    if subsets == 0 {
        return Err(MetricError::Zero { metric: METRIC, name: "subsets" });
    }
    if subset < 2 {
        return Err(MetricError::KidSubset { got: subset });
    }
    for (side, got) in [(Side::Real, real.len()), (Side::Fake, fake.len())] {
        if got < subset {
            return Err(MetricError::KidTooFew { side, got, subset });
        }
    }
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    real.check_finite()?;
    fake.check_finite()?;
    let mut random = RandomState::new(seed);
    let draws: Vec<Draw> = (0..subsets)
        .map(|_| Draw {
            fake: random.choice(fake.len(), subset),
            real: random.choice(real.len(), subset),
        })
        .collect();
    // Pairs whose products are computed in either way: of the two triangles and the square. One of
    // whole sets was seen to take about 1.5 times as long, since a subset's rows stay in the cache;
    // twice leaves room.
    let triangles = |a: f64, b: f64| 0.5 * (a * a + b * b) + a * b;
    let whole = triangles(real.len() as f64, fake.len() as f64);
    let estimates = match 2.0 * whole <= subsets as f64 * triangles(subset as f64, subset as f64) {
        true => whole::estimates(input, &draws),
        false => by_subset(input, &draws),
    };
    let mean = estimates.iter().sum::<f64>() / subsets as f64;
    let variance = estimates.iter().map(|e| (e - mean) * (e - mean)).sum::<f64>() / subsets as f64;
    Ok(Kid { mean, std: variance.sqrt() })
}

/// The rows of a subset.
pub(crate) struct Draw {
    pub(crate) fake: Vec<usize>,
    pub(crate) real: Vec<usize>,
}

/// The estimates of the draws, each from its own products.
fn by_subset<T: Real>(input: KidInput<'_, T>, draws: &[Draw]) -> Vec<f64> {
    if let (Some(real), Some(fake)) = (input.real.as_f32(), input.fake.as_f32()) {
        let input = KidInput { real, fake };
        // Not one for each piece that rayon makes: fresh memory has to be mapped.
        let spare = Mutex::new(Vec::new());
        let lock = || spare.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |draw: &Draw| {
            let taken = lock().pop();
            let mut stack = taken.unwrap_or_else(Stack::new);
            let estimate = stack.estimate(input, draw);
            lock().push(stack);
            estimate
        };
        return draws.par_iter().map(one).collect();
    }
    let one = |scratch: &mut Scratch<T>, draw: &Draw| estimate(input, draw, scratch);
    draws.par_iter().map_init(Scratch::default, one).collect()
}

/// What a thread keeps from one subset to the next.
#[derive(Default)]
struct Scratch<T> {
    real: Vec<T>,
    fake: Vec<T>,
    products: Vec<T>,
}

/// The unbiased estimate of MMD² from one subset.
fn estimate<T: Real>(input: KidInput<'_, T>, draw: &Draw, scratch: &mut Scratch<T>) -> f64 {
    let gather = |out: &mut Vec<T>, rows: Rows<'_, T>, order: &[usize]| {
        out.clear();
        order.iter().for_each(|&i| out.extend_from_slice(rows.row(i)));
    };
    gather(&mut scratch.real, input.real, &draw.real);
    gather(&mut scratch.fake, input.fake, &draw.fake);
    let (m, d) = (draw.fake.len(), input.fake.dim());
    let (real, fake) = (Mat::new(&scratch.real, m, d), Mat::new(&scratch.fake, m, d));
    let among = |set| 2.0 * below_diagonal(set, &mut scratch.products);
    let within: f64 = [fake, real].map(among).iter().sum();
    let across = between(fake, real, &mut scratch.products);
    let m = m as f64;
    within / (m * (m - 1.0)) - 2.0 * across / (m * m)
}

/// Sum of the kernel over all pairs of different rows, each pair once.
fn below_diagonal<T: Real>(x: Mat<'_, T>, products: &mut Vec<T>) -> f64 {
    let mut sum = 0.0;
    for first in (0..x.rows).step_by(TILE) {
        let rows = TILE.min(x.rows - first);
        let columns = first + rows;
        multiply(block(x, first, rows), block(x, 0, columns), products);
        for (r, products) in products.chunks_exact(columns).enumerate() {
            sum += kernel_sum(&products[..first + r], x.cols);
        }
    }
    sum
}

/// Sum of the kernel over all pairs of a row of `x` and a row of `y`.
fn between<T: Real>(x: Mat<'_, T>, y: Mat<'_, T>, products: &mut Vec<T>) -> f64 {
    let mut sum = 0.0;
    for first in (0..x.rows).step_by(2 * TILE) {
        multiply(block(x, first, (2 * TILE).min(x.rows - first)), y, products);
        sum += products.chunks_exact(y.rows).map(|row| kernel_sum(row, x.cols)).sum::<f64>();
    }
    sum
}

fn block<T>(x: Mat<'_, T>, first: usize, rows: usize) -> Mat<'_, T> {
    Mat { data: &x.data[first * x.row_stride..], rows, ..x }
}

fn multiply<T: Real>(x: Mat<'_, T>, y: Mat<'_, T>, products: &mut Vec<T>) {
    products.resize(x.rows * y.rows, T::nearest(0.0));
    matmul(products, x, y.t(), false);
}

/// The kernel of a product of two rows, with `gamma` = 1/d.
#[inline(always)]
pub(crate) fn kernel<T: Real>(product: T, gamma: f64) -> f64 {
    let base = product.f64() * gamma + 1.0;
    base * base * base
}

/// Σ of kernels, in eight partial sums of a fixed order.
pub(crate) fn kernel_sum<T: Real>(products: &[T], d: usize) -> f64 {
    dispatch(KernelSum { products, gamma: 1.0 / d as f64 })
}

struct KernelSum<'a, T> {
    products: &'a [T],
    gamma: f64,
}

impl<T: Real> Kernel for KernelSum<'_, T> {
    type Out = f64;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
        let mut lanes = [0.0f64; 8];
        let (eights, rest) = self.products.as_chunks::<8>();
        for eight in eights {
            lanes.iter_mut().zip(eight).for_each(|(lane, p)| *lane += kernel(*p, self.gamma));
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|p| kernel(*p, self.gamma)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests;
