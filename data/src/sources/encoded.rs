//! One encoded image to pixels of its own size.

use std::fs;
use std::path::Path;

use ganbench_files as files;

use super::{Image, MAX_SIDE, SourceError};
use crate::Alpha;
use crate::decode::format::{Encoded, Marks};
use crate::decode::{Fault, read, read_for_training, size_of};
use crate::images::ImageSize;

/// A PNG, JPEG, WebP, BMP or TIFF file, decoded to the channels that it has: 1 where it is grey, 3
/// otherwise. Its pixels are those of PIL's `convert("RGB")`: alpha is dropped, and of 16 bits of
/// colour the upper 8 are taken. Errors call it `name`.
///
/// # Errors
/// If the image is damaged, of a kind that is not read, or has a side above 8192.
pub fn decode_image(bytes: &[u8], name: &str) -> Result<Image, SourceError> {
    let size = size(bytes, name)?;
    decode_sized(bytes, size, Alpha::Pil, name).map(|(image, _)| image)
}

/// An uncompressed image of the largest size, and as much again for what else a file may hold.
const LARGEST_FILE: u64 = (MAX_SIDE * MAX_SIDE * 6) as u64;

/// The bytes of an image file of a size that images have.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let bytes = fs::metadata(path).map_err(SourceError::io("read", path))?.len();
    if bytes > LARGEST_FILE {
        let (path, most, most_side) = (path.to_owned(), LARGEST_FILE, MAX_SIDE);
        return Err(SourceError::LargeFile { path, bytes, most, most_side });
    }
    files::read(path).map_err(SourceError::io("read", path))
}

/// Finds out, by decoding it, whether an image file can be trained on.
pub(crate) fn check_for_training(path: &Path) -> Result<(), SourceError> {
    let name = place(path, None);
    let bytes = read_file(path)?;
    let encoded = Encoded::open(&bytes).map_err(|fault| error(fault, &name))?;
    size_within_limits(&encoded, &bytes, &name)?;
    read_for_training(encoded).map(drop).map_err(|fault| error(fault, &name))
}

/// Of an image within the limits.
pub(super) fn size(bytes: &[u8], name: &str) -> Result<ImageSize, SourceError> {
    let encoded = Encoded::open(bytes).map_err(|fault| error(fault, name))?;
    size_within_limits(&encoded, bytes, name)
}

/// Finds out whether an image can be read, at less than the cost of decoding it where its format
/// allows: a PNG file by its checksums, a JPEG file by its end.
pub(super) fn check(bytes: &[u8], alpha: Alpha, name: &str) -> Result<(), SourceError> {
    let encoded = Encoded::open(bytes).map_err(|fault| error(fault, name))?;
    size_within_limits(&encoded, bytes, name)?;
    if encoded.must_be_decoded(alpha == Alpha::Refuse) {
        read(encoded, alpha).map_err(|fault| error(fault, name))?;
    }
    Ok(())
}

fn size_within_limits(
    encoded: &Encoded,
    bytes: &[u8],
    name: &str,
) -> Result<ImageSize, SourceError> {
    let size = size_of(encoded);
    if size.height > MAX_SIDE || size.width > MAX_SIDE || size.bytes() == 0 {
        let reason = format!(
            "is {}x{} pixels, expected sides of 1 to {MAX_SIDE}; resize it first",
            size.width, size.height
        );
        return Err(SourceError::Image { place: name.into(), reason });
    }
    let pixels = size.height * size.width;
    if encoded.most_pixels(bytes.len()).is_some_and(|most| pixels > most) {
        let (width, height, held) = (size.width, size.height, bytes.len());
        let reason = format!("claims {width}x{height} pixels, more than its {held} bytes can hold");
        return Err(SourceError::Damaged { place: name.into(), reason });
    }
    Ok(size)
}

/// An image whose `size` was found before.
pub(super) fn decode_sized(
    bytes: &[u8],
    size: ImageSize,
    alpha: Alpha,
    name: &str,
) -> Result<(Image, Marks), SourceError> {
    let encoded = Encoded::open(bytes).map_err(|fault| error(fault, name))?;
    let found = size_of(&encoded);
    if found != size {
        // The header was read twice; the file was changed between.
        let reason = format!("is now {}x{} pixels; was it replaced?", found.width, found.height);
        return Err(SourceError::Image { place: name.into(), reason });
    }
    let (pixels, marks) = read(encoded, alpha).map_err(|fault| error(fault, name))?;
    Ok((Image { size, pixels, label: None }, marks))
}

fn error(fault: Fault, name: &str) -> SourceError {
    let place = name.into();
    match fault {
        Fault::Reason(reason) => SourceError::Image { place, reason },
        Fault::Damaged(reason) => SourceError::Damaged { place, reason },
        Fault::Size { height, width } => {
            let reason = format!("is {width}x{height} pixels");
            SourceError::Image { place, reason }
        }
    }
}

/// `path`, or a row of it.
pub(super) fn place(path: &Path, row: Option<usize>) -> String {
    match row {
        Some(row) => format!("{} row {row}", path.display()),
        None => path.display().to_string(),
    }
}
