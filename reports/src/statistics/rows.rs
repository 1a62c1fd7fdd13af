//! The one estimator of ganbench: means of rows over seeds, and differences of such means.
//!
//! Values come on the scale of their metric's card (logarithms of FID, shares as they are). A
//! difference of two rows is judged by Student's t with moderated variances (see
//! [`super::variance`]) and the degrees of freedom of Welch and Satterthwaite (Biometrics Bulletin
//! 2, 1946). Pairing by seed is used where it helps and nowhere else: if all rows of a table have
//! the same seeds, at least three of each, and the rows rise and fall together from seed to seed
//! (the seeds' effect in a two-way analysis of variance has p below 1 %), the seeds' means are
//! taken off before variances are computed.

use super::student::{f_exceeds, falls_to, student_t_exceeds};
use super::variance::{SampleVariance, WeightedVariances, moderated};

/// Of the seeds' effect, below which rows are compared seed by seed.
const PAIRED_BELOW: f64 = 0.01;
/// Fewer rows or seeds do not show whether seeds have an effect.
const LEAST_TO_PAIR: usize = 3;

/// The values of one row, by seed, on the scale of their metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The seed of each value.
    pub seeds: Vec<u64>,
    /// One value for each seed, in the order of `seeds`.
    pub values: Vec<f64>,
}

impl Row {
    fn mean(&self) -> Option<f64> {
        let n = self.values.len() as f64;
        (n > 0.0).then(|| self.values.iter().sum::<f64>() / n)
    }

    fn variance(&self) -> Option<SampleVariance> {
        let (mean, df) = (self.mean()?, self.values.len() as f64 - 1.0);
        let squares: f64 = self.values.iter().map(|v| (v - mean).powi(2)).sum();
        // Values that are the same to the last digit differ by rounding once they are transformed.
        let rounding = 1e-24 * mean * mean * self.values.len() as f64;
        let squares = if squares > rounding { squares } else { 0.0 };
        (df > 0.0).then(|| SampleVariance { variance: squares / df, df })
    }
}

/// The rows of a table under one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    means: Vec<Option<f64>>,
    counts: Vec<usize>,
    /// Of single rows.
    own: Vec<WeightedVariances>,
    /// Of differences between rows: without what seeds do to all rows alike.
    between: Vec<WeightedVariances>,
    is_paired: bool,
}

