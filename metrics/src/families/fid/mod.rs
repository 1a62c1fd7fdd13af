//! Fréchet inception distance (FID).
//!
//! Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv:1706.08500, eq. 6:
//! |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½. Must agree with pytorch-fid 0.3.0 and torch-fidelity
//! 0.4.0 on the same features to 1e-6 relative where both sets have more samples than dimensions.
//! With fewer, theirs come out too small by the roots of rounding errors (below), and ours do not.
//!
//! Two forms of the trace, both exact in exact arithmetic:
//! - from statistics: Σ √λᵢ(Rᵀ Σ₂ R) with Σ₁ = R Rᵀ, a symmetric positive semidefinite matrix, so
//!   that no imaginary part has to be thrown away. R is Σ₁'s Cholesky factor, or V√Λ of its
//!   eigenvectors where a pivot vanishes; the two gave FIDs within 2e-15 of each other relative to
//!   the traces, 1.4e-13 for a set against itself (see the tests). On 2,500 by 2,400 images of
//!   2,048 dimensions the value is pytorch-fid's to 1e-13 relative;
//! - from features, where both sets have fewer samples than dimensions: the sum of the singular
//!   values of X Yᵀ with X, Y the centred rows divided by √(n − 1). The first form then takes roots
//!   of eigenvalues that are rounding errors (1e-6 too high at 256 samples of 2048 dimensions).
//!
//! No epsilon is ever added. The distance of a set to itself is 0 up to rounding of the order of
//! 1e-10 · tr Σ, and may come out negative by as much; it is given as it is, since a clamped value
//! would hide what the rounding was.

pub mod infinity;
pub mod stored;

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gemm::Mat;

use crate::bootstrap;
use crate::card::{LeastImages, Metric, ProtocolField, Scale, ValueAxis, ValueRange};
use crate::error::{MetricError, Side};
use crate::metric::{EvaluationInput, MetricFamily, Needs, Score};
use crate::numerics::products::{Factor, congruence, product};
use crate::numerics::rows::Rows;
use crate::numerics::spectrum;
use crate::numerics::statistics::Statistics;
use crate::reference::RealReference;

/// FID in the table of metrics.
pub const FAMILY: MetricFamily = MetricFamily {
    name: "fid",
    metrics: &[Metric {
        name: "fid",
        title: "FID",
        higher_is_better: false,
        decimals: 2,
        scale: Scale::Ratio,
        range: ValueRange::NOT_NEGATIVE,
        axis: ValueAxis::Log,
        column: 10,
        is_detail: false,
        least_images: LeastImages::COVARIANCE,
        fields: &[ProtocolField::FidDivisor],
        description: "Fréchet distance of Gaussians fitted to the features",
    }],
    by_default: true,
    needs: Needs::POOL,
    compute,
    resample: Some(bootstrap::fid),
};

fn compute(input: &EvaluationInput<'_>) -> Result<Vec<Score>, MetricError> {
    let (real, fake) = (input.real, input.fake.pool_rows());
    let divisor = input.settings.fid_divisor;
    let value = terms_to_reference(real, fake)?.sum(divisor, [Some(real.n()), Some(fake.len())]);
    Ok(vec![Score { value, std: None, n_real: real.n(), n_fake: fake.len() }])
}

/// What the sums of squares behind a covariance are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Divisor {
    /// As numpy's `cov`: pytorch-fid, torch-fidelity, clean-fid, EDM.
    #[default]
    NMinus1,
    /// StyleGAN2-ADA and StyleGAN3 (`metric_utils.py`).
    N,
}

impl std::fmt::Display for Divisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NMinus1 => "n-1",
            Self::N => "n",
        })
    }
}

impl Divisor {
    /// What a covariance divided by n − 1 is multiplied with. Of unknown n it stays as it was
    /// stored.
    fn factor(self, n: Option<usize>) -> f64 {
        match (self, n) {
            (Self::N, Some(n)) if n > 0 => (n as f64 - 1.0) / n as f64,
            _ => 1.0,
        }
    }
}

/// The parts of a FID, with covariances divided by n − 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) shift: f64,
    trace_real: f64,
    trace_fake: f64,
    /// tr (Σ₁Σ₂)^½
    trace_root: f64,
}

impl Terms {
    /// `n`: real and fake samples.
    pub(crate) fn sum(self, divisor: Divisor, n: [Option<usize>; 2]) -> f64 {
        let [real, fake] = n.map(|n| divisor.factor(n));
        let root = 2.0 * (real * fake).sqrt() * self.trace_root;
        self.shift + real * self.trace_real + fake * self.trace_fake - root
    }
}

