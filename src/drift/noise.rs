//! How far a trained score moves where nothing was changed, from what the baseline holds.

use ganbench_metrics::bootstrap::NORMAL_975;
use ganbench_reports::student_t_two_sided;

use super::value::GuardedValue;

/// Chance that a comparison of unchanged scores, all its tests together, shows a drift
/// (Bonferroni).
pub const FALSE_ALARMS: f64 = 0.01;

/// Degrees of freedom beyond which Student's distribution is as good as normal.
const MANY: u64 = 1000;

/// The noise of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    pub variance: f64,
    /// Of the variance's estimate.
    pub df: u64,
}

impl Noise {
    /// From the baseline's values of one metric, one a seed: the variance over seeds plus the mean
    /// variance that their intervals tell.
    ///
    /// Training amplifies rounding until two runs of one seed differ as two seeds do, so the spread
    /// over seeds is the noise of one; it has the images' noise in it already. The intervals are
    /// added all the same: of five seeds that lie close by chance the spread alone would say too
    /// little. Degrees of freedom by Satterthwaite 1946, doi:10.2307/3002019, the intervals' part
    /// taken as known.
    ///
    /// None where there is one value without an interval, or no spread at all.
    pub fn from_values(values: &[&GuardedValue]) -> Option<Self> {
        let numbers: Vec<f64> = values.iter().filter_map(|v| v.value).collect();
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares = numbers.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        let seeds = (numbers.len() > 1).then(|| squares / (n - 1.0));
        let widths: Vec<f64> = values.iter().filter_map(|v| Some(v.ci_high? - v.ci_low?)).collect();
        let of_width = |w: &f64| (w / 2.0 / NORMAL_975).powi(2);
        let images = (!widths.is_empty())
            .then(|| widths.iter().map(of_width).sum::<f64>() / widths.len() as f64);
        if seeds.is_none() && images.is_none() {
            return None;
        }
        let (of_seeds, of_images) = (seeds.unwrap_or(0.0), images.unwrap_or(0.0));
        let variance = of_seeds + of_images;
        if variance > 0.0 {
            let df = match of_seeds {
                s if s > 0.0 => (n - 1.0) * (variance / s).powi(2),
                _ => f64::INFINITY,
            };
            return Some(Self { variance, df: df.min(MANY as f64) as u64 });
        }
        None
    }

    /// Standard error of the difference of two means of `seeds` values: both sides have the noise.
    pub fn of_difference(self, seeds: usize) -> f64 {
        (2.0 * self.variance / seeds as f64).sqrt()
    }

    /// Standard errors beyond which a difference is drift: what Student's |t| exceeds with
    /// probability `alpha`.
    pub fn allowed(self, alpha: f64) -> f64 {
        student_t_two_sided(alpha, self.df as f64)
    }
}