impl Rows {
    /// Estimates the spread of each row, and whether seeds have an effect on all rows alike.
    pub fn new(rows: &[Row]) -> Self {
        let variances: Vec<_> = rows.iter().map(Row::variance).collect();
        let own = moderated(&variances);
        let residual = without_seed_means(rows);
        Self {
            means: rows.iter().map(Row::mean).collect(),
            counts: rows.iter().map(|row| row.values.len()).collect(),
            is_paired: residual.is_some(),
            between: residual.map_or_else(|| own.clone(), |rows| moderated(&rows)),
            own,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// Whether rows are compared seed by seed.
    pub fn is_paired(&self) -> bool {
        self.is_paired
    }

    /// The mean of row `i`; `None` for a row without values.
    pub fn mean(&self, i: usize) -> Option<Estimate> {
        self.estimate(&self.own, &[(i, 1.0)])
    }

    /// The mean of row `i` minus that of row `j`.
    pub fn difference(&self, i: usize, j: usize) -> Option<Estimate> {
        self.contrast(&[(i, 1.0), (j, -1.0)])
    }

    /// The sum of the rows' means times coefficients that add up to 0; a row may come more than
    /// once.
    pub fn contrast(&self, terms: &[(usize, f64)]) -> Option<Estimate> {
        self.estimate(&self.between, terms)
    }

    fn estimate(
        &self,
        variances: &[WeightedVariances],
        terms: &[(usize, f64)],
    ) -> Option<Estimate> {
        let mut coefficients = vec![0.0; self.means.len()];
        terms.iter().for_each(|&(i, c)| coefficients[i] += c);
        let used: Vec<(usize, f64)> =
            coefficients.into_iter().enumerate().filter(|(_, c)| *c != 0.0).collect();
        let mut effect = 0.0;
        for &(i, c) in &used {
            effect += c * self.means[i]?;
        }
        let mut errors = Vec::new();
        for point in variances {
            let (mut square, mut for_df) = (0.0, 0.0);
            for &(i, c) in &used {
                let Some(row) = point.rows[i] else { return Some(Estimate::alone(effect)) };
                let term = c * c * row.variance / self.counts[i] as f64;
                square += term;
                for_df += term * term / row.df;
            }
            if square > 0.0 {
                let (weight, error) = (point.weight, square.sqrt());
                let df = square * square / for_df;
                errors.push(WeightedError { weight, error, df });
            }
        }
        Some(Estimate { effect, errors })
    }
}

/// The variances of the rows around the seeds' means; `None` where pairing does not help.
fn without_seed_means(rows: &[Row]) -> Option<Vec<Option<SampleVariance>>> {
    let first = rows.first()?;
    let (k, n) = (rows.len(), first.seeds.len());
    if k.min(n) < LEAST_TO_PAIR || rows.iter().any(|row| row.seeds != first.seeds) {
        return None;
    }
    let (rows_f, seeds_f) = (k as f64, n as f64);
    let row_mean = |i: usize| rows[i].values.iter().sum::<f64>() / seeds_f;
    let seed_mean = |j: usize| rows.iter().map(|row| row.values[j]).sum::<f64>() / rows_f;
    let seed_means: Vec<f64> = (0..n).map(seed_mean).collect();
    let mean = seed_means.iter().sum::<f64>() / seeds_f;
    let of_seeds: f64 = seed_means.iter().map(|m| rows_f * (m - mean).powi(2)).sum();
    let residuals: Vec<f64> = (0..k)
        .map(|i| {
            let residual = |j: usize| rows[i].values[j] - row_mean(i) - seed_means[j] + mean;
            (0..n).map(|j| residual(j).powi(2)).sum()
        })
        .collect();
    let (seeds_df, residual_df) = (seeds_f - 1.0, (rows_f - 1.0) * (seeds_f - 1.0));
    let residual: f64 = residuals.iter().sum::<f64>() / residual_df;
    let p = f_exceeds(of_seeds / seeds_df / residual, seeds_df, residual_df);
    let df = (seeds_f - 1.0) * (rows_f - 1.0) / rows_f;
    let variance = |squares: f64| Some(SampleVariance { variance: squares / df, df });
    (residual > 0.0 && p < PAIRED_BELOW).then(|| residuals.into_iter().map(variance).collect())
}

/// A standard error with its degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
struct WeightedError {
    weight: f64,
    error: f64,
    df: f64,
}

/// A mean or a difference, with what is known of its error.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The mean or difference itself, on the scale of comparison.
    pub effect: f64,
    /// Empty without a spread to judge by.
    errors: Vec<WeightedError>,
}

impl Estimate {
    /// Without a spread to judge by.
    fn alone(effect: f64) -> Self {
        Self { effect, errors: Vec::new() }
    }

    /// P(|T| > |difference|/error), averaged over what the error may be.
    fn exceeds(&self, difference: f64) -> f64 {
        let total: f64 = self.errors.iter().map(|e| e.weight).sum();
        let tail = |e: &WeightedError| e.weight * student_t_exceeds(difference / e.error, e.df);
        self.errors.iter().map(tail).sum::<f64>() / total
    }

    /// Degrees of freedom, averaged over what the error may be; 0 without a spread to judge by.
    pub fn df(&self) -> f64 {
        let total: f64 = self.errors.iter().map(|e| e.weight).sum();
        if total > 0.0 {
            self.errors.iter().map(|e| e.weight * e.df).sum::<f64>() / total
        } else {
            0.0
        }
    }

    /// Two-sided p of "the effect is 0"; `None` without a spread to judge by.
    pub fn p(&self) -> Option<f64> {
        (!self.errors.is_empty()).then(|| self.exceeds(self.effect))
    }

    /// Half of the interval that holds the true effect with probability 1 − `alpha`; `None` without
    /// a spread to judge by.
    pub fn half_width(&self, alpha: f64) -> Option<f64> {
        let error = self.errors.iter().map(|e| e.error).fold(0.0, f64::max);
        // In errors, so that the search does not depend on the unit.
        (error > 0.0).then(|| error * falls_to(alpha, |t| self.exceeds(t * error)))
    }

    /// The ends of the interval at 95 %.
    pub fn interval(&self) -> Option<[f64; 2]> {
        self.half_width(0.05).map(|half| [self.effect - half, self.effect + half])
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
