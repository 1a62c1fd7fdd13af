//! Convolutional networks that are only read (feature extractors), on the CPU in f32: images lie
//! pixel by pixel, the channels of a pixel side by side (NHWC), with room for the padding around
//! them.
//!
//! A window's line is then one run of memory, so a convolution needs neither unfolding nor padding
//! copies, and a concatenation is a matter of where results are written. Each function works on one
//! thread and treats every image alike whatever it comes with: an image's result is the same to the
//! bit in any batch.

mod conv;
mod pool;
mod window;

use super::scratch::Scratch;

pub use conv::{Conv, Spec};
pub use pool::{Pool, mean, pool};
pub(crate) use window::{Window, by_pixels, window};

/// `[n, height + 2·border, width + 2·border, channels]`: feature maps with zeros around them.
pub struct Maps {
    /// Number of images.
    pub n: usize,
    /// Rows of a map, without the border.
    pub height: usize,
    /// Columns of a map, without the border.
    pub width: usize,
    /// Channels of each pixel, which lie next to each other in memory.
    pub channels: usize,
    /// Rows above and below, columns to the left and right.
    pub(super) border: [usize; 2],
    pub(super) values: Scratch,
}

/// Where an op writes: its image 0 and channel 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// The first image, counted from 0.
    pub image: usize,
    /// The first channel, counted from 0.
    pub channel: usize,
}

impl Place {
    /// From this channel of image 0 on.
    pub fn channel(channel: usize) -> Self {
        Self { image: 0, channel }
    }

    /// From channel 0 of this image on.
    pub fn image(image: usize) -> Self {
        Self { image, channel: 0 }
    }
}

impl Maps {
    /// Of `size` [height, width]; values inside the border are whatever was there, and have to be
    /// written.
    pub fn new(n: usize, size: [usize; 2], channels: usize, border: [usize; 2]) -> Self {
        let [height, width] = size;
        let floats = n * (height + 2 * border[0]) * (width + 2 * border[1]) * channels;
        let mut maps = Self { n, height, width, channels, border, values: Scratch::new(floats) };
        maps.clear_border();
        maps
    }

    /// From planes `[n, channels, height, width]`, without a border.
    ///
    /// # Panics
    /// If the sizes disagree: a defect of the caller.
    pub fn from_planes(planes: &[f32], n: usize, size: [usize; 2], channels: usize) -> Self {
        let mut maps = Self::new(n, size, channels, [0, 0]);
        let plane = maps.height * maps.width;
        assert_eq!(planes.len(), n * channels * plane, "planes of another size");
        for (image, planes) in planes.chunks_exact(channels * plane).enumerate() {
            let image = &mut maps.values[image * channels * plane..][..channels * plane];
            for (channel, plane) in planes.chunks_exact(plane).enumerate() {
                for (pixel, &value) in image.chunks_exact_mut(channels).zip(plane) {
                    pixel[channel] = value;
                }
            }
        }
        maps
    }

    pub(super) fn row(&self) -> usize {
        (self.width + 2 * self.border[1]) * self.channels
    }

    /// Where pixel (y, x) of the map with its border stands.
    pub(super) fn at(&self, image: usize, y: usize, x: usize) -> usize {
        (image * (self.height + 2 * self.border[0]) + y) * self.row() + x * self.channels
    }

    /// Where pixel (y, x) of the map itself stands.
    pub(super) fn pixel(&self, image: usize, y: usize, x: usize) -> usize {
        self.at(image, y + self.border[0], x + self.border[1])
    }

    /// The channels of row y of an image, `[width, channels]`.
    fn line(&self, image: usize, y: usize) -> &[f32] {
        &self.values[self.pixel(image, y, 0)..][..self.width * self.channels]
    }

    fn clear_border(&mut self) {
        let [rows, columns] = self.border;
        if rows + columns == 0 {
            return;
        }
        let (row, height) = (self.row(), self.height);
        for image in 0..self.n {
            for y in 0..height + 2 * rows {
                let at = self.at(image, y, 0);
                let line = &mut self.values[at..at + row];
                if y < rows || y >= rows + height {
                    line.fill(0.0);
                } else {
                    line[..columns * self.channels].fill(0.0);
                    line[row - columns * self.channels..].fill(0.0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
