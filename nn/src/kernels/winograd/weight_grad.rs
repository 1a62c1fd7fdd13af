//! The gradient with respect to the weight: dw = Gᵀ(Uᵀ · A dy Aᵀ)G.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::super::tile::{Factor, Product, Sizes, panels};
use super::points::{Points, Side, ToPoints};
use super::tables::{Tables, both_sides_adjoint};
use super::{Shared, Tiling, by_variant};

/// Gradient with respect to the weight `[cout, cin, …]`.
pub fn weight_grad(x: &[f32], dy: &[f32], t: &Tiling) -> Vec<f32> {
    by_variant!(t.variant, run, x, dy, t)
}

/// Floats of U and A dy Aᵀ that are worked on at once: they should stay in the last-level cache.
const AT_ONCE: usize = 3 << 19;

/// Input and output channels of one task of the weight gradient, all phases with them.
#[derive(Clone, Copy)]
struct Chunk {
    cin: usize,
    cout: usize,
}

impl Chunk {
    /// At least four tasks where the channels allow it; from the shapes alone.
    fn new(t: &Tiling, width: usize) -> Self {
        let cout = t.cout.next_multiple_of(width).min(64usize.next_multiple_of(width));
        let tasks = 4usize.div_ceil(t.cout.div_ceil(cout));
        Self { cin: t.cin.div_ceil(tasks).clamp(4, 64 / t.phases()), cout }
    }
}

fn run<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    dy: &[f32],
    t: &Tiling,
) -> Vec<f32> {
    let width = panel_width(isa());
    let area = (T * t.stride).pow(2);
    let mut dw = vec![0.0; t.cout * t.cin * area];
    let chunk = Chunk::new(t, width);
    let columns = t.cout.div_ceil(chunk.cout) * chunk.cout;
    let per_image = P * P * t.per_image() * (t.k() + columns);
    let at_once = (AT_ONCE / per_image).clamp(1, t.n.max(1));
    let most_rows = at_once * t.per_image();
    let mut u = Scratch::new(Points::sizes(P * P, most_rows, t.k()).2);
    // Zero: the columns beyond the last channel are read and never written.
    let mut m = Scratch::zeroed(Points::sizes(P * P, most_rows, columns).2);
    for (x, dy) in x.chunks(at_once * t.image_in()).zip(dy.chunks(at_once * t.image_out())) {
        let images = x.len() / t.image_in();
        let u = Points::new(&mut u, most_rows, t.k());
        let m = Points::new(&mut m, most_rows, columns);
        (0..2 * images).into_par_iter().for_each(|task| {
            let i = task / 2;
            let (side, to, frame, image) = if task % 2 == 0 {
                (Side::Input, u, t.frame_in(), &x[i * t.image_in()..][..t.image_in()])
            } else {
                (Side::Output, m, t.frame_out(), &dy[i * t.image_out()..][..t.image_out()])
            };
            let mut strip = Scratch::zeroed(frame.floats());
            dispatch(ToPoints::<W, P, O, T> {
                image,
                side,
                t,
                row: i * t.per_image(),
                to,
                strip: &mut strip,
                tables: std::marker::PhantomData,
            });
        });
        let out = Shared(dw.as_mut_ptr());
        let across = columns / chunk.cout;
        let down = t.cin.div_ceil(chunk.cin);
        (0..across * down).into_par_iter().for_each(|task| {
            dispatch(WeightBlock::<W, P, O, T> {
                t,
                u,
                m,
                rows: images * t.per_image(),
                first: Chunk { cin: task / across * chunk.cin, cout: task % across * chunk.cout },
                chunk,
                out,
                tables: std::marker::PhantomData,
            });
        });
    }
    dw
}

/// The weight gradient between some input and some output channels.
struct WeightBlock<'a, W, const P: usize, const O: usize, const T: usize> {
    t: &'a Tiling,
    u: Points,
    m: Points,
    rows: usize,
    first: Chunk,
    chunk: Chunk,
    out: Shared,
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for WeightBlock<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { t, u, m, rows, first, chunk, out, .. } = self;
        let width = S::PANELS * LANES;
        let cin = chunk.cin.min(t.cin - first.cin);
        let row = chunk.cout + LANES;
        let mut dv = Scratch::new(P * P * t.phases() * cin * row);
        let dv = dv.as_mut_ptr();
        // Row of dV: point, phase and channel.
        let place =
            |point: usize, phase: usize, i: usize| ((point * t.phases() + phase) * cin + i) * row;
        let sizes =
            Sizes { rows: cin, k: rows, panels: chunk.cout / width, panel: width, b_step: m.row };
        for point in 0..P * P {
            let b = m.place(point, 0, first.cout);
            for phase in 0..t.phases() {
                let at = u.place(point, 0, phase * t.cin16() + first.cin);
                let a = Factor { at, outer: 1, step: u.row };
                let c = Product { at: dv.wrapping_add(place(point, phase, 0)), row, add: false };
                // SAFETY: u and m hold `rows` tiles, dv has room for these rows of the chunk's
                // columns.
                unsafe { panels(s, a, b, c, sizes) };
            }
        }
        let side = T * t.stride;
        let mut taps = [[0.0f32; LANES]; 16];
        for i in 0..cin {
            for lane in (0..chunk.cout).step_by(LANES) {
                for phase in 0..t.phases() {
                    let tap = |a: usize, b: usize| {
                        (t.stride * a + phase / t.stride) * side + t.stride * b + phase % t.stride
                    };
                    both_sides_adjoint(
                        s,
                        &W::FILTER,
                        // SAFETY: dv holds this row; a tap has 16 lanes.
                        |a, b| unsafe {
                            s.load(dv.wrapping_add(place(a * P + b, phase, i) + lane))
                        },
                        |a, b, value| unsafe { s.store(taps[tap(a, b)].as_mut_ptr(), value) },
                    );
                }
                for l in 0..t.cout.saturating_sub(first.cout + lane).min(LANES) {
                    let filter = (first.cout + lane + l) * t.cin + first.cin + i;
                    let area = side * side;
                    for (tap, taps) in taps.iter().enumerate().take(area) {
                        // SAFETY: within dw; this pair of channels is this task's alone.
                        unsafe { *out.at(filter * area + tap) += taps[l] };
                    }
                }
            }
        }
    }
}
