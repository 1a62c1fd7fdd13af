//! Winograd's minimal filtering algorithms as three small matrices each, and their application to
//! vectors of 16 channels.
//!
//! Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308: y =
//! Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. The matrices come from the Cook–Toom construction on chosen points:
//! column i of Aᵀ holds the powers of point i, row i of Bᵀ the coefficients of Π(x − other points),
//! row i of G the powers of point i over Π(point i − other points); the last of each belongs to
//! infinity.

// Counted loops with constant bounds are what the compiler unrolls into straight code.
#![allow(clippy::needless_range_loop)]

use super::super::simd::Simd;

/// `OUT` outputs of a filter of `TAPS` from `POINTS` = `OUT + TAPS − 1` multiplications, in one
/// dimension.
pub trait Tables<const POINTS: usize, const OUT: usize, const TAPS: usize>:
    Copy + Send + Sync + 'static
{
    /// Bᵀ: inputs to points.
    const INPUT: [[f32; POINTS]; POINTS];
    /// G: taps to points.
    const FILTER: [[f32; TAPS]; POINTS];
    /// Aᵀ: points to outputs.
    const OUTPUT: [[f32; POINTS]; OUT];
}

/// F(2, 3) on 0, 1, −1, ∞: as exact as direct convolution.
#[derive(Clone, Copy)]
pub struct F23;

impl Tables<4, 2, 3> for F23 {
    const INPUT: [[f32; 4]; 4] =
        [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, -1.0, 0.0, 1.0]];
    const FILTER: [[f32; 3]; 4] =
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    const OUTPUT: [[f32; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, 1.0]];
}

/// F(4, 3) on 0, ±3/4, ±3/2, ∞: less error than the customary 0, ±1, ±2, ∞ (cpu-kernels.md §3).
#[derive(Clone, Copy)]
pub struct F43;

impl Tables<6, 4, 3> for F43 {
    const INPUT: [[f32; 6]; 6] = [
        [81.0 / 64.0, 0.0, -45.0 / 16.0, 0.0, 1.0, 0.0],
        [0.0, -27.0 / 16.0, -9.0 / 4.0, 0.75, 1.0, 0.0],
        [0.0, 27.0 / 16.0, -9.0 / 4.0, -0.75, 1.0, 0.0],
        [0.0, -27.0 / 32.0, -9.0 / 16.0, 1.5, 1.0, 0.0],
        [0.0, 27.0 / 32.0, -9.0 / 16.0, -1.5, 1.0, 0.0],
        [0.0, 81.0 / 64.0, 0.0, -45.0 / 16.0, 0.0, 1.0],
    ];
    const FILTER: [[f32; 3]; 6] = [
        [64.0 / 81.0, 0.0, 0.0],
        [-128.0 / 243.0, -32.0 / 81.0, -8.0 / 27.0],
        [-128.0 / 243.0, 32.0 / 81.0, -8.0 / 27.0],
        [32.0 / 243.0, 16.0 / 81.0, 8.0 / 27.0],
        [32.0 / 243.0, -16.0 / 81.0, 8.0 / 27.0],
        [0.0, 0.0, 1.0],
    ];
    const OUTPUT: [[f32; 6]; 4] = [
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
        [0.0, 0.75, -0.75, 1.5, -1.5, 0.0],
        [0.0, 9.0 / 16.0, 9.0 / 16.0, 9.0 / 4.0, 9.0 / 4.0, 0.0],
        [0.0, 27.0 / 64.0, -27.0 / 64.0, 27.0 / 8.0, -27.0 / 8.0, 1.0],
    ];
}

/// F(4, 2) on 0, 1/2, −1, 2, ∞ (cpu-kernels.md §3), for the phases of a 4×4 kernel of stride 2.
#[derive(Clone, Copy)]
pub struct F42;

impl Tables<5, 4, 2> for F42 {
    const INPUT: [[f32; 5]; 5] = [
        [1.0, -1.5, -1.5, 1.0, 0.0],
        [0.0, -2.0, -1.0, 1.0, 0.0],
        [0.0, 1.0, -2.5, 1.0, 0.0],
        [0.0, -0.5, 0.5, 1.0, 0.0],
        [0.0, 1.0, -1.5, -1.5, 1.0],
    ];
    const FILTER: [[f32; 2]; 5] = [
        [1.0, 0.0],
        [-8.0 / 9.0, -4.0 / 9.0],
        [-2.0 / 9.0, 2.0 / 9.0],
        [1.0 / 9.0, 2.0 / 9.0],
        [0.0, 1.0],
    ];
    const OUTPUT: [[f32; 5]; 4] = [
        [1.0, 1.0, 1.0, 1.0, 0.0],
        [0.0, 0.5, -1.0, 2.0, 0.0],
        [0.0, 0.25, 1.0, 4.0, 0.0],
        [0.0, 0.125, -1.0, 8.0, 1.0],
    ];
}

