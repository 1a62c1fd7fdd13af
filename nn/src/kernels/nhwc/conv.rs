//! Convolution, bias and ReLU.

use std::ops::Range;

use super::super::conv::Geometry;
use super::super::scratch::Scratch;
use super::super::simd::Isa;
use super::super::simd::{Kernel, LANES, Simd, dispatch_on, isa, panel_width};
use super::super::winograd::{Layer, MapFilters};
use super::{Maps, Place, Window};

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Channels of the input.
    pub cin: usize,
    /// A multiple of 16.
    pub cout: usize,
    /// The kernel's size, [height, width].
    pub kernel: [usize; 2],
    /// The stride and the padding.
    pub geometry: Geometry,
    /// No Winograd: errors are then those of plain sums in f32.
    pub exact: bool,
}

impl Spec {
    fn suits_winograd(&self) -> bool {
        let fits = MapFilters::exist(self.kernel) && self.geometry.stride == [1, 1];
        let small = || MapFilters::bytes(self.kernel, self.cin, self.cout) <= LARGEST_FILTERS;
        !self.exact && fits && self.cin.is_multiple_of(LANES) && small()
    }
}

/// A convolution with a bias and ReLU behind it, its weights packed for the instruction set in use.
pub struct Conv {
    spec: Spec,
    isa: Isa,
    width: usize,
    weights: Weights,
    /// `[cout]`
    bias: Vec<f32>,
}

enum Weights {
    /// `[panel][ky][kx][cin][width]`; the last panel may be narrower.
    Direct(Scratch),
    Winograd(MapFilters),
}

/// Bytes of Winograd's filters up to which they are worth while: every block of tiles reads them
/// all.
const LARGEST_FILTERS: usize = 4 << 20;

/// Floats of input that one pass over the weights works on: half of a usual second-level cache.
const BLOCK: usize = 1 << 17;
/// Pixels of a made-up row where there are no real ones: 1x1 convolutions know no rows.
const FLAT: usize = 12 * 8;

impl Conv {
    /// `weight` is `[cout, cin, kh, kw]`; `scale` and `bias` `[cout]`: max(scale · conv + bias, 0),
    /// with the scale multiplied into the weights.
    ///
    /// # Panics
    /// If the sizes disagree or `cout` is no multiple of 16: a defect of the caller.
    pub fn new(spec: Spec, weight: &[f32], scale: &[f32], bias: &[f32]) -> Self {
        let Spec { cin, cout, kernel: [kh, kw], .. } = spec;
        let k = cin * kh * kw;
        assert_eq!(weight.len(), cout * k, "weights of another size");
        assert!(scale.len() == cout && bias.len() == cout && cout.is_multiple_of(LANES));
        let (isa, width) = (isa(), panel_width(isa()));
        let scaled: Vec<f32> = weight
            .chunks_exact(k)
            .zip(scale)
            .flat_map(|(w, s)| w.iter().map(move |w| w * s))
            .collect();
        let weights = if spec.suits_winograd() {
            Weights::Winograd(MapFilters::new(&scaled, spec.kernel, cin, cout))
        } else {
            let mut packed = Scratch::new(scaled.len());
            let mut to = packed.iter_mut();
            for panel in panels(cout, width) {
                for (ky, kx, ci) in taps(kh, kw, cin) {
                    for (co, to) in panel.clone().zip(&mut to) {
                        *to = scaled[((co * cin + ci) * kh + ky) * kw + kx];
                    }
                }
            }
            Weights::Direct(packed)
        };
        Self { spec, isa, width, weights, bias: bias.to_vec() }
    }

    /// The border that its input of `size` needs.
    pub fn border(&self, size: [usize; 2]) -> [usize; 2] {
        let padding = self.spec.geometry.padding;
        match self.weights {
            Weights::Direct(_) => padding,
            Weights::Winograd(_) => MapFilters::border(self.spec.kernel, size, padding),
        }
    }

    /// Output channels.
    pub fn cout(&self) -> usize {
        self.spec.cout
    }

