//! Dense matrix products on slices: a checked face of the `gemm` crate, single-threaded.

use super::Real;

/// A matrix inside a slice: element (r, c) stands at `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy)]
pub struct Mat<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// Row-major and dense.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The same memory read the other way round.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }

    fn check(&self) {
        let last = match (self.rows, self.cols) {
            (0, _) | (_, 0) => return,
            (r, c) => (r - 1) * self.row_stride + (c - 1) * self.col_stride,
        };
        assert!(last < self.data.len(), "matrix reaches beyond its slice");
    }
}

/// `out = a · b`, or `out += a · b` with `accumulate`; `out` is row-major and dense.
///
/// # Panics
/// If the shapes do not fit: a defect of the caller.
pub fn matmul<T: Real>(out: &mut [T], a: Mat<'_, T>, b: Mat<'_, T>, accumulate: bool) {
    a.check();
    b.check();
    assert_eq!(a.cols, b.rows, "inner sizes differ");
    assert!(out.len() >= a.rows * b.cols, "output too small");
    // SAFETY: `check` and the assertions above hold every index that the strides reach inside the
    // slices, and `out` is borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::of(1.0),
            T::of(1.0),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_and_its_transposed_reading_agree_with_paper() {
        let a = [1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0]; // 2x3
        let b = [1.0, 0.0, 2.0, 1.0, 0.0, 3.0]; // 3x2
        let mut out = [0.0; 4];
        matmul(&mut out, Mat::new(&a, 2, 3), Mat::new(&b, 3, 2), false);
        assert_eq!(out, [5.0, 11.0, 14.0, 23.0]);
        matmul(&mut out, Mat::new(&b, 3, 2).t(), Mat::new(&a, 2, 3).t(), true);
        // (AB)ᵀ = BᵀAᵀ = [[5, 14], [11, 23]], added to the former.
        assert_eq!(out, [10.0, 25.0, 25.0, 46.0]);
    }
}
