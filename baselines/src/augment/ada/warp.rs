//! ADA's geometric transformations: one matrix, and a resampling between two orthogonal wavelet
//! filters (sym6) that leaves an image alone where nothing moves.
//!
//! The steps are those of NVlabs/stylegan2-ada-pytorch: mirror the border outwards, double the
//! resolution, read by bilinear interpolation with zeros outside, halve the resolution. The border
//! is as wide as the image's own draw needs, where the official code takes the widest of the batch;
//! both are at most one pixel short of the side. So an image does not depend on the others, and
//! differs from theirs by the filters' last taps where the border of another draw was wider.

use ganbench_nn::kernels::Real;

use super::Planes;
use crate::augment::taps::{Taps, mirrored};

/// Low-pass filter of the wavelet sym6 (Daubechies' least asymmetric one with six vanishing
/// moments), scaled to sum 1 in use.
const SYM6: [f64; 12] = [
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
];
/// Pixels on each side of the result that its halving reads.
const REACH: usize = SYM6.len() / 4;

/// An affine map of the plane: (x, y) ↦ M·(x, y, 1), in pixels from the middle of the image, y
/// downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Geometry([[f64; 3]; 2]);

impl Geometry {
    pub(super) fn scaled(x: f64, y: f64) -> Self {
        Self([[x, 0.0, 0.0], [0.0, y, 0.0]])
    }

    pub(super) fn moved(x: f64, y: f64) -> Self {
        Self([[1.0, 0.0, x], [0.0, 1.0, y]])
    }

    pub(super) fn turned(angle: f64) -> Self {
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }

    /// [`Self::turned`] by `n` right angles, exact.
    pub(super) fn quarter_turns(n: u64) -> Self {
        let (sin, cos) = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][(n % 4) as usize];
        Self([[cos, -sin, 0.0], [sin, cos, 0.0]])
    }

    /// The matrix product self · `first`.
    pub(super) fn after(self, first: Self) -> Self {
        let f = [first.0[0], first.0[1], [0.0, 0.0, 1.0]];
        Self(self.0.map(|row| std::array::from_fn(|j| (0..3).map(|k| row[k] * f[k][j]).sum())))
    }

    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        self.0.map(|[a, b, c]| a * x + b * y + c)
    }
}

/// One image's resampling.
pub(super) struct Warp {
    /// From the doubled result to the doubled image.
    inverse: Geometry,
    /// To twice the resolution, down the columns and along the rows.
    double: [Taps; 2],
    halve: [Taps; 2],
}

impl Warp {
    /// `inverse` leads from the result to the image.
    pub(super) fn new(inverse: Geometry, size: Planes) -> Self {
        let sides = [size.width, size.height];
        let middle = sides.map(|side| (side as f64 - 1.0) / 2.0);
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
            .map(|(x, y)| inverse.at(x * middle[0], y * middle[1]));
        // [x, y], each before and behind the image.
        let margins = [0, 1].map(|axis| {
            [-1.0, 1.0].map(|sign| {
                let reach = corners.iter().fold(f64::MIN, |m, c| m.max(sign * c[axis]));
                let margin = reach + (2 * REACH) as f64 - middle[axis];
                margin.clamp(0.0, sides[axis] as f64 - 1.0).ceil() as usize
            })
        });
        // Index o of the doubled result lies at (o − side + 1)/2 − REACH pixels from the middle,
        // and x pixels from the middle is index 2x + side − 1 of the doubled image, behind its
        // margin and border.
        let [of_x, of_y] = [0, 1].map(|axis| (sides[axis] - 1) as f64 / 2.0 + REACH as f64);
        let [to_x, to_y] =
            [0, 1].map(|axis| (sides[axis] - 1 + 2 * margins[axis][0] + BORDER) as f64);
        let inverse = Geometry::moved(to_x, to_y)
            .after(Geometry::scaled(2.0, 2.0))
            .after(inverse)
            .after(Geometry::moved(-of_x, -of_y))
            .after(Geometry::scaled(0.5, 0.5));
        let double = [doubled(size.height, margins[1]), doubled(size.width, margins[0])];
        Self { inverse, double, halve: [halved(size.height), halved(size.width)] }
    }

    /// One channel, from `x` to `y`.
    pub(super) fn forward<T: Real>(&self, x: &[T], y: &mut [T]) {
        let fine = self.double[0].along_columns(&self.double[1].along_rows(x));
        let columns = self.double[1].outputs();
        let mut seen = vec![T::default(); self.halve[0].inputs() * self.halve[1].inputs()];
        self.reads(|to, from, w| {
            let w = w.map(T::nearest);
            let (top, bottom) = (&fine[from..from + 2], &fine[from + columns..from + columns + 2]);
            seen[to] = top[0] * w[0] + top[1] * w[1] + bottom[0] * w[2] + bottom[1] * w[3];
        });
        y.copy_from_slice(&self.halve[0].along_columns(&self.halve[1].along_rows(&seen)));
    }

