//! y = Aᵀ[(Bᵀ x B) · V]A, and the transforms that the gradients share with it.

use rayon::prelude::*;

use super::super::scratch::Scratch;
use super::super::simd::{Kernel, LANES, Simd, dispatch, isa, panel_width, tile_rows};
use super::super::tile::{Factor, Groups, Product, Sizes, panels};
use super::filters::{Filters, filters, panel_by_panel};
use super::strips::{self, Frame};
use super::tables::{Tables, both_sides};
use super::{Shared, Tiling, by_variant};

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
    let mut y = vec![0.0; t.n * t.image_out()];
    if panel_by_panel(t, false) {
        by_panels::<W, P, O, T>(x, w, t, &mut y);
        return y;
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
            let plane = image.len() / t.cout;
            for (strip_at, channels) in image.chunks_mut(LANES * plane).enumerate() {
                let row = i * t.per_image();
                // SAFETY: m has these rows.
                unsafe {
                    output::<S, W, P, O, T>(s, t, m, row, strip_at * LANES, strip, channels);
                }
            }
        }
    }
}

/// Aᵀ M A: up to 16 channels of one image, from the rows from `row` on.
///
/// # Safety
/// `m` holds the image's rows at P² points, with 16 channels from `first` on.
#[inline(always)]
unsafe fn output<S: Simd, W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    s: S,
    t: &Tiling,
    m: Points,
    row: usize,
    first: usize,
    strip: &mut [f32],
    channels: &mut [f32],
) {
    let frame = t.frame_out();
    for tile in 0..t.per_image() {
        let (ty, tx) = (tile / t.tiles[1], tile % t.tiles[1]);
        let at = (ty * O * frame.covered[1] + tx * O) * LANES;
        let strip = strip[at..].as_mut_ptr();
        both_sides(
            s,
            &W::OUTPUT,
            // SAFETY: the caller's; the tile lies within the frame, which the strip holds.
            |a, b| unsafe { s.load(m.place(a * P + b, row + tile, first)) },
            |a, b, value| unsafe {
                s.store(strip.add((a * frame.covered[1] + b) * LANES), value);
            },
        );
    }
    strips::store(strip, frame, channels);
}

/// All images at once, the output channels panel by panel: large filters are then made, read and forgotten
/// within the cache.
fn by_panels<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize>(
    x: &[f32],
    w: &[f32],
    t: &Tiling,
    y: &mut [f32],
) {
    let rows = t.n * t.per_image();
    let mut u = Scratch::new(Points::sizes(P * P, rows, t.k()).2);
    let u = Points::of(&mut u, rows, t.k());
    x.par_chunks_exact(t.image_in()).enumerate().for_each(|(i, image)| {
        let mut strip = Scratch::zeroed(t.frame_in().floats());
        dispatch(ImagePoints::<W, P, O, T> {
            image,
            t,
            row: i * t.per_image(),
            u,
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
    let groups = Groups { rows, k: t.k() };
    let packed = PackedPoints::of(u, groups, P * P);
    let width = panel_width(isa());
    let y = Shared(y.as_mut_ptr());
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
            m: Points::of(&mut m, rows, width),
            y,
            strip: &mut strip,
            tables: std::marker::PhantomData,
        });
    });
}

/// Values at the points, regrouped for products that read them many times.
pub(super) struct PackedPoints {
    data: Scratch,
    groups: Groups,
    point: usize,
}

impl PackedPoints {
    pub fn of(from: Points, groups: Groups, points: usize) -> Self {
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

/// U of one image.
struct ImagePoints<'a, W, const P: usize, const O: usize, const T: usize> {
    image: &'a [f32],
    t: &'a Tiling,
    row: usize,
    u: Points,
    strip: &'a mut [f32],
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for ImagePoints<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: u has room for the rows of every image, and each image's are one task's.
        unsafe {
            input_points::<S, W, P, O, T>(s, self.image, self.t, self.row, self.u, self.strip);
        }
    }
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
    tables: std::marker::PhantomData<W>,
}

impl<W: Tables<P, O, T>, const P: usize, const O: usize, const T: usize> Kernel
    for Panel<'_, W, P, O, T>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { w, t, first, v, u, m, y, strip, .. } = self;
        v.fill::<S, W, P, O, T>(s, w, t, false, first);
        let plane = t.image_out() / t.cout;
        // SAFETY: u holds all rows of k channels, v k rows, m has room for all rows of one panel.
        unsafe { u.multiply(s, v, m, P * P) };
        for image in 0..t.n {
            for channel in (first..(first + v.panel_width).min(t.cout)).step_by(LANES) {
                let lanes = LANES.min(t.cout - channel);
                let at = y.at((image * t.cout + channel) * plane);
                // SAFETY: these channels of this image are this task's alone, and lie within y; m has the
                // rows.
                unsafe {
                    let channels = std::slice::from_raw_parts_mut(at, lanes * plane);
                    let row = image * t.per_image();
                    output::<S, W, P, O, T>(s, t, m, row, channel - first, strip, channels);
                }
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
