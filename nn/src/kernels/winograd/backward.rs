//! The gradients: dx = B(A dy Aᵀ · Vᵀ)Bᵀ and dw = Gᵀ(Uᵀ · A dy Aᵀ)G.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::super::tile::{Factor, Product, Sizes, panels};
use super::filters::{Filters, filters};
use super::forward::{Points, input_points, products};
use super::strips;
use super::tables::{Tables, both_sides_adjoint};
use super::{Shared, Tiling, by_variant};

/// Gradient with respect to the input `[n, cin, …]`, from dy `[n, cout, …]` and w `[cout, cin, …]`.
pub fn input_grad(dy: &[f32], w: &[f32], t: &Tiling) -> Vec<f32> {
    by_variant!(t.variant, run_input_grad, dy, w, t)
}

/// Gradient with respect to the weight `[cout, cin, …]`.
pub fn weight_grad(x: &[f32], dy: &[f32], t: &Tiling) -> Vec<f32> {
    by_variant!(t.variant, run_weight_grad, x, dy, t)
}

/// A dy Aᵀ of one image, rows from `row` on.
///
/// # Safety
/// `m` has room for the image's rows of `cout16` channels at P² points, and nobody else writes them. The
/// margin of `strip` outside the image is 0.
#[inline(always)]
unsafe fn output_points<
    S: Simd,
    W: Tables<P, O, T>,
    const P: usize,
    const O: usize,
    const T: usize,
>(
    s: S,
    image: &[f32],
    t: &Tiling,
    row: usize,
    m: Points,
    strip: &mut [f32],
) {
    let frame = t.frame_out();
    for first in (0..t.cout16()).step_by(LANES) {
        strips::load(image, first, frame, strip);
        for tile in 0..t.per_image() {
            let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
            let strip = strip[(ty * O * frame.covered[1] + tx * O) * LANES..].as_ptr();
            both_sides_adjoint(
                s,
                &W::OUTPUT,
                // SAFETY: the tile lies within the frame, which the strip holds; the rest is the caller's.
                |a, b| unsafe { s.load(strip.add((a * frame.covered[1] + b) * LANES)) },
                |a, b, value| unsafe { s.store(m.place(a * P + b, row + tile, first), value) },
            );
        }
    }
}

fn run_input_grad<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    dy: &[f32],
    w: &[f32],
    t: &Tiling,
) -> Vec<f32> {
    let v = filters(w, t, true);
    let mut dx = vec![0.0; t.n * t.image_in()];
    let block = t.images_per_block();
    let work = dx.par_chunks_mut(block * t.image_in()).zip(dy.par_chunks(block * t.image_out()));
    work.for_each(|(dx, dy)| {
        let rows = dy.len() / t.image_out() * t.per_image();
        let columns = v.panels * v.panel_width;
        let mut m = Scratch::new(Points::sizes(P * P, rows, t.cout16()).2);
        let mut u = Scratch::new(Points::sizes(P * P, rows, columns).2);
        let mut strip_out = Scratch::zeroed(t.frame_out().floats());
        let mut strip_in = Scratch::new(t.frame_in().floats());
        dispatch(InputBlock::<W, P, O, T> {
            dy,
            dx,
            t,
            v: &v,
            m: Points::of(&mut m, rows, t.cout16()),
            u: Points::of(&mut u, rows, columns),
            strip_out: &mut strip_out,
            strip_in: &mut strip_in,
            tables: std::marker::PhantomData,
        });
    });
    dx
}

/// Some images, on one thread.
struct InputBlock<'a, W, const P: usize, const O: usize, const T: usize> {
    dy: &'a [f32],
    dx: &'a mut [f32],
    t: &'a Tiling,
    v: &'a Filters,
    m: Points,
    u: Points,
    strip_out: &'a mut [f32],
    strip_in: &'a mut [f32],
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for InputBlock<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { dy, dx, t, v, m, u, strip_out, strip_in, .. } = self;
        for (i, image) in dy.chunks_exact(t.image_out()).enumerate() {
            // SAFETY: m has room for these rows, and this task alone has it.
            unsafe { output_points::<S, W, P, O, T>(s, image, t, i * t.per_image(), m, strip_out) };
        }
        let rows = dy.len() / t.image_out() * t.per_image();
        // SAFETY: m, v and u hold P² points of `rows` rows, cout16 steps and all panels.
        unsafe { products(s, m, t.cout16(), v, u, rows, P * P) };
        let frame = t.frame_in();
        for (i, image) in dx.chunks_exact_mut(t.image_in()).enumerate() {
            for first in (0..t.cin).step_by(LANES) {
                strip_in[..frame.floats()].fill(0.0);
                for phase in 0..t.phases() {
                    for tile in 0..t.per_image() {
                        let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
                        let y = t.stride * ty * O + phase / t.stride;
                        let x = t.stride * tx * O + phase % t.stride;
                        let strip = strip_in[(y * frame.covered[1] + x) * LANES..].as_mut_ptr();
                        let (row, channel) = (i * t.per_image() + tile, phase * t.cin16() + first);
                        both_sides_adjoint(
                            s,
                            &W::INPUT,
                            // SAFETY: u has this row; the tile lies within the frame, which the strip
                            // holds.
                            |a, b| unsafe { s.load(u.place(a * P + b, row, channel)) },
                            |a, b, value| unsafe {
                                let at = strip.add((a * frame.covered[1] + b) * t.stride * LANES);
                                s.store(at, s.add(s.load(at), value));
                            },
                        );
                    }
                }
                strips::store(strip_in, first, frame, image);
            }
        }
    }
}

/// Floats of U and A dy Aᵀ that are worked on at once: they should stay in the last-level cache.
const AT_ONCE: usize = 3 << 19;

