//! One encoded image to pixels of its own size.

use std::path::Path;

use ganbench_nn::images::ImageSize;

use super::{Image, MAX_SIDE, SourceError};
use crate::data::decode::{Fault, Target, decode, own_size};

/// A PNG, JPEG or WebP file with 8 bits a channel, decoded to the channels that it has: 1 where it is
/// grey. An alpha channel must be opaque and is dropped. Errors call it `name`.
///
/// # Errors
/// If the image is damaged, has 16 bits a channel or pixels that are not opaque, or a side above 8192.
pub fn decode_image(bytes: &[u8], name: &str) -> Result<Image, SourceError> {
    let size = size(bytes, name)?;
    decode_sized(bytes, size, None, name)
}

/// Of an image within the limits.
pub(super) fn size(bytes: &[u8], name: &str) -> Result<ImageSize, SourceError> {
    let size = own_size(bytes).map_err(|fault| error(fault, name))?;
    if size.height > MAX_SIDE || size.width > MAX_SIDE || size.bytes() == 0 {
        let reason = format!(
            "is {}x{} pixels, expected sides of 1 to {MAX_SIDE}; resize it first",
            size.width, size.height
        );
        return Err(SourceError::Image { place: name.into(), reason });
    }
    let pixels = size.height * size.width;
    if most_pixels(bytes).is_some_and(|most| pixels > most) {
        let (width, height, held) = (size.width, size.height, bytes.len());
        let reason = format!("claims {width}x{height} pixels, more than its {held} bytes can hold");
        return Err(SourceError::Image { place: name.into(), reason });
    }
    Ok(size)
}

/// How many pixels the encoded bytes can hold at the very most, where the format sets a bound (WebP does
/// not: a picture of one colour takes no bits a pixel). Keeps a small file from claiming all memory.
fn most_pixels(bytes: &[u8]) -> Option<usize> {
    let most_per_byte = if bytes.starts_with(b"\x89PNG") {
        // Deflate's best ratio on 8 pixels a byte.
        8 * 1032
    } else if bytes.starts_with(b"\xff\xd8") {
        // At least one bit for each 8x8 block of the component with the most samples.
        8 * 64
    } else {
        return None;
    };
    Some(bytes.len().saturating_mul(most_per_byte))
}

/// An image whose `size` was found before.
pub(super) fn decode_sized(
    bytes: &[u8],
    size: ImageSize,
    label: Option<u32>,
    name: &str,
) -> Result<Image, SourceError> {
    let why = "the size in its header";
    let target =
        Target { height: size.height, width: size.width, why, shrink: 1, fit: None, output: size };
    let mut pixels = vec![0; size.bytes()];
    decode(bytes, &target, &mut pixels).map_err(|fault| error(fault, name))?;
    Ok(Image { size, pixels, label })
}

fn error(fault: Fault, name: &str) -> SourceError {
    let reason = match fault {
        Fault::Reason(reason) => reason,
        // The header was read twice; the file was changed between.
        Fault::Size { height, width } => {
            format!("is now {width}x{height} pixels; was it replaced?")
        }
    };
    SourceError::Image { place: name.into(), reason }
}

/// `path`, or a row of it.
pub(super) fn place(path: &Path, row: Option<usize>) -> String {
    match row {
        Some(row) => format!("{} row {row}", path.display()),
        None => path.display().to_string(),
    }
}
