//! Sums of products of columns, Σ x xᵀ over rows x in f64: what covariances are made of.
//!
//! Each pair of columns is multiplied once. Work is cut by shape alone, and a sum runs over the
//! rows in steps of [`STEPS`], hence the bits do not depend on the number of threads.

use rayon::prelude::*;

use super::simd::{Kernel, Simd, dispatch};

/// Columns that lie side by side.
const WIDTH: usize = 8;
/// Panels of a tile's side.
const PANELS: usize = 32;
/// Rows that are summed on their own: the two panels at work are half of a first-level cache of 32
/// KiB.
const STEPS: usize = 128;

/// Eight columns at one row.
type Line = [f64; WIDTH];
/// Eight columns by eight.
type Square = [Line; WIDTH];

/// Σ x xᵀ, on and below the diagonal.
#[derive(Clone, Debug)]
pub struct Gram {
    dim: usize,
    /// Tile (r, c), c ≤ r, is number r (r + 1) / 2 + c.
    tiles: Vec<Tile>,
    /// The rows at hand: `[part of STEPS rows][panel][row][WIDTH]`.
    packed: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Tile {
    /// The first panel of its rows and of its columns.
    first: [usize; 2],
    /// Of panels of rows by panels of columns.
    squares: Vec<Square>,
    /// Panels of columns.
    across: usize,
}

impl Gram {
    /// Of rows of `dim` numbers, with nothing summed yet.
    pub fn new(dim: usize) -> Self {
        let panels = dim.div_ceil(WIDTH);
        let mut tiles = Vec::new();
        for row in (0..panels).step_by(PANELS) {
            for column in (0..=row).step_by(PANELS) {
                let [down, across] = [row, column].map(|first| PANELS.min(panels - first));
                let squares = vec![Square::default(); down * across];
                tiles.push(Tile { first: [row, column], squares, across });
            }
        }
        Self { dim, tiles, packed: Vec::new() }
    }

    /// Adds x xᵀ of every row of `[n, dim]`.
    ///
    /// # Panics
    /// If the rows are not whole: a defect of the caller.
    pub fn add(&mut self, rows: &[f64]) {
        let (dim, panels) = (self.dim, self.dim.div_ceil(WIDTH));
        if dim == 0 || rows.is_empty() {
            return;
        }
        assert!(rows.len().is_multiple_of(dim), "rows that are not whole");
        self.packed.resize(rows.len() / dim * panels, Line::default());
        let parts = self.packed.par_chunks_mut(STEPS * panels).zip(rows.par_chunks(STEPS * dim));
        parts.for_each(|(to, rows)| {
            let steps = rows.len() / dim;
            to.par_chunks_mut(PANELS * steps).enumerate().for_each(|(group, to)| {
                pack(rows, dim, group * PANELS * WIDTH, to);
            });
        });
        let packed = &self.packed;
        self.tiles.par_iter_mut().for_each(|tile| {
            for part in packed.chunks(STEPS * panels) {
                dispatch(Multiply { part, steps: part.len() / panels, tile });
            }
        });
    }

    /// `Σ x[row]·x[column]`.
    pub fn get(&self, row: usize, column: usize) -> f64 {
        let (row, column) = (row.max(column), row.min(column));
        let (r, c) = (row / (PANELS * WIDTH), column / (PANELS * WIDTH));
        let tile = &self.tiles[r * (r + 1) / 2 + c];
        let (down, across) = (row / WIDTH - tile.first[0], column / WIDTH - tile.first[1]);
        tile.squares[down * tile.across + across][row % WIDTH][column % WIDTH]
    }
}

/// Columns from `first` on, `[panel][row][WIDTH]`; what is beyond the last column is 0.
fn pack(rows: &[f64], dim: usize, first: usize, to: &mut [Line]) {
    let steps = rows.len() / dim;
    for (step, row) in rows.chunks_exact(dim).enumerate() {
        let (whole, rest) = row[first..].as_chunks::<WIDTH>();
        let lines = to.iter_mut().skip(step).step_by(steps);
        let mut last = Line::default();
        last[..rest.len()].copy_from_slice(rest);
        lines.zip(whole.iter().chain([&last])).for_each(|(to, line)| *to = *line);
    }
}

struct Multiply<'a> {
    /// `[panel][row][WIDTH]`
    part: &'a [Line],
    steps: usize,
    tile: &'a mut Tile,
}

