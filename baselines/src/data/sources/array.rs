//! Arrays of raw pixels, `[n, height, width, channels]`, read image by image.

use ganbench_nn::images::ImageSize;
use ganbench_nn::numpy::{Archive, Array, Element, Kind};

use super::bytes::{self, ArrayFormat, Backing};
use super::{BLOCK_BYTES, Image, ImageSource, MAX_SIDE, SourceError, SourceRequest};
use crate::data::{Progress, Stage};

/// Where an array's bytes come from, one image after the other.
pub(super) trait Pixels: Send {
    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, SourceError>;
}

impl Pixels for Array<'static> {
    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, SourceError> {
        Ok(Array::read(self, bytes)?)
    }
}

/// An opened array of images.
pub(super) struct Source {
    pub name: String,
    pub backing: Backing,
    pub format: ArrayFormat,
    /// Of a sample: bytes, or wider integers that must be in 0..=255.
    pub element: Element,
    pub size: ImageSize,
    /// Images to give in all.
    pub len: usize,
    pub given: usize,
    /// Of all images to give.
    pub labels: Option<Vec<u32>>,
    pub pixels: Box<dyn Pixels>,
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.len
    }

    fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let bytes = self.size.bytes();
        let n = n.min(self.len - self.given).min((BLOCK_BYTES / bytes).max(1));
        let mut images = Vec::with_capacity(n);
        for _ in 0..n {
            let stored = self.pixels.read(bytes * self.element.bytes)?;
            let pixels = if is_byte(self.element) { stored } else { self.narrowed(&stored)? };
            let label = self.labels.as_ref().map(|labels| labels[self.given]);
            images.push(Image { size: self.size, pixels, label });
            self.given += 1;
        }
        Ok(images)
    }

    /// Wider integers only: their range is not known before all were read.
    fn check(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        if is_byte(self.element) {
            return Ok(());
        }
        let request = SourceRequest { limit: Some(self.len), ..SourceRequest::new(&self.name) };
        let mut again = bytes::open(self.backing.clone(), self.format, &request)?;
        let (stage, total) = (Stage::Checking, self.len as u64);
        let mut done = 0;
        loop {
            let images = again.next(64)?.len() as u64;
            if images == 0 {
                return Ok(());
            }
            done += images;
            progress(Progress { stage, done, total });
        }
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        self.backing.sha256(self.format, self.len)
    }
}

impl Source {
    /// Bytes from the wider integers of the next image.
    fn narrowed(&self, stored: &[u8]) -> Result<Vec<u8>, SourceError> {
        let element = self.element;
        let low = if element.big_endian { element.bytes - 1 } else { 0 };
        let narrow = |number: &[u8]| {
            let others = number.iter().enumerate().all(|(i, byte)| i == low || *byte == 0);
            // A signed byte is negative from 128 on.
            let in_range = others && (element.bytes > 1 || number[low] < 128);
            in_range.then_some(number[low]).ok_or_else(|| SourceError::NotInRange {
                origin: self.backing.origin(),
                row: self.given,
                value: integer(element, number),
            })
        };
        stored.chunks_exact(element.bytes).map(narrow).collect()
    }
}

fn is_byte(element: Element) -> bool {
    element.kind == Kind::Unsigned && element.bytes == 1
}

/// What the bytes of an integer say.
fn integer(element: Element, bytes: &[u8]) -> i128 {
    let digits = |n: i128, &byte: &u8| n << 8 | i128::from(byte);
    let n = match element.big_endian {
        true => bytes.iter().fold(0, digits),
        false => bytes.iter().rev().fold(0, digits),
    };
    let range = 1i128 << (8 * bytes.len());
    if element.kind == Kind::Signed && n >= range / 2 { n - range } else { n }
}

pub(super) fn npy(backing: Backing, request: &SourceRequest) -> Result<Source, SourceError> {
    let array = Array::npy(&backing.origin(), backing.input()?)?;
    let (found, size) = checked(&array)?;
    Ok(Source {
        name: request.text.clone(),
        backing,
        format: ArrayFormat::Npy,
        element: array.header().element,
        size,
        len: request.count(found),
        given: 0,
        labels: None,
        pixels: Box::new(array),
    })
}

