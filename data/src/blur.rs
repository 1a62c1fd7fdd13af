//! Gaussian blur of u8 images.

use rayon::prelude::*;

use crate::images::ImageBatch;

/// Where the filter ends, in standard deviations.
const TRUNCATE: f64 = 4.0;

/// The images blurred by a Gaussian of `sigma` pixels (above 0) along both axes, each channel by
/// itself, rounded half up to 8 bits. Labels and factors stay.
///
/// The filter ends at 4σ and borders are mirrored with their line repeated, as by default in
/// `scipy.ndimage.gaussian_filter` on floats.
pub fn gaussian_blur(images: &ImageBatch, sigma: f64) -> ImageBatch {
    let filter = filter(sigma);
    let (height, width, channels) = (images.size.height, images.size.width, images.size.channels);
    let mut pixels = vec![0; images.pixels.len()];
    let line = width * channels;
    let blur = |(to, from): (&mut [u8], &[u8])| {
        let from: Vec<f64> = from.iter().map(|&v| f64::from(v)).collect();
        let down = filtered(&from, &filter, Axis { length: height, stride: line });
        let both = filtered(&down, &filter, Axis { length: width, stride: channels });
        for (to, v) in to.iter_mut().zip(both) {
            *to = (v + 0.5).floor().clamp(0.0, 255.0) as u8;
        }
    };
    let bytes = images.size.bytes();
    pixels.par_chunks_exact_mut(bytes).zip(images.pixels.par_chunks_exact(bytes)).for_each(blur);
    ImageBatch {
        size: images.size,
        pixels: pixels.into(),
        labels: images.labels.clone(),
        factors: images.factors.clone(),
    }
}

/// Weights from one end to the other, their sum 1.
fn filter(sigma: f64) -> Vec<f64> {
    let radius = (TRUNCATE * sigma + 0.5) as isize;
    let weight = |d: isize| libm::exp(-0.5 * (d as f64 / sigma).powi(2));
    let sum: f64 = (-radius..=radius).map(weight).sum();
    (-radius..=radius).map(|d| weight(d) / sum).collect()
}

/// An axis of an image: its places, and values from one place to the next.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    stride: usize,
}

fn filtered(values: &[f64], filter: &[f64], axis: Axis) -> Vec<f64> {
    let radius = (filter.len() / 2) as isize;
    let Axis { length, stride } = axis;
    let at = |i: usize| {
        let place = i / stride % length;
        let start = i - place * stride;
        let of = |(k, weight): (usize, &f64)| {
            let place = mirrored(place as isize + k as isize - radius, length);
            weight * values[start + place * stride]
        };
        filter.iter().enumerate().map(of).sum()
    };
    (0..values.len()).map(at).collect()
}

/// Of a line `a b c`, whose surroundings are `c b a | a b c | c b a`.
fn mirrored(place: isize, length: usize) -> usize {
    let period = 2 * length as isize;
    let place = place.rem_euclid(period);
    place.min(period - 1 - place) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageSize;

    #[test]
    fn a_blur_is_scipys() {
        let size = ImageSize::new(4, 5, 1);
        let value = |(i, j): (u32, u32)| ((7 * i * i + 31 * j * (i + 2) + i * j * j) % 256) as u8;
        let pixels = (0..4).flat_map(|i| (0..5).map(move |j| (i, j))).map(value).collect();
        let images = ImageBatch::new(size, pixels, Some(vec![3]), None).unwrap();
        // scipy 1.17.1, gaussian_filter(x.astype(float), sigma), rounded. At 2 pixels the filter is
        // four times as wide as the image is high.
        for (sigma, expected) in [
            (
                0.5,
                [
                    8, 66, 129, 173, 229, 19, 100, 153, 87, 133, 43, 132, 76, 121, 80, 76, 187,
                    122, 78, 185,
                ],
            ),
            (
                1.0,
                [
                    35, 76, 121, 155, 181, 49, 86, 115, 128, 139, 73, 103, 113, 112, 120, 95, 122,
                    119, 115, 134,
                ],
            ),
            (
                2.0,
                [
                    82, 93, 110, 126, 135, 86, 96, 110, 123, 131, 92, 99, 111, 121, 127, 96, 102,
                    111, 119, 124,
                ],
            ),
        ] {
            let blurred = gaussian_blur(&images, sigma);
            assert_eq!(blurred.pixels, expected, "{sigma}");
            assert_eq!(blurred.labels, images.labels);
        }
    }

    #[test]
    fn channels_and_images_do_not_run_into_one_another() {
        let size = ImageSize::new(3, 3, 3);
        let flat = |rgb: [u8; 3]| (0..9).flat_map(move |_| rgb);
        let pixels: Vec<u8> = flat([10, 20, 30]).chain(flat([200, 100, 0])).collect();
        let images = ImageBatch::new(size, pixels, None, None).unwrap();
        assert_eq!(gaussian_blur(&images, 1.5), images);
    }
}
