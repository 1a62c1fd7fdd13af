//! The forward pass on feature maps in NHWC: Winograd's algorithm of each axis, bias and ReLU.

use std::marker::PhantomData;

use super::super::nhwc::{Maps, Place};
use super::super::scratch::Scratch;
use super::super::simd::{Isa, Kernel, LANES, Simd, dispatch_on, isa, panel_width};
use super::filters::Filters;
use super::points::{Points, products};
use super::tables::{F25, F43, F47, One, Sides, Tables, each_side};

/// An axis of a tile.
#[derive(Clone, Copy)]
struct Axis {
    points: usize,
    outputs: usize,
    taps: usize,
}

impl Axis {
    fn for_taps(taps: usize) -> Self {
        let (points, outputs) = match taps {
            1 => (1, 1),
            3 => (6, 4),
            5 => (6, 2),
            7 => (10, 4),
            other => unreachable!("no algorithm for {other} taps"),
        };
        Self { points, outputs, taps }
    }
}

/// Runs `$call` with the tables of both axes, each with its points, outputs and taps.
macro_rules! by_kernel {
    ($kernel:expr, $call:ident($($arg:expr),*)) => {
        match $kernel {
            [3, 3] => $call::<F43, F43, 6, 4, 3, 6, 4, 3>($($arg),*),
            [5, 5] => $call::<F25, F25, 6, 2, 5, 6, 2, 5>($($arg),*),
            [1, 3] => $call::<One, F43, 1, 1, 1, 6, 4, 3>($($arg),*),
            [3, 1] => $call::<F43, One, 6, 4, 3, 1, 1, 1>($($arg),*),
            [1, 7] => $call::<One, F47, 1, 1, 1, 10, 4, 7>($($arg),*),
            [7, 1] => $call::<F47, One, 10, 4, 7, 1, 1, 1>($($arg),*),
            other => unreachable!("no algorithm for a kernel of {other:?}"),
        }
    };
}

/// Bytes of a block's values at the points, and the tiles of a block: enough to use each filter
/// often, few enough to stay near the core.
const BLOCK_BYTES: usize = 3 << 17;
const FEWEST: usize = 16;
const MOST: usize = 64;

/// Filters of a convolution of stride 1 at the points.
pub struct MapFilters {
    v: Filters,
    kernel: [usize; 2],
    cin: usize,
    cout: usize,
}

impl MapFilters {
    /// Whether there is an algorithm for the kernel.
    pub fn exist(kernel: [usize; 2]) -> bool {
        matches!(kernel, [3, 3] | [5, 5] | [1, 3] | [3, 1] | [1, 7] | [7, 1])
    }

    /// `w` is `[cout, cin, kh, kw]` of a kernel that [`Self::exist`] for, with both numbers of
    /// channels multiples of 16. Packed for the instruction set in use.
    pub fn new(w: &[f32], kernel: [usize; 2], cin: usize, cout: usize) -> Self {
        assert!(cin.is_multiple_of(LANES) && cout.is_multiple_of(LANES));
        assert_eq!(w.len(), cout * cin * kernel[0] * kernel[1], "weights of another size");
        let width = panel_width(isa());
        let panels = cout.div_ceil(width);
        let panel = cin * width;
        // Three lines more, so that the points of one filter do not fall into one cache set.
        let point = panels * panel + 3 * LANES;
        let data = Scratch::new(
            kernel.map(|taps| Axis::for_taps(taps).points).iter().product::<usize>() * point,
        );
        let mut v = Filters { data, point, panel, panels, panel_width: width };
        by_kernel!(kernel, fill(&mut v, w, cin));
        Self { v, kernel, cin, cout }
    }

    /// Bytes of the filters at the points.
    pub fn bytes(kernel: [usize; 2], cin: usize, cout: usize) -> usize {
        let points: usize = kernel.map(|taps| Axis::for_taps(taps).points).iter().product();
        points * cin * cout * size_of::<f32>()
    }

    /// The border that an input of `size` pixels needs: whole tiles reach beyond the last output.
    pub fn border(kernel: [usize; 2], size: [usize; 2], padding: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let (size, padding) = (size[axis], padding[axis]);
            let Axis { outputs, taps, .. } = Axis::for_taps(kernel[axis]);
            let tiles = (size + 2 * padding + 1 - taps).div_ceil(outputs);
            padding.max((tiles * outputs + taps - 1).saturating_sub(padding + size))
        })
    }

    /// max(x ∗ w + bias, 0), from `place` of y on. The caller has checked all sizes, and that the
    /// border of x is that of [`Self::border`].
    pub fn apply(&self, isa: Isa, x: &Maps, y: &mut Maps, layer: Layer<'_>) {
        assert!(x.channels == self.cin && layer.bias.len() == self.cout);
        by_kernel!(self.kernel, forward(self, isa, x, y, layer));
    }
}

/// What a convolution's filters do not say.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    pub bias: &'a [f32],
    pub padding: [usize; 2],
    pub place: Place,
}

