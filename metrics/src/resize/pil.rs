//! Pillow's resize (`Image.resize`): a filter whose support grows with the downscale, so that it
//! antialiases.
//!
//! Two passes, along rows and then along columns, with a table of weights each (`Resample.c` of
//! Pillow; must agree with Pillow 12.3.0 bit for bit). In mode "F" sums are f64 and each pass's
//! result f32; in 8-bit modes weights are fixed-point numbers and each pass's result bytes. Pillow
//! 13 takes columns first where the height shrinks more than the width, which moves roundings;
//! square images resized to squares are the same in all versions.

use ganbench_data::images::{ImageSize, ImageView};

/// What a pixel's neighbours weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A triangle over one pixel each way.
    Bilinear,
    /// Keys 1981, doi:10.1109/TASSP.1981.1163711, with a = −0.5, over two pixels each way.
    Bicubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            _ => 0.0,
        }
    }
}

/// The source pixels of one output pixel: from `first` on, as many as there are weights.
struct Taps<T> {
    first: usize,
    weights: Vec<T>,
}

fn taps(filter: Filter, size: usize, out: usize) -> Vec<Taps<f64>> {
    let scale = size as f64 / out as f64;
    let stretch = scale.max(1.0);
    let (support, squeeze) = (filter.support() * stretch, 1.0 / stretch);
    let tap = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        // Casts to an integer of negative numbers give 0 in Rust, which is the bound wanted here.
        let first = (center - support + 0.5) as usize;
        let end = ((center + support + 0.5) as usize).min(size);
        let weight = |x: usize| filter.weight((x as f64 - center + 0.5) * squeeze);
        let mut weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        if sum != 0.0 {
            weights.iter_mut().for_each(|w| *w /= sum);
        }
        Taps { first, weights }
    };
    (0..out).map(tap).collect()
}

/// Each channel as a float image (mode "F"), clipped to 0..=255 and not rounded: clean-fid's
/// `clean` mode with [`Filter::Bicubic`], StudioGAN's PIL resizers with either.
///
/// `out`: f32 planes `[c, height, width]` of size `to`, 0..=255.
///
/// # Panics
/// If a slice does not have the stated size: a defect of the caller.
pub(crate) fn pil_float(image: ImageView<'_>, filter: Filter, to: [usize; 2], out: &mut [f32]) {
    let ImageSize { height, width, channels } = image.size;
    let [out_height, out_width] = to;
    assert_eq!(image.pixels.len(), image.size.bytes(), "image and size disagree");
    assert_eq!(out.len(), channels * out_height * out_width, "output of another size");
    let (columns, rows) = (taps(filter, width, out_width), taps(filter, height, out_height));
    let mut wide = vec![0f32; height * out_width];
    let mut sums = vec![0f64; out_width];
    for (channel, plane) in out.chunks_exact_mut(out_height * out_width).enumerate() {
        for (y, line) in wide.chunks_exact_mut(out_width).enumerate() {
            let row = &image.pixels[y * width * channels..(y + 1) * width * channels];
            for (out, tap) in line.iter_mut().zip(&columns) {
                let pixels = row[tap.first * channels + channel..].iter().step_by(channels);
                let products = pixels.zip(&tap.weights).map(|(&p, w)| f64::from(p) * w);
                *out = products.fold(0.0, |sum, p| sum + p) as f32;
            }
        }
        for (line, tap) in plane.chunks_exact_mut(out_width).zip(&rows) {
            sums.fill(0.0);
            for (row, w) in wide.chunks_exact(out_width).skip(tap.first).zip(&tap.weights) {
                for (sum, &value) in sums.iter_mut().zip(row) {
                    *sum += f64::from(value) * w;
                }
            }
            for (out, &sum) in line.iter_mut().zip(&sums) {
                *out = (sum as f32).clamp(0.0, 255.0);
            }
        }
    }
}

/// Bits after the point of a weight: a byte times the weights' sum, with bicubic's overshoot, fits
/// i32.
const PRECISION: u32 = 32 - 8 - 2;

