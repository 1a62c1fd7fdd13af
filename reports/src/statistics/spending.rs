//! Looking at the same comparison more than once, with more seeds each time.
//!
//! Each look may spend a part of the 5 %, so that all looks together call no true zero a difference
//! more often than that. What may be spent up to a share t of the seeds is 2 − 2Φ(z/√t) with z =
//! Φ⁻¹(0.975), the spending function that resembles O'Brien's and Fleming's bounds (Lan and DeMets,
//! Biometrika 70, 1983). A look's level is what was added since the look before. That leaves the
//! correlation of the looks unused, so the levels are a little strict, and they need no
//! integration.

use statrs::function::erf::{erfc, erfc_inv};

/// The level of each look at these numbers of seeds, which must rise; the last of them is all
/// seeds.
pub fn levels(looks: &[u64]) -> Vec<f64> {
    let Some(&all) = looks.last() else { return Vec::new() };
    // Two-sided normal tails: P(|Z| > z) = erfc(z/√2).
    let z = erfc_inv(0.05);
    let spent = |n: u64| erfc(z / (n as f64 / all as f64).sqrt());
    let mut before = 0.0;
    let level = |&n: &u64| {
        let level = spent(n) - before;
        before = spent(n);
        level
    };
    looks.iter().map(level).collect()
}

/// The level of the look at `seeds` seeds: of the first look that has as many, or else of the last;
/// 0.05 without looks.
pub fn level_at(looks: &[u64], seeds: u64) -> f64 {
    let at = looks.iter().position(|&look| look >= seeds);
    let levels = levels(looks);
    at.or(levels.len().checked_sub(1)).map_or(0.05, |i| levels[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_has_all_of_the_level_and_early_looks_have_little() {
        assert!((levels(&[5])[0] - 0.05).abs() < 1e-9);
        // 2 − 2Φ(1.959964/√0.6) = 0.01140 (scipy 1.17.1: 2*norm.sf(norm.ppf(0.975)/0.6**0.5)).
        let two = levels(&[3, 5]);
        assert!((two[0] - 0.011_396).abs() < 1e-5, "{two:?}");
        assert!((two[0] + two[1] - 0.05).abs() < 1e-9);
        assert!(levels(&[]).is_empty());
    }
}
