//! FID of statistics that another program summed, perhaps in f32.
//!
//! Sums in f32 leave errors of about 1e-5 of the largest eigenvalue. With fewer images than
//! dimensions the small eigenvalues drown in them, and some come out negative. pytorch-fid gives a
//! number all the same: it drops the imaginary part that the negative eigenvalues give to the root,
//! or adds 1e-6 to the diagonal. Here negative eigenvalues count as 0, and a bound of the error is
//! given.
//!
//! The bound: the covariance part of FID is the square of a metric, the Bures distance B, and B(Σ̂,
//! Σ)² ≤ |Σ̂ − Σ|₁ (Powers and Størmer 1970). Let s be the sum of √|Σ̂ − Σ|₁ over both sides. By
//! the triangle inequality the covariance part B² of the value is then off by at most 2·B·s + s². A
//! true covariance has no negative eigenvalue, so the errors are at least as large as the most
//! negative one; of that size in all d directions they have a trace norm of d·|λ|.
//!
//! The bound is an upper one, and mostly far above the error: rounding has no sign, so that most of
//! it cancels in the traces. It cannot be tightened without knowing the features. In directions
//! that the true covariance of one side lacks and that of the other has, an error of ε does change
//! the root by √ε, and statistics do not tell these from others.

use super::{Divisor, FidInput, RealRoot, checked, terms_within};
use crate::error::MetricError;
use crate::numerics::spectrum;
use crate::numerics::statistics::Statistics;

/// A covariance of sums in f32 has eigenvalues negative by up to about 1e-4 of the largest. Beyond
/// this share it is taken for something else than a covariance.
const TOLERATED: f64 = 1e-3;
/// Sums in f64 come below this share, and are not spoken of.
const SOUND: f64 = 1e-9;

/// A FID with a bound of what rounding in its statistics did to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FidOfStored {
    /// FID, in squared units of the features.
    pub value: f64,
    /// The value is off by at most about so much; 0 where both sides are sound.
    pub error: f64,
}

/// [`crate::families::fid::fid_divided`] with a bound of its error. Where the statistics are sound,
/// the value is the same to the bit.
///
/// # Errors
/// As of [`crate::families::fid::fid`], but a covariance may have an eigenvalue down to −1e-3 of
/// its largest.
pub fn fid_of_stored(input: FidInput<'_>, divisor: Divisor) -> Result<FidOfStored, MetricError> {
    let FidInput { real, fake } = input;
    let errors = [error_trace_norm(real)?, error_trace_norm(fake)?];
    let terms = terms_within(input, &RealRoot::within(real, TOLERATED)?, TOLERATED)?;
    let value = terms.sum(divisor, [real.n(), fake.n()]);
    let s: f64 = errors.iter().map(|norm| norm.sqrt()).sum();
    let error = 2.0 * (value - terms.shift).max(0.0).sqrt() * s + s * s;
    Ok(FidOfStored { value, error })
}

/// A guess from above at the trace norm of the errors in a covariance; 0 where it is sound.
fn error_trace_norm(statistics: &Statistics) -> Result<f64, MetricError> {
    let d = statistics.dim();
    // Entry by entry the mean of both halves is off by half their gap: its Frobenius norm is at
    // most d times that, and its trace norm √d times the Frobenius norm.
    let of_asymmetry = (d as f64).powf(1.5) * statistics.asymmetry() / 2.0;
    if spectrum::cholesky(statistics.covariance(), d).is_some() {
        return Ok(of_asymmetry);
    }
    let values = checked(spectrum::eigenvalues(statistics.covariance(), d)?, TOLERATED)?;
    let (smallest, largest) = (values.first().copied(), values.last().copied());
    let smallest = smallest.unwrap_or_default().min(0.0);
    let sound = -smallest <= SOUND * largest.unwrap_or_default().max(0.0);
    Ok(of_asymmetry + if sound { 0.0 } else { d as f64 * -smallest })
}

#[cfg(test)]
mod tests {
    use ganbench_data::rng::Stream;

    use super::*;
    use crate::families::fid::{FewSamples, fid_divided, fid_of_few};
    use crate::numerics::rows::Rows;

    const D: usize = 64;

