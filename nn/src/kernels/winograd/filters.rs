//! Filters at the points, packed for the matrix products.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::tables::{Tables, both_sides};
use super::{Shared, Tiling, by_variant};

/// V = G w Gᵀ: `[point][panel of columns][row][column]`.
pub struct Filters {
    pub data: Scratch,
    /// Distance between two points.
    pub point: usize,
    /// Distance between two panels.
    pub panel: usize,
    pub panels: usize,
    pub panel_width: usize,
}

/// For the forward pass, rows are input channels (phase by phase) and columns output channels; with
/// `transposed`, for the gradient with respect to the input, the other way round.
pub fn filters(w: &[f32], t: &Tiling, transposed: bool) -> Filters {
    by_variant!(t.variant, pack, w, t, transposed)
}

fn pack<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    w: &[f32],
    t: &Tiling,
    transposed: bool,
) -> Filters {
    let width = panel_width(isa());
    let (rows, columns) = if transposed { (t.cout16(), t.k()) } else { (t.k(), t.cout16()) };
    let panels = columns.div_ceil(width);
    let panel = rows * width;
    // Three lines more, so that the points of one filter do not fall into one cache set.
    let point = panels * panel + 3 * LANES;
    let mut data = Scratch::new(P * P * point);
    let out = Shared(data.as_mut_ptr());
    // Each vector of 16 columns is one task's: no two write one element.
    (0..panels * width / LANES).into_par_iter().for_each(|strip| {
        let (j, half) = (strip * LANES / width, strip * LANES % width);
        let task = Columns::<W, P, O, T> {
            w,
            t,
            transposed,
            first: strip * LANES,
            out: Shared(out.at(j * panel + half)),
            point,
            width,
            tables: std::marker::PhantomData,
        };
        dispatch(task);
    });
    Filters { data, point, panel, panels, panel_width: width }
}

/// Sixteen columns of V.
struct Columns<'a, W, const P: usize, const O: usize, const T: usize> {
    w: &'a [f32],
    t: &'a Tiling,
    transposed: bool,
    first: usize,
    out: Shared,
    point: usize,
    width: usize,
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for Columns<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let t = self.t;
        let side = T * t.stride;
        let area = side * side;
        let mut taps = [[0.0f32; LANES]; 16];
        let (outer, phases) =
            if self.transposed { (t.cout16(), 1) } else { (t.cin16(), t.phases()) };
        for row in 0..outer {
            // Lane l of `taps` is the filter between `row` and column `first + l`.
            let (first, fixed_phase) = if self.transposed {
                (self.first % t.cin16(), Some(self.first / t.cin16()))
            } else {
                (self.first, None)
            };
            let (inside, lanes) = if self.transposed { (t.cout, t.cin) } else { (t.cin, t.cout) };
            // The columns of the last panel may reach beyond the last channel.
            let beyond = fixed_phase.is_some_and(|phase| phase >= t.phases());
            for lane in 0..LANES {
                let column = first + lane;
                if row >= inside || column >= lanes || beyond {
                    taps.iter_mut().for_each(|tap| tap[lane] = 0.0);
                    continue;
                }
                let (co, ci) = if self.transposed { (row, column) } else { (column, row) };
                let filter = &self.w[(co * t.cin + ci) * area..][..area];
                for (tap, &value) in taps.iter_mut().zip(filter) {
                    tap[lane] = value;
                }
            }
            for phase in 0..phases {
                let (phase, k) = match fixed_phase {
                    Some(fixed) => (fixed % t.phases(), row),
                    None => (phase, phase * t.cin16() + row),
                };
                let (py, px) = (phase / t.stride, phase % t.stride);
                let tap = |i: usize, j: usize| (t.stride * i + py) * side + t.stride * j + px;
                let out = self.out.at(k * self.width);
                both_sides(
                    s,
                    &W::FILTER,
                    // SAFETY: `taps` has 16 floats a tap; the place written lies within this task's column
                    // of V, which has P² points and `outer · phases` rows.
                    |i, j| unsafe { s.load(taps[tap(i, j)].as_ptr()) },
                    |i, j, v| unsafe { s.store(out.add((i * P + j) * self.point), v) },
                );
            }
        }
    }
}
