//! The gradient with respect to the input: dx = B(A dy Aᵀ · Vᵀ)Bᵀ.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::super::conv::Finish;
use super::super::real::build;
use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::super::tile::Groups;
use super::filters::{Filters, filters, panel_by_panel};
use super::points::{PackedPoints, Points, Side, ToPoints, output_points, products};
use super::strips;
use super::tables::{Tables, both_sides_adjoint};
use super::{Shared, Tiling, by_variant};

/// Gradient with respect to the input `[n, cin, …]`, from dy `[n, cout, …]` and w `[cout, cin, …]`.
pub fn input_grad(dy: &[f32], w: &[f32], t: &Tiling, finish: Finish<'_, f32>) -> Vec<f32> {
    // SAFETY: both ways write every channel of every image.
    unsafe { build(t.n * t.image_in(), |dx| by_variant!(t.variant, run, dy, w, t, finish, dx)) }
}

fn run<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    dy: &[f32],
    w: &[f32],
    t: &Tiling,
    finish: Finish<'_, f32>,
    dx: &mut [MaybeUninit<f32>],
) {
    if panel_by_panel(t, true) {
        return by_panels::<W, P, O, T>(dy, w, t, finish, dx);
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
            m: Points::new(&mut m, rows, t.cout16()),
            u: Points::new(&mut u, rows, columns),
            strip_out: &mut strip_out,
            strip_in: &mut strip_in,
            finish,
            tables: std::marker::PhantomData,
        });
    });
}

/// Some images, on one thread.
struct InputBlock<'a, W, const P: usize, const O: usize, const T: usize> {
    dy: &'a [f32],
    dx: &'a mut [MaybeUninit<f32>],
    t: &'a Tiling,
    finish: Finish<'a, f32>,
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
        let Self { dy, dx, t, v, m, u, strip_out, strip_in, finish, .. } = self;
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
                let dx = strips::store(s, strip_in, t.frame_in(), channels);
                finish.channels(at * LANES, plane, dx);
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
fn by_panels<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    dy: &[f32],
    w: &[f32],
    t: &Tiling,
    finish: Finish<'_, f32>,
    dx: &mut [MaybeUninit<f32>],
) {
    let rows = t.n * t.per_image();
    let mut m = Scratch::new(Points::sizes(P * P, rows, t.cout16()).2);
    let m = Points::new(&mut m, rows, t.cout16());
    dy.par_chunks_exact(t.image_out()).enumerate().for_each(|(i, dy)| {
        let mut strip = Scratch::zeroed(t.frame_out().floats());
        dispatch(ToPoints::<W, P, O, T> {
            image: dy,
            side: Side::Output,
            t,
            row: i * t.per_image(),
            to: m,
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
    let m = PackedPoints::new(m, Groups { rows, k: t.cout16() }, P * P);
    let width = panel_width(isa());
    let dx = Shared(dx.as_mut_ptr().cast());
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
            u: Points::new(&mut u, rows, width),
            dx,
            strips: &mut strips,
            finish,
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
    finish: Finish<'a, f32>,
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for InputPanel<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { w, t, first, v, m, u, dx, strips, finish, .. } = self;
        let (frame, vectors) = (t.frame_in(), v.panel_width / LANES);
        for phase in 0..t.phases() {
            v.fill::<S, W, P, O, T>(s, w, t, true, phase * t.cin16() + first);
            // SAFETY: m holds all rows of cout16 channels, v as many rows, u has room for all rows
            // of one panel.
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
            let channels = unsafe { std::slice::from_raw_parts_mut(at.cast(), lanes * plane) };
            finish.channels(channel, plane, strips::store(s, strip, frame, channels));
        }
    }
}
