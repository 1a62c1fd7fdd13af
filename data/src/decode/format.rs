//! The image formats that are read, told apart by their first bytes.
//!
//! All are read as PIL reads them for pytorch-fid, clean-fid and torch-fidelity, or are refused.

use std::io::Cursor;

use ganbench_files::{memory, panics};
use image::codecs::bmp::BmpDecoder;
use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::Fault;
use super::jpeg::Jpeg;
use super::png::{Png, SIGNATURE};
use super::tiff::Tiff;

/// The endings of files that are images, in any case: those of pytorch-fid and clean-fid but for
/// Netpbm's.
pub const IMAGE_EXTENSIONS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"];

/// For messages.
pub(crate) const FORMATS: &str = "PNG, JPEG, WebP, BMP or TIFF";

/// What was done to an image beyond reading its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// A pixel was not opaque.
    pub transparent: bool,
    /// Of 16 bits of colour the upper 8 were taken, as PIL does.
    pub upper_bits: bool,
    /// Of 16 bits of grey what is above 255 was made 255, as PIL does.
    pub clipped: bool,
    /// A PNG file has a wrong checksum or lacks its end.
    pub mended: bool,
}

/// Decoded pixels of 8 bits.
pub(crate) struct Raw {
    /// 1 and 3 are grey and RGB, 2 and 4 the same with alpha.
    pub samples: usize,
    pub pixels: Vec<u8>,
    pub marks: Marks,
}

impl Raw {
    /// From 16 bits a sample. `grey` has no alpha in the file, though it may have been added for a
    /// transparent value; `alpha` is whether the last sample is alpha.
    pub(crate) fn of_16_bits(
        samples: usize,
        values: impl Iterator<Item = u16>,
        grey: bool,
        alpha: bool,
        marks: Marks,
    ) -> Self {
        let upper = |value: u16| (value >> 8) as u8;
        let pixels = match grey {
            // PIL's mode I;16 to RGB.
            true => values
                .enumerate()
                .map(|(i, value)| match alpha && i % samples == samples - 1 {
                    true => upper(value),
                    false => value.min(255) as u8,
                })
                .collect(),
            false => values.map(upper).collect(),
        };
        Self { samples, pixels, marks: Marks { upper_bits: !grey, clipped: grey, ..marks } }
    }
}

/// An image whose header was read.
///
/// All decoders are called through this type. They stand behind one boundary: where one panics, the
/// file is damaged.
pub(crate) struct Encoded<'a>(Kind<'a>);