pub(super) fn npz(backing: Backing, request: &SourceRequest) -> Result<Source, SourceError> {
    let origin = backing.origin();
    let mut archive = Archive::open(&origin, backing.input()?)?;
    if !archive.contains("arr_0") {
        let expected = "array arr_0 of images";
        return Err(SourceError::NoArray { origin, expected, found: archive.names().join(", ") });
    }
    let (found, size) = checked(&archive.array("arr_0")?)?;
    let name = ["labels", "arr_1"].into_iter().find(|name| archive.contains(name));
    let len = request.count(found);
    let labels = match name {
        None => None,
        Some(name) => {
            let mut array = archive.array(name)?;
            let (origin, header) = (array.origin().to_owned(), array.header().clone());
            let stored = Stored { origin, element: header.element, shape: &header.shape };
            stored.check(found)?;
            let mut labels = stored.labels(&array.read_all()?)?;
            labels.truncate(len);
            Some(labels)
        }
    };
    let pixels = archive.into_array("arr_0")?;
    let element = pixels.header().element;
    let pixels = Box::new(pixels);
    let (name, format) = (request.text.clone(), ArrayFormat::Npz);
    Ok(Source { name, backing, format, element, size, len, given: 0, labels, pixels })
}

fn checked(array: &Array<'_>) -> Result<(usize, ImageSize), SourceError> {
    let (header, origin) = (array.header(), array.origin());
    if !matches!(header.element.kind, Kind::Unsigned | Kind::Signed) {
        let (origin, found) = (origin.into(), header.element.to_string());
        return Err(SourceError::NotBytes { origin, found });
    }
    if header.fortran_order {
        return Err(SourceError::Fortran { origin: origin.into() });
    }
    image_shape(origin, &header.shape)
}

/// Number and size of the images in an array of this shape.
pub(super) fn image_shape(
    origin: &str,
    shape: &[usize],
) -> Result<(usize, ImageSize), SourceError> {
    let (origin, shape_of) = (|| origin.to_owned(), || shape.to_vec());
    let &[n, height, width, channels] = shape else {
        return Err(SourceError::Axes { origin: origin(), shape: shape_of() });
    };
    if !matches!(channels, 1 | 3) {
        if matches!(height, 1 | 3) {
            return Err(SourceError::ChannelsFirst { origin: origin(), shape: shape_of() });
        }
        return Err(SourceError::Channels { origin: origin(), shape: shape_of(), channels });
    }
    let fits = 1..=MAX_SIDE;
    if !fits.contains(&height) || !fits.contains(&width) {
        let (origin, shape, most) = (origin(), shape_of(), MAX_SIDE);
        return Err(SourceError::Side { origin, shape, height, width, most });
    }
    if n == 0 {
        return Err(SourceError::Empty { origin: origin() });
    }
    Ok((n, ImageSize { height, width, channels }))
}

/// What a file says of its labels.
pub(super) struct Stored<'a> {
    pub origin: String,
    pub element: Element,
    pub shape: &'a [usize],
}

impl Stored<'_> {
    /// Before any label is read: integers `[images]` or `[images, 1]`.
    pub(super) fn check(&self, images: usize) -> Result<(), SourceError> {
        let origin = || self.origin.clone();
        let labels = match *self.shape {
            [n] | [n, 1] => n,
            _ => {
                let found = format!("shape {:?}", self.shape);
                return Err(SourceError::LabelKind { origin: origin(), found });
            }
        };
        if !matches!(self.element.kind, Kind::Unsigned | Kind::Signed) {
            let found = self.element.to_string();
            return Err(SourceError::LabelKind { origin: origin(), found });
        }
        if labels != images {
            return Err(SourceError::LabelCount { origin: origin(), labels, images });
        }
        Ok(())
    }

    /// Of the bytes as stored.
    pub(super) fn labels(&self, bytes: &[u8]) -> Result<Vec<u32>, SourceError> {
        let number = |bytes: &[u8]| integer(self.element, bytes);
        let numbers = bytes.chunks_exact(self.element.bytes).map(number).enumerate();
        numbers
            .map(|(row, label)| {
                let wrong = |_| SourceError::Label { origin: self.origin.clone(), row, label };
                u32::try_from(label).map_err(wrong)
            })
            .collect()
    }
}