/// FID by whichever form suits the numbers of samples, with the reference's root.
pub(crate) fn fid_to_reference(
    real: &RealReference,
    fake: Rows<'_, f32>,
) -> Result<f64, MetricError> {
    Ok(terms_to_reference(real, fake)?.sum(Divisor::NMinus1, [None, None]))
}

fn terms_to_reference(real: &RealReference, fake: Rows<'_, f32>) -> Result<Terms, MetricError> {
    let few = real.n() < real.dim() && fake.len() < fake.dim();
    if let Some(real) = real.all_rows().filter(|_| few) {
        return terms_of_few(FewSamples { real, fake });
    }
    check_counts(Counts { real: Some(real.n()), fake: Some(fake.len()) })?;
    let input = FidInput { real: real.statistics(), fake: &Statistics::from_rows(fake)? };
    terms(input, &*real.root()?)
}

/// FID of two sets by whichever form suits their numbers of samples.
///
/// # Errors
/// As of [`fid`] and [`fid_of_few`].
pub fn fid_of_rows(input: FewSamples<'_, f32>) -> Result<f64, MetricError> {
    let FewSamples { real, fake } = input;
    if real.len() < real.dim() && fake.len() < fake.dim() {
        return fid_of_few(input);
    }
    fid(FidInput { real: &Statistics::from_rows(real)?, fake: &Statistics::from_rows(fake)? })
}

/// The two fitted Gaussians.
#[derive(Clone, Copy, Debug)]
pub struct FidInput<'a> {
    /// Moments of the real images' features, of dimension d.
    pub real: &'a Statistics,
    /// Moments of the fakes' features, of the same dimension.
    pub fake: &'a Statistics,
}

/// FID from statistics: squared units of the features, ≥ 0 up to rounding, symmetric in its
/// arguments.
///
/// # Errors
/// If either side is known to have fewer than 2 samples, the dimensions differ, or a covariance has
/// an eigenvalue below −1e-6 of its largest (which no data gives).
pub fn fid(input: FidInput<'_>) -> Result<f64, MetricError> {
    fid_divided(input, Divisor::NMinus1)
}

/// [`fid`] with another divisor of the covariances, which `input` holds divided by n − 1.
///
/// # Errors
/// As of [`fid`].
pub fn fid_divided(input: FidInput<'_>, divisor: Divisor) -> Result<f64, MetricError> {
    let FidInput { real, fake } = input;
    check_counts(Counts { real: real.n(), fake: fake.n() })?;
    Ok(terms(input, &RealRoot::new(real)?)?.sum(divisor, [real.n(), fake.n()]))
}

/// The larger part of the real side's work, which serves any number of sets of fakes.
#[derive(Debug)]
pub struct RealRoot(Factor);

impl RealRoot {
    /// # Errors
    /// If the covariance has an eigenvalue below −1e-6 of its largest.
    pub fn new(real: &Statistics) -> Result<Self, MetricError> {
        Self::within(real, ROUNDING)
    }

    /// [`Self::new`] of a covariance whose eigenvalues may be negative by this share of the
    /// largest.
    pub(crate) fn within(real: &Statistics, tolerance: f64) -> Result<Self, MetricError> {
        match spectrum::cholesky(real.covariance(), real.dim()) {
            Some(columns) => Ok(Self(Factor { columns, lower: true })),
            None => Self::of_eigenvectors(real, tolerance),
        }
    }

    fn of_eigenvectors(real: &Statistics, tolerance: f64) -> Result<Self, MetricError> {
        let d = real.dim();
        let (values, mut columns) = spectrum::eigenvectors(real.covariance(), d)?;
        for (vector, value) in columns.chunks_exact_mut(d).zip(checked(values, tolerance)?) {
            let root = value.max(0.0).sqrt();
            vector.iter_mut().for_each(|v| *v *= root);
        }
        Ok(Self(Factor { columns, lower: false }))
    }
}

/// [`fid`] with the root of the same real statistics at hand.
///
/// # Errors
/// As of [`fid`].
pub fn fid_with_root(input: FidInput<'_>, root: &RealRoot) -> Result<f64, MetricError> {
    Ok(terms(input, root)?.sum(Divisor::NMinus1, [None, None]))
}

fn terms(input: FidInput<'_>, root: &RealRoot) -> Result<Terms, MetricError> {
    terms_within(input, root, ROUNDING)
}

