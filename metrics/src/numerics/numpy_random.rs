//! The part of numpy's legacy `RandomState` that published metric values depend on.
//!
//! torch-fidelity shuffles the samples of the Inception score and draws the subsets of KID with
//! `numpy.random.RandomState(2020)`, so its numbers come out only with the same generator: MT19937
//! (Matsumoto and Nishimura 1998, doi:10.1145/272991.272995) seeded by one 32-bit integer, and
//! Fisher-Yates from the top with masked rejection. Nothing else may use this module: randomness of
//! our own comes from `ganbench_data::rng`.

const N: usize = 624;
const M: usize = 397;

/// `numpy.random.RandomState(seed)` for a seed of one 32-bit integer.
#[derive(Clone)]
pub struct RandomState {
    state: [u32; N],
    next: usize,
}

impl RandomState {
    /// The same state as numpy's after this seed.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1];
            state[i] =
                1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: N }
    }

    /// The next 32 bits of the generator.
    pub fn u32(&mut self) -> u32 {
        if self.next == N {
            self.refill();
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for k in 0..N {
            let y = (self.state[k] & 0x8000_0000) | (self.state[(k + 1) % N] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[k] = self.state[(k + M) % N] ^ (y >> 1) ^ twist;
        }
        self.next = 0;
    }

    /// Uniform in 0..=max by masked rejection, as numpy's `random_interval` does for `max` < 2³².
    fn interval(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `RandomState.permutation(n)`.
    ///
    /// # Panics
    /// If `n` exceeds 2³² (numpy changes to 64-bit draws there; no set of images is that large).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        assert!(u32::try_from(n.saturating_sub(1)).is_ok(), "permutation of more than 2^32");
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.interval(i as u32) as usize);
        }
        order
    }

    /// `RandomState.choice(n, k, replace=False)`: `k` different numbers of 0..n (all where `k` ≥
    /// `n`).
    pub fn choice(&mut self, n: usize, k: usize) -> Vec<usize> {
        let mut order = self.permutation(n);
        order.truncate(k);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn sha256_of_decimals(values: &[usize]) -> String {
        let text = values.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        crate::weights::hex(&Sha256::digest(text))
    }

    // All values: python -c "import numpy; r = numpy.random.RandomState(2020); ..." with numpy
    // 2.4.6, the lists hashed as sha256 of the decimals joined by commas.

    #[test]
    fn the_first_numbers_of_seed_2020_are_numpys() {
        let mut r = RandomState::new(2020);
        let first: Vec<u32> = (0..5).map(|_| r.u32()).collect();
        assert_eq!(first, [4236026720, 639299976, 3751189827, 2669525622, 2189340355]);
    }

    #[test]
    fn permutations_of_seed_2020_are_numpys() {
        let golden = [
            (100, "8eb32c5767a759570b1acc4c771353cf0ee45f90ed5f6da5761b832675214e94"),
            (256, "73212950bbbf98e61ef731075c7fc6084a5489bfa43d809b48c919686416341a"),
            (5000, "2b17138b86a62c06e810325930bb0a995fac1ed9672949c22a49bff4fe19d73f"),
            (10000, "806e886394809c2e716043f69f4588787d5d92704875a54fe9252e43da1fadf2"),
            (50000, "90da48f95cd62ffb6c3d5abd17f7611eca9b2e652cbb07f4f17b607bbce17607"),
        ];
        for (n, sha256) in golden {
            assert_eq!(sha256_of_decimals(&RandomState::new(2020).permutation(n)), sha256, "{n}");
        }
        assert_eq!(RandomState::new(2020).permutation(100)[..8], [43, 12, 93, 23, 87, 72, 44, 60]);
    }

    #[test]
    fn choices_of_seed_2020_are_numpys() {
        let golden = [
            (50000, 100, "91fb954e2be583cf8ff02cd0b58e364c74216afc9f77cd733ab49a6f59f5e4e6"),
            (50000, 256, "33b8a41f7d81e1ee4eb9ada136dcc93dd7870cd94956f3d7167aeb7c359e1d31"),
            (10000, 256, "c4b61802f657f4e1e2a6b2b4c9a574c68c22aadef072daa41837fd44374f079b"),
            (50000, 5000, "3f2006bc76a935bf9e71958b7790220586a79d4f81ae14f131d4c31e9b97a69a"),
            (10000, 5000, "b8b095ea47af18b7e008a40deb54dffbb6737ee68141a6ba75c4048c89b3fc1d"),
        ];
        for (n, k, sha256) in golden {
            let mut sorted = RandomState::new(2020).choice(n, k);
            sorted.sort_unstable();
            assert_eq!(sha256_of_decimals(&sorted), sha256, "{k} of {n}");
        }
    }

    #[test]
    fn a_permutation_of_none_or_one_is_itself() {
        assert!(RandomState::new(2020).permutation(0).is_empty());
        assert_eq!(RandomState::new(2020).permutation(1), [0]);
    }
}
