//! A convolution with stride 1 read from its output's side: the input is the gradient of an output,
//! the kernel turned by half a circle. The direct path unfolds the side that it reads, so a
//! convolution to few channels (an image from features) is computed as the one from few channels
//! that it mirrors.

use super::super::real::Real;
use super::Dims;
use super::im2col::Plane;

/// Channels of x for each one of y from which on the other side is unfolded: measured to win where
/// they are 5 and 21, not measured below.
const FEW: usize = 4;

impl Dims {
    /// The convolution from y's sizes to x's that has this one's sums, where that unfolds far less.
    pub(super) fn mirrored(&self) -> Option<Self> {
        let Plane { kernel, geometry, .. } = self.plane;
        let turned = |axis: usize| (kernel[axis] - 1).checked_sub(geometry.padding[axis]);
        let padding = [turned(0)?, turned(1)?];
        if geometry.stride != [1, 1] || self.plane.taps() == 1 || self.cout * FEW > self.cin {
            return None;
        }
        let plane = Plane {
            height: self.plane.out_height,
            width: self.plane.out_width,
            kernel,
            geometry: super::Geometry { padding, ..geometry },
            out_height: self.plane.height,
            out_width: self.plane.width,
        };
        Some(Self { n: self.n, cin: self.cout, cout: self.cin, plane })
    }

    /// The weight `[cout, cin, kh, kw]` as `[cin, cout, kh, kw]`, each kernel turned by half a
    /// circle.
    pub(super) fn turned<T: Real>(&self, w: &[T]) -> Vec<T> {
        let taps = self.plane.taps();
        let mut out = Vec::with_capacity(w.len());
        for c in 0..self.cin {
            for row in w.chunks_exact(self.k()) {
                out.extend(row[c * taps..(c + 1) * taps].iter().rev());
            }
        }
        out
    }
}
