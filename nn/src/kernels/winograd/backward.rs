//! The gradients: dx = B(A dy Aᵀ · Vᵀ)Bᵀ and dw = Gᵀ(Uᵀ · A dy Aᵀ)G.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::super::tile::{Factor, Groups, Product, Sizes, panels};
use super::filters::{Filters, filters, panel_by_panel};
use super::forward::{PackedPoints, Points, input_points, products};
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
    let mut dx = vec![0.0; t.n * t.image_in()];
    if panel_by_panel(t, true) {
        input_grad_by_panels::<W, P, O, T>(dy, w, t, &mut dx);
        return dx;
    }
    let v = filters(w, t, true);
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
        for (i, image) in dx.chunks_exact_mut(t.image_in()).enumerate() {
            let plane = image.len() / t.cin;
            for (at, channels) in image.chunks_mut(LANES * plane).enumerate() {
                strip_in[..t.frame_in().floats()].fill(0.0);
                for phase in 0..t.phases() {
                    let channel = phase * t.cin16() + at * LANES;
                    // SAFETY: u has these rows.
                    unsafe {
                        let row = i * t.per_image();
                        add_input::<S, W, P, O, T>(s, t, u, row, channel, phase, strip_in);
                    }
                }
                strips::store(strip_in, t.frame_in(), channels);
            }
        }
    }
}

/// Adds B U Bᵀ of 16 channels of one image at one phase to the strip.
///
/// # Safety
/// `u` holds the image's rows from `row` on at P² points, with 16 channels from `channel` on.
#[inline(always)]
unsafe fn add_input<S: Simd, W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    s: S,
    t: &Tiling,
    u: Points,
    row: usize,
    channel: usize,
    phase: usize,
    strip: &mut [f32],
) {
    let across = t.frame_in().covered[1];
    for tile in 0..t.per_image() {
        let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
        let y = t.stride * ty * O + phase / t.stride;
        let x = t.stride * tx * O + phase % t.stride;
        let strip = strip[(y * across + x) * LANES..].as_mut_ptr();
        both_sides_adjoint(
            s,
            &W::INPUT,
            // SAFETY: the caller's; the tile lies within the frame, which the strip holds.
            |a, b| unsafe { s.load(u.place(a * P + b, row + tile, channel)) },
            |a, b, value| unsafe {
                let at = strip.add((a * across + b) * t.stride * LANES);
                s.store(at, s.add(s.load(at), value));
            },
        );
    }
}

/// All images at once, the input channels panel by panel, each through its phases.
fn input_grad_by_panels<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    dy: &[f32],
    w: &[f32],
    t: &Tiling,
    dx: &mut [f32],
) {
    let rows = t.n * t.per_image();
    let mut m = Scratch::new(Points::sizes(P * P, rows, t.cout16()).2);
    let m = Points::of(&mut m, rows, t.cout16());
    dy.par_chunks_exact(t.image_out()).enumerate().for_each(|(i, dy)| {
        let mut strip = Scratch::zeroed(t.frame_out().floats());
        dispatch(ToPoints::<W, P, O, T> {
            x: None,
            dy,
            t,
            row: i * t.per_image(),
            to: m,
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
    let m = PackedPoints::of(m, Groups { rows, k: t.cout16() }, P * P);
    let width = panel_width(isa());
    let dx = Shared(dx.as_mut_ptr());
    (0..t.cin16() / width).into_par_iter().for_each(|panel| {
        let mut v = Filters::room(t, true, 1, width);
        let mut u = Scratch::new(Points::sizes(P * P, rows, width).2);
        let mut strips = Scratch::zeroed(t.n * width / LANES * t.frame_in().floats());
        dispatch(InputPanel::<W, P, O, T> {
            w,
            t,
            first: panel * width,
            v: &mut v,
            m: &m,
            u: Points::of(&mut u, rows, width),
            dx,
            strips: &mut strips,
            tables: std::marker::PhantomData,
        });
    });
}

/// Some input channels of all images, on one thread.
struct InputPanel<'a, W, const P: usize, const O: usize, const T: usize> {
    w: &'a [f32],
    t: &'a Tiling,
    first: usize,
    v: &'a mut Filters,
    m: &'a PackedPoints,
    u: Points,
    dx: Shared,
    /// One for each image and each 16 channels of the panel.
    strips: &'a mut [f32],
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for InputPanel<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { w, t, first, v, m, u, dx, strips, .. } = self;
        let (frame, vectors) = (t.frame_in(), v.panel_width / LANES);
        for phase in 0..t.phases() {
            v.fill::<S, W, P, O, T>(s, w, t, true, phase * t.cin16() + first);
            // SAFETY: m holds all rows of cout16 channels, v as many rows, u has room for all rows of one
            // panel.
            unsafe { m.multiply(s, v, u, P * P) };
            for (i, strip) in
                strips.chunks_exact_mut(frame.floats()).enumerate().take(t.n * vectors)
            {
                let (row, channel) = (i / vectors * t.per_image(), i % vectors * LANES);
                // SAFETY: u has these rows.
                unsafe { add_input::<S, W, P, O, T>(s, t, u, row, channel, phase, strip) };
            }
        }
        let plane = t.image_in() / t.cin;
        for (i, strip) in strips.chunks_exact(frame.floats()).enumerate().take(t.n * vectors) {
            let (image, channel) = (i / vectors, first + i % vectors * LANES);
            if channel >= t.cin {
                continue;
            }
            let lanes = LANES.min(t.cin - channel);
            let at = dx.at((image * t.cin + channel) * plane);
            // SAFETY: these channels of this image are this task's alone, and lie within dx.
            let channels = unsafe { std::slice::from_raw_parts_mut(at, lanes * plane) };
            strips::store(strip, frame, channels);
        }
    }
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
    fn of(t: &Tiling, width: usize) -> Self {
        let cout = t.cout.next_multiple_of(width).min(64usize.next_multiple_of(width));
        let tasks = 4usize.div_ceil(t.cout.div_ceil(cout));
        Self { cin: t.cin.div_ceil(tasks).clamp(4, 64 / t.phases()), cout }
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
                // SAFETY: u and m hold `rows` tiles, dv has room for these rows of the chunk's columns.
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
