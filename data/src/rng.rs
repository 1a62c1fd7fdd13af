//! The only source of randomness: ChaCha8 streams, one per (seed, purpose).
//!
//! A stream is named after what it feeds (`"z"`, `"data"`, `"init/generator/fc.weight"`), so that
//! two methods that draw different amounts for one purpose still see the same numbers for every
//! other. Its position is a plain number that can be stored and restored. No function of the
//! platform's maths library is used, so the numbers are the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// A seeded stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// The stream of `purpose` under `seed`, at its start.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"ganbench-stream-1");
        hash.update(seed.to_le_bytes());
        hash.update(purpose.as_bytes());
        Self { rng: ChaCha8Rng::from_seed(hash.finalize().into()) }
    }

    /// Position in 32-bit words from the start.
    pub fn position(&self) -> u128 {
        self.rng.get_word_pos()
    }

    /// Moves to a position that [`Stream::position`] gave.
    pub fn seek(&mut self, position: u128) {
        self.rng.set_word_pos(position);
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Uniform in [low, high).
    pub fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..n, without bias (Lemire's rejection).
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0)");
        let threshold = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.u64()) * u128::from(n);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// `n` standard normal numbers (Box-Muller; both of a pair are used).
    pub fn normal(&mut self, n: usize) -> Vec<f32> {
        let mut out = Vec::with_capacity(n + 1);
        while out.len() < n {
            // 1 - u is in (0, 1], so the logarithm is finite.
            let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
            let angle = std::f64::consts::TAU * self.uniform();
            out.push((radius * libm::cos(angle)) as f32);
            out.push((radius * libm::sin(angle)) as f32);
        }
        out.truncate(n);
        out
    }

    /// `n` numbers, uniform in [low, high).
    pub fn uniforms(&mut self, n: usize, low: f64, high: f64) -> Vec<f32> {
        (0..n).map(|_| self.range(low, high) as f32).collect()
    }

    /// A random order of 0..n (Fisher-Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_continues_from_a_stored_position() {
        let mut a = Stream::new(3, "z");
        a.normal(7);
        let position = a.position();
        let expected = a.normal(5);
        let mut b = Stream::new(3, "z");
        b.seek(position);
        assert_eq!(b.normal(5), expected);
    }

    #[test]
    fn streams_of_two_purposes_differ() {
        assert_ne!(Stream::new(0, "z").u64(), Stream::new(0, "data").u64());
        assert_ne!(Stream::new(0, "z").u64(), Stream::new(1, "z").u64());
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let x = Stream::new(0, "test").normal(200_000);
        let n = x.len() as f64;
        let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let var = x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        // Five standard errors: 5/√n and 5·√(2/n).
        assert!(mean.abs() < 0.0112, "{mean}");
        assert!((var - 1.0).abs() < 0.0159, "{var}");
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Stream::new(0, "test").permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
