//! Tiles at the points: the transforms of inputs and of gradients, and the products.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, tile_rows};
use super::super::tile::{Factor, Groups, Product, Sizes, panels};
use super::filters::Filters;
use super::strips::{self, Frame};
use super::tables::{Tables, both_sides, both_sides_adjoint};
use super::{Shared, Tiling};

/// Values at the points: (point, row, channel) stands at `point·i + row·r + channel`.
#[derive(Clone, Copy)]
pub struct Points {
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

    pub fn new(scratch: &mut Scratch, rows: usize, channels: usize) -> Self {
        let row = channels + LANES;
        Self { at: scratch.as_mut_ptr(), point: rows * row, row }
    }

    /// The same from another channel on.
    pub fn at_channel(self, channel: usize) -> Self {
        Self { at: self.at.wrapping_add(channel), ..self }
    }

    pub fn place(&self, point: usize, row: usize, channel: usize) -> *mut f32 {
        self.at.wrapping_add(point * self.point + row * self.row + channel)
    }
}

impl Tiling {
    pub fn frame_in(&self) -> Frame {
        Frame { size: self.size_in, covered: self.covered_in(), origin: self.padding }
    }

    pub fn frame_out(&self) -> Frame {
        Frame { size: self.size_out, covered: self.covered_out(), origin: [0, 0] }
    }
}

/// U of one image: Bᵀ x B of every tile, rows from `row` on.
///
/// # Safety
/// `u` has room for the image's rows of k channels at P² points, and nobody else writes them. The
/// margin of `strip` outside the image is 0.
#[inline(always)]
pub unsafe fn input_points<
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
        strips::load(s, image, first, frame, strip);
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
                    // SAFETY: the tile lies within the frame, which the strip holds; the rest is
                    // the caller's.
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

/// A dy Aᵀ of one image, rows from `row` on.
///
/// # Safety
/// `m` has room for the image's rows of `cout16` channels at P² points, and nobody else writes
/// them. The margin of `strip` outside the image is 0.
#[inline(always)]
pub unsafe fn output_points<
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
        strips::load(s, image, first, frame, strip);
        for tile in 0..t.per_image() {
            let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
            let strip = strip[(ty * O * frame.covered[1] + tx * O) * LANES..].as_ptr();
            both_sides_adjoint(
                s,
                &W::OUTPUT,
                // SAFETY: the tile lies within the frame, which the strip holds; the rest is the
                // caller's.
                |a, b| unsafe { s.load(strip.add((a * frame.covered[1] + b) * LANES)) },
                |a, b, value| unsafe { s.store(m.place(a * P + b, row + tile, first), value) },
            );
        }
    }
}

/// Which images go to the points: the convolution's inputs, or the gradients of its outputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Input,
    Output,
}

/// One image to the points.
pub struct ToPoints<'a, W, const P: usize, const O: usize, const T: usize> {
    pub image: &'a [f32],
    pub side: Side,
    pub t: &'a Tiling,
    pub row: usize,
    pub to: Points,
    pub strip: &'a mut [f32],
    pub tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for ToPoints<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { image, side, t, row, to, strip, .. } = self;
        // SAFETY: `to` has room for the rows of every image, and each image's are one task's.
        unsafe {
            match side {
                Side::Input => input_points::<S, W, P, O, T>(s, image, t, row, to, strip),
                Side::Output => output_points::<S, W, P, O, T>(s, image, t, row, to, strip),
            }
        }
    }
}

/// M = U·V at every point.
///
/// # Safety
/// `a` holds `rows` rows of k channels at each of `points`, `c` has room for `rows` rows of all of
/// `v`'s columns, `v` has k rows.
#[inline(always)]
pub unsafe fn products<S: Simd>(
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

/// Values at the points, regrouped for products that read them many times.
pub struct PackedPoints {
    data: Scratch,
    groups: Groups,
    point: usize,
}

impl PackedPoints {
    pub fn new(from: Points, groups: Groups, points: usize) -> Self {
        let point = groups.floats(tile_rows(isa()));
        let mut data = Scratch::new(points * point);
        let to = Shared(data.as_mut_ptr());
        (0..points).into_par_iter().for_each(|i| {
            dispatch(Pack { from, groups, point: i, to: Shared(to.at(i * point)) });
        });
        Self { data, groups, point }
    }

    /// All rows times the one panel of `v`, at every point.
    ///
    /// # Safety
    /// `v` has as many rows as these have channels, `c` room for all rows of one panel.
    #[inline(always)]
    pub unsafe fn multiply<S: Simd>(&self, s: S, v: &Filters, c: Points, points: usize) {
        for point in 0..points {
            let c = Product { at: c.place(point, 0, 0), row: c.row, add: false };
            let a = self.data[point * self.point..].as_ptr();
            // SAFETY: the caller's.
            unsafe { self.groups.multiply(s, a, v.data[point * v.point..].as_ptr(), c) };
        }
    }
}

/// One point's rows.
struct Pack {
    from: Points,
    groups: Groups,
    point: usize,
    to: Shared,
}

impl Kernel for Pack {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let from = Factor { at: self.from.place(self.point, 0, 0), outer: self.from.row, step: 1 };
        // SAFETY: the points hold these rows; each point's place in the result is one task's.
        unsafe { self.groups.pack(s, from, self.to.at(0)) };
    }
}
