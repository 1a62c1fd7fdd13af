//! Which images of a class to train on: those that are likely under a Gaussian fitted to the
//! class's features.
//!
//! DeVries, Drozdzal and Taylor 2020, "Instance selection for GANs", arXiv:2007.15255, section 3,
//! with the numbers of its official code (uoguelph-mlrg/instance_selection_for_gans): one Gaussian
//! a class, its covariance with divisor n and 1e-5 added to the diagonal (scikit-learn's
//! `GaussianMixture(1, reg_covar=1e-5)`), and of each class what lies above the percentile (numpy's
//! linear one) that leaves the ratio asked for.

use crate::error::MetricError;
use crate::numerics::rows::Rows;
use crate::numerics::spectrum;
use crate::numerics::statistics::Statistics;

/// Added to the diagonal of the covariance.
const REGULARISER: f64 = 1e-5;

/// The log-likelihood (natural) of each row `[n, d]` under the Gaussian of all rows, `[n]`.
///
/// # Errors
/// If there are fewer than two rows, or a number is not finite.
pub fn log_likelihoods(features: Rows<'_, f32>) -> Result<Vec<f64>, MetricError> {
    let (n, d) = (features.len(), features.dim());
    if n < 2 {
        let (metric, side) = ("instance selection", crate::error::Side::Real);
        return Err(MetricError::TooFew { metric, side, needed: 2, got: n });
    }
    let statistics = Statistics::from_rows(features)?;
    let biased = (n - 1) as f64 / n as f64;
    let mut covariance: Vec<f64> = statistics.covariance().iter().map(|v| v * biased).collect();
    covariance.iter_mut().step_by(d + 1).for_each(|v| *v += REGULARISER);
    let lower = spectrum::cholesky(&covariance, d)
        .ok_or(MetricError::NoConvergence { rows: d, columns: d })?;
    let log_det: f64 = lower.iter().step_by(d + 1).map(|pivot| 2.0 * pivot.ln()).sum();
    let centred = features
        .values()
        .chunks_exact(d)
        .flat_map(|row| row.iter().zip(statistics.mean()).map(|(v, mean)| f64::from(*v) - mean));
    let mut whitened: Vec<f64> = centred.collect();
    spectrum::solve_lower(&lower, &mut whitened, d);
    let constant = d as f64 * (2.0 * std::f64::consts::PI).ln() + log_det;
    let of = |row: &[f64]| -0.5 * (constant + row.iter().map(|v| v * v).sum::<f64>());
    Ok(whitened.chunks_exact(d).map(of).collect())
}

/// The indices whose score lies above the percentile that leaves `retention_percent` of them,
/// rising. All for 100.
pub fn keep(scores: &[f64], retention_percent: f64) -> Vec<usize> {
    if scores.is_empty() || retention_percent >= 100.0 {
        return (0..scores.len()).collect();
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() - 1) as f64 * (100.0 - retention_percent) / 100.0;
    let (below, share) = (at.floor() as usize, at.fract());
    let (a, b) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let cutoff = a + (b - a) * share;
    (0..scores.len()).filter(|&i| scores[i] > cutoff).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{REAL, WIDE_REAL, features, values};

    #[test]
    fn scores_are_those_of_scikit_learns_gaussian_of_one_component() {
        // More rows than features, and fewer.
        for (set, name) in [(REAL, "gaussian_score_real"), (WIDE_REAL, "gaussian_score_wide")] {
            let rows = features(set);
            let ours = log_likelihoods(Rows::new(&rows, set.d).unwrap()).unwrap();
            let theirs = values(name);
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours / theirs - 1.0).abs() < 1e-7, "{name}: {ours} against {theirs}");
            }
        }
    }

    #[test]
    fn a_line_of_two_points_has_the_likelihood_on_paper() {
        // Mean 0, variance 1 + 1e-5.
        let scores = log_likelihoods(Rows::new(&[-1.0f32, 1.0], 1).unwrap()).unwrap();
        let variance = 1.0 + REGULARISER;
        let expected = -0.5 * ((2.0 * std::f64::consts::PI * variance).ln() + 1.0 / variance);
        assert!(scores.iter().all(|s| (s - expected).abs() < 1e-14), "{scores:?} {expected}");
        let error = log_likelihoods(Rows::new(&[1.0f32], 1).unwrap()).unwrap_err().to_string();
        assert!(error.contains("instance selection needs at least 2"), "{error}");
    }

    #[test]
    fn what_lies_above_numpys_percentile_is_kept() {
        let scores = [0.1, 0.5, 0.3, 0.2, 0.4];
        // numpy.percentile(scores, 50) is 0.3, and of 70 % left 0.22.
        assert_eq!(keep(&scores, 50.0), [1, 4]);
        assert_eq!(keep(&scores, 70.0), [1, 2, 4]);
        assert_eq!(keep(&scores, 100.0), [0, 1, 2, 3, 4]);
        assert_eq!(keep(&[1.0, 1.0], 50.0), Vec::<usize>::new());
    }
}