/// The one tap of an axis along which nothing is filtered.
#[derive(Clone, Copy)]
pub struct One;

impl Tables<1, 1, 1> for One {
    const INPUT: [[f32; 1]; 1] = [[1.0]];
    const FILTER: [[f32; 1]; 1] = [[1.0]];
    const OUTPUT: [[f32; 1]; 1] = [[1.0]];
}

/// F(2, 5) on the points of [`F43`].
#[derive(Clone, Copy)]
pub struct F25;

impl F25 {
    const POINTS: [f64; 5] = [0.0, 0.75, -0.75, 1.5, -1.5];
}

impl Tables<6, 2, 5> for F25 {
    const INPUT: [[f32; 6]; 6] = input_table(&Self::POINTS);
    const FILTER: [[f32; 5]; 6] = filter_table(&Self::POINTS);
    const OUTPUT: [[f32; 6]; 2] = output_table(&Self::POINTS);
}

/// F(4, 7) on 0, ±3/8, ±3/4, ±5/4, ±5/2, ∞: of all sets of four pairs of such numbers the one with
/// the least error (rms 1.4e-6 of the output's with 64 channels; a direct sum 0.4e-6).
#[derive(Clone, Copy)]
pub struct F47;

impl F47 {
    const POINTS: [f64; 9] = [0.0, 0.375, -0.375, 0.75, -0.75, 1.25, -1.25, 2.5, -2.5];
}

impl Tables<10, 4, 7> for F47 {
    const INPUT: [[f32; 10]; 10] = input_table(&Self::POINTS);
    const FILTER: [[f32; 7]; 10] = filter_table(&Self::POINTS);
    const OUTPUT: [[f32; 10]; 4] = output_table(&Self::POINTS);
}

/// Bᵀ on `points` and infinity. Exact where the points are short binary fractions.
const fn input_table<const P: usize>(points: &[f64]) -> [[f32; P]; P] {
    let mut table = [[0.0; P]; P];
    let mut row = 0;
    while row < P {
        // Π(x − other points), one factor after the other.
        let mut product = [0.0; P];
        product[0] = 1.0;
        let (mut degree, mut j) = (0, 0);
        while j < points.len() {
            if j != row {
                degree += 1;
                let mut k = degree;
                while k > 0 {
                    product[k] = product[k - 1] - points[j] * product[k];
                    k -= 1;
                }
                product[0] *= -points[j];
            }
            j += 1;
        }
        let mut k = 0;
        while k < P {
            table[row][k] = product[k] as f32;
            k += 1;
        }
        row += 1;
    }
    table
}

/// G on `points` and infinity.
const fn filter_table<const P: usize, const T: usize>(points: &[f64]) -> [[f32; T]; P] {
    let mut table = [[0.0; T]; P];
    let mut row = 0;
    while row < points.len() {
        let (mut value, mut j) = (1.0, 0);
        while j < points.len() {
            if j != row {
                value /= points[row] - points[j];
            }
            j += 1;
        }
        let mut k = 0;
        while k < T {
            table[row][k] = value as f32;
            value *= points[row];
            k += 1;
        }
        row += 1;
    }
    table[P - 1][T - 1] = 1.0;
    table
}

/// Aᵀ on `points` and infinity.
const fn output_table<const P: usize, const O: usize>(points: &[f64]) -> [[f32; P]; O] {
    let mut table = [[0.0; P]; O];
    let mut column = 0;
    while column < points.len() {
        let (mut value, mut k) = (1.0, 0);
        while k < O {
            table[k][column] = value as f32;
            value *= points[column];
            k += 1;
        }
        column += 1;
    }
    table[O - 1][P - 1] = 1.0;
    table
}

/// One product of a matrix entry, known when compiled, with a vector.
#[inline(always)]
fn term<S: Simd>(s: S, sum: Option<S::V>, factor: f32, x: S::V) -> Option<S::V> {
    match sum {
        sum if factor == 0.0 => sum,
        None if factor == 1.0 => Some(x),
        None => Some(s.mul(s.splat(factor), x)),
        Some(sum) if factor == 1.0 => Some(s.add(sum, x)),
        Some(sum) if factor == -1.0 => Some(s.sub(sum, x)),
        Some(sum) => Some(s.mul_add(s.splat(factor), x, sum)),
    }
}

/// m·x.
#[inline(always)]
fn apply<S: Simd, const R: usize, const C: usize>(
    s: S,
    m: &[[f32; C]; R],
    x: &[S::V; C],
) -> [S::V; R] {
    let mut out = [s.splat(0.0); R];
    for r in 0..R {
        let mut sum = None;
        for c in 0..C {
            sum = term(s, sum, m[r][c], x[c]);
        }
        if let Some(sum) = sum {
            out[r] = sum;
        }
    }
    out
}

