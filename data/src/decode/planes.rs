//! JPEG images of any sampling factors, to the bit as libjpeg-turbo decodes them for PIL.
//!
//! Encoders sample the second and third channel less than the others, both alike. The format allows
//! any factors, and PIL reads them. The decoder gives the planes as they are stored; here they are
//! brought to the size of the image (`jdsample.c`: twice as many columns or rows by a triangle
//! filter, other whole multiples by repetition), and YCbCr and YCCK become RGB and CMYK
//! (`jdcolor.c`).

use libjpeg_turbo_rs::{ColorSpace, ComponentInfo, Decoder, FrameHeader};

use super::Fault;
use super::jpeg::corrupt;

/// Narrower planes are widened by repetition.
const NARROWEST_FILTERED: usize = 3;

/// One channel as it is stored.
struct Plane<'a> {
    samples: &'a [u8],
    /// Samples from one row to the next, those behind the image's edge included.
    stride: usize,
    /// Samples that belong to the image.
    width: usize,
    height: usize,
}

impl Plane<'_> {
    /// Rows above and below the image repeat its edge.
    fn row(&self, y: usize) -> &[u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.samples[start..start + self.width]
    }
}

/// # Errors
/// If a channel's factor is no part of the largest one.
pub(crate) fn check_factors(header: &FrameHeader) -> Result<(), Fault> {
    let factors = factors(header);
    let largest = largest(&factors);
    if factors
        .iter()
        .any(|f| (0..2).any(|axis| f[axis] == 0 || !largest[axis].is_multiple_of(f[axis])))
    {
        let text = format!(
            "is a JPEG image of the sampling factors {factors:?}, which PIL does not read either; save it as PNG"
        );
        return Err(Fault::Reason(text));
    }
    Ok(())
}

/// The largest factor across and down.
fn largest(factors: &[[usize; 2]]) -> [usize; 2] {
    [0, 1].map(|axis| factors.iter().map(|f| f[axis]).max().unwrap_or(1))
}

/// The channels of each pixel: RGB, or CMYK where there are four.
///
/// # Errors
/// If the file is damaged, or a channel's factor is no part of the largest one.
pub(crate) fn channels(decoder: Decoder<'_>) -> Result<Vec<u8>, Fault> {
    let space = decoder.jpeg_color_space();
    let header = decoder.header();
    let (width, height) = (usize::from(header.width), usize::from(header.height));
    check_factors(header)?;
    let factors = factors(header);
    let largest = largest(&factors);
    let raw = decoder.decode_raw().map_err(|error| corrupt(&error))?;
    let mut out = vec![0; width * height * factors.len()];
    for (channel, (samples, &[across, down])) in raw.planes.iter().zip(&factors).enumerate() {
        let plane = Plane {
            samples,
            stride: raw.plane_widths[channel],
            width: (width * across).div_ceil(largest[0]),
            height: (height * down).div_ceil(largest[1]),
        };
        let times = [largest[0] / across, largest[1] / down];
        let mut row = Vec::new();
        for y in 0..height {
            enlarged_row(&plane, times, y, &mut row);
            let line = &mut out[y * width * factors.len()..];
            let pixels = line.chunks_exact_mut(factors.len()).take(width);
            pixels.zip(&row).for_each(|(pixel, &value)| pixel[channel] = value);
        }
    }
    match space {
        ColorSpace::YCbCr => out.chunks_exact_mut(3).for_each(rgb_of_ycc),
        ColorSpace::Ycck => out.chunks_exact_mut(4).for_each(|pixel| {
            rgb_of_ycc(pixel);
            pixel[..3].iter_mut().for_each(|value| *value = 255 - *value);
        }),
        _ => {}
    }
    Ok(out)
}

/// Whether the factors are those of nearly all files, whose pixels the decoder gives by itself: the
/// first channel has one sample for each pixel, and the others one for each, for two beside one
/// another, or for four.
pub(crate) fn is_usual(header: &FrameHeader) -> bool {
    match factors(header)[..] {
        [_] => true,
        [first, second, third] => {
            [[1, 1], [2, 1], [2, 2]].contains(&first) && [second, third] == [[1, 1]; 2]
        }
        _ => false,
    }
}

/// Of each channel: samples across and down in a unit.
fn factors(header: &FrameHeader) -> Vec<[usize; 2]> {
    let of_channel =
        |c: &ComponentInfo| [usize::from(c.horizontal_sampling), usize::from(c.vertical_sampling)];
    header.components.iter().map(of_channel).collect()
}

/// Row `y` of the image, from a plane with 1 in `times` columns and rows.
fn enlarged_row(plane: &Plane<'_>, times: [usize; 2], y: usize, out: &mut Vec<u8>) {
    out.clear();
    let [across, down] = times;
    let near = plane.row(y / down);
    // The row that is next to it on the other side of the one wanted.
    let beside = || match y % 2 {
        0 => plane.row((y / 2).saturating_sub(1)),
        _ => plane.row(y / 2 + 1),
    };
    match times {
        [2, 1] if plane.width >= NARROWEST_FILTERED => {
            let sums: Vec<u32> = near.iter().map(|&value| u32::from(value)).collect();
            widen(&sums, [1, 2], 2, out);
        }
        [1, 2] => {
            let bias = 1 + (y % 2) as u32;
            let value = |(&near, &beside): (&u8, &u8)| {
                (3 * u32::from(near) + u32::from(beside) + bias) >> 2
            };
            out.extend(near.iter().zip(beside()).map(|pair| value(pair) as u8));
        }
        [2, 2] if plane.width >= NARROWEST_FILTERED => {
            let sum = |(&near, &beside): (&u8, &u8)| 3 * u32::from(near) + u32::from(beside);
            let sums: Vec<u32> = near.iter().zip(beside()).map(sum).collect();
            widen(&sums, [8, 7], 4, out);
        }
        _ => out.extend(near.iter().flat_map(|&value| std::iter::repeat_n(value, across))),
    }
}

/// Two values of each: three quarters of it and a quarter of its neighbour. Where there is none, it
/// is its own.
fn widen(sums: &[u32], bias: [u32; 2], shift: u32, out: &mut Vec<u8>) {
    for (x, &own) in sums.iter().enumerate() {
        let left = x.checked_sub(1).map_or(own, |left| sums[left]);
        let right = sums.get(x + 1).copied().unwrap_or(own);
        out.push(((3 * own + left + bias[0]) >> shift) as u8);
        out.push(((3 * own + right + bias[1]) >> shift) as u8);
    }
}

/// In place, in the fixed point of 16 bits of libjpeg. A fourth channel stays as it is.
fn rgb_of_ycc(pixel: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    let fixed = |factor: f64| (factor * 65536.0 + 0.5) as i32;
    let [y, cb, cr] = [0, 1, 2].map(|channel| i32::from(pixel[channel]));
    let (cb, cr) = (cb - 128, cr - 128);
    let red = y + ((fixed(1.402) * cr + HALF) >> 16);
    let green = y + ((-fixed(0.344_14) * cb - fixed(0.714_14) * cr + HALF) >> 16);
    let blue = y + ((fixed(1.772) * cb + HALF) >> 16);
    for (value, colour) in pixel.iter_mut().zip([red, green, blue]) {
        *value = colour.clamp(0, 255) as u8;
    }
}

#[cfg(test)]
#[path = "planes_tests.rs"]
mod tests;