pub(crate) fn terms_within(
    input: FidInput<'_>,
    root: &RealRoot,
    tolerance: f64,
) -> Result<Terms, MetricError> {
    let FidInput { real, fake } = input;
    check_counts(Counts { real: real.n(), fake: fake.n() })?;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    let d = real.dim();
    let shift: f64 = real.mean().iter().zip(fake.mean()).map(|(a, b)| (a - b) * (a - b)).sum();
    let inner = congruence(&root.0, fake.covariance(), d);
    let trace_root: f64 = checked(spectrum::eigenvalues(&inner, d)?, tolerance)?
        .iter()
        .map(|&eigenvalue| eigenvalue.max(0.0).sqrt())
        .sum();
    Ok(Terms { shift, trace_real: real.trace(), trace_fake: fake.trace(), trace_root })
}

/// The features themselves, for sets smaller than their dimension.
#[derive(Clone, Copy, Debug)]
pub struct FewSamples<'a, T> {
    /// `[n_real, d]`
    pub real: Rows<'a, T>,
    /// `[n_fake, d]`
    pub fake: Rows<'a, T>,
}

/// FID by the singular values of the cross product. Costs n_real · n_fake · d, so it is meant for
/// fewer samples than dimensions, but is exact for any number.
///
/// # Errors
/// If either side has fewer than 2 samples, the dimensions differ, or a number is not finite.
pub fn fid_of_few<T: Real>(input: FewSamples<'_, T>) -> Result<f64, MetricError> {
    fid_of_few_divided(input, Divisor::NMinus1)
}

/// [`fid_of_few`] with another divisor of the covariances.
///
/// # Errors
/// As of [`fid_of_few`].
pub fn fid_of_few_divided<T: Real>(
    input: FewSamples<'_, T>,
    divisor: Divisor,
) -> Result<f64, MetricError> {
    let n = [Some(input.real.len()), Some(input.fake.len())];
    Ok(terms_of_few(input)?.sum(divisor, n))
}

fn terms_of_few<T: Real>(input: FewSamples<'_, T>) -> Result<Terms, MetricError> {
    let FewSamples { real, fake } = input;
    check_counts(Counts { real: Some(real.len()), fake: Some(fake.len()) })?;
    if real.dim() != fake.dim() {
        return Err(MetricError::Dimensions { real: real.dim(), fake: fake.dim() });
    }
    real.check_finite()?;
    fake.check_finite()?;
    let (mean_real, x) = real.centred();
    let (mean_fake, y) = fake.centred();
    let (n_real, n_fake, d) = (real.len(), fake.len(), real.dim());
    let shift: f64 = mean_real.iter().zip(&mean_fake).map(|(a, b)| (a - b) * (a - b)).sum();
    let trace =
        |centred: &[f64], n: usize| centred.iter().map(|v| v * v).sum::<f64>() / (n as f64 - 1.0);
    let cross = product(Mat::new(&x, n_real, d), Mat::new(&y, n_fake, d).t());
    let scale = ((n_real as f64 - 1.0) * (n_fake as f64 - 1.0)).sqrt();
    let trace_root = spectrum::nuclear_norm(&cross, n_real, n_fake)? / scale;
    let (trace_real, trace_fake) = (trace(&x, n_real), trace(&y, n_fake));
    Ok(Terms { shift, trace_real, trace_fake, trace_root })
}

/// Numbers of samples, where known.
#[derive(Clone, Copy)]
struct Counts {
    real: Option<usize>,
    fake: Option<usize>,
}

/// Statistics of an unknown number of samples pass: their covariance has been divided by n − 1
/// already.
fn check_counts(counts: Counts) -> Result<(), MetricError> {
    for (side, got) in [(Side::Real, counts.real), (Side::Fake, counts.fake)] {
        if let Some(got) = got.filter(|&got| got < 2) {
            return Err(MetricError::TooFew { metric: "fid", side, needed: 2, got });
        }
    }
    Ok(())
}

/// Eigenvalues of sums in f64 are negative by less than this share of the largest.
const ROUNDING: f64 = 1e-6;

/// Refuses a spectrum that is negative beyond `tolerance` of its largest eigenvalue.
pub(crate) fn checked(eigenvalues: Vec<f64>, tolerance: f64) -> Result<Vec<f64>, MetricError> {
    let (Some(&smallest), Some(&largest)) = (eigenvalues.first(), eigenvalues.last()) else {
        return Ok(eigenvalues);
    };
    if smallest < -tolerance * largest.max(0.0) {
        let dim = eigenvalues.len();
        return Err(MetricError::NotPositive { dim, eigenvalue: smallest, largest });
    }
    Ok(eigenvalues)
}

#[cfg(test)]
mod tests;
