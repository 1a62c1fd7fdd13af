//! Orthonormal vectors from any independent ones: the modified Gram-Schmidt process.
//!
//! It is the QR decomposition whose R has a positive diagonal, so Gaussian vectors become
//! orthonormal ones without a preferred direction (Saxe et al. 2014, arXiv:1312.6120). In f64, by
//! plain loops in a fixed order: the bits are the same for any number of threads and on every
//! machine.

use rayon::prelude::*;

use super::real::{PARTS, Real, total};
use super::simd::vectorised;

/// Vectors that are cleared of all earlier ones in parallel.
const PANEL: usize = 32;
/// Vectors that one task clears together, while an earlier one is in the cache.
const TOGETHER: usize = 4;

vectorised! {
    /// x without its part along the vector `unit` of length 1.
    fn remove<T: Real>(x: &mut [T], unit: &[T]) {
        let mut parts = [T::default(); PARTS];
        let (x_parts, x_rest) = x.as_chunks::<PARTS>();
        let (u_parts, u_rest) = unit.as_chunks::<PARTS>();
        for (x, u) in x_parts.iter().zip(u_parts) {
            for i in 0..PARTS {
                parts[i] += x[i] * u[i];
            }
        }
        let rest = x_rest.iter().zip(u_rest).map(|(&x, &u)| (x * u).f64()).sum::<f64>();
        let along = T::nearest(total(parts) + rest);
        for (x, &u) in x.iter_mut().zip(unit) {
            *x -= along * u;
        }
    }
}

/// Makes the vectors of `length` numbers, one after the other in `vectors`, orthonormal. A vector
/// that depends on those before it, or is 0, does not come out as one.
///
/// # Panics
/// If `length` is 0 or does not divide the number of values.
pub fn orthonormalise(vectors: &mut [f64], length: usize) {
    assert!(length > 0 && vectors.len().is_multiple_of(length), "vectors of {length} numbers");
    let n = vectors.len() / length;
    for first in (0..n).step_by(PANEL) {
        let (done, rest) = vectors.split_at_mut(first * length);
        let panel = &mut rest[..PANEL.min(n - first) * length];
        panel.par_chunks_mut(TOGETHER * length).for_each(|some| {
            for unit in done.chunks_exact(length) {
                some.chunks_exact_mut(length).for_each(|x| remove(x, unit));
            }
        });
        for i in 0..panel.len() / length {
            let (before, from) = panel.split_at_mut(i * length);
            let x = &mut from[..length];
            before.chunks_exact(length).for_each(|unit| remove(x, unit));
            let norm = x.iter().map(|v| v * v).sum::<f64>().sqrt();
            x.iter_mut().for_each(|v| *v /= norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ganbench_data::rng::Stream;

    fn gaussian(n: usize) -> Vec<f64> {
        Stream::new(0, "test").normal(n).into_iter().map(f64::from).collect()
    }

    #[test]
    fn vectors_orthonormalised_on_paper() {
        // (3, 4) to length 1; (1, 0) without its part 3/5 along it is (16, −12)/25, of length 4/5.
        let mut x = vec![3.0, 4.0, 1.0, 0.0];
        orthonormalise(&mut x, 2);
        for (got, expected) in x.iter().zip([0.6, 0.8, 0.8, -0.6]) {
            assert!((got - expected).abs() < 1e-15, "{x:?}");
        }
    }

    #[test]
    fn any_two_of_many_vectors_are_orthonormal() {
        for (n, length) in [(1, 1), (7, 7), (70, 100), (33, 257)] {
            let mut x = gaussian(n * length);
            orthonormalise(&mut x, length);
            for (i, a) in x.chunks_exact(length).enumerate() {
                for (j, b) in x.chunks_exact(length).enumerate() {
                    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    let expected = f64::from(u8::from(i == j));
                    // A square Gaussian matrix of 100 has a condition number of about 1e3.
                    assert!((product - expected).abs() < 1e-11, "{i} {j}: {product}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut x = gaussian(70 * 90);
            pool.install(|| orthonormalise(&mut x, 90));
            x
        };
        assert_eq!(with(1), with(3));
    }
}
