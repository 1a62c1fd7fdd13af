//! Pooling by 3x3 windows, and the mean over the plane.

use super::super::real::Real;
use super::super::simd::vectorised;
use super::{Maps, Place};

/// A 3x3 window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Largest value, stride 2, no padding.
    MaxHalving,
    /// Largest value, stride 1, padding 1 that never wins.
    Max,
    /// Mean, stride 1, over the window's pixels inside the image.
    Average,
}

impl Pool {
    /// Height and width of the output for an input of `size`, at least 3x3.
    pub fn output(self, size: [usize; 2]) -> [usize; 2] {
        match self {
            Self::MaxHalving => size.map(|side| (side - 3) / 2 + 1),
            Self::Max | Self::Average => size,
        }
    }

    /// First pixel and end of the window of output `o`.
    fn window(self, o: usize, side: usize) -> std::ops::Range<usize> {
        match self {
            Self::MaxHalving => 2 * o..2 * o + 3,
            Self::Max | Self::Average => o.saturating_sub(1)..(o + 2).min(side),
        }
    }
}

/// Pools all images of `x` into `y` from `place` on.
///
/// # Panics
/// If the sizes disagree or x is smaller than the window: a defect of the caller.
pub fn pool(kind: Pool, x: &Maps, y: &mut Maps, place: Place) {
    assert!(x.height >= 3 && x.width >= 3, "an image smaller than the window");
    assert_eq!([y.height, y.width], kind.output([x.height, x.width]), "an output of other size");
    assert!(place.image + x.n <= y.n && place.channel + x.channels <= y.channels);
    let mut line = vec![0f32; x.width * x.channels];
    for image in 0..x.n {
        for oy in 0..y.height {
            // Down the window first, then along the row.
            let mut rows = kind.window(oy, x.height);
            let height = rows.len();
            if let Some(first) = rows.next() {
                line.copy_from_slice(x.line(image, first));
            }
            for row in rows {
                match kind {
                    Pool::Average => add(&mut line, x.line(image, row)),
                    _ => raise(&mut line, x.line(image, row)),
                }
            }
            for ox in 0..y.width {
                let mut columns = kind.window(ox, x.width);
                let count = height * columns.len();
                let at = y.pixel(place.image + image, oy, ox) + place.channel;
                let out = &mut y.values[at..at + x.channels];
                let pixel = |column: usize| &line[column * x.channels..][..x.channels];
                if let Some(first) = columns.next() {
                    out.copy_from_slice(pixel(first));
                }
                for column in columns {
                    match kind {
                        Pool::Average => add(out, pixel(column)),
                        _ => raise(out, pixel(column)),
                    }
                }
                if kind == Pool::Average {
                    divide(out, count as f32);
                }
            }
        }
    }
}

/// Means over the plane, `[n, channels]`, row by row and pixel by pixel.
pub fn mean(x: &Maps) -> Vec<f32> {
    let mut out = vec![0f32; x.n * x.channels];
    for (image, out) in out.chunks_exact_mut(x.channels).enumerate() {
        for y in 0..x.height {
            x.line(image, y).chunks_exact(x.channels).for_each(|pixel| add(out, pixel));
        }
        divide(out, (x.height * x.width) as f32);
    }
    out
}

vectorised! {
    fn add<T: Real>(to: &mut [T], from: &[T]) {
        to.iter_mut().zip(from).for_each(|(a, &b)| *a += b);
    }
}

vectorised! {
    /// The larger of each pair, or the one that is NaN.
    #[allow(clippy::eq_op)]
    fn raise<T: Real>(to: &mut [T], from: &[T]) {
        to.iter_mut().zip(from).for_each(|(a, &b)| *a = if b > *a || b != b { b } else { *a });
    }
}

vectorised! {
    fn divide<T: Real>(values: &mut [T], by: T) {
        values.iter_mut().for_each(|v| *v /= by);
    }
}
