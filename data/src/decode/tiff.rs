//! TIFF files of 8 or 16 bits a channel, as PIL reads them: the first picture, uncompressed or with
//! LZW, Deflate or PackBits.

use std::io::Cursor;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

use super::Fault;
use super::format::{Marks, Raw};

const WHITE_IS_ZERO: u32 = 0;
/// What `ExtraSamples` says of a fourth channel.
const NO_ALPHA: u32 = 0;
const PREMULTIPLIED: u32 = 1;

/// A file whose header was read.
pub(crate) struct Tiff<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    width: u32,
    height: u32,
    colour: ColorType,
    extra: Option<u32>,
}

impl<'a> Tiff<'a> {
    /// # Errors
    /// If the file is damaged, or of a kind that PIL reads in a way of its own.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        check_directory(bytes)?;
        let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(|error| fault(&error))?;
        let (width, height) = decoder.dimensions().map_err(|error| fault(&error))?;
        let colour = decoder.colortype().map_err(|error| fault(&error))?;
        let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok().flatten();
        let photometric = number(Tag::PhotometricInterpretation);
        let extra = match decoder.find_tag_unsigned_vec::<u32>(Tag::ExtraSamples) {
            Ok(Some(extra)) => extra.first().copied(),
            _ => None,
        };
        let mut number = |tag| decoder.find_tag_unsigned::<u32>(tag).ok().flatten();
        let plain = |tag: Option<u32>| tag.is_none_or(|value| value == 1);
        if !plain(number(Tag::Orientation)) {
            return reason(
                "is a TIFF image that is turned by its Orientation tag; save it upright",
            );
        }
        if !plain(number(Tag::PlanarConfiguration)) || !plain(number(Tag::FillOrder)) {
            return reason("is a TIFF image of separate planes or reversed bits; save it as PNG");
        }
        let kind = match colour {
            ColorType::Gray(16) if photometric == Some(WHITE_IS_ZERO) => None,
            ColorType::Gray(8 | 16) | ColorType::RGB(8 | 16) | ColorType::RGBA(8 | 16) => {
                Some(colour)
            }
            _ => None,
        };
        let Some(colour) = kind else {
            return reason(format!(
                "is a TIFF image of kind {colour:?}; expected grey or RGB of 8 or 16 bits a channel, so save \
                 it as PNG"
            ));
        };
        Ok(Self { decoder, width, height, colour, extra })
    }

    /// Width and height, which may lie.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub fn is_grey(&self) -> bool {
        matches!(self.colour, ColorType::Gray(_))
    }

    /// # Errors
    /// If the file is damaged.
    pub fn read(self) -> Result<Raw, Fault> {
        let samples = match self.colour {
            ColorType::Gray(_) => 1,
            ColorType::RGB(_) => 3,
            _ => 4,
        };
        let values = (self.width as usize)
            .checked_mul(self.height as usize)
            .and_then(|n| n.checked_mul(samples))
            .ok_or_else(|| fault(&TiffError::LimitsExceeded))?;
        let mut limits = Limits::default();
        limits.decoding_buffer_size = values.saturating_mul(2);
        limits.intermediate_buffer_size = values.saturating_mul(2).saturating_add(1 << 16);
        let mut decoder = self.decoder.with_limits(limits);
        let (grey, alpha) = (samples == 1, samples == 4);
        let mut raw = match decoder.read_image().map_err(|error| fault(&error))? {
            DecodingResult::U8(pixels) => Raw { samples, pixels, marks: Marks::default() },
            DecodingResult::U16(pixels) => {
                Raw::of_16_bits(samples, pixels.into_iter(), grey, alpha, Marks::default())
            }
            _ => return reason("is a TIFF image of signed or broken numbers; save it as PNG"),
        };
        if raw.pixels.len() != values {
            return Err(Fault::Damaged("is a TIFF image that lacks pixels".into()));
        }
        if alpha && self.extra == Some(NO_ALPHA) {
            raw.pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
        }
        let opaque = || raw.pixels.chunks_exact(4).all(|pixel| pixel[3] == 255);
        if alpha && self.extra == Some(PREMULTIPLIED) && !opaque() {
            return reason(
                "is a TIFF image of colours that are multiplied with their transparency; save it as PNG",
            );
        }
        Ok(raw)
    }
}

/// Whether the values of the first directory lie within the file. The decoder takes memory for as
/// many as are claimed.
fn check_directory(bytes: &[u8]) -> Result<(), Fault> {
    const ENTRY: usize = 12;
    let number = |at: usize, length: usize| -> Option<usize> {
        let digits = bytes.get(at..at.checked_add(length)?)?;
        let add = |n: usize, &digit: &u8| n << 8 | usize::from(digit);
        Some(match bytes.starts_with(b"II") {
            true => digits.iter().rev().fold(0, add),
            false => digits.iter().fold(0, add),
        })
    };
    let fits = |entry: usize| {
        let bytes_each = match number(entry + 2, 2)? {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 | 17 | 18 => 8,
            _ => 1,
        };
        let length = number(entry + 4, 4)?.checked_mul(bytes_each)?;
        if length <= 4 {
            return Some(true);
        }
        Some(number(entry + 8, 4)?.checked_add(length)? <= bytes.len())
    };
    let fit = number(4, 4).and_then(|directory| {
        let entries = number(directory, 2)?;
        (0..entries)
            .map(|i| fits(directory + 2 + ENTRY * i))
            .try_fold(true, |all, fit| Some(all && fit?))
    });
    match fit {
        Some(true) => Ok(()),
        _ => Err(Fault::Damaged("is a TIFF image whose directory was cut off".into())),
    }
}

fn fault(error: &TiffError) -> Fault {
    match error {
        TiffError::UnsupportedError(kind) => Fault::Reason(format!(
            "is a TIFF image that is not read ({kind}); save it as PNG or without compression"
        )),
        _ => Fault::Damaged(format!("is a corrupt image ({error})")),
    }
}

fn reason<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Reason(text.into()))
}
