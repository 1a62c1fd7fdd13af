//! The innermost loop of every matrix product: a tile of the result held in registers.

// Counted loops with constant bounds are what the compiler unrolls into straight code.
#![allow(clippy::needless_range_loop)]

use super::simd::{LANES, Simd};

/// A factor of a product: element (row or column i, step k) stands at `at[i * outer + k * step]`.
#[derive(Clone, Copy)]
pub struct Factor {
    pub at: *const f32,
    pub outer: usize,
    pub step: usize,
}

/// The result: row r starts at `at[r * row]`, columns lie side by side.
#[derive(Clone, Copy)]
pub struct Product {
    pub at: *mut f32,
    pub row: usize,
    /// Add to what stands there instead of replacing it.
    pub add: bool,
}

/// `c[R, P·16] (+)= a[R, k] · b[k, P·16]`.
///
/// # Safety
/// Every element of `a` (R rows, k steps) and `b` (k steps of P·16 columns that lie side by side)
/// can be read, every element of `c` (R rows of P·16) read and written, and `c` overlaps neither.
#[inline(always)]
pub unsafe fn tile<S: Simd, const R: usize, const P: usize>(
    s: S,
    a: Factor,
    b: Factor,
    c: Product,
    k: usize,
) {
    let mut sums = [[s.splat(0.0); P]; R];
    // SAFETY: all pointers stay within what the caller promised.
    unsafe {
        let mut bp = b.at;
        if a.outer == 1 {
            let mut ap = a.at;
            for _ in 0..k {
                step(s, &mut sums, bp, |r| *ap.add(r));
                ap = ap.wrapping_add(a.step);
                bp = bp.wrapping_add(b.step);
            }
        } else {
            // Three rows share an address register: row r is base[r / 3] plus 0, 1 or 2 strides,
            // which x86 adds for nothing. Hidden from the optimiser, which would keep 14 pointers
            // in memory.
            let mut base = [a.at; 5];
            for (i, base) in base.iter_mut().enumerate().take(R.div_ceil(3)) {
                *base = hidden(a.at.wrapping_add(3 * i * a.outer));
            }
            for _ in 0..k {
                step(s, &mut sums, bp, |r| *base[r / 3].wrapping_add(r % 3 * a.outer));
                for base in base.iter_mut().take(R.div_ceil(3)) {
                    *base = base.wrapping_add(a.step);
                }
                bp = bp.wrapping_add(b.step);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                let at = c.at.add(r * c.row + p * LANES);
                let sum = if c.add { s.add(s.load(at), sum) } else { sum };
                s.store(at, sum);
            }
        }
    }
}

/// One step of all rows: `sums += a · b`.
///
/// # Safety
/// P·16 floats can be read at `b`, and `a` gives every row.
#[inline(always)]
pub(crate) unsafe fn step<S: Simd, const R: usize, const P: usize>(
    s: S,
    sums: &mut [[S::V; P]; R],
    b: *const f32,
    a: impl Fn(usize) -> f32,
) {
    let mut columns = [s.splat(0.0); P];
    for (p, column) in columns.iter_mut().enumerate() {
        // SAFETY: the caller's.
        *column = unsafe { s.load(b.add(p * LANES)) };
    }
    for r in 0..R {
        let row = s.splat(a(r));
        for p in 0..P {
            sums[r][p] = s.mul_add(row, columns[p], sums[r][p]);
        }
    }
}

/// `p`, but the optimiser cannot see where it comes from.
#[inline(always)]
pub(crate) fn hidden(p: *const f32) -> *const f32 {
    #[cfg(target_arch = "x86_64")]
    {
        let mut p = p;
        // SAFETY: no instruction at all; the value passes through a register.
        unsafe {
            std::arch::asm!("/* {} */", inout(reg) p, options(pure, readonly, nostack, preserves_flags));
        }
        p
    }
    #[cfg(not(target_arch = "x86_64"))]
    p
}

