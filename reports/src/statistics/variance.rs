//! How much the runs of one row scatter, learned from the row and from the table's other rows.
//!
//! Three seeds tell almost nothing of a row's own standard deviation, but the rows of a table are
//! runs of one harness, so that their deviations resemble one another. We take the variances of the
//! rows as draws from a scaled inverse chi-square distribution with scale s₀² and d₀ degrees of
//! freedom, which gives each row the moderated variance (d₀·s₀² + d·s²)/(d₀ + d) with d₀ + d
//! degrees of freedom (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004,
//! article 3, eq. 5). A table has few rows, and estimates of d₀ from few rows are far too sure of
//! themselves. So we do not estimate: we average over d₀ in {16, 64, ∞} and over s₀², weighted by
//! the likelihood of the rows' variances, which is Fisher's F. A row whose own variance is larger
//! than this distribution allows (the upper 3 %) keeps its own variance and its own degrees of
//! freedom, as in the robust variant of Phipson et al. (Annals of Applied Statistics 10, 2016). A
//! table of fewer than three rows with a spread gives no distribution: there the test is Welch's.
//!
//! The values of d₀ and the 3 % were chosen by simulation, see `examples/error_rates.rs`.

use super::student::{f_exceeds, f_ln_density};

/// Values of d₀. The largest stands for a common variance.
const PRIOR_DF: [f64; 3] = [16.0, 64.0, 1e4];
/// Values of ln s₀², from one below the least to one above the largest ln s² of the rows.
const SCALES: usize = 25;
/// A row keeps its own variance where less than this share of the prior lies above it.
const OWN_BEYOND: f64 = 0.03;
/// Of the rows, so that a single row does not decide on s₀²: this share may lie anywhere, over so
/// many units of ln s².
const STRAY: f64 = 0.02;
const STRAY_WIDTH: f64 = 20.0;
/// Points with less of the weight are left out.
const LEAST_WEIGHT: f64 = 1e-3;
/// Fewer rows give no distribution.
const LEAST_ROWS: usize = 3;

/// The sample variance of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleVariance {
    /// In squared units of the scale of comparison, ≥ 0.
    pub variance: f64,
    /// Degrees of freedom, above 0.
    pub df: f64,
}

/// What one point of the average says of the variances, with its weight.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeightedVariances {
    pub weight: f64,
    /// Of each row, `None` where the row has no variance.
    pub rows: Vec<Option<SampleVariance>>,
}

/// The variances of the rows of one table. The weights add up to 1.
pub(super) fn moderated(rows: &[Option<SampleVariance>]) -> Vec<WeightedVariances> {
    let spread: Vec<SampleVariance> =
        rows.iter().flatten().copied().filter(|row| row.variance > 0.0).collect();
    let most_df: f64 = rows.iter().flatten().map(|row| row.df).sum();
    if spread.len() < LEAST_ROWS {
        return vec![WeightedVariances { weight: 1.0, rows: rows.to_vec() }];
    }
    let ln = |pick: fn(f64, f64) -> f64, start: f64| {
        spread.iter().map(|row| row.variance.ln()).fold(start, pick)
    };
    let (low, high) = (ln(f64::min, f64::INFINITY) - 1.0, ln(f64::max, f64::NEG_INFINITY) + 1.0);
    let step = (high - low) / (SCALES - 1) as f64;
    let mut points = Vec::new();
    for prior_df in PRIOR_DF {
        for i in 0..SCALES {
            let scale = (low + step * i as f64).exp();
            // Of ln s².
            let ln_density = |row: &SampleVariance| {
                let ratio = row.variance / scale;
                let density = ratio * f_ln_density(ratio, row.df, prior_df).exp();
                ((1.0 - STRAY) * density + STRAY / STRAY_WIDTH).ln()
            };
            points.push((prior_df, scale, spread.iter().map(ln_density).sum::<f64>()));
        }
    }
    let most = points.iter().map(|point| point.2).fold(f64::NEG_INFINITY, f64::max);
    points.iter_mut().for_each(|point| point.2 = (point.2 - most).exp());
    let total: f64 = points.iter().map(|point| point.2).sum();
    points.retain(|point| point.2 > LEAST_WEIGHT * total);
    let total: f64 = points.iter().map(|point| point.2).sum();
    let of_row = |row: SampleVariance, prior_df: f64, scale: f64| {
        let (prior, own) = (prior_df * scale, row.df * row.variance);
        let variance = (prior + own) / (prior_df + row.df);
        match f_exceeds(row.variance / scale, row.df, prior_df) < OWN_BEYOND {
            true => SampleVariance { variance: variance.max(row.variance), df: row.df },
            // The rows cannot tell more together than they hold.
            false => SampleVariance { variance, df: (prior_df + row.df).min(most_df) },
        }
    };
    let point = |&(prior_df, scale, weight): &(f64, f64, f64)| WeightedVariances {
        weight: weight / total,
        rows: rows.iter().map(|row| row.map(|row| of_row(row, prior_df, scale))).collect(),
    };
    points.iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(variance: f64) -> Option<SampleVariance> {
        Some(SampleVariance { variance, df: 2.0 })
    }

    fn mean(points: &[WeightedVariances], i: usize) -> f64 {
        points.iter().map(|p| p.weight * p.rows[i].unwrap().variance).sum()
    }

    #[test]
    fn a_small_variance_is_raised_and_a_large_one_lowered_towards_the_others() {
        let rows = [row(1e-4), row(0.02), row(0.02), row(0.03), row(0.06)];
        let points = moderated(&rows);
        assert!((points.iter().map(|p| p.weight).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(mean(&points, 0) > 5e-3, "{}", mean(&points, 0));
        assert!(mean(&points, 4) < 0.05, "{}", mean(&points, 4));
        // Together five rows of 2 degrees of freedom have 10.
        assert!(points.iter().flat_map(|p| p.rows.iter().flatten()).all(|row| row.df <= 10.0));
    }

    #[test]
    fn a_row_far_above_the_others_keeps_its_own_variance() {
        let points = moderated(&[row(0.02), row(0.02), row(0.02), row(0.03), row(0.02), row(1e3)]);
        assert!((mean(&points, 5) / 1e3 - 1.0).abs() < 0.2, "{}", mean(&points, 5));
        assert!(mean(&points, 0) < 0.1, "{}", mean(&points, 0));
    }

    #[test]
    fn two_rows_or_rows_without_spread_are_left_as_they_are() {
        for rows in [vec![row(0.1), row(0.4)], vec![row(0.0), row(0.0), row(0.0)], vec![None]] {
            let [only] = &moderated(&rows)[..] else { panic!("{rows:?}") };
            assert_eq!((only.weight, &only.rows), (1.0, &rows));
        }
        // Of three rows one has a single run.
        let rows = [row(0.1), None, row(0.2)];
        assert_eq!(moderated(&rows)[0].rows, rows);
    }
}