/// Input and output channels of one task of the weight gradient.
#[derive(Clone, Copy)]
struct Chunk {
    k: usize,
    cout: usize,
}

impl Chunk {
    /// At least four tasks where the channels allow it; from the shapes alone.
    fn of(t: &Tiling, width: usize) -> Self {
        let cout = t.cout.next_multiple_of(width).min(64usize.next_multiple_of(width));
        let tasks = 4usize.div_ceil(t.cout.div_ceil(cout));
        Self { k: (t.k() / tasks).clamp(8, 64), cout }
    }
}

fn run_weight_grad<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    dy: &[f32],
    t: &Tiling,
) -> Vec<f32> {
    let width = panel_width(isa());
    let area = (T * t.stride).pow(2);
    let mut dw = vec![0.0; t.cout * t.cin * area];
    let chunk = Chunk::of(t, width);
    let columns = t.cout.div_ceil(chunk.cout) * chunk.cout;
    let per_image = P * P * t.per_image() * (t.k() + columns);
    let at_once = (AT_ONCE / per_image).clamp(1, t.n.max(1));
    let most_rows = at_once * t.per_image();
    let mut u = Scratch::new(Points::sizes(P * P, most_rows, t.k()).2);
    // Zero: the columns beyond the last channel are read and never written.
    let mut m = Scratch::zeroed(Points::sizes(P * P, most_rows, columns).2);
    for (x, dy) in x.chunks(at_once * t.image_in()).zip(dy.chunks(at_once * t.image_out())) {
        let images = x.len() / t.image_in();
        let u = Points::of(&mut u, most_rows, t.k());
        let m = Points::of(&mut m, most_rows, columns);
        (0..2 * images).into_par_iter().for_each(|task| {
            let (i, of_x) = (task / 2, task % 2 == 0);
            let frame = if of_x { t.frame_in() } else { t.frame_out() };
            let mut strip = Scratch::zeroed(frame.floats());
            dispatch(ToPoints::<W, P, O, T> {
                x: of_x.then(|| &x[i * t.image_in()..][..t.image_in()]),
                dy: &dy[i * t.image_out()..][..t.image_out()],
                t,
                row: i * t.per_image(),
                to: if of_x { u } else { m },
                strip: &mut strip,
                tables: std::marker::PhantomData,
            });
        });
        let out = Shared(dw.as_mut_ptr());
        let across = columns / chunk.cout;
        let down = t.k().div_ceil(chunk.k);
        (0..across * down).into_par_iter().for_each(|task| {
            dispatch(WeightBlock::<W, P, O, T> {
                t,
                u,
                m,
                rows: images * t.per_image(),
                first: Chunk { k: task / across * chunk.k, cout: task % across * chunk.cout },
                chunk,
                out,
                tables: std::marker::PhantomData,
            });
        });
    }
    dw
}

/// One image of x or dy to the points.
struct ToPoints<'a, W, const P: usize, const O: usize, const T: usize> {
    /// None: dy's turn.
    x: Option<&'a [f32]>,
    dy: &'a [f32],
    t: &'a Tiling,
    row: usize,
    to: Points,
    strip: &'a mut [f32],
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for ToPoints<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, dy, t, row, to, strip, .. } = self;
        // SAFETY: `to` has room for the rows of every image, and each image's are one task's.
        unsafe {
            match x {
                Some(x) => input_points::<S, W, P, O, T>(s, x, t, row, to, strip),
                None => output_points::<S, W, P, O, T>(s, dy, t, row, to, strip),
            }
        }
    }
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
        let k = chunk.k.min(t.k() - first.k);
        let row = chunk.cout + LANES;
        let mut dv = Scratch::new(P * P * chunk.k * row);
        let dv = dv.as_mut_ptr();
        let sizes =
            Sizes { rows: k, k: rows, panels: chunk.cout / width, panel: width, b_step: m.row };
        for point in 0..P * P {
            let a = Factor { at: u.place(point, 0, first.k), outer: 1, step: u.row };
            let b = m.place(point, 0, first.cout);
            let c = Product { at: dv.wrapping_add(point * chunk.k * row), row, add: false };
            // SAFETY: u and m hold `rows` tiles, dv has room for k rows of the chunk's columns.
            unsafe { panels(s, a, b, c, sizes) };
        }
        let side = T * t.stride;
        for i in 0..k {
            let (phase, ci) = ((first.k + i) / t.cin16(), (first.k + i) % t.cin16());
            if ci >= t.cin {
                continue;
            }
            for lane in (0..chunk.cout).step_by(LANES) {
                let mut taps = [[[0.0f32; LANES]; T]; T];
                both_sides_adjoint(
                    s,
                    &W::FILTER,
                    // SAFETY: dv holds this row; a tap has 16 lanes.
                    |a, b| unsafe {
                        s.load(dv.wrapping_add(((a * P + b) * chunk.k + i) * row + lane))
                    },
                    |a, b, value| unsafe { s.store(taps[a][b].as_mut_ptr(), value) },
                );
                let last = t.cout.saturating_sub(first.cout + lane).min(LANES);
                for l in 0..last {
                    let filter = ((first.cout + lane + l) * t.cin + ci) * side * side;
                    for (a, taps) in taps.iter().enumerate() {
                        for (b, tap) in taps.iter().enumerate() {
                            let y = t.stride * a + phase / t.stride;
                            let x = t.stride * b + phase % t.stride;
                            // SAFETY: within dw; this pair of channels at this phase is this task's alone.
                            unsafe { *out.at(filter + y * side + x) += tap[l] };
                        }
                    }
                }
            }
        }
    }
}
