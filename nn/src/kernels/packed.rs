//! Products of rows with rows, X Yᵀ in f32, from rows that are packed once for any number of
//! products.
//!
//! Both factors are packed alike, so that a set can be multiplied with itself and with others:
//! panels of as many rows as the register tile is wide, step by step, cut into blocks of 256 steps
//! that are summed on their own (as in [`super::gemm`]). A product is the same to the bit wherever
//! it stands and in whichever order its factors are given.

use std::ops::Range;

use rayon::prelude::*;

use super::scratch::Line;
use super::simd::{Isa, Kernel, LANES, Simd, dispatch_on, isa, panel_width};
use super::tile::{Factor, Product};

/// Steps of a block.
const STEPS: usize = 256;

/// Ranges of rows have to begin at a multiple of this: the widest panel.
pub const ALIGNED: usize = 2 * LANES;

/// Rows of f32 numbers in the order in which products read them: `[block][panel][step][row]`.
pub struct PackedRows {
    isa: Isa,
    rows: usize,
    dim: usize,
    lines: Vec<Line>,
}

impl PackedRows {
    /// No rows, of dimension 0, and no memory yet.
    pub fn empty() -> Self {
        Self { isa: isa(), rows: 0, dim: 0, lines: Vec::new() }
    }

    /// `rows` rows of `dim` numbers each, packed on all threads. `read(row, columns, out)` writes
    /// the numbers of some columns of a row to `out`, which is as long as the range.
    pub fn new(
        rows: usize,
        dim: usize,
        read: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
    ) -> Self {
        let mut new = Self::empty();
        new.resize(rows, dim);
        let (panels, width) = (new.panels(), new.width());
        let whole = dim / STEPS * panels * STEPS * width;
        let (blocks, rest) = floats_mut(&mut new.lines).split_at_mut(whole);
        let isa = new.isa;
        let pack = |columns: Range<usize>, panel: usize, to: &mut [f32]| {
            let first = panel * width;
            let known = width.min(rows - first);
            dispatch_on(isa, Pack { read: &read, first, known, columns, to });
        };
        blocks.par_chunks_mut(STEPS * width).enumerate().for_each(|(piece, to)| {
            let first = piece / panels * STEPS;
            pack(first..first + STEPS, piece % panels, to);
        });
        let columns = dim / STEPS * STEPS..dim;
        if !columns.is_empty() {
            let pieces = rest.par_chunks_mut(columns.len() * width).enumerate();
            pieces.for_each(|(panel, to)| pack(columns.clone(), panel, to));
        }
        new
    }

    /// Packs other rows into the same memory, on this thread alone. `read` as of
    /// [`PackedRows::new`].
    pub fn refill(
        &mut self,
        rows: usize,
        dim: usize,
        read: impl Fn(usize, Range<usize>, &mut [f32]),
    ) {
        self.resize(rows, dim);
        let width = self.width();
        for panel in 0..self.panels() {
            for block in 0..dim.div_ceil(STEPS) {
                let columns = block * STEPS..dim.min((block + 1) * STEPS);
                let (at, first) = (self.place(block, panel), panel * width);
                let known = width.min(rows - first);
                let to = &mut floats_mut(&mut self.lines)[at..][..columns.len() * width];
                dispatch_on(self.isa, Pack { read: &read, first, known, columns, to });
            }
        }
    }

    fn resize(&mut self, rows: usize, dim: usize) {
        (self.rows, self.dim) = (rows, dim);
        let lines = self.panels() * self.width() / LANES * dim;
        self.lines.resize(lines, Line([0.0; LANES]));
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn width(&self) -> usize {
        panel_width(self.isa)
    }

    fn panels(&self) -> usize {
        self.rows.div_ceil(self.width())
    }

    /// Where a panel's part of a block begins.
    fn place(&self, block: usize, panel: usize) -> usize {
        let steps = STEPS.min(self.dim - block * STEPS);
        (block * STEPS * self.panels() + panel * steps) * self.width()
    }

    /// The panels that hold a range of rows.
    ///
    /// # Panics
    /// If the range does not begin at a multiple of [`ALIGNED`] or reaches beyond the last row: a
    /// defect of the caller.
    fn panels_of(&self, rows: &Range<usize>) -> Range<usize> {
        assert!(rows.start.is_multiple_of(ALIGNED), "rows from {} on", rows.start);
        assert!(rows.end <= self.rows, "row {} of {}", rows.end, self.rows);
        rows.start / self.width()..rows.end.div_ceil(self.width())
    }

    fn floats(&self) -> &[f32] {
        // SAFETY: a `Line` is 16 floats and nothing else (repr C, size 64).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LANES) }
    }
}

fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as in `floats`.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LANES) }
}