impl Kernel for Multiply<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { part, steps, tile: Tile { first: [row, column], squares, across } } = self;
        let panel = |i: usize| &part[i * steps..(i + 1) * steps];
        for c in 0..*across {
            let right = panel(*column + c);
            for (r, squares) in squares.chunks_exact_mut(*across).enumerate() {
                // Of the squares above the diagonal nothing is asked.
                if *column + c <= *row + r {
                    let left = panel(*row + r);
                    if S::ROWS < WIDTH {
                        add::<S, HALF>(left, right, &mut squares[c]);
                    } else {
                        add::<S, WIDTH>(left, right, &mut squares[c]);
                    }
                }
            }
        }
    }
}

/// Columns of the left panel at work at once where registers are few: with eight of the right one
/// they fill half of AVX2's.
const HALF: usize = WIDTH / 2;

/// `to += leftᵀ right`, R columns of the left panel at a time.
#[inline(always)]
fn add<S: Simd, const R: usize>(left: &[Line], right: &[Line], to: &mut Square) {
    for (group, to) in to.as_chunks_mut::<R>().0.iter_mut().enumerate() {
        let mut sums = [Line::default(); R];
        for (left, right) in left.iter().zip(right) {
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = left[group * R + r];
                for (sum, y) in sums.iter_mut().zip(right) {
                    *sum = if S::FUSED { x.mul_add(*y, *sum) } else { *sum + x * y };
                }
            }
        }
        for (to, sums) in to.iter_mut().zip(&sums) {
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finite_difference::normal;
    use super::super::simd::{Isa, with_isa};
    use super::*;

    fn rows(n: usize, dim: usize) -> Vec<f64> {
        normal(1, &[n * dim]).to_vec1().unwrap()
    }

    #[test]
    fn sums_of_two_rows_agree_with_paper() {
        let mut gram = Gram::new(2);
        gram.add(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            [gram.get(0, 0), gram.get(1, 0), gram.get(0, 1), gram.get(1, 1)],
            [10.0, 14.0, 14.0, 20.0]
        );
        gram.add(&[0.0, 1.0]);
        assert_eq!([gram.get(0, 0), gram.get(1, 1)], [10.0, 21.0]);
    }

    #[test]
    fn sums_of_any_size_agree_with_plain_ones_on_every_instruction_set() {
        // Pieces of parallel work run on this thread: the instruction set is forced here alone.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        let alone = alone.build().unwrap();
        for isa in Isa::available() {
            // Less than a panel, panels with a rest, more than a tile; parts with and without a
            // rest.
            for (n, dim) in [(1, 1), (3, 7), (128, 16), (300, 21), (140, 261)] {
                let x = rows(n, dim);
                let mut gram = Gram::new(dim);
                with_isa(isa, || alone.install(|| gram.add(&x)));
                for row in 0..dim {
                    for column in 0..dim {
                        let plain: f64 = x.chunks_exact(dim).map(|x| x[row] * x[column]).sum();
                        let gap = (gram.get(row, column) - plain).abs();
                        assert!(
                            gap < 1e-12 * n as f64,
                            "{n}x{dim} ({row}, {column}) {}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn nan_stays_in_its_row_and_column() {
        let mut gram = Gram::new(3);
        gram.add(&[1.0, f64::NAN, 2.0]);
        let at = |row, column| gram.get(row, column);
        assert!(at(1, 0).is_nan() && at(1, 1).is_nan() && at(2, 1).is_nan());
        assert_eq!([at(0, 0), at(2, 0), at(2, 2)], [1.0, 2.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "rows that are not whole")]
    fn half_a_row_is_refused() {
        Gram::new(3).add(&[1.0; 4]);
    }
}
