//! Mean and 95 % interval over seeds.
//!
//! The interval is mean ± t·s/√n with the sample standard deviation s (divisor n − 1) and the 0.975
//! quantile t of Student's distribution with n − 1 degrees of freedom. The quantile is the root of the
//! distribution function, which is a finite sum for whole degrees of freedom: Abramowitz and Stegun,
//! Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).

/// P(|T| ≤ t) for Student's T with `df` ≥ 1 degrees of freedom.
fn central_probability(t: f64, df: u64) -> f64 {
    let theta = (t / (df as f64).sqrt()).atan();
    let (sin, cos) = theta.sin_cos();
    let cos2 = cos * cos;
    // Terms of the series follow from one another: 1, (1/2)cos², (1·3/2·4)cos⁴, … for even df and
    // cos, (2/3)cos³, (2·4/3·5)cos⁵, … for odd df.
    if df.is_multiple_of(2) {
        let (mut term, mut sum) = (1.0, 0.0);
        for k in 0..df / 2 {
            sum += term;
            term *= cos2 * (2 * k + 1) as f64 / (2 * k + 2) as f64;
        }
        sin * sum
    } else {
        let (mut term, mut sum) = (cos, 0.0);
        for k in 0..(df - 1) / 2 {
            sum += term;
            term *= cos2 * (2 * k + 2) as f64 / (2 * k + 3) as f64;
        }
        2.0 / std::f64::consts::PI * (theta + sin * sum)
    }
}

/// The 0.975 quantile of Student's distribution with `df` degrees of freedom; infinite for 0.
///
/// Accurate to about 1e-12 relative; the cost grows with `df`.
pub fn student_t_975(df: u64) -> f64 {
    student_t_two_sided(0.05, df)
}

/// What |T| exceeds with probability `alpha`, for Student's T with `df` degrees of freedom; infinite for 0.
///
/// Accurate to about 1e-16/alpha relative; the cost grows with `df`.
pub fn student_t_two_sided(alpha: f64, df: u64) -> f64 {
    if df == 0 {
        return f64::INFINITY;
    }
    let below = |t: f64| central_probability(t, df) < 1.0 - alpha;
    let (mut low, mut high) = (0.0, 1.0);
    while below(high) && high < 1e300 {
        (low, high) = (high, 2.0 * high);
    }
    while high - low > 1e-13 * high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(|T| > t) for Student's T with `df` degrees of freedom; 1 for 0 of them.
pub fn student_t_exceeds(t: f64, df: u64) -> f64 {
    if df == 0 { 1.0 } else { (1.0 - central_probability(t.abs(), df)).max(0.0) }
}

/// Mean of a few values with half the width of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    /// `None` for a single value.
    pub half_width: Option<f64>,
    /// Number of values.
    pub n: usize,
}

impl Interval {
    /// `None` for no values. Values must be finite for a finite result.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let half_width = (n > 1).then(|| {
            let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (n - 1) as f64).sqrt();
            student_t_975(n as u64 - 1) * deviation / (n as f64).sqrt()
        });
        Some(Self { mean, half_width, n })
    }
}

