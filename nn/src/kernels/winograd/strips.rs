//! Copies between images, channel by channel, and strips: `[y][x][16 channels]`.

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

    /// Image rows that lie in the strip, with where each starts in the strip, and how many pixels of it.
    fn rows(&self) -> (impl Iterator<Item = (usize, usize)> + use<>, usize) {
        let [height, width] = [0, 1]
            .map(|axis| self.size[axis].min(self.covered[axis].saturating_sub(self.origin[axis])));
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

/// The strip's part inside the image back into up to 16 channels.
#[inline(always)]
pub fn store(strip: &[f32], frame: Frame, image: &mut [f32]) {
    let [height, width] = frame.size;
    let plane = height * width;
    let channels = (image.len() / plane).min(LANES);
    let (rows, visible) = frame.rows();
    for (y, start) in rows {
        let row = &strip[start..start + visible * LANES];
        for lane in 0..channels {
            let at = lane * plane + y * width;
            let target = &mut image[at..at + visible];
            for (value, pixel) in target.iter_mut().zip(row.chunks_exact(LANES)) {
                *value = pixel[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_comes_back_from_its_strips_and_the_margin_stays() {
        let frame = Frame { size: [3, 5], covered: [6, 7], origin: [1, 1] };
        let image: Vec<f32> = (0..18 * 15).map(|i| i as f32).collect();
        let mut back = vec![0.0; image.len()];
        for first in [0, 16] {
            let mut strip = vec![-1.0; frame.floats()];
            load(&image, first, frame, &mut strip);
            assert_eq!(strip[..7 * LANES], [-1.0; 7 * LANES]);
            assert_eq!(strip[8 * LANES], image[first * 15]);
            store(&strip, frame, &mut back[first * 15..]);
        }
        assert_eq!(back, image);
    }

    #[test]
    fn what_reaches_beyond_the_strip_is_cut_off() {
        let frame = Frame { size: [3, 3], covered: [2, 2], origin: [1, 0] };
        let mut strip = vec![0.0; frame.floats()];
        load(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 0, frame, &mut strip);
        assert_eq!([strip[2 * LANES], strip[3 * LANES]], [1.0, 2.0]);
    }
}
