//! KID of one subset from f32 features: fakes and reals are packed one below the other, and every
//! pair of the stack is multiplied once.

use ganbench_nn::kernels::packed::{PackedRows, RowProducts};

use super::{Draw, KidInput, kernel_sum};

/// Rows and columns of a tile of products: with the rows' part of a block of steps it stays in a
/// second-level cache of 1 MiB.
const TILE: usize = 256;

/// What a thread keeps from one subset to the next.
pub(crate) struct Stack {
    rows: PackedRows,
    products: Vec<f32>,
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self { rows: PackedRows::empty(), products: Vec::new() }
    }

    /// The unbiased estimate of MMD² from one subset.
    pub(crate) fn estimate(&mut self, input: KidInput<'_, f32>, draw: &Draw) -> f64 {
        let (m, d) = (draw.fake.len(), input.fake.dim());
        let n = m + draw.real.len();
        self.rows.refill(n, d, |row, columns, out| {
            let from = match row < m {
                true => input.fake.row(draw.fake[row]),
                false => input.real.row(draw.real[row - m]),
            };
            out.copy_from_slice(&from[columns]);
        });
        let (mut within, mut across) = (0.0, 0.0);
        let tile_of = |first: usize| first..n.min(first + TILE);
        for rows in (0..n).step_by(TILE).map(tile_of) {
            for columns in (rows.start..n).step_by(TILE).map(tile_of) {
                let upper = rows == columns;
                let (left, right, first) = (&self.rows, &self.rows, columns.start);
                let known = columns.len();
                let tile = RowProducts { left, right, rows: rows.clone(), columns, upper };
                let stride = tile.compute(&mut self.products);
                for (row, products) in rows.clone().zip(self.products.chunks_exact(stride)) {
                    // Each pair of different rows once.
                    let begin = if upper { row + 1 - first } else { 0 };
                    // A fake's columns up to `m` are fakes; a real image's are all real.
                    let middle = if row < m { m.clamp(first + begin, first + known) } else { n };
                    let middle = middle.min(first + known) - first;
                    within += kernel_sum(&products[begin..middle], d);
                    across += kernel_sum(&products[middle..known], d);
                }
            }
        }
        let m = m as f64;
        2.0 * within / (m * (m - 1.0)) - 2.0 * across / (m * m)
    }
}