fn fixed(taps: Vec<Taps<f64>>) -> Vec<Taps<i32>> {
    // Halves away from zero.
    let round = |w: f64| (w * f64::from(1 << PRECISION) + 0.5f64.copysign(w)) as i32;
    taps.into_iter()
        .map(|t| Taps { first: t.first, weights: t.weights.into_iter().map(round).collect() })
        .collect()
}

/// The byte nearest to a sum of bytes times fixed-point weights, to which one half was added.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION - 1);

/// An 8-bit image (mode "L" or "RGB"), as torchvision's transforms of PIL images give it.
///
/// Returns u8 `[height, width, c]` of size `to`.
///
/// # Panics
/// If the image does not have the stated size: a defect of the caller.
pub(crate) fn pil_bytes(image: ImageView<'_>, filter: Filter, to: [usize; 2]) -> Vec<u8> {
    let ImageSize { height, width, channels } = image.size;
    let [out_height, out_width] = to;
    assert_eq!(image.pixels.len(), image.size.bytes(), "image and size disagree");
    let columns = fixed(taps(filter, width, out_width));
    let rows = fixed(taps(filter, height, out_height));
    let (row, out_row) = (width * channels, out_width * channels);
    let mut wide = vec![0u8; height * out_row];
    for (line, source) in wide.chunks_exact_mut(out_row).zip(image.pixels.chunks_exact(row)) {
        for (pixel, tap) in line.chunks_exact_mut(channels).zip(&columns) {
            for (channel, out) in pixel.iter_mut().enumerate() {
                let values = source[tap.first * channels + channel..].iter().step_by(channels);
                let products = values.zip(&tap.weights).map(|(&v, w)| i32::from(v) * w);
                *out = byte(HALF + products.sum::<i32>());
            }
        }
    }
    let mut out = vec![0u8; out_height * out_row];
    let mut sums = vec![0i32; out_row];
    for (line, tap) in out.chunks_exact_mut(out_row).zip(&rows) {
        sums.fill(HALF);
        for (source, w) in wide.chunks_exact(out_row).skip(tap.first).zip(&tap.weights) {
            for (sum, &value) in sums.iter_mut().zip(source) {
                *sum += i32::from(value) * w;
            }
        }
        for (out, &sum) in line.iter_mut().zip(&sums) {
            *out = byte(sum);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pixels: &[u8]) -> ImageView<'_> {
        ImageView { size: ImageSize::new(1, pixels.len(), 1), pixels }
    }

    #[test]
    fn halving_with_the_triangle_weighs_four_pixels_an_eighth_and_three() {
        // Support 2 about centre 3 of pixels 0..6: distances 1.5, 0.5, 0.5, 1.5 of 2, weights
        // 1:3:3:1.
        let pixels = [0, 80, 160, 240, 8, 0];
        let middle = (80.0 + 3.0 * 160.0 + 3.0 * 240.0 + 8.0) / 8.0;
        let mut out = [0.0; 3];
        pil_float(row(&pixels), Filter::Bilinear, [1, 3], &mut out);
        assert_eq!(out[1], middle);
        assert_eq!(pil_bytes(row(&pixels), Filter::Bilinear, [1, 3])[1], middle as u8);
    }

    #[test]
    fn a_plane_of_one_value_keeps_it_in_any_size() {
        let pixels = [201; 7 * 5 * 3];
        let image = ImageView { size: ImageSize::new(7, 5, 3), pixels: &pixels };
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for to in [[3, 2], [7, 5], [20, 11]] {
                assert!(
                    pil_bytes(image, filter, to).iter().all(|&v| v == 201),
                    "{filter:?} {to:?}"
                );
                let mut out = vec![0.0; 3 * to[0] * to[1]];
                pil_float(image, filter, to, &mut out);
                assert!(out.iter().all(|v| (v - 201.0).abs() < 1e-4), "{filter:?} {to:?}");
            }
        }
    }

    #[test]
    fn bicubic_overshoot_is_clipped_to_the_range_of_pixels() {
        let pixels = [0, 0, 255, 255, 0, 0];
        let mut out = [0.0; 24];
        pil_float(row(&pixels), Filter::Bicubic, [1, 24], &mut out);
        assert!(out.contains(&255.0) && out.iter().all(|v| (0.0..=255.0).contains(v)), "{out:?}");
    }
}
