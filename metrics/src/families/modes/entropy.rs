//! The entropy of a distribution, from few samples.

use statrs::function::gamma::digamma;

/// Grassberger's estimate of the entropy in nats (2003, arXiv:physics/0307138, eq. 30):
///
/// Ĥ = ln n − (1/n) Σ nᵢ G(nᵢ), G(m) = ψ(m) + ½ (−1)ᵐ [ψ((m + 1)/2) − ψ(m/2)].
///
/// Uniform over 720 kinds its bias is under 0.01 nats from 1,000 samples on, where the naive
/// estimate misses 0.41 and Miller and Madow's 0.14. With fewer samples it is too low: 0.4 nats at
/// 250. 0 of no samples.
pub(super) fn entropy(counts: &[u64]) -> f64 {
    let n: u64 = counts.iter().sum();
    if n == 0 {
        return 0.0;
    }
    let sum: f64 = counts.iter().filter(|m| **m > 0).map(|&m| m as f64 * g(m)).sum();
    libm::log(n as f64) - sum / n as f64
}

fn g(m: u64) -> f64 {
    let m_f = m as f64;
    let sign = if m.is_multiple_of(2) { 1.0 } else { -1.0 };
    digamma(m_f) + 0.5 * sign * (digamma(0.5 * (m_f + 1.0)) - digamma(0.5 * m_f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::rng::Stream;

    #[test]
    fn g_starts_as_grassberger_prints_it() {
        // G(1) = −γ − ln 2, G(2) = G(1) + 2, and G(2k + 1) = G(2k) (eqs. 31 and 32).
        let euler = 0.577_215_664_901_532_9;
        assert!((g(1) + euler + 2f64.ln()).abs() < 1e-10);
        assert!((g(2) - g(1) - 2.0).abs() < 1e-10);
        assert!((g(3) - g(2)).abs() < 1e-10);
        assert!((g(4) - g(2) - 2.0 / 3.0).abs() < 1e-10);
    }

    #[test]
    fn a_uniform_distribution_over_720_kinds_has_its_entropy_from_1000_samples_on() {
        for (n, tolerance) in [(1000, 0.02), (10_000, 0.002)] {
            let mean = (0..40).map(|seed| {
                let mut stream = Stream::new(seed, "test");
                let mut counts = [0; 720];
                (0..n).for_each(|_| counts[stream.below(720) as usize] += 1);
                entropy(&counts)
            });
            let mean = mean.sum::<f64>() / 40.0;
            // Noise of the mean: 0.035/√40 at 1,000 samples.
            assert!((mean - 720f64.ln()).abs() < tolerance, "{n}: {}", 720f64.ln() - mean);
        }
    }

    #[test]
    fn one_kind_has_no_entropy_and_no_samples_have_none() {
        assert!(entropy(&[0, 100_000]).abs() < 1e-5);
        assert_eq!(entropy(&[0, 0]), 0.0);
    }
}