enum Kind<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Png(Png<'a>),
    Tiff(Box<Tiff<'a>>),
    /// With whether the file is as long as it says.
    WebP(Box<WebPDecoder<Cursor<&'a [u8]>>>, bool),
    Bmp(Box<BmpDecoder<Cursor<&'a [u8]>>>),
}

impl<'a> Encoded<'a> {
    /// # Errors
    /// If the bytes are of none of these formats, are damaged, or of a kind that is not read.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        caught(|| Kind::open(bytes)).map(Self)
    }

    /// Width and height.
    pub fn dimensions(&self) -> (u32, u32) {
        match &self.0 {
            Kind::Jpeg(jpeg) => jpeg.dimensions(),
            Kind::Png(png) => png.dimensions(),
            Kind::Tiff(tiff) => tiff.dimensions(),
            Kind::WebP(decoder, _) => decoder.dimensions(),
            Kind::Bmp(decoder) => decoder.dimensions(),
        }
    }

    pub fn is_grey(&self) -> bool {
        match &self.0 {
            Kind::Jpeg(jpeg) => jpeg.color_type() == ColorType::L8,
            Kind::Png(png) => png.is_grey(),
            Kind::Tiff(tiff) => tiff.is_grey(),
            Kind::WebP(..) | Kind::Bmp(_) => false,
        }
    }

    /// Whether only decoding tells that the file is whole, or, for `alpha`, that it is opaque.
    pub fn must_be_decoded(&self, opaque_only: bool) -> bool {
        match &self.0 {
            Kind::Jpeg(_) => false,
            Kind::Png(png) => !png.is_intact() || (opaque_only && png.has_alpha()),
            Kind::WebP(decoder, is_whole) => {
                !is_whole || (opaque_only && decoder.color_type().has_alpha())
            }
            Kind::Tiff(_) | Kind::Bmp(_) => true,
        }
    }

    /// How many pixels `bytes` encoded bytes can hold at the very most, where the format sets a
    /// bound (WebP does not: a picture of one colour takes no bits a pixel). Keeps a small file
    /// from claiming all memory.
    pub fn most_pixels(&self, bytes: usize) -> Option<usize> {
        let most_per_byte = match &self.0 {
            // Deflate's best ratio.
            Kind::Png(png) => return Some(bytes.saturating_mul(8 * 1032) / png.bits_per_pixel()),
            // At least one bit for each 8x8 block of the component with the most samples.
            Kind::Jpeg(_) => 8 * 64,
            // Codes of LZW have at least 9 bits and stand for at most 4096 bytes.
            Kind::Tiff(_) => 4096,
            Kind::Bmp(_) => 8,
            Kind::WebP(..) => return None,
        };
        Some(bytes.saturating_mul(most_per_byte))
    }

    /// # Errors
    /// If the image is damaged, or there is too little memory for it.
    pub fn read(self) -> Result<Raw, Fault> {
        let (width, height) = self.dimensions();
        let each = match &self.0 {
            Kind::Jpeg(jpeg) => jpeg.bytes_per_pixel(),
            Kind::Png(png) => png.bytes_per_pixel(),
            Kind::Tiff(_) => 12,
            Kind::WebP(..) | Kind::Bmp(_) => 8,
        };
        let pixels = width as usize * height as usize;
        let held = memory::ask_for(pixels, each, String::new);
        let _held = held.map_err(|error| Fault::Reason(error.predicate()))?;
        caught(|| self.0.read())
    }
}

/// Runs a decoder.
fn caught<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    let failed = |panic| Fault::Damaged(format!("is a corrupt image (its decoder fails: {panic})"));
    panics::caught(decode).map_err(failed)?
}

impl<'a> Kind<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        if bytes.starts_with(SIGNATURE) {
            return Ok(Self::Png(Png::open(bytes)?));
        }
        if bytes.starts_with(b"\xff\xd8\xff") {
            return Ok(Self::Jpeg(Box::new(Jpeg::open(bytes)?)));
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
            let claimed = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
            let is_whole = claimed as usize <= bytes.len() - 8;
            return Ok(Self::WebP(Box::new(decoder), is_whole));
        }
        if bytes.starts_with(b"BM") {
            check_bmp(bytes)?;
            let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
            return Ok(Self::Bmp(Box::new(decoder)));
        }
        if [b"II\x2a\0", b"MM\0\x2a"].iter().any(|magic| bytes.starts_with(*magic)) {
            return Ok(Self::Tiff(Box::new(Tiff::open(bytes)?)));
        }
        Err(Fault::Damaged(format!("is no {FORMATS} image")))
    }

    fn read(self) -> Result<Raw, Fault> {
        match self {
            Self::Png(png) => png.read(),
            Self::Tiff(tiff) => tiff.read(),
            Self::Jpeg(jpeg) => {
                let (width, height) = jpeg.dimensions();
                let count = width as usize * height as usize;
                let samples = usize::from(jpeg.color_type().channel_count());
                let mut pixels = vec![0; count * samples];
                jpeg.read(&mut pixels)?;
                Ok(Raw { samples, pixels, marks: Marks::default() })
            }
            Self::WebP(decoder, _) => read_with(*decoder),
            Self::Bmp(decoder) => read_with(*decoder),
        }
    }
}

/// Of 3 or 4 channels.
fn read_with(decoder: impl ImageDecoder) -> Result<Raw, Fault> {
    let colour = decoder.color_type();
    if !matches!(colour, ColorType::Rgb8 | ColorType::Rgba8) {
        return Err(Fault::Reason(format!(
            "has pixels of kind {colour:?}; convert it to 8 bits a channel"
        )));
    }
    let samples = usize::from(colour.channel_count());
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; width as usize * height as usize * samples];
    decoder.read_image(&mut pixels).map_err(corrupt)?;
    Ok(Raw { samples, pixels, marks: Marks::default() })
}

/// Refuses what programs read differently: runs that are cut short, and channels of 5 or 6 bits,
/// which PIL scales without rounding.
fn check_bmp(bytes: &[u8]) -> Result<(), Fault> {
    const SHORTEST_WITH_COMPRESSION: u32 = 40;
    const UNCOMPRESSED: [u32; 2] = [0, 3];
    let number = |at: usize, length: usize| {
        let bytes = bytes.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0, |n, &byte| n << 8 | u32::from(byte)))
    };
    let long = number(14, 4).is_some_and(|header| header >= SHORTEST_WITH_COMPRESSION);
    let bits = number(if long { 28 } else { 24 }, 2);
    let kind = match (bits, number(30, 4)) {
        (_, Some(compression)) if long && !UNCOMPRESSED.contains(&compression) => {
            "with compression"
        }
        (Some(16), _) => "of 16 bits a pixel",
        _ => return Ok(()),
    };
    Err(Fault::Reason(format!("is a BMP image {kind}; save it as PNG")))
}

fn corrupt(error: ImageError) -> Fault {
    match error {
        ImageError::Unsupported(error) => {
            Fault::Reason(format!("is of a kind that is not read ({error}); save it as PNG"))
        }
        error => Fault::Damaged(format!("is a corrupt image ({error})")),
    }
}
