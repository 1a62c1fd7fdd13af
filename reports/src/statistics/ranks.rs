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

/// Kendall's τ-b of two values of the same things (Kendall 1945): how many more pairs both order
/// alike than differently, as a share of the pairs that neither side holds equal. `None` for fewer
/// than two, or where all values of a side are equal.
pub fn kendall_tau_b(pairs: &[(f64, f64)]) -> Option<f64> {
    let (mut alike, mut ordered_x, mut ordered_y) = (0i64, 0i64, 0i64);
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[i + 1..] {
            let (x, y) = (order(a.0, b.0), order(a.1, b.1));
            alike += x * y;
            ordered_x += x * x;
            ordered_y += y * y;
        }
    }
    // One root, so that two equal orders give 1 and nothing just below it.
    let scale = (ordered_x as f64 * ordered_y as f64).sqrt();
    (scale > 0.0).then(|| alike as f64 / scale)
}

/// 1 where `a` is above `b`, −1 where it is below.
fn order(a: f64, b: f64) -> i64 {
    i64::from(a > b) - i64::from(a < b)
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
    #[test]
    fn kendalls_tau_b_counts_pairs_and_leaves_ties_out() {
        let tau =
            |y: [f64; 4]| kendall_tau_b(&[(1.0, y[0]), (2.0, y[1]), (3.0, y[2]), (4.0, y[3])]);
        assert_eq!(tau([1.0, 10.0, 100.0, 1000.0]), Some(1.0));
        assert_eq!(tau([4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        // One of six pairs is the other way round: (5 − 1) / 6.
        assert!((tau([2.0, 1.0, 3.0, 4.0]).unwrap() - 4.0 / 6.0).abs() < 1e-15);
        // Five of six pairs are ordered on the right: 5 / √(6·5).
        assert!((tau([1.0, 1.0, 3.0, 4.0]).unwrap() - 5.0 / 30f64.sqrt()).abs() < 1e-15);
        assert_eq!(tau([1.0; 4]), None);
        assert_eq!(kendall_tau_b(&[(1.0, 2.0)]), None);
    }

    #[test]
    fn a_thing_that_is_counted_twice_changes_no_kendalls_tau_of_two() {
        // The pair of copies is equal on both sides.
        assert_eq!(kendall_tau_b(&[(1.0, 2.0), (1.0, 2.0), (3.0, 4.0)]), Some(1.0));
    }
}
