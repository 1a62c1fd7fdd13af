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

/// Bytes of all filters at the points from which on it is better to make them one panel at a time,
/// beside the products that read it: half of a last-level cache of 16 MB.
const LARGE: usize = 10 << 20;

/// Bytes of the values at the points that may be kept whole for that.
const MOST: usize = 32 << 20;

/// Whether to work panel by panel on all images, not image by image with all panels. From the
/// shapes alone.
pub fn panel_by_panel(t: &Tiling, transposed: bool) -> bool {
    let filters = t.points() * t.k() * t.cout16() * 4;
    let from = if transposed { t.cout16() } else { t.k() };
    let values = t.points() * t.n * t.per_image() * from * 4;
    // One panel is two vectors at most; the phases of one channel have to start panels of their
    // own.
    let whole = t.cin16().is_multiple_of(2 * LANES) || !transposed;
    filters > LARGE && values < MOST && whole
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
    let columns = if transposed { t.k() } else { t.cout16() };
    let panels = columns.div_ceil(width);
    let mut v = Filters::room(t, transposed, panels, width);
    let (panel, point) = (v.panel, v.point);
    let out = Shared(v.data.as_mut_ptr());
    // Each vector of 16 columns is one task's: no two write one element.
    (0..panels * width / LANES).into_par_iter().for_each(|strip| {
        let (j, half) = (strip * LANES / width, strip * LANES % width);
        let out = Shared(out.at(j * panel + half));
        let first = strip * LANES;
        dispatch(Columns::<W, P, O, T>::new(w, t, transposed, first, Target { out, point, width }));
    });
    v
}

impl Filters {
    /// Room for `panels` panels, with nothing in it.
    pub fn room(t: &Tiling, transposed: bool, panels: usize, width: usize) -> Self {
        let rows = if transposed { t.cout16() } else { t.k() };
        let panel = rows * width;
        // Three lines more, so that the points of one filter do not fall into one cache set.
        let point = panels * panel + 3 * LANES;
        Self { data: Scratch::new(t.points() * point), point, panel, panels, panel_width: width }
    }

    /// Makes the one panel that there is room for from the columns `first` on.
    #[inline(always)]
    pub fn fill<S: Simd, W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
        &mut self,
        s: S,
        w: &[f32],
        t: &Tiling,
        transposed: bool,
        first: usize,
    ) {
        for half in (0..self.panel_width).step_by(LANES) {
            let out = Shared(self.data.as_mut_ptr().wrapping_add(half));
            let to = Target { out, point: self.point, width: self.panel_width };
            Columns::<W, P, O, T>::new(w, t, transposed, first + half, to).run(s);
        }
    }
}

/// Rows whose filters are gathered together: neighbours lie in the same cache lines. Divides 16.
const AT_ONCE: usize = 8;

/// Where sixteen columns of V go.
#[derive(Clone, Copy)]
struct Target {
    out: Shared,
    point: usize,
    width: usize,
}

/// Sixteen columns of V.
struct Columns<'a, W, const P: usize, const O: usize, const T: usize> {
    w: &'a [f32],
    t: &'a Tiling,
    transposed: bool,
    first: usize,
    to: Target,
    tables: std::marker::PhantomData<W>,
}

impl<'a, W, const P: usize, const O: usize, const T: usize> Columns<'a, W, P, O, T> {
    #[inline(always)]
    fn new(w: &'a [f32], t: &'a Tiling, transposed: bool, first: usize, to: Target) -> Self {
        Self { w, t, transposed, first, to, tables: std::marker::PhantomData }
    }
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
        // Lane l of tap i of `taps[r]` is the filter between row `r` of a block and column l.
        let mut taps = [[[0.0f32; LANES]; 16]; AT_ONCE];
        let (rows, inside, columns) =
            if self.transposed { (t.cout16(), t.cout, t.cin) } else { (t.cin16(), t.cin, t.cout) };
        // The columns of the transposed filters are the input channels at one phase after the
        // other.
        let (first, phases) = if self.transposed {
            let phase = self.first / t.cin16();
            (self.first % t.cin16(), phase..phase + 1)
        } else {
            (self.first, 0..t.phases())
        };
        // The last panel may reach beyond the last phase: nobody reads what it holds there.
        let phases = phases.start.min(t.phases())..phases.end.min(t.phases());
        for block in (0..rows).step_by(AT_ONCE) {
            for lane in 0..LANES {
                let column = first + lane;
                let known = if column < columns { inside.saturating_sub(block) } else { 0 };
                for (r, taps) in taps.iter_mut().enumerate() {
                    if r >= known {
                        taps.iter_mut().for_each(|tap| tap[lane] = 0.0);
                        continue;
                    }
                    let (co, ci) =
                        if self.transposed { (block + r, column) } else { (column, block + r) };
                    let filter = &self.w[(co * t.cin + ci) * area..][..area];
                    for (tap, &value) in taps.iter_mut().zip(filter) {
                        tap[lane] = value;
                    }
                }
            }
            for (r, taps) in taps.iter().enumerate() {
                for phase in phases.clone() {
                    let row = block + r;
                    let k = if self.transposed { row } else { phase * t.cin16() + row };
                    let (py, px) = (phase / t.stride, phase % t.stride);
                    let tap = |i: usize, j: usize| (t.stride * i + py) * side + t.stride * j + px;
                    let out = self.to.out.at(k * self.to.width);
                    both_sides(
                        s,
                        &W::FILTER,
                        // SAFETY: `taps` has 16 floats a tap; the place written lies within this
                        // task's column of V, which has P² points and as many rows as the products
                        // have steps.
                        |i, j| unsafe { s.load(taps[tap(i, j)].as_ptr()) },
                        |i, j, v| unsafe { s.store(out.add((i * P + j) * self.to.point), v) },
                    );
                }
            }
        }
    }
}
