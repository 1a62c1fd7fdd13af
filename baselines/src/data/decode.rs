//! Encoded image bytes to pixels of the size and channels asked for.
//!
//! `format.rs` says which formats are read, and how. What is measured ([`read`]) is read as PIL
//! reads it, with what that did to the image in [`Marks`]. What is trained on ([`decode`]) is read
//! alike, 16 bits per channel included, so that a set is trained on with the pixels that it is
//! measured by; but a pixel that is not opaque, or a file with wrong checksums, is an error. Grey
//! becomes RGB by repetition; padding is with zeros, centred; where an entry says so, squares of
//! pixels are averaged, or images of any size are cropped and resized. Otherwise another size is an
//! error. Orientation tags are not applied (as torchvision reads a folder).

use ganbench_nn::images::ImageSize;
use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};

use super::alpha::Alpha;
use super::catalogue::HubEntry;
use super::format::{Encoded, Marks, Raw};
use super::{DataError, DatasetRequest};

/// What the encoded images must be, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Target {
    /// Height and width of every encoded image.
    pub height: usize,
    pub width: usize,
    /// Who says so, for the error.
    pub why: &'static str,
    /// Sides of the squares of pixels that are averaged to one before padding; 1 leaves them alone.
    pub shrink: usize,
    /// Images of any size are made to fit instead.
    pub fit: Option<Fit>,
    pub output: ImageSize,
}

/// How an image of any size becomes a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The square of the shorter side in the middle (half pixels rounded to even, as torchvision's
    /// `center_crop`), resized with an antialiasing Lanczos-3 filter: PyTorch-StudioGAN's
    /// `CenterCropLongEdge` and `--pre_resizer lanczos`.
    CentreLanczos,
}

impl Fit {
    /// As plans and the table of data sets write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CentreLanczos => "centre-lanczos",
        }
    }
}

/// The largest side that is read, against headers that lie.
pub(super) const MAX_SIDE: usize = 8192;

/// What is wrong with an image.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The end of a sentence that begins with the place, such as "is in colour".
    Reason(String),
    /// The same where the file is no image, or not a whole one.
    Damaged(String),
    Size {
        height: usize,
        width: usize,
    },
}

impl Target {
    pub(super) fn of_entry(entry: &HubEntry, request: &DatasetRequest) -> Result<Self, DataError> {
        let channels = match (request.channels.unwrap_or(3), entry.channels) {
            (3, _) => 3,
            (1, 1) => 1,
            (channels, of_set) => {
                let known = if of_set == 1 { "1, 3" } else { "3" };
                return Err(DataError::Channels { name: entry.name.clone(), channels, known });
            }
        };
        let changed_to = entry.pad_to.or(entry.shrink_to);
        let output = match (request.size.or(changed_to), changed_to) {
            (None, _) => (entry.height, entry.width),
            (Some(side), _) if entry.height == side && entry.width == side => (side, side),
            (Some(side), Some(changed_to)) if side == changed_to => (side, side),
            (Some(size), _) => {
                let mut known = format!("{} (as encoded)", entry.height);
                if let Some(side) = entry.pad_to {
                    known += &format!(", {side} (padded with zeros)");
                }
                if let Some(side) = entry.shrink_to {
                    known += &format!(", {side} (squares of pixels averaged)");
                }
                return Err(DataError::Size { name: entry.name.clone(), size, known });
            }
        };
        Ok(Self {
            height: entry.height,
            width: entry.width,
            why: "the size of the dataset's images",
            shrink: (entry.height / output.0).max(1),
            fit: None,
            output: ImageSize::new(output.0, output.1, channels),
        })
    }
}

/// Height and width as the header of the image says.
pub(super) fn header(bytes: &[u8]) -> Result<(usize, usize), Fault> {
    let (width, height) = Encoded::open(bytes)?.dimensions();
    Ok((height as usize, width as usize))
}

/// Size of an image, with 1 channel where it is grey.
pub(super) fn size_of(encoded: &Encoded) -> ImageSize {
    let (width, height) = encoded.dimensions();
    let channels = if encoded.is_grey() { 1 } else { 3 };
    ImageSize::new(height as usize, width as usize, channels)
}

/// Pixels of an image with the channels that [`size_of`] says.
pub(super) fn read(encoded: Encoded, alpha: Alpha) -> Result<(Vec<u8>, Marks), Fault> {
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
pub(super) fn read_for_training(encoded: Encoded) -> Result<(Vec<u8>, Marks), Fault> {
    let (pixels, marks) = read(encoded, Alpha::Refuse)?;
    if marks.mended {
        return Err(Fault::Damaged("has a wrong checksum or lacks its end; copy it again".into()));
    }
    Ok((pixels, marks))
}

/// Decodes one image into `out`, `[target.output.height, .width, .channels]`, which holds zeros.
pub(super) fn decode(bytes: &[u8], target: &Target, out: &mut [u8]) -> Result<Marks, Fault> {
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

fn fit_square<P: Pixel<Subpixel = u8> + 'static>(
    size: ImageSize,
    pixels: Vec<u8>,
    output: ImageSize,
    out: &mut [u8],
) {
    let (height, width) = (size.height as u32, size.width as u32);
    let side = height.min(width);
    let image: Option<ImageBuffer<P, _>> = ImageBuffer::from_raw(width, height, pixels);
    let image = image.expect("there is a byte for each channel of each pixel");
    let (left, top) = (half(width - side), half(height - side));
    let square = imageops::crop_imm(&image, left, top, side, side).to_image();
    let (width, height) = (output.width as u32, output.height as u32);
    let fitted = match (width, height) == (side, side) {
        true => square,
        false => imageops::resize(&square, width, height, FilterType::Lanczos3),
    };
    out.copy_from_slice(fitted.as_raw());
}

/// Rounded half to even.
fn half(n: u32) -> u32 {
    n / 2 + (n % 2) * (n / 2 % 2)
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
#[path = "decode_tests.rs"]
mod tests;
