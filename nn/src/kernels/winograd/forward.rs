//! y = Aᵀ[(Bᵀ x B) · V]A.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::super::conv::Finish;
use super::super::real::build;
use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width};
use super::super::tile::Groups;
use super::filters::{Filters, filters, panel_by_panel};
use super::points::{PackedPoints, Points, Side, ToPoints, input_points, products};
use super::strips;
use super::tables::{Tables, both_sides};
use super::{Shared, Tiling, by_variant};

/// The convolution `[n, cout, …]` of x `[n, cin, …]` with w `[cout, cin, …]`.
pub fn forward(x: &[f32], w: &[f32], t: &Tiling, finish: Finish<'_, f32>) -> Vec<f32> {
    // SAFETY: both ways write every channel of every image.
    unsafe { build(t.n * t.image_out(), |y| by_variant!(t.variant, run, x, w, t, finish, y)) }
}

fn run<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    w: &[f32],
    t: &Tiling,
    finish: Finish<'_, f32>,
    y: &mut [MaybeUninit<f32>],
) {
    if panel_by_panel(t, false) {
        return by_panels::<W, P, O, T>(x, w, t, finish, y);
    }
    let v = filters(w, t, false);
    let block = t.images_per_block();
    let work = y.par_chunks_mut(block * t.image_out()).zip(x.par_chunks(block * t.image_in()));
    work.for_each(|(y, x)| {
        let rows = x.len() / t.image_in() * t.per_image();
        let columns = v.panels * v.panel_width;
        let mut u = Scratch::new(Points::sizes(P * P, rows, t.k()).2);
        let mut m = Scratch::new(Points::sizes(P * P, rows, columns).2);
        let mut strip = Scratch::zeroed(t.frame_in().floats().max(t.frame_out().floats()));
        dispatch(Block::<W, P, O, T> {
            x,
            y,
            t,
            v: &v,
            u: Points::new(&mut u, rows, t.k()),
            m: Points::new(&mut m, rows, columns),
            strip: &mut strip,
            finish,
            tables: std::marker::PhantomData,
        });
    });
}

/// Some images, on one thread.
struct Block<'a, W, const P: usize, const O: usize, const T: usize> {
    x: &'a [f32],
    y: &'a mut [MaybeUninit<f32>],
    t: &'a Tiling,
    finish: Finish<'a, f32>,
    v: &'a Filters,
    u: Points,
    m: Points,
    strip: &'a mut [f32],
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for Block<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, y, t, v, u, m, strip, finish, .. } = self;
        for (i, image) in x.chunks_exact(t.image_in()).enumerate() {
            // SAFETY: u has room for these rows, and this task alone has it.
            unsafe { input_points::<S, W, P, O, T>(s, image, t, i * t.per_image(), u, strip) };
        }
        let rows = x.len() / t.image_in() * t.per_image();
        // SAFETY: u, v and m hold P² points of `rows` rows, k steps and all panels.
        unsafe { products(s, u, t.k(), v, m, rows, P * P) };
        for (i, image) in y.chunks_exact_mut(t.image_out()).enumerate() {
            let plane = image.len() / t.cout;
            for (strip_at, channels) in image.chunks_mut(LANES * plane).enumerate() {
                let row = i * t.per_image();
                // SAFETY: m has these rows.
                unsafe {
                    let first = strip_at * LANES;
                    let m = m.at_channel(first);
                    let y = output::<S, W, P, O, T>(s, t, m, row, strip, channels);
                    finish.channels(first, plane, y);
                }
            }
        }
    }
}

/// Aᵀ M A: up to 16 channels of one image, from the rows from `row` on.
///
/// # Safety
/// `m` holds the image's rows at P² points, with 16 channels.
#[inline(always)]
unsafe fn output<
    'a,
    S: Simd,
    W: Tables<P, O, T>,
    const P: usize,
    const O: usize,
    const T: usize,
>(
    s: S,
    t: &Tiling,
    m: Points,
    row: usize,
    strip: &mut [f32],
    channels: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    let frame = t.frame_out();
    for tile in 0..t.per_image() {
        let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
        let at = (ty * O * frame.covered[1] + tx * O) * LANES;
        let strip = strip[at..].as_mut_ptr();
        both_sides(
            s,
            &W::OUTPUT,
            // SAFETY: the caller's; the tile lies within the frame, which the strip holds.
            |a, b| unsafe { s.load(m.place(a * P + b, row + tile, 0)) },
            |a, b, value| unsafe {
                s.store(strip.add((a * frame.covered[1] + b) * LANES), value);
            },
        );
    }
    strips::store(s, strip, frame, channels)
}

/// All images at once, the output channels panel by panel: large filters are then made, read and
/// forgotten within the cache.
fn by_panels<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    w: &[f32],
    t: &Tiling,
    finish: Finish<'_, f32>,
    y: &mut [MaybeUninit<f32>],
) {
    let rows = t.n * t.per_image();
    let mut u = Scratch::new(Points::sizes(P * P, rows, t.k()).2);
    let u = Points::new(&mut u, rows, t.k());
    x.par_chunks_exact(t.image_in()).enumerate().for_each(|(i, image)| {
        let mut strip = Scratch::zeroed(t.frame_in().floats());
        dispatch(ToPoints::<W, P, O, T> {
            image,
            side: Side::Input,
            t,
            row: i * t.per_image(),
            to: u,
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
    let groups = Groups { rows, k: t.k() };
    let packed = PackedPoints::new(u, groups, P * P);
    let width = panel_width(isa());
    let y = Shared(y.as_mut_ptr().cast());
    (0..t.cout16().div_ceil(width)).into_par_iter().for_each(|panel| {
        let mut v = Filters::room(t, false, 1, width);
        let mut m = Scratch::new(Points::sizes(P * P, rows, width).2);
        let mut strip = Scratch::new(t.frame_out().floats());
        dispatch(Panel::<W, P, O, T> {
            w,
            t,
            first: panel * width,
            v: &mut v,
            u: &packed,
            m: Points::new(&mut m, rows, width),
            y,
            strip: &mut strip,
            finish,
            tables: std::marker::PhantomData,
        });
    });
}

/// Some output channels of all images, on one thread.
struct Panel<'a, W, const P: usize, const O: usize, const T: usize> {
    w: &'a [f32],
    t: &'a Tiling,
    first: usize,
    v: &'a mut Filters,
    u: &'a PackedPoints,
    m: Points,
    y: Shared,
    strip: &'a mut [f32],
    finish: Finish<'a, f32>,
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for Panel<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { w, t, first, v, u, m, y, strip, finish, .. } = self;
        v.fill::<S, W, P, O, T>(s, w, t, false, first);
        let plane = t.image_out() / t.cout;
        // SAFETY: u holds all rows of k channels, v k rows, m has room for all rows of one panel.
        unsafe { u.multiply(s, v, m, P * P) };
        for image in 0..t.n {
            for channel in (first..(first + v.panel_width).min(t.cout)).step_by(LANES) {
                let lanes = LANES.min(t.cout - channel);
                let at = y.at((image * t.cout + channel) * plane);
                // SAFETY: these channels of this image are this task's alone, and lie within y; m
                // has the rows.
                unsafe {
                    let channels = std::slice::from_raw_parts_mut(at.cast(), lanes * plane);
                    let (row, m) = (image * t.per_image(), m.at_channel(channel - first));
                    let y = output::<S, W, P, O, T>(s, t, m, row, strip, channels);
                    finish.channels(channel, plane, y);
                }
            }
        }
    }
}
