//! Dense matrix products on slices, single-threaded: f32 on our own register tile, so that one
//! choice of instruction set holds for everything; f64 by the `gemm` crate.

use super::Real;
use super::scratch::Scratch;
use super::simd::{Kernel, LANES, Simd, dispatch};
use super::tile::{Factor, Product};

/// A matrix inside a slice: element (r, c) stands at `data[r * row_stride + c * col_stride]`.
#[derive(Clone, Copy)]
pub struct Mat<'a, T> {
    /// The slice that holds the matrix, possibly among other values.
    pub data: &'a [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements of the slice from one row to the next.
    pub row_stride: usize,
    /// Elements of the slice from one column to the next.
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

    fn as_f32(&self) -> Option<Mat<'a, f32>>
    where
        T: Real,
    {
        Some(Mat {
            data: T::as_f32(self.data)?,
            rows: self.rows,
            cols: self.cols,
            row_stride: self.row_stride,
            col_stride: self.col_stride,
        })
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
    if let (Some(a), Some(b)) = (a.as_f32(), b.as_f32())
        && let Some(out) = T::as_f32_mut(out)
    {
        return dispatch(Multiply { out, a, b, accumulate });
    }
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
            T::nearest(1.0),
            T::nearest(1.0),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Most rows of any register tile.
const MOST_ROWS: usize = 16;

/// Most columns of any register tile.
const MOST_COLUMNS: usize = 2 * LANES;

struct Multiply<'a> {
    out: &'a mut [f32],
    a: Mat<'a, f32>,
    b: Mat<'a, f32>,
    accumulate: bool,
}

impl Kernel for Multiply<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { out, a, b, accumulate } = self;
        if b.rows == 0 && !accumulate {
            out[..a.rows * b.cols].fill(0.0);
        }
        let width = S::PANELS * LANES;
        let mut panel = Scratch::new(STEPS * width);
        let mut rows = Scratch::new(a.rows.div_ceil(S::ROWS) * STEPS * LANES);
        for step in (0..b.rows).step_by(STEPS) {
            let steps = STEPS.min(b.rows - step);
            let a = Mat { data: &a.data[step * a.col_stride..], cols: steps, ..a };
            let from = Mat { data: &b.data[step * b.row_stride..], rows: steps, ..b };
            let add = accumulate || step > 0;
            // Rows far apart fall into few cache sets: they are read as columns of a copy.
            let packed = a.row_stride != 1;
            if packed {
                pack_rows(s, a, &mut rows);
            }
            for first in (0..b.cols).step_by(width) {
                let columns = first..b.cols.min(first + width);
                pack(s, from, first, columns.len(), width, &mut panel);
                let b = Factor { at: panel.as_ptr(), outer: 1, step: width };
                for (group, (row, n)) in groups::<S>(a.rows).enumerate() {
                    let a = if packed {
                        let at = rows[group * STEPS * LANES..].as_ptr();
                        Factor { at, outer: 1, step: LANES }
                    } else {
                        let at = a.data.as_ptr().wrapping_add(row * a.row_stride);
                        Factor { at, outer: a.row_stride, step: a.col_stride }
                    };
                    let c = Part {
                        out: &mut *out,
                        row: from.cols,
                        rows: row..row + n,
                        columns: columns.clone(),
                        add,
                    };
                    // SAFETY: `check` holds all of a inside its slice, or its copy holds it; the
                    // panel has every step.
                    unsafe { product(s, a, b, steps, c) };
                }
            }
        }
    }
}

/// First row and number of rows of each register tile, as even as can be.
#[inline(always)]
fn groups<S: Simd>(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let groups = rows.div_ceil(S::ROWS);
    let mut first = 0;
    (0..groups).map(move |group| {
        let n = (rows - first).div_ceil(groups - group);
        first += n;
        (first - n, n)
    })
}

/// Copies `a` as `[group][step][16]`: the rows of one register tile side by side.
#[inline(always)]
fn pack_rows<S: Simd>(s: S, a: Mat<'_, f32>, to: &mut [f32]) {
    let whole = if a.col_stride == 1 { a.cols - a.cols % LANES } else { 0 };
    for (group, (first, n)) in groups::<S>(a.rows).enumerate() {
        let to = &mut to[group * STEPS * LANES..][..STEPS * LANES];
        for step in (0..whole).step_by(LANES) {
            let mut rows = [s.splat(0.0); LANES];
            for (r, row) in rows.iter_mut().enumerate().take(n) {
                let from = &a.data[(first + r) * a.row_stride + step..][..LANES];
                // SAFETY: 16 floats lie there.
                *row = unsafe { s.load(from.as_ptr()) };
            }
            for (i, &column) in s.transpose(rows).iter().enumerate() {
                // SAFETY: 16 floats lie there.
                unsafe { s.store(to[(step + i) * LANES..][..LANES].as_mut_ptr(), column) };
            }
        }
        for step in whole..a.cols {
            for r in 0..n {
                to[step * LANES + r] = a.data[(first + r) * a.row_stride + step * a.col_stride];
            }
        }
    }
}