/// V = G w Gᵀ, with sums in f64: it is done once.
fn fill<
    WY: Tables<PY, OY, TY>,
    WX: Tables<PX, OX, TX>,
    const PY: usize,
    const OY: usize,
    const TY: usize,
    const PX: usize,
    const OX: usize,
    const TX: usize,
>(
    v: &mut Filters,
    w: &[f32],
    cin: usize,
) {
    v.data.fill(0.0);
    for (filter, w) in w.chunks_exact(TY * TX).enumerate() {
        let (co, ci) = (filter / cin, filter % cin);
        let at = co / v.panel_width * v.panel + ci * v.panel_width + co % v.panel_width;
        for (py, down) in WY::FILTER.iter().enumerate() {
            for (px, across) in WX::FILTER.iter().enumerate() {
                let taps = w.chunks_exact(TX).zip(down).flat_map(|(line, &down)| {
                    line.iter().zip(across).map(move |(&w, &across)| {
                        f64::from(down) * f64::from(across) * f64::from(w)
                    })
                });
                v.data[(py * PX + px) * v.point + at] = taps.sum::<f64>() as f32;
            }
        }
    }
}

fn forward<
    WY: Tables<PY, OY, TY>,
    WX: Tables<PX, OX, TX>,
    const PY: usize,
    const OY: usize,
    const TY: usize,
    const PX: usize,
    const OX: usize,
    const TX: usize,
>(
    filters: &MapFilters,
    isa: Isa,
    x: &Maps,
    y: &mut Maps,
    layer: Layer<'_>,
) {
    let tables = PhantomData::<(WY, WX)>;
    dispatch_on(isa, Forward::<WY, WX, PY, OY, TY, PX, OX, TX> { filters, x, y, layer, tables });
}

struct Forward<
    'a,
    WY,
    WX,
    const PY: usize,
    const OY: usize,
    const TY: usize,
    const PX: usize,
    const OX: usize,
    const TX: usize,
> {
    filters: &'a MapFilters,
    x: &'a Maps,
    y: &'a mut Maps,
    layer: Layer<'a>,
    tables: PhantomData<(WY, WX)>,
}

impl<
    WY: Tables<PY, OY, TY>,
    WX: Tables<PX, OX, TX>,
    const PY: usize,
    const OY: usize,
    const TY: usize,
    const PX: usize,
    const OX: usize,
    const TX: usize,
> Kernel for Forward<'_, WY, WX, PY, OY, TY, PX, OX, TX>
{
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { filters: MapFilters { v, cin, cout, .. }, x, y, layer, .. } = self;
        let (cin, cout) = (*cin, *cout);
        let tiles = [y.height.div_ceil(OY), y.width.div_ceil(OX)];
        let per_image = tiles[0] * tiles[1];
        let all = x.n * per_image;
        let columns = v.panels * v.panel_width;
        let per_tile = PY * PX * (cin + columns + 2 * LANES) * size_of::<f32>();
        let block = (BLOCK_BYTES / per_tile).clamp(FEWEST, MOST).min(all);
        let mut u = Scratch::new(Points::sizes(PY * PX, block, cin).2);
        let mut m = Scratch::new(Points::sizes(PY * PX, block, columns).2);
        let (u, m) = (Points::new(&mut u, block, cin), Points::new(&mut m, block, columns));
        let (from, row_in) = (x.values.as_ptr(), x.row());
        let row_out = y.row();
        // Image, and first output row and column, of a tile.
        let of = |tile: usize| {
            let (image, tile) = (tile / per_image, tile % per_image);
            (image, tile / tiles[1] * OY, tile % tiles[1] * OX)
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
                    each_side(
                        s,
                        Sides { down: &WY::INPUT, across: &WX::INPUT },
                        // SAFETY: the tile lies within x and its border, which `border` is wide
                        // enough for.
                        |a, b| unsafe { s.load(from.add(a * row_in + b * cin)) },
                        // SAFETY: u has room for a block of rows of cin channels.
                        |a, b, value| unsafe { s.store(u.place(a * PX + b, r, channel), value) },
                    );
                }
            }
            // SAFETY: u and m hold all points of `rows` rows, v has cin rows and all panels.
            unsafe { products(s, u, cin, v, m, rows, PY * PX) };
            for r in 0..rows {
                let (image, top, left) = of(first + r);
                let at = y.pixel(layer.place.image + image, top, left) + layer.place.channel;
                let inside = [y.height - top, y.width - left];
                for channel in (0..cout).step_by(LANES) {
                    let to = y.values[at + channel..].as_mut_ptr();
                    // SAFETY: `apply` has checked that there is a bias for every channel.
                    let bias = unsafe { s.load(layer.bias.as_ptr().add(channel)) };
                    let step = y.channels;
                    each_side(
                        s,
                        Sides { down: &WY::OUTPUT, across: &WX::OUTPUT },
                        // SAFETY: m holds these rows.
                        |a, b| unsafe { s.load(m.place(a * PX + b, r, channel)) },
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
