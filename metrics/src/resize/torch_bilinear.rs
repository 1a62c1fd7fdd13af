//! PyTorch's bilinear resize without antialiasing, which pytorch-fid uses.

use ganbench_data::images::{ImageSize, ImageView};

/// `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` on f32: pixels have
/// their centres at half numbers; downscaling takes two pixels a direction and aliases. Must agree
/// with torch 2.9.0 to 1e-6 of the range.
///
/// `value` gives the number of a pixel before the resize, since the references differ in that too.
/// `out`: f32 planes `[c, height, width]` of size `to`.
///
/// # Panics
/// If a slice does not have the stated size: a defect of the caller.
pub(crate) fn torch_bilinear(
    image: ImageView<'_>,
    to: [usize; 2],
    value: impl Fn(u8) -> f32,
    out: &mut [f32],
) {
    let ImageSize { height, width, channels } = image.size;
    let [out_height, out_width] = to;
    assert_eq!(image.pixels.len(), image.size.bytes(), "image and size disagree");
    assert_eq!(out.len(), channels * out_height * out_width, "output of another size");
    let (columns, rows) = (taps(width, out_width), taps(height, out_height));
    let mut wide = vec![0f32; height * out_width];
    for (channel, plane) in out.chunks_exact_mut(out_height * out_width).enumerate() {
        for (y, line) in wide.chunks_exact_mut(out_width).enumerate() {
            let row = &image.pixels[y * width * channels..(y + 1) * width * channels];
            let pixel = |x: usize| value(row[x * channels + channel]);
            for (out, tap) in line.iter_mut().zip(&columns) {
                *out = tap.mix(pixel(tap.low), pixel(tap.high));
            }
        }
        for (line, tap) in plane.chunks_exact_mut(out_width).zip(&rows) {
            let low = &wide[tap.low * out_width..(tap.low + 1) * out_width];
            let high = &wide[tap.high * out_width..(tap.high + 1) * out_width];
            for ((out, low), high) in line.iter_mut().zip(low).zip(high) {
                *out = tap.mix(*low, *high);
            }
        }
    }
}

/// The two source pixels of an output pixel, and the weight of the second.
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

impl Tap {
    fn mix(&self, low: f32, high: f32) -> f32 {
        (1.0 - self.weight) * low + self.weight * high
    }
}

fn taps(size: usize, out: usize) -> Vec<Tap> {
    let scale = size as f32 / out as f32;
    let tap = |i: usize| {
        // Above the first centre the first pixel is repeated, not extrapolated.
        let position = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
        let low = (position as usize).min(size - 1);
        Tap { low, high: (low + 1).min(size - 1), weight: (position - low as f32).clamp(0.0, 1.0) }
    };
    (0..out).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pixels: &[u8], out: usize) -> Vec<f32> {
        let mut line = vec![0.0; out];
        let size = ImageSize::new(1, pixels.len(), 1);
        torch_bilinear(ImageView { size, pixels }, [1, out], f32::from, &mut line);
        line
    }

    #[test]
    fn doubling_a_row_puts_centres_a_quarter_from_the_old_ones() {
        // Positions (i + 0.5)/2 − 0.5 = −0.25, 0.25, 0.75, 1.25: the outer two repeat the ends.
        assert_eq!(row(&[10, 20], 4), [10.0, 12.5, 17.5, 20.0]);
    }

    #[test]
    fn quartering_a_row_sees_two_of_each_four_pixels() {
        // Position 4·0.5 − 0.5 = 1.5: pixels 1 and 2; 0 and 3 are not seen.
        assert_eq!(row(&[99, 10, 20, 99, 77, 30, 50, 77], 2), [15.0, 40.0]);
    }
}
