//! Copies between images, channel by channel, and strips: `[y][x][16 channels]`.

use std::mem::MaybeUninit;

use super::super::simd::{LANES, Simd};

/// Where an image lies in a strip.
#[derive(Clone, Copy)]
pub struct Frame {
    /// Height and width of the image.
    pub size: [usize; 2],
    /// Height and width of the strip.
    pub covered: [usize; 2],
    /// Strip pixel of the image's first.
    pub origin: [usize; 2],
}

impl Frame {
    pub fn floats(&self) -> usize {
        self.covered[0] * self.covered[1] * LANES
    }

    /// Rows or columns of the image that the strip covers.
    #[inline(always)]
    fn visible(&self, axis: usize) -> usize {
        self.size[axis].min(self.covered[axis].saturating_sub(self.origin[axis]))
    }

    /// Where a visible pixel stands in the strip.
    #[inline(always)]
    fn place(&self, y: usize, x: usize) -> usize {
        ((y + self.origin[0]) * self.covered[1] + x + self.origin[1]) * LANES
    }

    /// Pixels that can be copied sixteen at a time.
    #[inline(always)]
    fn whole_pixels(&self, channels: usize) -> usize {
        let all = self.visible(0) == self.size[0] && self.visible(1) == self.size[1];
        let plane = self.size[0] * self.size[1];
        if channels == LANES && all { plane - plane % LANES } else { 0 }
    }
}

/// A pixel on its way through a frame, row by row: a division a pixel would cost as much as its
/// copy.
struct Place {
    y: usize,
    x: usize,
}

impl Place {
    /// Where it stands in the strip; then one pixel on.
    #[inline(always)]
    fn next(&mut self, frame: Frame) -> usize {
        let at = frame.place(self.y, self.x);
        self.x += 1;
        if self.x == frame.size[1] {
            (self.x, self.y) = (0, self.y + 1);
        }
        at
    }
}

/// Channels from `first` on of `image` into the strip; what lies outside the image is left as it
/// is, lanes without a channel become 0.
#[inline(always)]
pub fn load<S: Simd>(s: S, image: &[f32], first: usize, frame: Frame, strip: &mut [f32]) {
    let [height, width] = frame.size;
    let plane = height * width;
    let channels = (image.len() / plane - first).min(LANES);
    let image = &image[first * plane..(first + channels) * plane];
    let whole = frame.whole_pixels(channels);
    let mut at = Place { y: 0, x: 0 };
    for pixel in (0..whole).step_by(LANES) {
        // SAFETY: 16 channels have 16 more pixels each; `place` lies inside the strip.
        unsafe {
            let mut rows = [s.splat(0.0); LANES];
            for (lane, row) in rows.iter_mut().enumerate() {
                *row = s.load(image[lane * plane + pixel..].as_ptr());
            }
            for &row in &s.transpose(rows) {
                let at = at.next(frame);
                s.store(strip[at..at + LANES].as_mut_ptr(), row);
            }
        }
    }
    for pixel in whole..plane {
        let (y, x) = (pixel / width, pixel % width);
        if y >= frame.visible(0) || x >= frame.visible(1) {
            continue;
        }
        let at = frame.place(y, x);
        for (lane, value) in strip[at..at + LANES].iter_mut().enumerate() {
            *value = if lane < channels { image[lane * plane + pixel] } else { 0.0 };
        }
    }
}

/// The strip's part inside the image back into up to 16 channels; what the strip does not cover
/// becomes 0. Every value of `image` is written.
#[inline(always)]
pub fn store<'a, S: Simd>(
    s: S,
    strip: &[f32],
    frame: Frame,
    image: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    let [height, width] = frame.size;
    let plane = height * width;
    let channels = image.len() / plane;
    let whole = frame.whole_pixels(channels);
    let mut at = Place { y: 0, x: 0 };
    for pixel in (0..whole).step_by(LANES) {
        // SAFETY: `place` lies inside the strip; 16 channels have 16 more pixels each.
        unsafe {
            let mut pixels = [s.splat(0.0); LANES];
            for row in &mut pixels {
                let at = at.next(frame);
                *row = s.load(strip[at..at + LANES].as_ptr());
            }
            for (lane, &row) in s.transpose(pixels).iter().enumerate() {
                let at = lane * plane + pixel;
                s.store(image[at..at + LANES].as_mut_ptr().cast(), row);
            }
        }
    }
    for pixel in whole..plane {
        let (y, x) = (pixel / width, pixel % width);
        let inside = y < frame.visible(0) && x < frame.visible(1);
        for lane in 0..channels {
            let value = if inside { strip[frame.place(y, x) + lane] } else { 0.0 };
            image[lane * plane + pixel].write(value);
        }
    }
    // SAFETY: every pixel was written, in sixteens and the rest.
    unsafe { std::slice::from_raw_parts_mut(image.as_mut_ptr().cast(), image.len()) }
}

#[cfg(test)]
mod tests {
    use super::super::super::simd::{Isa, Kernel, dispatch_on};
    use super::*;

    /// To the strip and back.
    struct RoundTrip<'a> {
        image: &'a [f32],
        first: usize,
        frame: Frame,
        strip: &'a mut [f32],
    }

    impl Kernel for RoundTrip<'_> {
        type Out = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            load(s, self.image, self.first, self.frame, self.strip);
            let plane = self.frame.size[0] * self.frame.size[1];
            let channels = (self.image.len() / plane - self.first).min(LANES);
            let mut back = vec![MaybeUninit::new(-1.0); channels * plane];
            store(s, self.strip, self.frame, &mut back).to_vec()
        }
    }

    #[test]
    fn an_image_comes_back_from_its_strips_and_the_margin_stays() {
        // Narrower than a vector, wider, and with a rest; the second strip has two channels only.
        for (isa, size) in
            Isa::available().into_iter().flat_map(|i| [[3, 5], [4, 4], [3, 19]].map(|s| (i, s)))
        {
            let frame = Frame { size, covered: [6, 21], origin: [1, 1] };
            let plane = size[0] * size[1];
            let image: Vec<f32> = (0..18 * plane).map(|i| i as f32).collect();
            for first in [0, 16] {
                let mut strip = vec![-1.0; frame.floats()];
                let strip_of = &mut strip;
                let back =
                    dispatch_on(isa, RoundTrip { image: &image, first, frame, strip: strip_of });
                let end = (first + LANES).min(18) * plane;
                assert_eq!(back, &image[first * plane..end], "{}", isa.name());
                assert_eq!(strip[..22 * LANES], [-1.0; 22 * LANES]);
                let last = &strip[frame.place(size[0] - 1, size[1] - 1)..];
                assert_eq!(last[1], image[(first + 2) * plane - 1]);
            }
        }
    }

    #[test]
    fn what_reaches_beyond_the_strip_is_cut_off() {
        let frame = Frame { size: [3, 3], covered: [2, 2], origin: [1, 0] };
        let mut strip = vec![0.0; frame.floats()];
        let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let trip = RoundTrip { image: &image, first: 0, frame, strip: &mut strip };
        let back = dispatch_on(Isa::Portable, trip);
        assert_eq!([strip[2 * LANES], strip[3 * LANES]], [1.0, 2.0]);
        assert_eq!(back, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
