//! What training does to an image before the network sees it: a mirror image and a shift by whole
//! pixels, on the u8 pixels themselves.

use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::rng::Stream;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What stands where a shift leaves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Black.
    Zero,
    /// The image mirrored at its outermost pixels.
    Reflect,
}

/// Random changes that leave the class as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Left to right with probability 1/2.
    pub flip: bool,
    /// Pixels, up to so many in each direction, every whole number alike; less than the image's
    /// side.
    pub max_shift: usize,
    /// What fills the pixels that a shift leaves empty.
    pub border: Border,
}

#[derive(Clone, Copy)]
struct Draw {
    flip: bool,
    down: isize,
    right: isize,
}

impl Augmentation {
    fn draw(self, stream: &mut Stream) -> Draw {
        let reach = self.max_shift as isize;
        let mut shift = || stream.below(2 * self.max_shift as u64 + 1) as isize - reach;
        let (down, right) = (shift(), shift());
        // Drawn whether used or not, so that the shifts are the same with and without.
        let flip = stream.chance(0.5) && self.flip;
        Draw { flip, down, right }
    }

    /// The images of `rows`, each changed by its own draw; draws are made in the order of `rows`.
    pub(super) fn apply(
        self,
        images: &ImageBatch,
        rows: &[usize],
        stream: &mut Stream,
    ) -> ImageBatch {
        let draws: Vec<Draw> = rows.iter().map(|_| self.draw(stream)).collect();
        let mut changed = images.select(rows);
        let (size, bytes) = (images.size, images.size.bytes());
        let work = changed.pixels.par_chunks_exact_mut(bytes).zip(rows).zip(draws);
        work.for_each(|((to, &row), draw)| self.border.moved(draw, images.image(row), size, to));
        changed
    }
}

impl Border {
    /// Writes `from` as `draw` changes it to `to`; both are one image of `size`.
    fn moved(self, draw: Draw, from: &[u8], size: ImageSize, to: &mut [u8]) {
        for (i, pixel) in to.chunks_exact_mut(size.channels).enumerate() {
            let (y, x) = (i / size.width, i % size.width);
            let x = if draw.flip { size.width - 1 - x } else { x };
            let source = (
                self.position(y as isize - draw.down, size.height),
                self.position(x as isize - draw.right, size.width),
            );
            match source {
                (Some(y), Some(x)) => {
                    let at = (y * size.width + x) * size.channels;
                    pixel.copy_from_slice(&from[at..at + size.channels]);
                }
                _ => pixel.fill(0),
            }
        }
    }

    /// The position that stands at `at` of a line of `len`, if any; `at` is less than `len`
    /// outside.
    fn position(self, at: isize, len: usize) -> Option<usize> {
        let last = len as isize - 1;
        let inside = match self {
            Self::Reflect if at < 0 => -at,
            Self::Reflect if at > last => 2 * last - at,
            _ => at,
        };
        (0..=last).contains(&inside).then_some(inside as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(border: Border, draw: Draw) -> [u8; 4] {
        let mut to = [9; 4];
        border.moved(draw, &[1, 2, 3, 4], ImageSize::new(1, 4, 1), &mut to);
        to
    }

    #[test]
    fn a_shift_of_1_2_3_4_by_two_leaves_the_border_to_zeros_or_the_mirror_image() {
        let right = Draw { flip: false, down: 0, right: 2 };
        assert_eq!(line(Border::Zero, right), [0, 0, 1, 2]);
        assert_eq!(line(Border::Reflect, right), [3, 2, 1, 2]);
        // Shifted, then mirrored.
        let left = Draw { flip: true, down: 0, right: -2 };
        assert_eq!(line(Border::Zero, left), [0, 0, 4, 3]);
        assert_eq!(line(Border::Reflect, left), [2, 3, 4, 3]);
    }

    #[test]
    fn without_flip_and_shift_images_and_labels_stay() {
        let pixels: Vec<u8> = (0..2 * 3 * 3 * 3).collect();
        let images =
            ImageBatch::new(ImageSize::new(3, 3, 3), pixels, Some(vec![4, 5]), None).unwrap();
        let none = Augmentation { flip: false, max_shift: 0, border: Border::Zero };
        let same = none.apply(&images, &[1, 0], &mut Stream::new(0, "test"));
        assert_eq!(same, images.select(&[1, 0]));
    }

    #[test]
    fn shifts_and_flips_come_as_often_as_they_should() {
        let one = Augmentation { flip: true, max_shift: 1, border: Border::Zero };
        let mut stream = Stream::new(0, "test");
        let draws: Vec<Draw> = (0..9000).map(|_| one.draw(&mut stream)).collect();
        // Five standard deviations of a binomial count: 5·√(9000·p·(1 − p)).
        let count = |f: &dyn Fn(&Draw) -> bool| draws.iter().filter(|d| f(d)).count() as f64;
        assert!((count(&|d| d.flip) - 4500.0).abs() < 238.0);
        for shift in -1..=1 {
            assert!((count(&|d| d.down == shift) - 3000.0).abs() < 224.0);
            assert!((count(&|d| d.right == shift) - 3000.0).abs() < 224.0);
        }
    }
}
