//! Encoded image bytes to pixels of the size and channels asked for.
//!
//! `format.rs` says which formats are read, and how. What is measured ([`read`]) is read as PIL
//! reads it, with what that did to the image in [`Marks`]. What is trained on ([`decode`]) is read
//! alike, 16 bits per channel included, so that a set is trained on with the pixels that it is
//! measured by; but a pixel that is not opaque, or a file with wrong checksums, is an error. Grey
//! becomes RGB by repetition; padding is with zeros, centred; where an entry says so, squares of
//! pixels are averaged, or images of any size are cropped and resized. Otherwise another size is an
//! error. Orientation tags are not applied (as torchvision reads a folder).

pub(crate) mod alpha;
mod fault;
mod fit;
pub(crate) mod format;
mod jpeg;
mod overflow;
mod planes;
mod png;
mod scans;
mod target;
mod tiff;

use alpha::Alpha;
pub(crate) use fault::Fault;
use fit::fit_square;
use format::{Encoded, Marks, Raw};
use image::{Luma, Rgb};
pub(crate) use target::Target;

use crate::catalogue::Fit;
use crate::images::ImageSize;

/// The largest side that is read, against headers that lie.
pub(crate) const MAX_SIDE: usize = 8192;

/// Height and width as the header of the image says.
pub(crate) fn header(bytes: &[u8]) -> Result<(usize, usize), Fault> {
    let (width, height) = Encoded::open(bytes)?.dimensions();
    Ok((height as usize, width as usize))
}

/// Size of an image, with 1 channel where it is grey.
pub(crate) fn size_of(encoded: &Encoded) -> ImageSize {
    let (width, height) = encoded.dimensions();
    let channels = if encoded.is_grey() { 1 } else { 3 };
    ImageSize::new(height as usize, width as usize, channels)
}

/// Pixels of an image with the channels that [`size_of`] says.
pub(crate) fn read(encoded: Encoded, alpha: Alpha) -> Result<(Vec<u8>, Marks), Fault> {
    let Raw { samples, mut pixels, mut marks } = encoded.read()?;
    if samples % 2 == 1 {
        return Ok((pixels, marks));
    }
    let channels = samples - 1;
    marks.transparent = pixels.chunks_exact(samples).any(|pixel| pixel[channels] != 255);
    if marks.transparent && alpha == Alpha::Refuse {
        return reason("has pixels that are not opaque; put it on a background first");
    }
    // In place: each pixel moves towards the front.
    let count = pixels.len() / samples;
    for i in 0..count {
        let opacity = pixels[i * samples + channels];
        for c in 0..channels {
            pixels[i * channels + c] = alpha.blend(pixels[i * samples + c], opacity);
        }
    }
    pixels.truncate(count * channels);
    Ok((pixels, marks))
}

/// [`read`] of an image that is trained on: it must be opaque and whole.
pub(crate) fn read_for_training(encoded: Encoded) -> Result<(Vec<u8>, Marks), Fault> {
    let (pixels, marks) = read(encoded, Alpha::Refuse)?;
    if marks.mended {
        return Err(Fault::Damaged("has a wrong checksum or lacks its end; copy it again".into()));
    }
    Ok((pixels, marks))
}

/// Decodes one image into `out`, `[target.output.height, .width, .channels]`, which holds zeros.
pub(crate) fn decode(bytes: &[u8], target: &Target, out: &mut [u8]) -> Result<Marks, Fault> {
    if let Some(fit) = target.fit {
        return decode_fitted(bytes, fit, target, out);
    }
    if target.shrink > 1 {
        let whole = ImageSize::new(target.height, target.width, target.output.channels);
        let mut pixels = vec![0; whole.bytes()];
        let whole = Target { shrink: 1, output: whole, ..*target };
        let marks = decode(bytes, &whole, &mut pixels)?;
        average(&pixels, target, out);
        return Ok(marks);
    }
    let encoded = Encoded::open(bytes)?;
    // Before any pixel is decoded, so that a small file cannot claim all memory.
    let (width, height) = encoded.dimensions();
    let (width, height) = (width as usize, height as usize);
    if (height, width) != (target.height, target.width) {
        return Err(Fault::Size { height, width });
    }
    let grey = encoded.is_grey();
    let (pixels, marks) = read_for_training(encoded)?;
    let output = target.output;
    let (top, left) = ((output.height - height) / 2, (output.width - width) / 2);
    for (i, pixel) in pixels.chunks_exact(if grey { 1 } else { 3 }).enumerate() {
        let (red, green, blue) = match *pixel {
            [red, green, blue] => (red, green, blue),
            _ => (pixel[0], pixel[0], pixel[0]),
        };
        let place = ((top + i / width) * output.width + left + i % width) * output.channels;
        if output.channels == 3 {
            out[place..place + 3].copy_from_slice(&[red, green, blue]);
        } else if red == green && green == blue {
            out[place] = red;
        } else {
            return reason("is in colour, but 1 channel was asked for");
        }
    }
    Ok(marks)
}

fn decode_fitted(bytes: &[u8], fit: Fit, target: &Target, out: &mut [u8]) -> Result<Marks, Fault> {
    let (height, width) = header(bytes)?;
    if height.max(width) > MAX_SIDE {
        return reason(format!("is {width}x{height} pixels; at most {MAX_SIDE} a side are read"));
    }
    let whole = ImageSize::new(height, width, target.output.channels);
    let mut pixels = vec![0; whole.bytes()];
    let as_it_is = Target { height, width, shrink: 1, fit: None, output: whole, ..*target };
    let marks = decode(bytes, &as_it_is, &mut pixels)?;
    let Fit::CentreLanczos = fit;
    match whole.channels {
        1 => fit_square::<Luma<u8>>(whole, pixels, target.output, out),
        _ => fit_square::<Rgb<u8>>(whole, pixels, target.output, out),
    }
    Ok(marks)
}

/// Each pixel of `out` is the mean of a square, rounded half up.
fn average(pixels: &[u8], target: &Target, out: &mut [u8]) {
    let (side, channels) = (target.shrink, target.output.channels);
    let (width, n) = (target.output.width, (side * side) as u32);
    for (i, out) in out.iter_mut().enumerate() {
        let (y, x, c) = (i / channels / width, i / channels % width, i % channels);
        let row = |k: usize| ((y * side + k) * target.width + x * side) * channels + c;
        let pixel = |k: usize| (0..side).map(move |l| row(k) + l * channels);
        let sum: u32 = (0..side).flat_map(pixel).map(|at| u32::from(pixels[at])).sum();
        *out = ((sum + n / 2) / n) as u8;
    }
}

fn reason<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Reason(text.into()))
}

#[cfg(test)]
mod tests;
