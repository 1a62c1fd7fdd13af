//! Faults of each image for itself.

use ganbench_data::images::{ImageBatch, ImageSize};
use rayon::prelude::*;

use super::{Fault, Kind, Making, Unit, Worlds};

const fn fault(
    name: &'static str,
    title: &'static str,
    level: &'static str,
    unit: Unit,
    levels: &'static [f64],
    make: fn(&mut Making<'_>) -> ImageBatch,
) -> Fault {
    Fault { name, title, kind: Kind::Pixels, level, unit, levels, worlds: Worlds::Any, make }
}

pub(super) const NOISE: Fault = fault(
    "noise",
    "Gaussian noise",
    "standard deviation in grey levels, 0 to 255",
    Unit::Number(""),
    &[2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
    |making| {
        let mut images = making.others();
        let sigma = making.level as f32;
        add_noise(&mut images, sigma, making);
        images
    },
);

pub(super) const BLUR: Fault = fault(
    "blur",
    "Gaussian blur",
    "standard deviation in pixels",
    Unit::Number(" px"),
    &[0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 4.0],
    |making| {
        let mut images = making.others();
        let (size, taps) = (images.size, taps(making.level));
        let bytes = size.bytes();
        images.pixels.par_chunks_exact_mut(bytes).for_each(|image| blur(image, size, &taps));
        images
    },
);

pub(super) const SALT_AND_PEPPER: Fault = fault(
    "salt_and_pepper",
    "Salt and pepper",
    "share of pixels that are black or white",
    Unit::Share,
    &[0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5],
    |making| {
        let mut images = making.others();
        for pixel in images.pixels.chunks_exact_mut(making.size().channels) {
            // Drawn for each pixel at every level, so that a stronger one spoils the same and more.
            let (spoiled, white) = (making.stream.uniform(), making.stream.chance(0.5));
            if spoiled < making.level {
                pixel.fill(if white { 255 } else { 0 });
            }
        }
        images
    },
);

pub(super) const SQUARE: Fault = fault(
    "square",
    "Black square",
    "side of a square at a random place, of the image's width",
    Unit::Share,
    &[0.0625, 0.125, 0.25, 0.5, 0.75],
    |making| {
        let mut images = making.others();
        let ImageSize { height, width, channels } = making.size();
        let side = ((making.level * width as f64).round() as usize).min(height);
        let bytes = making.size().bytes();
        for image in images.pixels.chunks_exact_mut(bytes) {
            let x = making.stream.below((width - side + 1) as u64) as usize;
            let y = making.stream.below((height - side + 1) as u64) as usize;
            for line in image.chunks_exact_mut(width * channels).skip(y).take(side) {
                line[x * channels..(x + side) * channels].fill(0);
            }
        }
        images
    },
);

pub(super) const SATURATION: Fault = fault(
    "saturation",
    "Less saturation",
    "factor of each pixel's difference from its grey",
    Unit::Number(""),
    &[0.9, 0.75, 0.5, 0.25, 0.0],
    |making| {
        let mut images = making.others();
        let channels = making.size().channels;
        for pixel in images.pixels.chunks_exact_mut(channels) {
            let grey = luma(pixel);
            towards(pixel, grey, making.level);
        }
        images
    },
);

pub(super) const CONTRAST: Fault = fault(
    "contrast",
    "Less contrast",
    "factor of each pixel's difference from its image's mean grey",
    Unit::Number(""),
    &[0.9, 0.75, 0.5, 0.25, 0.1],
    |making| {
        let mut images = making.others();
        let size = making.size();
        for image in images.pixels.chunks_exact_mut(size.bytes()) {
            let greys = image.chunks_exact(size.channels).map(luma);
            let mean = greys.sum::<f64>() / (size.height * size.width) as f64;
            towards(image, mean, making.level);
        }
        images
    },
);

/// Adds noise of a standard deviation in grey levels.
pub(super) fn add_noise(images: &mut ImageBatch, sigma: f32, making: &mut Making<'_>) {
    let noise = making.stream.normal(images.pixels.len());
    for (value, noise) in images.pixels.iter_mut().zip(noise) {
        *value = rounded(f64::from(*value) + f64::from(sigma * noise));
    }
}

/// Brightness of a pixel, 0 to 255 (ITU-R BT.601, as PIL's mode "L").
fn luma(pixel: &[u8]) -> f64 {
    match *pixel {
        [r, g, b] => 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b),
        _ => f64::from(pixel[0]),
    }
}

/// Leaves `factor` of the difference of each value from `grey`.
fn towards(values: &mut [u8], grey: f64, factor: f64) {
    for value in values {
        *value = rounded(grey + factor * (f64::from(*value) - grey));
    }
}

fn rounded(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Weights of a Gaussian at distances 0, 1, … up to 3 σ, over the whole of which they add up to 1.
fn taps(sigma: f64) -> Vec<f64> {
    let radius = (3.0 * sigma).ceil() as usize;
    let weight = |d: usize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
    let sum = 2.0 * (0..=radius).map(weight).sum::<f64>() - weight(0);
    (0..=radius).map(|d| weight(d) / sum).collect()
}

/// Along the rows, then down the columns; the image is mirrored at its borders.
fn blur(image: &mut [u8], size: ImageSize, taps: &[f64]) {
    let ImageSize { height, width, channels } = size;
    let values: Vec<f64> = image.iter().map(|&v| f64::from(v)).collect();
    let line = Line { length: width, stride: channels, taps };
    let starts = |row: usize| (0..channels).map(move |c| row * width * channels + c);
    let rows = line.blurred(&values, (0..height).flat_map(starts));
    let line = Line { length: height, stride: width * channels, taps };
    let both = line.blurred(&rows, 0..width * channels);
    for (value, blurred) in image.iter_mut().zip(both) {
        *value = rounded(blurred);
    }
}

/// Lines through an image, one value of one channel after another.
struct Line<'a> {
    length: usize,
    stride: usize,
    taps: &'a [f64],
}

impl Line<'_> {
    /// The values with the lines from these starts blurred.
    fn blurred(&self, values: &[f64], starts: impl Iterator<Item = usize>) -> Vec<f64> {
        let mut out = values.to_vec();
        for start in starts {
            let at = |i: isize| values[start + mirrored(i, self.length) * self.stride];
            for i in 0..self.length {
                let i = i as isize;
                let sides = self.taps.iter().enumerate().skip(1);
                let sides = sides.map(|(d, w)| w * (at(i - d as isize) + at(i + d as isize)));
                let sum = self.taps[0] * at(i) + sides.sum::<f64>();
                out[start + i as usize * self.stride] = sum;
            }
        }
        out
    }
}

/// The place of `i` in a line that is mirrored at both ends, each end once: 2 1 0 1 2 … .
fn mirrored(i: isize, length: usize) -> usize {
    let period = 2 * (length.max(2) as isize - 1);
    let i = i.rem_euclid(period);
    i.min(period - i) as usize % length
}
