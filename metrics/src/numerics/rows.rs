//! Features as rows of a matrix.

use ganbench_nn::kernels::Real;
use rayon::prelude::*;

use crate::error::MetricError;

/// `n` rows of `dim` numbers, row-major. Metrics take f32 (what extractors give) and f64 (what
/// golden values were computed with) alike and compute in f64.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    values: &'a [T],
    dim: usize,
}

impl<'a, T: Real> Rows<'a, T> {
    /// # Errors
    /// If `values` is no whole number of rows, or `dim` is 0.
    pub fn new(values: &'a [T], dim: usize) -> Result<Self, MetricError> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(MetricError::PartialRow { len: values.len(), dim });
        }
        Ok(Self { values, dim })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers of each row, ≥ 1.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All rows one after the other, `[len, dim]`, row-major.
    pub fn values(&self) -> &'a [T] {
        self.values
    }

    /// Row `i`, counted from 0; panics where there is none.
    pub fn row(&self, i: usize) -> &'a [T] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// The same rows where they hold f32.
    pub(crate) fn as_f32(&self) -> Option<Rows<'a, f32>> {
        T::as_f32(self.values).map(|values| Rows { values, dim: self.dim })
    }

    /// The first `n` rows, or all where there are fewer.
    pub fn take(&self, n: usize) -> Self {
        Self { values: &self.values[..n.min(self.len()) * self.dim], dim: self.dim }
    }

    /// # Errors
    /// If any number is infinite or NaN: names the first such row.
    pub fn check_finite(&self) -> Result<(), MetricError> {
        let bad = self.values.par_chunks(self.dim).enumerate().find_map_first(|(row, values)| {
            values.iter().map(|v| v.f64()).find(|v| !v.is_finite()).map(|value| (row, value))
        });
        bad.map_or(Ok(()), |(row, value)| Err(MetricError::NonFinite { row, value }))
    }

    /// The mean row and the rows minus it, in f64.
    pub(crate) fn centred(&self) -> (Vec<f64>, Vec<f64>) {
        let mut mean = vec![0.0; self.dim];
        for row in self.values.chunks_exact(self.dim) {
            for (m, v) in mean.iter_mut().zip(row) {
                *m += v.f64();
            }
        }
        mean.iter_mut().for_each(|m| *m /= self.len() as f64);
        let rows = self.values.chunks_exact(self.dim);
        let centred =
            rows.flat_map(|row| row.iter().zip(&mean).map(|(v, m)| v.f64() - m)).collect();
        (mean, centred)
    }
}