    /// Correlated rows with a mean.
    fn rows(purpose: &str, n: usize, scale: f32) -> Vec<f32> {
        let mix = Stream::new(0, "mix").normal(D * D);
        let x = Stream::new(0, purpose).normal(n * D);
        let row = |x: &[f32]| -> Vec<f32> {
            let of_column = |j: usize| {
                let sum: f32 = x.iter().enumerate().map(|(i, v)| v * mix[i * D + j]).sum();
                sum.abs() * scale / 8.0 * 0.9f32.powi(j as i32) + 0.3
            };
            (0..D).map(of_column).collect()
        };
        x.chunks_exact(D).flat_map(row).collect()
    }

    /// As torch does on a GPU: the mean of outer products minus the outer product of means, in f32.
    fn summed_in_f32(x: &[f32]) -> Statistics {
        let n = x.len() / D;
        let mean: Vec<f32> =
            (0..D).map(|j| x.iter().skip(j).step_by(D).sum::<f32>() / n as f32).collect();
        let entry = |i: usize, j: usize| {
            let sum: f32 = x.chunks_exact(D).map(|row| row[i] * row[j]).sum();
            f64::from((sum - n as f32 * mean[i] * mean[j]) / (n as f32 - 1.0))
        };
        let covariance = (0..D * D).map(|k| entry(k / D, k % D)).collect();
        Statistics::from_parts(None, mean.into_iter().map(f64::from).collect(), covariance).unwrap()
    }

    #[test]
    fn fewer_images_than_dimensions_summed_in_f32_give_a_number_within_its_bound() {
        let (x, y) = (rows("x", 40, 1.0), rows("y", 40, 1.15));
        let view = |x| Rows::new(x, D).unwrap();
        let exact = fid_of_few(FewSamples { real: view(&x), fake: view(&y) }).unwrap();
        let (real, fake) = (summed_in_f32(&x), summed_in_f32(&y));
        let got = fid_of_stored(FidInput { real: &real, fake: &fake }, Divisor::NMinus1).unwrap();
        let error = (got.value - exact).abs();
        assert!(0.0 < error && error < got.error && got.error < exact, "{got:?} {exact}");
        // One sound side is not blamed for the other.
        let sound = Statistics::from_rows(view(&y)).unwrap();
        let half = fid_of_stored(FidInput { real: &real, fake: &sound }, Divisor::NMinus1).unwrap();
        assert!((half.value - exact).abs() < half.error && half.error < got.error, "{half:?}");
    }

    #[test]
    fn sound_statistics_give_the_bits_of_fid_and_no_error() {
        for n in [40, 200] {
            let (x, y) = (rows("x", n, 1.0), rows("y", n, 1.15));
            let [real, fake] =
                [&x, &y].map(|x| Statistics::from_rows(Rows::new(x, D).unwrap()).unwrap());
            let input = FidInput { real: &real, fake: &fake };
            let got = fid_of_stored(input, Divisor::NMinus1).unwrap();
            let value = fid_divided(input, Divisor::NMinus1).unwrap();
            assert_eq!(got, FidOfStored { value, error: 0.0 }, "{n}");
        }
    }

    #[test]
    fn a_slight_asymmetry_is_averaged_and_bounds_the_error() {
        let gap = 1e-4;
        let skew = Statistics::from_parts(None, vec![0.0; 2], vec![2.0, gap, 0.0, 1.0]).unwrap();
        let even = Statistics::from_parts(None, vec![0.0; 2], vec![2.0, gap / 2.0, gap / 2.0, 1.0]);
        let (even, unit) = (even.unwrap(), vec![1.0, 0.0, 0.0, 1.0]);
        let unit = Statistics::from_parts(None, vec![1.0; 2], unit).unwrap();
        let of = |real| fid_of_stored(FidInput { real, fake: &unit }, Divisor::NMinus1).unwrap();
        assert_eq!(of(&skew).value, of(&even).value);
        assert!(of(&skew).error > 0.0 && of(&even).error == 0.0);
    }

    #[test]
    fn what_is_no_covariance_is_refused() {
        let sigma = vec![1.0, 0.0, 0.0, -0.25];
        let bad = Statistics::from_parts(None, vec![0.0; 2], sigma).unwrap();
        let input = FidInput { real: &bad, fake: &bad };
        let error = fid_of_stored(input, Divisor::NMinus1).unwrap_err().to_string();
        assert!(error.contains("eigenvalue -2.5e-1 beside a largest of 1e0, which "), "{error}");
    }
}
