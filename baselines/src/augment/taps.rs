//! Linear maps of one axis whose outputs are short weighted sums of inputs, and their transposes.

use ganbench_nn::kernels::Real;

/// Each output is the sum of `width` inputs with weights.
pub(super) struct Taps {
    inputs: usize,
    width: usize,
    /// `[outputs, width]`: input and weight; inputs that do not exist have weight 0.
    taps: Vec<(usize, f64)>,
}

impl Taps {
    /// `tap(i, k)` is the k-th input of output i, or none where it lies outside and counts as 0.
    pub(super) fn new(
        [inputs, outputs, width]: [usize; 3],
        tap: impl Fn(usize, usize) -> Option<(usize, f64)>,
    ) -> Self {
        let taps = (0..outputs * width)
            .map(|i| tap(i / width, i % width).unwrap_or((0, 0.0)))
            .collect::<Vec<_>>();
        assert!(taps.iter().all(|&(input, _)| input < inputs), "a tap lies outside the axis");
        Self { inputs, width, taps }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.taps.len() / self.width
    }

    fn of(&self, output: usize) -> &[(usize, f64)] {
        &self.taps[output * self.width..][..self.width]
    }

    /// Along each row: x `[rows, inputs]`, as `[rows, outputs]`.
    pub(super) fn along_rows<T: Real>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::default(); x.len() / self.inputs * self.outputs()];
        for (y, x) in y.chunks_exact_mut(self.outputs()).zip(x.chunks_exact(self.inputs)) {
            for (y, taps) in y.iter_mut().zip(self.taps.chunks_exact(self.width)) {
                *y = taps.iter().map(|&(i, w)| x[i] * T::nearest(w)).sum();
            }
        }
        y
    }

    /// The transpose of [`Self::along_rows`]: g `[rows, outputs]`, as `[rows, inputs]`.
    pub(super) fn along_rows_transposed<T: Real>(&self, g: &[T]) -> Vec<T> {
        let mut dx = vec![T::default(); g.len() / self.outputs() * self.inputs];
        for (dx, g) in dx.chunks_exact_mut(self.inputs).zip(g.chunks_exact(self.outputs())) {
            for (&g, taps) in g.iter().zip(self.taps.chunks_exact(self.width)) {
                taps.iter().for_each(|&(i, w)| dx[i] += g * T::nearest(w));
            }
        }
        dx
    }

    /// Along each column: x `[inputs, columns]`, as `[outputs, columns]`.
    pub(super) fn along_columns<T: Real>(&self, x: &[T]) -> Vec<T> {
        let columns = x.len() / self.inputs;
        let mut y = vec![T::default(); self.outputs() * columns];
        for (output, y) in y.chunks_exact_mut(columns).enumerate() {
            for &(input, w) in self.of(output).iter().filter(|(_, w)| *w != 0.0) {
                add_scaled(y, &x[input * columns..][..columns], T::nearest(w));
            }
        }
        y
    }

    /// The transpose of [`Self::along_columns`]: g `[outputs, columns]`, as `[inputs, columns]`.
    pub(super) fn along_columns_transposed<T: Real>(&self, g: &[T]) -> Vec<T> {
        let columns = g.len() / self.outputs();
        let mut dx = vec![T::default(); self.inputs * columns];
        for (output, g) in g.chunks_exact(columns).enumerate() {
            for &(input, w) in self.of(output).iter().filter(|(_, w)| *w != 0.0) {
                add_scaled(&mut dx[input * columns..][..columns], g, T::nearest(w));
            }
        }
        dx
    }
}

fn add_scaled<T: Real>(y: &mut [T], x: &[T], by: T) {
    y.iter_mut().zip(x).for_each(|(y, &x)| *y += x * by);
}

/// Position `i` mirrored into 0..size without repeating the edge, for positions less than a size
/// outside.
pub(super) fn mirrored(i: isize, size: usize) -> usize {
    let last = size as isize - 1;
    (last - (last - i.abs()).abs()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_and_its_transpose_on_paper() {
        // y[i] = x[i + 1] − x[i], and zero after the end.
        let difference = Taps::new([3, 3, 2], |i, k| match k {
            0 => Some((i, -1.0)),
            _ => (i < 2).then_some((i + 1, 1.0)),
        });
        assert_eq!(difference.along_rows(&[1.0, 4.0, 9.0]), [3.0, 5.0, -9.0]);
        assert_eq!(difference.along_rows_transposed(&[1.0, 1.0, 1.0]), [-1.0, 0.0, 0.0]);
        assert_eq!(difference.along_columns(&[1.0, 4.0, 9.0]), [3.0, 5.0, -9.0]);
        assert_eq!(difference.along_columns_transposed(&[0.0, 1.0, 0.0]), [0.0, -1.0, 1.0]);
    }

    #[test]
    fn positions_outside_are_mirrored_about_the_edge_pixels() {
        let positions: Vec<_> = (-3..7).map(|i| mirrored(i, 4)).collect();
        assert_eq!(positions, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(mirrored(0, 1), 0);
    }
}