    /// Height and width of the output for an input of `size`.
    ///
    /// # Panics
    /// If the kernel does not fit: a defect of the caller.
    pub fn output(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = size[axis] + 2 * self.spec.geometry.padding[axis];
            assert!(padded >= self.spec.kernel[axis], "a kernel larger than its input");
            (padded - self.spec.kernel[axis]) / self.spec.geometry.stride[axis] + 1
        })
    }

    /// Writes the convolution of all images of `x` to `y` from `place` on.
    ///
    /// # Panics
    /// If the sizes disagree, or the border of `x` is narrower than [`Self::border`]: a defect of
    /// the caller.
    pub fn apply(&self, x: &Maps, y: &mut Maps, place: Place) {
        let Geometry { padding, stride } = self.spec.geometry;
        assert_eq!(x.channels, self.spec.cin, "an input of other channels");
        assert_eq!(
            [y.height, y.width],
            self.output([x.height, x.width]),
            "an output of other size"
        );
        assert!(place.image + x.n <= y.n && place.channel + self.cout() <= y.channels);
        let border = self.border([x.height, x.width]);
        assert!(border[0] <= x.border[0] && border[1] <= x.border[1], "too narrow a border");
        let flat = self.spec.kernel == [1, 1] && stride == [1, 1] && x.border == [0, 0];
        let flat = flat && y.border == [0, 0];
        match &self.weights {
            Weights::Direct(weights) => {
                dispatch_on(self.isa, Apply { conv: self, weights, x, y, place, flat });
            }
            Weights::Winograd(filters) => {
                filters.apply(self.isa, x, y, Layer { bias: &self.bias, padding, place });
            }
        }
    }
}

/// Output channels of each panel.
fn panels(cout: usize, width: usize) -> impl Iterator<Item = Range<usize>> {
    (0..cout).step_by(width).map(move |first| first..cout.min(first + width))
}

fn taps(kh: usize, kw: usize, cin: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..kh).flat_map(move |ky| (0..kw).flat_map(move |kx| (0..cin).map(move |ci| (ky, kx, ci))))
}

struct Apply<'a> {
    conv: &'a Conv,
    weights: &'a [f32],
    x: &'a Maps,
    y: &'a mut Maps,
    place: Place,
    /// All pixels of all images are one sequence.
    flat: bool,
}

/// Output pixels that lie side by side, and the first window's place.
#[derive(Clone, Copy)]
struct Row {
    x: usize,
    y: usize,
    pixels: usize,
}

impl Apply<'_> {
    fn rows(&self) -> usize {
        if self.flat { self.pixels().div_ceil(FLAT) } else { self.x.n * self.y.height }
    }

    fn pixels(&self) -> usize {
        self.x.n * self.x.height * self.x.width
    }

    #[inline(always)]
    fn row(&self, row: usize) -> Row {
        let (x, y, place) = (self.x, &*self.y, self.place);
        if self.flat {
            let first = row * FLAT;
            let pixels = FLAT.min(self.pixels() - first);
            let at = y.pixel(place.image, 0, 0) + first * y.channels + place.channel;
            return Row { x: first * x.channels, y: at, pixels };
        }
        let (image, oy) = (row / y.height, row % y.height);
        let Geometry { padding, stride } = self.conv.spec.geometry;
        let (top, left) = (x.border[0] - padding[0], x.border[1] - padding[1]);
        Row {
            x: x.at(image, oy * stride[0] + top, left),
            y: y.pixel(place.image + image, oy, 0) + place.channel,
            pixels: y.width,
        }
    }
}

impl Kernel for Apply<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Spec { cin, cout, kernel: [kh, kw], geometry, .. } = self.conv.spec;
        let k = kh * kw * cin;
        let rows = self.rows();
        let per_row = if self.flat { FLAT * cin } else { self.x.row() * geometry.stride[0] };
        let block = (BLOCK / per_row).max(1);
        let x = self.x.values.as_ptr();
        let y = self.y.values.as_mut_ptr();
        for first in (0..rows).step_by(block) {
            for panel in panels(cout, self.conv.width) {
                let w = self.weights[panel.start * k..].as_ptr();
                let bias = self.conv.bias[panel.clone()].as_ptr();
                for row in first..rows.min(first + block) {
                    let row = self.row(row);
                    let tiles = row.pixels.div_ceil(S::STRIDED_ROWS);
                    let mut pixel = 0;
                    for tile in 0..tiles {
                        let pixels = (row.pixels - pixel).div_ceil(tiles - tile);
                        let at = Window {
                            x: x.wrapping_add(row.x + pixel * geometry.stride[1] * cin),
                            pixel: geometry.stride[1] * cin,
                            line: self.x.row(),
                            lines: kh,
                            run: kw * cin,
                            w,
                            bias,
                            y: y.wrapping_add(row.y + panel.start + pixel * self.y.channels),
                            y_pixel: self.y.channels,
                        };
                        // SAFETY: `apply` holds every window inside x and its border, every output
                        // inside y; panels are whole, and x and y are different buffers.
                        unsafe { s.window(pixels, panel.len(), at) };
                        pixel += pixels;
                    }
                }
            }
        }
    }
}
