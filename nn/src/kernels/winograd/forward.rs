//! y = Aᵀ[(Bᵀ x B) · V]A, and the transforms that the gradients share with it.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch};
use super::super::tile::{Factor, Product, Sizes, panels};
use super::filters::{Filters, filters};
use super::strips::{self, Frame};
use super::tables::{Tables, both_sides};
use super::{Tiling, by_variant};

/// Values at the points: (point, row, channel) stands at `point·i + row·r + channel`.
#[derive(Clone, Copy)]
pub(super) struct Points {
    pub at: *mut f32,
    pub point: usize,
    pub row: usize,
}

// SAFETY: whoever writes through it states why no two tasks write one element.
unsafe impl Send for Points {}
// SAFETY: as above.
unsafe impl Sync for Points {}

impl Points {
    /// Room for `rows` tiles of `channels`, rows one vector apart.
    pub fn sizes(points: usize, rows: usize, channels: usize) -> (usize, usize, usize) {
        let row = channels + LANES;
        (row, rows * row, points * rows * row)
    }

    pub fn of(scratch: &mut Scratch, rows: usize, channels: usize) -> Self {
        let row = channels + LANES;
        Self { at: scratch.as_mut_ptr(), point: rows * row, row }
    }

    pub fn place(&self, point: usize, row: usize, channel: usize) -> *mut f32 {
        self.at.wrapping_add(point * self.point + row * self.row + channel)
    }
}

impl Tiling {
    pub(super) fn frame_in(&self) -> Frame {
        Frame { size: self.size_in, covered: self.covered_in(), origin: self.padding }
    }

    pub(super) fn frame_out(&self) -> Frame {
        Frame { size: self.size_out, covered: self.covered_out(), origin: [0, 0] }
    }
}

/// The convolution `[n, cout, …]` of x `[n, cin, …]` with w `[cout, cin, …]`.
pub fn forward(x: &[f32], w: &[f32], t: &Tiling) -> Vec<f32> {
    by_variant!(t.variant, run, x, w, t)
}

fn run<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    w: &[f32],
    t: &Tiling,
) -> Vec<f32> {
    let v = filters(w, t, false);
    let mut y = vec![0.0; t.n * t.image_out()];
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
            u: Points::of(&mut u, rows, t.k()),
            m: Points::of(&mut m, rows, columns),
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
    y
}

/// Some images, on one thread.
struct Block<'a, W, const P: usize, const O: usize, const T: usize> {
    x: &'a [f32],
    y: &'a mut [f32],
    t: &'a Tiling,
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
        let Self { x, y, t, v, u, m, strip, .. } = self;
        for (i, image) in x.chunks_exact(t.image_in()).enumerate() {
            // SAFETY: u has room for these rows, and this task alone has it.
            unsafe { input_points::<S, W, P, O, T>(s, image, t, i * t.per_image(), u, strip) };
        }
        let rows = x.len() / t.image_in() * t.per_image();
        // SAFETY: u, v and m hold P² points of `rows` rows, k steps and all panels.
        unsafe { products(s, u, t.k(), v, m, rows, P * P) };
        for (i, image) in y.chunks_exact_mut(t.image_out()).enumerate() {
            for first in (0..t.cout).step_by(LANES) {
                let frame = t.frame_out();
                for tile in 0..t.per_image() {
                    let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
                    let at = (ty * O * frame.covered[1] + tx * O) * LANES;
                    let strip = strip[at..].as_mut_ptr();
                    let row = i * t.per_image() + tile;
                    both_sides(
                        s,
                        &W::OUTPUT,
                        // SAFETY: m has this row; the tile lies within the frame, which the strip holds.
                        |a, b| unsafe { s.load(m.place(a * P + b, row, first)) },
                        |a, b, value| unsafe {
                            s.store(strip.add((a * frame.covered[1] + b) * LANES), value);
                        },
                    );
                }
                strips::store(strip, first, frame, image);
            }
        }
    }
}

/// U of one image: Bᵀ x B of every tile, rows from `row` on.
///
/// # Safety
/// `u` has room for the image's rows of k channels at P² points, and nobody else writes them. The margin of
/// `strip` outside the image is 0.
#[inline(always)]
pub(super) unsafe fn input_points<
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
    u: Points,
    strip: &mut [f32],
) {
    let frame = t.frame_in();
    for first in (0..t.cin16()).step_by(LANES) {
        strips::load(image, first, frame, strip);
        for phase in 0..t.phases() {
            for tile in 0..t.per_image() {
                let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
                let y = t.stride * ty * O + phase / t.stride;
                let x = t.stride * tx * O + phase % t.stride;
                let strip = strip[(y * frame.covered[1] + x) * LANES..].as_ptr();
                let channel = phase * t.cin16() + first;
                both_sides(
                    s,
                    &W::INPUT,
                    // SAFETY: the tile lies within the frame, which the strip holds; the rest is the
                    // caller's.
                    |a, b| unsafe {
                        s.load(strip.add((a * frame.covered[1] + b) * t.stride * LANES))
                    },
                    |a, b, value| unsafe {
                        s.store(u.place(a * P + b, row + tile, channel), value)
                    },
                );
            }
        }
    }
}

/// M = U·V at every point.
///
/// # Safety
/// `a` holds `rows` rows of k channels at each of `points`, `c` has room for `rows` rows of all of `v`'s
/// columns, `v` has k rows.
#[inline(always)]
pub(super) unsafe fn products<S: Simd>(
    s: S,
    a: Points,
    k: usize,
    v: &Filters,
    c: Points,
    rows: usize,
    points: usize,
) {
    let sizes = Sizes { rows, k, panels: v.panels, panel: v.panel, b_step: v.panel_width };
    for point in 0..points {
        let a = Factor { at: a.place(point, 0, 0), outer: a.row, step: 1 };
        let c = Product { at: c.place(point, 0, 0), row: c.row, add: false };
        // SAFETY: the caller's.
        unsafe { panels(s, a, v.data[point * v.point..].as_ptr(), c, sizes) };
    }
}
