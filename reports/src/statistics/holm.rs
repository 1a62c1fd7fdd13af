//! Several tests at once.

/// Holm's adjusted p of each test: the least level at which it is rejected when one wrong call
/// among all of them may have that probability (Scandinavian Journal of Statistics 6, 1979).
pub fn holm_adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = least;
    }
    adjusted
}

/// Which of the tests are rejected together at 5 %.
pub fn holm(p: &[f64]) -> Vec<bool> {
    holm_adjusted(p).into_iter().map(|p| p <= 0.05).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holms_correction_on_paper() {
        // Thresholds 0.0125, 0.0167, 0.025, 0.05: the third fails, and with it the fourth.
        assert_eq!(holm(&[0.03, 0.012, 0.04, 0.016]), [false, true, false, true]);
        assert_eq!(holm_adjusted(&[0.03, 0.01, 0.04]), [0.06, 0.03, 0.06]);
        assert_eq!(holm(&[0.04]), [true]);
        assert!(holm(&[]).is_empty());
    }
}