/// A tile of the products of rows with rows.
#[derive(Clone)]
pub struct RowProducts<'a> {
    /// The rows whose products make the rows of the tile.
    pub left: &'a PackedRows,
    /// The rows whose products make the columns of the tile.
    pub right: &'a PackedRows,
    /// Of `left`, from a multiple of [`ALIGNED`] on.
    pub rows: Range<usize>,
    /// Of `right`, from a multiple of [`ALIGNED`] on.
    pub columns: Range<usize>,
    /// Whether only those with column ≥ row are wanted; what stands elsewhere has no particular
    /// value.
    pub upper: bool,
}

impl RowProducts<'_> {
    /// Writes the products to `out`, `[rows, stride]`, and returns the stride, which is not below
    /// the number of columns. What stands beyond the last column has no particular value.
    ///
    /// # Panics
    /// If the dimensions differ or a range does not fit: a defect of the caller.
    pub fn compute(&self, out: &mut Vec<f32>) -> usize {
        let (left, right) = (self.left, self.right);
        assert_eq!((left.dim, left.isa), (right.dim, right.isa), "rows packed differently");
        let stride = right.panels_of(&self.columns).len() * right.width();
        out.resize(self.rows.len() * stride, 0.0);
        if left.dim == 0 {
            out.fill(0.0);
        }
        dispatch_on(left.isa, Multiply { products: self, out, stride });
        stride
    }
}

struct Multiply<'a> {
    products: &'a RowProducts<'a>,
    out: &'a mut [f32],
    stride: usize,
}

impl Kernel for Multiply<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { products: RowProducts { left, right, rows, columns, upper }, out, stride } =
            self;
        let width = S::PANELS * LANES;
        let (row_panels, column_panels) = (left.panels_of(rows), right.panels_of(columns));
        for block in 0..left.dim.div_ceil(STEPS) {
            let steps = STEPS.min(left.dim - block * STEPS);
            let factor = |of: &PackedRows, panel: usize| {
                let at = of.floats()[of.place(block, panel)..][..steps * width].as_ptr();
                Factor { at, outer: 1, step: width }
            };
            for column in column_panels.clone() {
                let b = factor(right, column);
                for panel in row_panels.clone().filter(|&panel| !upper || panel <= column) {
                    let a = factor(left, panel);
                    let known = width.min(rows.end - panel * width);
                    let groups = known.div_ceil(S::ROWS);
                    let mut first = 0;
                    for group in 0..groups {
                        let n = (known - first).div_ceil(groups - group);
                        let row = panel * width + first - rows.start;
                        let at = row * stride + column * width - columns.start;
                        let out = &mut out[at..];
                        assert!(out.len() >= (n - 1) * stride + width, "output too small");
                        let c = Product { at: out.as_mut_ptr(), row: stride, add: block > 0 };
                        let a = Factor { at: a.at.wrapping_add(first), ..a };
                        // SAFETY: both panels hold `width` rows for all steps, of which `a` reads
                        // first..first + n, and the assertion holds the tile inside `out`.
                        unsafe { s.tile(n, a, b, c, steps) };
                        first += n;
                    }
                }
            }
        }
    }
}

/// Packs a panel's part of a block; rows beyond the last are 0.
struct Pack<'a, R> {
    read: &'a R,
    first: usize,
    known: usize,
    columns: Range<usize>,
    to: &'a mut [f32],
}

impl<R: Fn(usize, Range<usize>, &mut [f32])> Kernel for Pack<'_, R> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { read, first, known, columns, to } = self;
        let (width, steps) = (S::PANELS * LANES, columns.len());
        let whole = steps - steps % LANES;
        let mut rows = [0.0f32; LANES * STEPS];
        for part in (0..width).step_by(LANES) {
            let here = known.saturating_sub(part).min(LANES);
            for (r, row) in rows.chunks_exact_mut(STEPS).enumerate() {
                match r < here {
                    true => read(first + part + r, columns.clone(), &mut row[..steps]),
                    false => row.fill(0.0),
                }
            }
            for step in (0..whole).step_by(LANES) {
                let mut square = [s.splat(0.0); LANES];
                for (r, row) in square.iter_mut().enumerate() {
                    // SAFETY: 16 floats lie there.
                    *row = unsafe { s.load(rows[r * STEPS + step..][..LANES].as_ptr()) };
                }
                for (i, &column) in s.transpose(square).iter().enumerate() {
                    let to = &mut to[(step + i) * width + part..][..LANES];
                    // SAFETY: 16 floats lie there.
                    unsafe { s.store(to.as_mut_ptr(), column) };
                }
            }
            for step in whole..steps {
                for r in 0..LANES {
                    to[step * width + part + r] = rows[r * STEPS + step];
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