    /// The transpose of [`Self::forward`], from `g` to `dx`.
    pub(super) fn transposed<T: Real>(&self, g: &[T], dx: &mut [T]) {
        let seen = self.halve[1].along_rows_transposed(&self.halve[0].along_columns_transposed(g));
        let columns = self.double[1].outputs();
        let mut fine = vec![T::default(); self.double[0].outputs() * columns];
        self.reads(|to, from, w| {
            for (place, w) in [0, 1, columns, columns + 1].into_iter().zip(w) {
                fine[from + place] += seen[to] * T::nearest(w);
            }
        });
        let [down, along] = &self.double;
        dx.copy_from_slice(&along.along_rows_transposed(&down.along_columns_transposed(&fine)));
    }

    /// Calls `f` with each pixel of the doubled result that is read inside the doubled image, the
    /// first of the four pixels around the position, and the four's weights, row by row.
    fn reads(&self, mut f: impl FnMut(usize, usize, [f64; 4])) {
        let [rows, columns] = [0, 1].map(|axis| self.double[axis].outputs());
        let inside = |at: f64, side: usize| at >= 0.0 && at < (side - 1) as f64;
        let (tall, wide) = (self.halve[0].inputs(), self.halve[1].inputs());
        for i in 0..tall {
            for j in 0..wide {
                let [x, y] = self.inverse.at(j as f64, i as f64);
                if inside(x, columns) && inside(y, rows) {
                    let (left, top) = (x.floor(), y.floor());
                    let (wx, wy) = (x - left, y - top);
                    let weights =
                        [(1.0 - wx) * (1.0 - wy), wx * (1.0 - wy), (1.0 - wx) * wy, wx * wy];
                    f(i * wide + j, top as usize * columns + left as usize, weights);
                }
            }
        }
    }
}

/// Pixels of zeros around the doubled image, so that no position needs less than four pixels.
const BORDER: usize = 1;

fn low_pass(tap: usize) -> f64 {
    SYM6[tap] / SYM6.iter().sum::<f64>()
}

/// Zeros between the pixels of a side with its margins, then the filter.
fn doubled(side: usize, [before, behind]: [usize; 2]) -> Taps {
    let padded = side + before + behind;
    Taps::new([side, 2 * (padded + BORDER), SYM6.len() / 2], |output, t| {
        let fine = output.checked_sub(BORDER).filter(|fine| *fine < 2 * padded)?;
        // Only every other tap of the filter meets a pixel.
        let tap = 2 * t + (fine + 1) % 2;
        let place = (fine + SYM6.len() / 2 - 1).checked_sub(tap)? / 2;
        let inside = place < padded;
        inside.then(|| (mirrored(place as isize - before as isize, side), 2.0 * low_pass(tap)))
    })
}

/// The filter backwards, then every other pixel.
fn halved(side: usize) -> Taps {
    Taps::new([2 * (side + 2 * REACH), side, SYM6.len()], |output, tap| {
        Some((1 + 2 * output + tap, low_pass(tap)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Planes = Planes { channels: 1, height: 6, width: 5 };

    fn warped(inverse: Geometry, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        Warp::new(inverse, SIZE).forward(x, &mut y);
        y
    }

    fn picture() -> Vec<f64> {
        (0..30).map(|i| f64::from(i * i % 17)).collect()
    }

    fn near(a: &[f64], b: &[f64], by: f64) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < by)
    }

    #[test]
    fn the_filter_is_orthogonal_to_its_even_shifts() {
        for shift in [0, 2, 4, 6, 8, 10] {
            let product: f64 = (shift..12).map(|k| SYM6[k] * SYM6[k - shift]).sum();
            assert!((product - if shift == 0 { 1.0 } else { 0.0 }).abs() < 1e-11, "{product}");
        }
    }

    #[test]
    fn whole_pixel_moves_only_move_pixels() {
        let x = picture();
        assert!(near(&warped(Geometry::scaled(1.0, 1.0), &x), &x, 1e-10));
        // Read one to the right; behind the edge the image is mirrored.
        let moved: Vec<f64> = x.chunks(5).flat_map(|r| [r[1], r[2], r[3], r[4], r[3]]).collect();
        assert!(near(&warped(Geometry::moved(1.0, 0.0), &x), &moved, 1e-10));
    }

    #[test]
    fn flips_and_quarter_turns_move_pixels_as_far_as_the_filter_is_symmetric() {
        let ramp: Vec<f64> = (0..30).map(f64::from).collect();
        let flipped: Vec<f64> = ramp.chunks(5).flat_map(|r| r.iter().rev().copied()).collect();
        // A hundredth of the ramp.
        assert!(near(&warped(Geometry::scaled(-1.0, 1.0), &ramp), &flipped, 0.3));
        let size = Planes { channels: 1, height: 4, width: 4 };
        let (x, mut y): (Vec<f64>, _) = ((0..16).map(f64::from).collect(), [0.0; 16]);
        Warp::new(Geometry::quarter_turns(1), size).forward(&x, &mut y);
        // The result's upper right corner is read at the lower right: against the clock.
        let turned: Vec<f64> =
            (0..4).flat_map(|i| (0..4).map(move |j| f64::from(4 * j + 3 - i))).collect();
        assert!(near(&y, &turned, 0.15), "{y:?}");
    }

    #[test]
    fn turns_by_a_quarter_agree_with_turns_by_an_angle() {
        for n in 0..5u64 {
            let angle = n as f64 * std::f64::consts::FRAC_PI_2;
            for (a, b) in Geometry::quarter_turns(n).0.iter().zip(Geometry::turned(angle).0) {
                assert!(near(a, &b, 1e-15));
            }
        }
    }
}
