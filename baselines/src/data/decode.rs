//! Encoded image bytes to pixels of the size and channels asked for.
//!
//! PNG, JPEG (as libjpeg-turbo decodes it) and WebP with 8 bits a channel. Grey becomes RGB by repetition; padding is with zeros,
//! centred; where an entry says so, squares of pixels are averaged, or images of any size are cropped and
//! resized. Nothing else is converted: another size, 16 bits a channel, or a pixel that is not opaque is
//! an error. Orientation tags are not applied (as torchvision reads a folder).

use std::io::Cursor;

use ganbench_nn::images::ImageSize;
use image::imageops::{self, FilterType};
use image::{ColorType, ImageBuffer, ImageDecoder, ImageFormat, ImageReader, Luma, Pixel, Rgb};
use serde::{Deserialize, Serialize};

use super::catalogue::HubEntry;
use super::jpeg::Jpeg;
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
    /// `center_crop`), resized with an antialiasing Lanczos-3 filter: PyTorch-StudioGAN's `CenterCropLongEdge`
    /// and `--pre_resizer lanczos`.
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
    let (width, height) = open(bytes)?.dimensions();
    Ok((height as usize, width as usize))
}

/// Size as the header of the image says, with 1 channel where it is grey.
pub(super) fn own_size(bytes: &[u8]) -> Result<ImageSize, Fault> {
    let encoded = open(bytes)?;
    let (width, height) = encoded.dimensions();
    let channels = if encoded.color_type().has_color() { 3 } else { 1 };
    Ok(ImageSize::new(height as usize, width as usize, channels))
}

/// Decodes one image into `out`, `[target.output.height, .width, .channels]`, which holds zeros.
pub(super) fn decode(bytes: &[u8], target: &Target, out: &mut [u8]) -> Result<(), Fault> {
    if let Some(fit) = target.fit {
        return decode_fitted(bytes, fit, target, out);
    }
    if target.shrink > 1 {
        let whole = ImageSize::new(target.height, target.width, target.output.channels);
        let mut pixels = vec![0; whole.bytes()];
        decode(bytes, &Target { shrink: 1, output: whole, ..*target }, &mut pixels)?;
        average(&pixels, target, out);
        return Ok(());
    }
    let encoded = open(bytes)?;
    // Before any pixel is decoded, so that a small file cannot claim all memory.
    let (width, height) = encoded.dimensions();
    let (width, height) = (width as usize, height as usize);
    if (height, width) != (target.height, target.width) {
        return Err(Fault::Size { height, width });
    }
    let colour = encoded.color_type();
    let stride = match colour {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {
            usize::from(colour.bytes_per_pixel())
        }
        _ => {
            return reason(format!(
                "has pixels of kind {colour:?}; convert it to 8 bits a channel"
            ));
        }
    };
    let mut pixels = vec![0; height * width * stride];
    encoded.read(&mut pixels)?;

    let output = target.output;
    let (top, left) = ((output.height - height) / 2, (output.width - width) / 2);
    for (i, pixel) in pixels.chunks_exact(stride).enumerate() {
        let (red, green, blue, alpha) = match *pixel {
            [grey] => (grey, grey, grey, 255),
            [grey, alpha] => (grey, grey, grey, alpha),
            [red, green, blue] => (red, green, blue, 255),
            [red, green, blue, alpha] => (red, green, blue, alpha),
            _ => continue,
        };
        if alpha != 255 {
            return reason("has pixels that are not opaque; put it on a background first");
        }
        let place = ((top + i / width) * output.width + left + i % width) * output.channels;
        if output.channels == 3 {
            out[place..place + 3].copy_from_slice(&[red, green, blue]);
        } else if red == green && green == blue {
            out[place] = red;
        } else {
            return reason("is in colour, but 1 channel was asked for");
        }
    }
    Ok(())
}

fn decode_fitted(bytes: &[u8], fit: Fit, target: &Target, out: &mut [u8]) -> Result<(), Fault> {
    let (height, width) = header(bytes)?;
    if height.max(width) > MAX_SIDE {
        return reason(format!("is {width}x{height} pixels; at most {MAX_SIDE} a side are read"));
    }
    let whole = ImageSize::new(height, width, target.output.channels);
    let mut pixels = vec![0; whole.bytes()];
    let as_it_is = Target { height, width, shrink: 1, fit: None, output: whole, ..*target };
    decode(bytes, &as_it_is, &mut pixels)?;
    let Fit::CentreLanczos = fit;
    match whole.channels {
        1 => fit_square::<Luma<u8>>(whole, pixels, target.output, out),
        _ => fit_square::<Rgb<u8>>(whole, pixels, target.output, out),
    }
    Ok(())
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

/// An image whose header was read.
enum Encoded<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Other(Box<dyn ImageDecoder + 'a>),
}

impl Encoded<'_> {
    /// Width and height.
    fn dimensions(&self) -> (u32, u32) {
        match self {
            Self::Jpeg(jpeg) => jpeg.dimensions(),
            Self::Other(decoder) => decoder.dimensions(),
        }
    }

    fn color_type(&self) -> ColorType {
        match self {
            Self::Jpeg(jpeg) => jpeg.color_type(),
            Self::Other(decoder) => decoder.color_type(),
        }
    }

    fn read(self, pixels: &mut [u8]) -> Result<(), Fault> {
        match self {
            Self::Jpeg(jpeg) => jpeg.read(pixels),
            Self::Other(decoder) => decoder.read_image_boxed(pixels).map_err(corrupt),
        }
    }
}

fn open(bytes: &[u8]) -> Result<Encoded<'_>, Fault> {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| corrupt(image::ImageError::IoError(error)))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) => Ok(Encoded::Jpeg(Box::new(Jpeg::open(bytes)?))),
        Some(ImageFormat::Png | ImageFormat::WebP) => {
            Ok(Encoded::Other(Box::new(reader.into_decoder().map_err(corrupt)?)))
        }
        _ => reason("is no PNG, JPEG or WebP image"),
    }
}

fn corrupt(error: image::ImageError) -> Fault {
    Fault::Reason(format!("is a corrupt image ({error})"))
}

fn reason<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Reason(text.into()))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
