//! Mean and covariance of features in f64, one pass over any number of rows.
//!
//! Conventions: divisor n − 1 (numpy's `cov`). The sums are taken around the mean of the first
//! block, so that no digits are lost where the mean is large against the spread. Rows are gathered
//! into blocks of a fixed size, hence the bits depend neither on how the rows arrive nor on the
//! number of threads.

use ganbench_nn::kernels::Real;
use ganbench_nn::kernels::gram::Gram;
use rayon::prelude::*;

use crate::error::MetricError;
use crate::numerics::rows::Rows;

const BLOCK_ROWS: usize = 512;
/// Columns that are summed by one piece of parallel work.
const PIECE: usize = 256;

/// What FID needs to know of a set of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    n: Option<usize>,
    /// `[d]`
    mean: Vec<f64>,
    /// `[d, d]`, symmetric.
    covariance: Vec<f64>,
    /// Largest difference of two entries that should be equal, as they were stored.
    asymmetry: f64,
}

impl Statistics {
    /// Of all rows at once.
    ///
    /// # Errors
    /// If a number is not finite (names the row).
    pub fn from_rows<T: Real>(rows: Rows<'_, T>) -> Result<Self, MetricError> {
        let mut accumulator = Accumulator::new(rows.dim());
        accumulator.push(rows)?;
        Ok(accumulator.finish())
    }

    /// From a stored mean `[d]` and covariance `[d, d]` of `n` samples, where it is
    /// known of how many: most published files do not say.
    ///
    /// # Errors
    /// If the sizes disagree, a number is not finite, or the covariance is not symmetric to 1e-3 of
    /// its largest entry (sums in f32 are symmetric to about 1e-5). [`Self::asymmetry`] says how
    /// far it was.
    pub fn from_parts(
        n: Option<usize>,
        mean: Vec<f64>,
        mut covariance: Vec<f64>,
    ) -> Result<Self, MetricError> {
        let d = mean.len();
        if d == 0 || d.checked_mul(d) != Some(covariance.len()) {
            let covariance = covariance.len();
            return Err(MetricError::StatisticsShape { dim: d, mean: d, covariance });
        }
        Rows::new(&mean, d)?.check_finite()?;
        Rows::new(&covariance, d)?.check_finite()?;
        let mut asymmetry = 0.0f64;
        let largest = covariance.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for row in 0..d {
            for column in 0..row {
                let (a, b) = (covariance[row * d + column], covariance[column * d + row]);
                let gap = (a - b).abs();
                if gap > 1e-3 * largest {
                    return Err(MetricError::NotSymmetric { row, column, gap });
                }
                asymmetry = asymmetry.max(gap);
                let middle = (a + b) / 2.0;
                covariance[row * d + column] = middle;
                covariance[column * d + row] = middle;
            }
        }
        Ok(Self { n, mean, covariance, asymmetry })
    }

    /// Number of samples; none where stored statistics do not say.
    pub fn n(&self) -> Option<usize> {
        self.n
    }

    /// Length of the mean, d.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// `[d]`
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// `[d, d]`, row-major, symmetric; zero where fewer than 2 samples were given.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// The largest difference of two stored entries that should be equal; 0 of our own sums.
    pub fn asymmetry(&self) -> f64 {
        self.asymmetry
    }

    pub(crate) fn trace(&self) -> f64 {
        self.covariance.iter().step_by(self.dim() + 1).sum()
    }
}

/// Gathers [`Statistics`] from rows that come in pieces of any size.
#[derive(Clone, Debug)]
pub struct Accumulator {
    dim: usize,
    n: usize,
    /// Rows that do not fill a block yet, `[<= BLOCK_ROWS, d]`.
    pending: Vec<f64>,
    /// What is subtracted from each row before summing: the mean of the first block.
    shift: Vec<f64>,
    sum: Vec<f64>,
    /// Σ (x − shift)(x − shift)ᵀ
    products: Gram,
}

impl Accumulator {
    /// For rows of `dim` numbers.
    pub fn new(dim: usize) -> Self {
        let pending = Vec::with_capacity(BLOCK_ROWS * dim);
        let products = Gram::new(dim);
        Self { dim, n: 0, pending, shift: Vec::new(), sum: vec![0.0; dim], products }
    }

    /// # Errors
    /// If the rows are of another dimension, or hold a number that is not finite. Nothing of the
    /// rows is counted then.
    pub fn push<T: Real>(&mut self, rows: Rows<'_, T>) -> Result<(), MetricError> {
        if rows.dim() != self.dim {
            return Err(MetricError::Dimensions { real: self.dim, fake: rows.dim() });
        }
        rows.check_finite()?;
        self.n += rows.len();
        let mut values = rows.values();
        while !values.is_empty() {
            let room = BLOCK_ROWS * self.dim - self.pending.len();
            let (now, later) = values.split_at(values.len().min(room));
            self.pending.par_extend(now.par_iter().with_min_len(1 << 16).map(|v| v.f64()));
            if now.len() == room {
                self.add_block();
            }
            values = later;
        }
        Ok(())
    }

    fn add_block(&mut self) {
        let (d, n) = (self.dim, self.pending.len() / self.dim);
        if n == 0 {
            return;
        }
        if self.shift.is_empty() {
            self.shift = vec![0.0; d];
            for row in self.pending.chunks_exact(d) {
                self.shift.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            self.shift.iter_mut().for_each(|s| *s /= n as f64);
        }
        let shift = &self.shift;
        self.pending.par_chunks_mut(d).for_each(|row| {
            row.iter_mut().zip(shift).for_each(|(v, shift)| *v -= shift);
        });
        // By columns, so that each sum is added in the order of the rows.
        self.sum.par_chunks_mut(PIECE).enumerate().for_each(|(part, sums)| {
            for row in self.pending.chunks_exact(d) {
                sums.iter_mut().zip(&row[part * PIECE..]).for_each(|(sum, v)| *sum += v);
            }
        });
        self.products.add(&self.pending);
        self.pending.clear();
    }

    /// Mean and covariance of all rows pushed.
    pub fn finish(mut self) -> Statistics {
        self.add_block();
        let (d, n) = (self.dim, self.n as f64);
        let offset: Vec<f64> = self.sum.iter().map(|s| if n > 0.0 { s / n } else { 0.0 }).collect();
        let mut covariance = vec![0.0; d * d];
        if self.n > 1 {
            covariance.par_chunks_mut(d).enumerate().for_each(|(row, out)| {
                for (column, value) in out.iter_mut().enumerate() {
                    let shifted = n * offset[row] * offset[column];
                    *value = (self.products.get(row, column) - shifted) / (n - 1.0);
                }
            });
        }
        let shift = if self.shift.is_empty() { vec![0.0; d] } else { self.shift };
        let mean = shift.iter().zip(&offset).map(|(s, o)| s + o).collect();
        Statistics { n: Some(self.n), mean, covariance, asymmetry: 0.0 }
    }
}

#[cfg(test)]
mod tests;