/// Spearman's rank correlation of two values of the same things: Pearson's of their ranks, equal values sharing the
/// mean of theirs. `None` for fewer than two, or where all values of a side are equal.
pub fn rank_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let ranks = |of: fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let values: Vec<f64> = pairs.iter().map(of).collect();
        let below = |v: f64| values.iter().filter(|&&other| other < v).count() as f64;
        let equal = |v: f64| values.iter().filter(|&&other| other == v).count() as f64;
        values.iter().map(|&v| below(v) + (equal(v) - 1.0) / 2.0).collect()
    };
    let (x, y) = (ranks(|p| p.0), ranks(|p| p.1));
    let middle = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle)).sum()
    };
    let scale = (product(&x, &x) * product(&y, &y)).sqrt();
    (scale > 0.0).then(|| product(&x, &y) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_degrees_of_freedom_have_closed_forms() {
        // df 1 is Cauchy: tan(π(p − 1/2)); df 2: (2p − 1)·√(2 / (1 − (2p − 1)²)).
        let cauchy = (std::f64::consts::PI * 0.475).tan();
        let two = 0.95 * (2.0f64 / (1.0 - 0.95 * 0.95)).sqrt();
        assert!((student_t_975(1) / cauchy - 1.0).abs() < 1e-11);
        assert!((student_t_975(2) / two - 1.0).abs() < 1e-11);
    }

    #[test]
    fn quantiles_agree_with_published_tables() {
        // scipy 1.17.1: scipy.stats.t.ppf(0.975, df)
        for (df, t) in [
            (3, 3.1824463052837078),
            (4, 2.7764451051977934),
            (9, 2.262157162798205),
            (10, 2.228138851986274),
            (30, 2.0422724563012378),
            (99, 1.9842169515864174),
            (1000, 1.9623390808264083),
        ] {
            let ours = student_t_975(df);
            assert!((ours / t - 1.0).abs() < 1e-12, "df {df}: {ours} against {t}");
        }
    }

    #[test]
    fn far_tails_agree_with_published_tables() {
        // Two-sided 0.001 and 1e-5 at 2 degrees of freedom in closed form: t = a·√(2/(1 − a²)), a = 1 − alpha.
        for alpha in [1e-3, 1e-5] {
            let a: f64 = 1.0 - alpha;
            let closed = a * (2.0 / (1.0 - a * a)).sqrt();
            assert!((student_t_two_sided(alpha, 2) / closed - 1.0).abs() < 1e-9, "{alpha}");
        }
        assert!((student_t_two_sided(0.001, 4) - 8.610_301_58).abs() < 1e-7);
    }

    #[test]
    fn what_t_exceeds_undoes_the_quantile() {
        for (alpha, df) in [(0.05, 1), (0.05, 2), (0.4, 7), (0.001, 30)] {
            let p = student_t_exceeds(-student_t_two_sided(alpha, df), df);
            assert!((p / alpha - 1.0).abs() < 1e-9, "{alpha}, {df}: {p}");
        }
        assert_eq!(student_t_exceeds(5.0, 0), 1.0);
    }

    #[test]
    fn the_interval_of_three_values_is_the_textbook_one() {
        // 1, 2, 3: mean 2, s = 1, t(2) = 4.302653, half width 4.302653/√3 = 2.484138.
        let interval = Interval::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((interval.mean, interval.n), (2.0, 3));
        assert!((interval.half_width.unwrap() - 2.4841377118).abs() < 1e-9);
        assert_eq!(Interval::of(&[5.0]).unwrap().half_width, None);
        assert_eq!(Interval::of(&[]), None);
        assert_eq!(Interval::of(&[4.0, 4.0]).unwrap().half_width, Some(0.0));
    }

    #[test]
    fn rank_correlations_are_the_textbook_ones() {
        let of =
            |y: [f64; 4]| rank_correlation(&[(1.0, y[0]), (2.0, y[1]), (3.0, y[2]), (4.0, y[3])]);
        assert_eq!(of([1.0, 10.0, 100.0, 1000.0]), Some(1.0));
        assert_eq!(of([4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        // 1 − 6·Σd²/(n(n² − 1)) with d = 1, 1, 0, 0.
        assert!((of([2.0, 1.0, 3.0, 4.0]).unwrap() - (1.0 - 12.0 / 60.0)).abs() < 1e-15);
        // Ranks 0.5, 0.5, 2, 3 against 0, 1, 2, 3: 4.5/√(4.5·5).
        assert!((of([1.0, 1.0, 3.0, 4.0]).unwrap() - 4.5 / 22.5f64.sqrt()).abs() < 1e-15);
        assert_eq!(of([1.0; 4]), None);
        assert_eq!(rank_correlation(&[(1.0, 2.0)]), None);
    }
}