/// Calls [`tile`] with the number of rows as a constant.
macro_rules! by_rows {
    ($s:expr, $rows:expr, $a:expr, $b:expr, $c:expr, $k:expr, $panels:literal, [$($r:literal)*]) => {
        match $rows {
            $($r => tile::<_, $r, $panels>($s, $a, $b, $c, $k),)*
            other => unreachable!("a register tile of {other} rows"),
        }
    };
}
pub(crate) use by_rows;

/// `c[rows, columns] (+)= a · b` with `b` packed: panel j starts at `b[j * panel]` and holds k
/// steps of `PANELS`·16 columns.
///
/// # Safety
/// As [`tile`], for `rows` rows and `panels` panels.
#[inline(always)]
pub unsafe fn panels<S: Simd>(s: S, a: Factor, b: *const f32, c: Product, sizes: Sizes) {
    let width = S::PANELS * LANES;
    let groups = sizes.rows.div_ceil(S::STRIDED_ROWS);
    for j in 0..sizes.panels {
        let b = Factor { at: b.wrapping_add(j * sizes.panel), outer: 1, step: sizes.b_step };
        let mut row = 0;
        for group in 0..groups {
            // Even groups: 32 rows are 11, 11 and 10, not 12, 12 and 8.
            let rows = (sizes.rows - row).div_ceil(groups - group);
            let a = Factor { at: a.at.wrapping_add(row * a.outer), ..a };
            let c = Product { at: c.at.wrapping_add(row * c.row + j * width), ..c };
            // SAFETY: the caller's.
            unsafe { s.tile(rows, a, b, c, sizes.k) };
            row += rows;
        }
    }
}

/// Extents of [`panels`].
#[derive(Clone, Copy)]
pub struct Sizes {
    pub rows: usize,
    pub k: usize,
    pub panels: usize,
    /// Distance between two panels of b.
    pub panel: usize,
    /// Distance between two steps within a panel.
    pub b_step: usize,
}

/// Rows regrouped for one register tile after the other: `[group][k][ROWS]`, so that a tile reads
/// them from front to back. Worth its copy where the rows are read many times from a far cache.
#[derive(Clone, Copy)]
pub struct Groups {
    pub rows: usize,
    pub k: usize,
}

impl Groups {
    /// Floats of the regrouped rows.
    pub fn floats(self, group_rows: usize) -> usize {
        self.rows.div_ceil(group_rows) * group_rows * self.k
    }

    /// First row and number of rows of each group, as even as can be.
    #[inline(always)]
    fn each(self, group_rows: usize) -> impl Iterator<Item = (usize, usize)> {
        let groups = self.rows.div_ceil(group_rows);
        let mut first = 0;
        (0..groups).map(move |group| {
            let rows = (self.rows - first).div_ceil(groups - group);
            first += rows;
            (first - rows, rows)
        })
    }

    /// # Safety
    /// `from` can be read for all rows and steps, `to` written for [`Groups::floats`].
    #[inline(always)]
    pub unsafe fn pack<S: Simd>(self, _: S, from: Factor, to: *mut f32) {
        for (group, (first, rows)) in self.each(S::ROWS).enumerate() {
            let to = to.wrapping_add(group * S::ROWS * self.k);
            for r in 0..rows {
                let from = from.at.wrapping_add((first + r) * from.outer);
                for step in 0..self.k {
                    // SAFETY: the caller's.
                    unsafe { *to.add(step * S::ROWS + r) = *from.add(step) };
                }
            }
        }
    }

    /// `c = a · b` for packed rows and one panel of `b`.
    ///
    /// # Safety
    /// `a` comes from [`Groups::pack`], `b` has k steps of a panel, `c` room for all rows.
    #[inline(always)]
    pub unsafe fn multiply<S: Simd>(self, s: S, a: *const f32, b: *const f32, c: Product) {
        for (group, (first, rows)) in self.each(S::ROWS).enumerate() {
            let at = a.wrapping_add(group * S::ROWS * self.k);
            let a = Factor { at, outer: 1, step: S::ROWS };
            let b = Factor { at: b, outer: 1, step: S::PANELS * LANES };
            let c = Product { at: c.at.wrapping_add(first * c.row), ..c };
            // SAFETY: the caller's.
            unsafe { s.tile(rows, a, b, c, self.k) };
        }
    }
}
