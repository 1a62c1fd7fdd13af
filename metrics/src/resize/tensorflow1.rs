//! The resize of TensorFlow 1, as torch-fidelity repeats it.

use ganbench_data::images::{ImageSize, ImageView};

/// Bilinear resize of TensorFlow 1 (`resize_bilinear` with `align_corners=False`): no half-pixel
/// shift, no antialiasing. Must agree with torch-fidelity 0.4.0
/// (`interpolate_bilinear_2d_like_tensorflow1x`, method "slow") bit for bit.
///
/// `out`: f32 planes `[c, height, width]` of size `to`, 0..=255.
///
/// # Panics
/// If a slice does not have the stated size: a defect of the caller.
pub(crate) fn tensorflow1_bilinear(image: ImageView<'_>, to: [usize; 2], out: &mut [f32]) {
    let ImageSize { height, width, channels } = image.size;
    let [out_height, out_width] = to;
    assert_eq!(image.pixels.len(), image.size.bytes(), "image and size disagree");
    assert_eq!(out.len(), channels * out_height * out_width, "output of another size");
    let columns = taps(width, out_width);
    let rows = taps(height, out_height);
    // Horizontally first, once for each source row and channel, as the order of rounding demands.
    let mut wide = vec![0f32; height * out_width];
    for (channel, plane) in out.chunks_exact_mut(out_height * out_width).enumerate() {
        for (y, line) in wide.chunks_exact_mut(out_width).enumerate() {
            let row = &image.pixels[y * width * channels..(y + 1) * width * channels];
            for (value, tap) in line.iter_mut().zip(&columns) {
                let low = f32::from(row[tap.low * channels + channel]);
                let high = f32::from(row[tap.high * channels + channel]);
                *value = low + (high - low) * tap.weight;
            }
        }
        for (line, tap) in plane.chunks_exact_mut(out_width).zip(&rows) {
            let low = &wide[tap.low * out_width..(tap.low + 1) * out_width];
            let high = &wide[tap.high * out_width..(tap.high + 1) * out_width];
            for ((value, low), high) in line.iter_mut().zip(low).zip(high) {
                *value = low + (high - low) * tap.weight;
            }
        }
    }
}

/// The two source pixels of an output pixel, and how far it lies towards the second.
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

fn taps(size: usize, out: usize) -> Vec<Tap> {
    // The quotient in f64, rounded once; the position as a product in f32.
    let scale = (size as f64 / out as f64) as f32;
    let tap = |i: usize| {
        let position = i as f32 * scale;
        let low = (position as usize).min(size - 1);
        Tap { low, high: (low + 1).min(size - 1), weight: position - low as f32 }
    };
    (0..out).map(tap).collect()
}

#[cfg(test)]
#[path = "tensorflow1_tests.rs"]
mod tests;