/// A register tile of a result.
struct Part<'a> {
    out: &'a mut [f32],
    /// Columns of the whole result.
    row: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    add: bool,
}

/// Steps of a product that are summed on their own: sums of sums are more exact than one long sum,
/// and the panel stays in the first-level cache.
const STEPS: usize = 256;

/// One register tile of a product.
///
/// # Safety
/// `a` holds the part's rows and `b` a whole panel, both for `steps` steps.
#[inline(always)]
unsafe fn product<S: Simd>(s: S, a: Factor, b: Factor, steps: usize, c: Part<'_>) {
    let (n, columns, width) = (c.rows.len(), c.columns.len(), S::PANELS * LANES);
    let (row, add) = (c.row, c.add);
    let out = &mut c.out[c.rows.start * row + c.columns.start..];
    if columns == width {
        assert!(out.len() >= (n - 1) * row + columns, "output too small");
        let c = Product { at: out.as_mut_ptr(), row, add };
        // SAFETY: the caller's, and the assertion.
        return unsafe { s.tile(n, a, b, c, steps) };
    }
    // Beyond the last column of `out` would be the next row: by way of a tile of its own.
    let mut edge = [0.0; MOST_ROWS * MOST_COLUMNS];
    let c = Product { at: edge.as_mut_ptr(), row: width, add: false };
    // SAFETY: the caller's; `edge` holds the largest tile.
    unsafe { s.tile(n, a, b, c, steps) };
    for r in 0..n {
        let out = &mut out[r * row..][..columns];
        for (out, &sum) in out.iter_mut().zip(&edge[r * width..]) {
            *out = if add { *out + sum } else { sum };
        }
    }
}

/// Columns of `b` from `first` on as `[step][width]`, what is beyond the last as 0.
#[inline(always)]
fn pack<S: Simd>(
    s: S,
    b: Mat<'_, f32>,
    first: usize,
    columns: usize,
    width: usize,
    panel: &mut [f32],
) {
    if b.col_stride == 1 {
        for (step, to) in panel.chunks_exact_mut(width).enumerate().take(b.rows) {
            let from = &b.data[step * b.row_stride + first..][..columns];
            to[..columns].copy_from_slice(from);
            to[columns..].fill(0.0);
        }
        return;
    }
    let place = |step: usize, column: usize| step * b.row_stride + (first + column) * b.col_stride;
    // Columns that lie in memory as rows do, sixteen by sixteen.
    let whole = if b.row_stride == 1 { b.rows - b.rows % LANES } else { 0 };
    for column in (0..width).step_by(LANES) {
        let known = columns.saturating_sub(column).min(LANES);
        for step in (0..whole).step_by(LANES) {
            let mut rows = [s.splat(0.0); LANES];
            for (lane, row) in rows.iter_mut().enumerate().take(known) {
                let from = &b.data[place(step, column + lane)..][..LANES];
                // SAFETY: 16 floats lie there.
                *row = unsafe { s.load(from.as_ptr()) };
            }
            for (i, &row) in s.transpose(rows).iter().enumerate() {
                let to = &mut panel[(step + i) * width + column..][..LANES];
                // SAFETY: 16 floats lie there.
                unsafe { s.store(to.as_mut_ptr(), row) };
            }
        }
        for step in whole..b.rows {
            for lane in 0..LANES {
                let value = if lane < known { b.data[place(step, column + lane)] } else { 0.0 };
                panel[step * width + column + lane] = value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::normal;
    use super::super::simd::{Isa, with_isa};
    use super::*;

    fn values(seed: u64, n: usize) -> Vec<f64> {
        normal(seed, &[n]).to_vec1().unwrap()
    }

    #[test]
    fn f32_products_of_every_form_are_near_f64_on_every_instruction_set() {
        for (isa, (m, n, k)) in Isa::available()
            .into_iter()
            .flat_map(|i| [(1, 1, 1), (14, 32, 5), (31, 70, 40), (3, 33, 300)].map(|s| (i, s)))
        {
            let (a, b, c) = (values(1, m * k), values(2, k * n), values(3, m * n));
            let single = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
            let (a32, b32) = (single(&a), single(&b));
            for (turned_a, turned_b, accumulate) in
                (0..8).map(|i| (i & 1 == 1, i & 2 == 2, i & 4 == 4))
            {
                fn mat<T>(x: &[T], rows: usize, cols: usize, turned: bool) -> Mat<'_, T> {
                    if turned { Mat::new(x, cols, rows).t() } else { Mat::new(x, rows, cols) }
                }
                let mut exact = c.clone();
                let mut fast = single(&c);
                matmul(&mut exact, mat(&a, m, k, turned_a), mat(&b, k, n, turned_b), accumulate);
                with_isa(isa, || {
                    let (a, b) = (mat(&a32, m, k, turned_a), mat(&b32, k, n, turned_b));
                    matmul(&mut fast, a, b, accumulate);
                });
                for (x, y) in fast.iter().zip(&exact) {
                    let error = (f64::from(*x) - y).abs();
                    assert!(error < 5e-5, "{m}x{k}x{n} on {}: {x} against {y}", isa.name());
                }
            }
        }
    }

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
