//! How far a trained score moves where nothing was changed, from what the baseline holds.

use ganbench_reports::student_t_two_sided;

use super::value::GuardedValue;

/// Half of a 95 % interval in standard errors: the 97.5 % point of the normal distribution.
const NORMAL_975: f64 = 1.959_963_984_540_054;

/// Chance that a comparison of unchanged scores, all of them together, shows a drift.
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
    /// From the baseline's values of one metric, one a seed: the variance over seeds plus the mean variance
    /// that their intervals tell.
    ///
    /// Training amplifies rounding until two runs of one seed differ as two seeds do, so the spread over seeds
    /// is the noise of one; it has the images' noise in it already. The intervals are added all the same: of
    /// five seeds that lie close by chance the spread alone would say too little. Degrees of freedom by
    /// Satterthwaite 1946, doi:10.2307/3002019, the intervals' part taken as known.
    ///
    /// None where there is one value without an interval, or no noise at all and nothing known of the images.
    pub fn of(values: &[&GuardedValue]) -> Option<Self> {
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
        // A share of images that is 0 or 1 for every seed: one image more or less is no drift.
        let images = values.iter().map(|v| v.n_fake).filter(|&n| n > 0).min()?;
        Some(Self { variance: (images as f64).powi(-2), df: MANY })
    }

    /// Standard error of the difference of two means of `seeds` values: both sides have the noise.
    pub fn of_difference(self, seeds: usize) -> f64 {
        (2.0 * self.variance / seeds as f64).sqrt()
    }

    /// Standard errors beyond which a difference is drift, where `comparisons` are made together: those that
    /// Student's |t| exceeds by chance in 1 % of such families (Bonferroni).
    pub fn allowed(self, comparisons: usize) -> f64 {
        student_t_two_sided(FALSE_ALARMS / comparisons.max(1) as f64, self.df)
    }
}