/// mᵀ·x.
#[inline(always)]
fn apply_transposed<S: Simd, const R: usize, const C: usize>(
    s: S,
    m: &[[f32; C]; R],
    x: &[S::V; R],
) -> [S::V; C] {
    let mut out = [s.splat(0.0); C];
    for c in 0..C {
        let mut sum = None;
        for r in 0..R {
            sum = term(s, sum, m[r][c], x[r]);
        }
        if let Some(sum) = sum {
            out[c] = sum;
        }
    }
    out
}

/// m·x·mᵀ, row by row of the result: `x(i, j)` is read once each, `put(i, j, v)` called once each.
#[inline(always)]
pub fn both_sides<S: Simd, const R: usize, const C: usize>(
    s: S,
    m: &[[f32; C]; R],
    x: impl Fn(usize, usize) -> S::V,
    put: impl FnMut(usize, usize, S::V),
) {
    each_side(s, Sides { down: m, across: m }, x, put);
}

/// The matrices for the two axes of a tile.
pub struct Sides<'a, const RY: usize, const CY: usize, const RX: usize, const CX: usize> {
    pub down: &'a [[f32; CY]; RY],
    pub across: &'a [[f32; CX]; RX],
}

/// down·x·acrossᵀ, read and written as by [`both_sides`].
#[inline(always)]
pub fn each_side<S: Simd, const RY: usize, const CY: usize, const RX: usize, const CX: usize>(
    s: S,
    m: Sides<'_, RY, CY, RX, CX>,
    x: impl Fn(usize, usize) -> S::V,
    mut put: impl FnMut(usize, usize, S::V),
) {
    let mut half = [[s.splat(0.0); CX]; RY];
    for j in 0..CX {
        let mut column = [s.splat(0.0); CY];
        for i in 0..CY {
            column[i] = x(i, j);
        }
        let column = apply(s, m.down, &column);
        for i in 0..RY {
            half[i][j] = column[i];
        }
    }
    for (i, row) in half.iter().enumerate() {
        let row = apply(s, m.across, row);
        for (j, &v) in row.iter().enumerate() {
            put(i, j, v);
        }
    }
}

/// mᵀ·x·m, the adjoint of [`both_sides`].
#[inline(always)]
pub fn both_sides_adjoint<S: Simd, const R: usize, const C: usize>(
    s: S,
    m: &[[f32; C]; R],
    x: impl Fn(usize, usize) -> S::V,
    mut put: impl FnMut(usize, usize, S::V),
) {
    let mut half = [[s.splat(0.0); R]; C];
    for j in 0..R {
        let mut column = [s.splat(0.0); R];
        for i in 0..R {
            column[i] = x(i, j);
        }
        let column = apply_transposed(s, m, &column);
        for i in 0..C {
            half[i][j] = column[i];
        }
    }
    for (i, row) in half.iter().enumerate() {
        let row = apply_transposed(s, m, row);
        for (j, &v) in row.iter().enumerate() {
            put(i, j, v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y = Aᵀ[(G g) ⊙ (Bᵀ d)] in f64, against the filter's definition.
    fn check<const P: usize, const O: usize, const T: usize, W: Tables<P, O, T>>(_: W) {
        let d: Vec<f64> = (0..P).map(|i| (i as f64 * 1.7).sin()).collect();
        let g: Vec<f64> = (0..T).map(|i| (i as f64 * 2.3 + 1.0).cos()).collect();
        let row =
            |m: &[f32], x: &[f64]| -> f64 { m.iter().zip(x).map(|(&m, x)| f64::from(m) * x).sum() };
        let at_points: Vec<f64> =
            (0..P).map(|i| row(&W::INPUT[i], &d) * row(&W::FILTER[i], &g)).collect();
        for o in 0..O {
            let y = row(&W::OUTPUT[o], &at_points);
            let exact: f64 = (0..T).map(|t| d[o + t] * g[t]).sum();
            assert!((y - exact).abs() < 1e-6, "F({O}, {T}) output {o}: {y} against {exact}");
        }
    }

    #[test]
    fn each_algorithm_computes_the_filter() {
        check(F23);
        check(F43);
        check(F42);
        check(F25);
        check(F47);
        check(One);
    }

    #[test]
    fn tables_from_points_are_those_on_paper() {
        assert_eq!(input_table::<6>(&F25::POINTS), F43::INPUT);
        // Aᵀ of F(4, 3) on the same points, row by row: 1, p, p², p³.
        assert_eq!(output_table::<6, 4>(&F25::POINTS), F43::OUTPUT);
        for (got, paper) in
            filter_table::<6, 3>(&F25::POINTS).iter().flatten().zip(F43::FILTER.iter().flatten())
        {
            assert!((got - paper).abs() < 1e-7, "{got} {paper}");
        }
    }
}
