//! Copies between images, channel by channel, and strips: `[y][x][16 channels]`.

use std::mem::MaybeUninit;

use super::super::simd::LANES;

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

    fn visible_rows(&self) -> usize {
        self.size[0].min(self.covered[0].saturating_sub(self.origin[0]))
    }

    /// Image rows that lie in the strip, with where each starts in the strip, and how many pixels of it.
    fn rows(&self) -> (impl Iterator<Item = (usize, usize)> + use<>, usize) {
        let height = self.visible_rows();
        let width = self.size[1].min(self.covered[1].saturating_sub(self.origin[1]));
        let (across, [top, left]) = (self.covered[1], self.origin);
        ((0..height).map(move |y| (y, ((y + top) * across + left) * LANES)), width)
    }
}

/// Channels from `first` on of `image` into the strip; what lies outside the image is left as it is, lanes
/// without a channel become 0.
#[inline(always)]
pub fn load(image: &[f32], first: usize, frame: Frame, strip: &mut [f32]) {
    let [height, width] = frame.size;
    let plane = height * width;
    let channels = (image.len() / plane - first).min(LANES);
    let (rows, visible) = frame.rows();
    for (y, start) in rows {
        let row = &mut strip[start..start + visible * LANES];
        for lane in 0..LANES {
            if lane >= channels {
                row.chunks_exact_mut(LANES).for_each(|pixel| pixel[lane] = 0.0);
                continue;
            }
            let at = (first + lane) * plane + y * width;
            let source = &image[at..at + visible];
            for (pixel, &value) in row.chunks_exact_mut(LANES).zip(source) {
                pixel[lane] = value;
            }
        }
    }
}

/// The strip's part inside the image back into up to 16 channels; what the strip does not cover becomes 0.
/// Every value of `image` is written.
#[inline(always)]
pub fn store<'a>(strip: &[f32], frame: Frame, image: &'a mut [MaybeUninit<f32>]) -> &'a mut [f32] {
    let [height, width] = frame.size;
    let plane = height * width;
    let (rows, visible) = frame.rows();
    let covered = frame.visible_rows();
    for channel in image.chunks_exact_mut(plane) {
        for row in channel[covered * width..].iter_mut() {
            row.write(0.0);
        }
    }
    for (y, start) in rows {
        let row = &strip[start..start + visible * LANES];
        for (lane, channel) in image.chunks_exact_mut(plane).enumerate().take(LANES) {
            let (inside, outside) = channel[y * width..(y + 1) * width].split_at_mut(visible);
            for (value, pixel) in inside.iter_mut().zip(row.chunks_exact(LANES)) {
                value.write(pixel[lane]);
            }
            for value in outside {
                value.write(0.0);
            }
        }
    }
    // SAFETY: every row was written, in the strip's part and beside it.
    unsafe { std::slice::from_raw_parts_mut(image.as_mut_ptr().cast(), image.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_comes_back_from_its_strips_and_the_margin_stays() {
        let frame = Frame { size: [3, 5], covered: [6, 7], origin: [1, 1] };
        let image: Vec<f32> = (0..18 * 15).map(|i| i as f32).collect();
        let mut back = vec![MaybeUninit::new(-1.0); image.len()];
        for first in [0, 16] {
            let mut strip = vec![-1.0; frame.floats()];
            load(&image, first, frame, &mut strip);
            assert_eq!(strip[..7 * LANES], [-1.0; 7 * LANES]);
            assert_eq!(strip[8 * LANES], image[first * 15]);
            let end = (first + LANES).min(18) * 15;
            let back = store(&strip, frame, &mut back[first * 15..end]);
            assert_eq!(back, &image[first * 15..end]);
        }
    }

    #[test]
    fn what_reaches_beyond_the_strip_is_cut_off() {
        let frame = Frame { size: [3, 3], covered: [2, 2], origin: [1, 0] };
        let mut strip = vec![0.0; frame.floats()];
        load(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 0, frame, &mut strip);
        assert_eq!([strip[2 * LANES], strip[3 * LANES]], [1.0, 2.0]);
        let mut back = [MaybeUninit::new(-1.0); 9];
        assert_eq!(store(&strip, frame, &mut back), [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}
