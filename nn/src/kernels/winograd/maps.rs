//! The forward pass on feature maps in NHWC: F(4, 3), bias and ReLU.

use super::super::conv::Geometry;
use super::super::nhwc::{Maps, Place};
use super::super::scratch::Scratch;
use super::super::simd::{Isa, Kernel, LANES, Simd, dispatch_on};
use super::filters::{Filters, filters};
use super::points::{Points, products};
use super::tables::{F43, Tables, both_sides};
use super::{Problem, Tiling, Variant};

/// Outputs and points of a tile's side.
const OUT: usize = 4;
const POINTS: usize = 6;

/// Bytes of a block's values at the points, and the tiles of a block: enough to use each filter often, few
/// enough to stay near the core.
const BLOCK_BYTES: usize = 3 << 19;
const FEWEST: usize = 16;
const MOST: usize = 64;

/// Filters of a 3x3 convolution of stride 1 at the points.
pub struct MapFilters {
    v: Filters,
    cin: usize,
    cout: usize,
}

impl MapFilters {
    /// `w` is `[cout, cin, 3, 3]`, with both numbers of channels multiples of 16. Packed for the
    /// instruction set in use.
    pub fn new(w: &[f32], cin: usize, cout: usize) -> Self {
        assert!(cin.is_multiple_of(LANES) && cout.is_multiple_of(LANES));
        let problem = Problem {
            n: 1,
            cin,
            cout,
            size_in: [OUT; 2],
            size_out: [OUT; 2],
            kernel: [3, 3],
            geometry: Geometry::square(1, 1),
        };
        Self { v: filters(w, &Tiling::with(&problem, Variant::F43), false), cin, cout }
    }

    /// Bytes of the filters of so many channels at the points.
    pub fn bytes(cin: usize, cout: usize) -> usize {
        POINTS * POINTS * cin * cout * size_of::<f32>()
    }

    /// The border that an input of `size` pixels needs: whole tiles reach beyond the last output.
    pub fn border(size: usize, padding: usize) -> usize {
        let tiles = (size + 2 * padding - 2).div_ceil(OUT);
        padding.max((tiles * OUT + 2).saturating_sub(padding + size))
    }

    /// max(x ∗ w + bias, 0), from `place` of y on. The caller has checked all sizes, and that the border of
    /// x is that of [`Self::border`].
    pub fn apply(&self, isa: Isa, x: &Maps, y: &mut Maps, layer: Layer<'_>) {
        assert!(x.channels == self.cin && layer.bias.len() == self.cout);
        dispatch_on(isa, Forward { filters: self, x, y, layer });
    }
}

/// What a convolution's filters do not say.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    pub bias: &'a [f32],
    pub padding: [usize; 2],
    pub place: Place,
}

struct Forward<'a> {
    filters: &'a MapFilters,
    x: &'a Maps,
    y: &'a mut Maps,
    layer: Layer<'a>,
}

impl Kernel for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { filters: MapFilters { v, cin, cout }, x, y, layer } = self;
        let (cin, cout) = (*cin, *cout);
        let tiles = [y.height.div_ceil(OUT), y.width.div_ceil(OUT)];
        let per_image = tiles[0] * tiles[1];
        let all = x.n * per_image;
        let columns = v.panels * v.panel_width;
        let per_tile = POINTS * POINTS * (cin + columns + 2 * LANES) * size_of::<f32>();
        let block = (BLOCK_BYTES / per_tile).clamp(FEWEST, MOST).min(all);
        let mut u = Scratch::new(Points::sizes(POINTS * POINTS, block, cin).2);
        let mut m = Scratch::new(Points::sizes(POINTS * POINTS, block, columns).2);
        let (u, m) = (Points::of(&mut u, block, cin), Points::of(&mut m, block, columns));
        let (from, row_in) = (x.values.as_ptr(), x.row());
        let row_out = y.row();
        // Image, and first output row and column, of a tile.
        let of = |tile: usize| {
            let (image, tile) = (tile / per_image, tile % per_image);
            (image, tile / tiles[1] * OUT, tile % tiles[1] * OUT)
        };
        for first in (0..all).step_by(block) {
            let rows = block.min(all - first);
            for r in 0..rows {
                let (image, top, left) = of(first + r);
                let at = x.at(
                    image,
                    top + x.border[0] - layer.padding[0],
                    left + x.border[1] - layer.padding[1],
                );
                for channel in (0..cin).step_by(LANES) {
                    let from = from.wrapping_add(at + channel);
                    both_sides(
                        s,
                        &F43::INPUT,
                        // SAFETY: the tile lies within x and its border, which `border` is wide enough for.
                        |a, b| unsafe { s.load(from.add(a * row_in + b * cin)) },
                        // SAFETY: u has room for a block of rows of cin channels.
                        |a, b, value| unsafe {
                            s.store(u.place(a * POINTS + b, r, channel), value)
                        },
                    );
                }
            }
            // SAFETY: u and m hold all points of `rows` rows, v has cin rows and all panels.
            unsafe { products(s, u, cin, v, m, rows, POINTS * POINTS) };
            for r in 0..rows {
                let (image, top, left) = of(first + r);
                let at = y.pixel(layer.place.image + image, top, left) + layer.place.channel;
                let inside = [y.height - top, y.width - left];
                for channel in (0..cout).step_by(LANES) {
                    let to = y.values[at + channel..].as_mut_ptr();
                    // SAFETY: `apply` has checked that there is a bias for every channel.
                    let bias = unsafe { s.load(layer.bias.as_ptr().add(channel)) };
                    let step = y.channels;
                    both_sides(
                        s,
                        &F43::OUTPUT,
                        // SAFETY: m holds these rows.
                        |a, b| unsafe { s.load(m.place(a * POINTS + b, r, channel)) },
                        |a, b, value| {
                            if a < inside[0] && b < inside[1] {
                                let value = s.rectify(s.add(value, bias));
                                // SAFETY: the pixel lies within y, which has these channels.
                                unsafe { s.store(to.add(a * row_out + b * step), value) };
                            }
                        },
                    );
                }
            }
        }
    }
}
