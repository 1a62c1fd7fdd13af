//! Rank correlation.

/// Spearman's rank correlation of two values of the same things: Pearson's of their ranks, equal
/// values sharing the mean of theirs. `None` for fewer than two, or where all values of a side are
/// equal.
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
