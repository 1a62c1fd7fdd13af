//! Arrays of raw pixels, `[n, height, width, channels]`, read image by image.

use super::bytes::{self, ArrayFormat, Backing};
use super::{BLOCK_BYTES, Image, ImageSource, MAX_SIDE, SourceError, SourceRequest};
use crate::datasets::labels::Labels;
use crate::images::ImageSize;
use crate::numpy::{Archive, Array, Element, Kind};
use crate::{Progress, Stage};

/// Where an array's bytes come from, one image after the other.
pub(super) trait Pixels: Send {
    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, SourceError>;
}

impl Pixels for Array<'static> {
    fn read(&mut self, bytes: usize) -> Result<Vec<u8>, SourceError> {
        Ok(Array::read(self, bytes)?)
    }
}

/// The images of a file.
pub(super) struct Images {
    pub format: ArrayFormat,
    /// Of a sample: bytes, or wider integers that must be in 0..=255.
    pub element: Element,
    pub size: ImageSize,
    /// Images in the array.
    pub found: usize,
    /// Of all images in the array.
    pub labels: Labels,
    /// Stands at the first image.
    pub pixels: Box<dyn Pixels>,
}

/// An opened array of images.
pub(super) struct Source {
    request: SourceRequest,
    backing: Backing,
    images: Images,
    /// The images to give, rising; none where it is all of them.
    rows: Option<Vec<usize>>,
    given: usize,
    /// At which image `images.pixels` stands.
    at: usize,
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.request.text
    }

    fn len(&self) -> usize {
        self.rows.as_ref().map_or(self.images.found, Vec::len)
    }

    fn has_labels(&self) -> bool {
        self.images.labels.known.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.images.labels.fault.as_deref()
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let (size, element) = (self.images.size, self.images.element);
        let bytes = size.bytes();
        let n = n.min(self.len() - self.given).min((BLOCK_BYTES / bytes).max(1));
        let mut images = Vec::with_capacity(n);
        for _ in 0..n {
            let row = self.rows.as_ref().map_or(self.given, |rows| rows[self.given]);
            while self.at < row {
                self.images.pixels.read(bytes * element.bytes)?;
                self.at += 1;
            }
            let stored = self.images.pixels.read(bytes * element.bytes)?;
            let pixels = if is_byte(element) { stored } else { self.narrowed(&stored)? };
            self.at += 1;
            let label = self.images.labels.known.as_ref().map(|labels| labels[row]);
            images.push(Image { size, pixels, label });
            self.given += 1;
        }
        Ok(images)
    }

    /// Wider integers only: their range is not known before all were read.
    fn check(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        if is_byte(self.images.element) {
            return Ok(());
        }
        let mut again = bytes::open(self.backing.clone(), self.images.format, &self.request)?;
        let (stage, total) = (Stage::Checking, self.len() as u64);
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
        self.backing.sha256(self.images.format, self.len(), self.rows.as_deref())
    }
}

impl Source {
    pub(super) fn new(images: Images, backing: Backing, request: &SourceRequest) -> Self {
        let rows = request.rows(images.found, images.labels.known.as_deref());
        Self { request: request.clone(), backing, images, rows, given: 0, at: 0 }
    }

    /// Bytes from the wider integers of the image at which `pixels` stood.
    fn narrowed(&self, stored: &[u8]) -> Result<Vec<u8>, SourceError> {
        let element = self.images.element;
        let low = if element.big_endian { element.bytes - 1 } else { 0 };
        let narrow = |number: &[u8]| {
            let others = number.iter().enumerate().all(|(i, byte)| i == low || *byte == 0);
            // A signed byte is negative from 128 on.
            let in_range = others && (element.bytes > 1 || number[low] < 128);
            in_range.then_some(number[low]).ok_or_else(|| SourceError::NotInRange {
                origin: self.backing.origin(),
                row: self.at,
                value: integer(element, number),
            })
        };
        stored.chunks_exact(element.bytes).map(narrow).collect()
    }
}

fn is_byte(element: Element) -> bool {
    element.kind == Kind::Unsigned && element.bytes == 1
}

/// The bits of a number as an unsigned integer.
fn digits(element: Element, bytes: &[u8]) -> i128 {
    let digits = |n: i128, &byte: &u8| n << 8 | i128::from(byte);
    match element.big_endian {
        true => bytes.iter().fold(0, digits),
        false => bytes.iter().rev().fold(0, digits),
    }
}

/// What the bytes of an integer say.
fn integer(element: Element, bytes: &[u8]) -> i128 {
    let n = digits(element, bytes);
    let range = 1i128 << (8 * bytes.len());
    if element.kind == Kind::Signed && n >= range / 2 { n - range } else { n }
}

pub(super) fn npy(backing: Backing, request: &SourceRequest) -> Result<Source, SourceError> {
    let array = Array::npy(&backing.origin(), backing.input()?)?;
    let (found, size) = checked(&array)?;
    let element = array.header().element;
    let (labels, pixels) = (Labels::default(), Box::new(array));
    let images = Images { format: ArrayFormat::Npy, element, size, found, labels, pixels };
    Ok(Source::new(images, backing, request))
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
    let labels = match name {
        None => Labels::default(),
        Some(name) => {
            let mut array = archive.array(name)?;
            let (origin, header) = (array.origin().to_owned(), array.header().clone());
            let stored = Stored { origin, element: header.element, shape: &header.shape };
            if header.fortran_order && matches!(header.shape[..], [_, 2..=usize::MAX]) {
                Labels::faulty(SourceError::Fortran { origin: stored.origin }.to_string())
            } else {
                stored.labels(found, &mut |bytes| Ok(array.read(bytes)?))?
            }
        }
    };
    let pixels = archive.into_array("arr_0")?;
    let element = pixels.header().element;
    let pixels = Box::new(pixels);
    let images = Images { format: ArrayFormat::Npz, element, size, found, labels, pixels };
    Ok(Source::new(images, backing, request))
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
    /// The labels, where they are integers `[images]` or `[images, 1]`, or one-hot `[images,
    /// classes]` of any numbers. `read` gives the next so many bytes as stored.
    ///
    /// # Errors
    /// If the bytes cannot be read. What is no label is no error: most metrics need none.
    pub(super) fn labels(
        &self,
        images: usize,
        read: &mut dyn FnMut(usize) -> Result<Vec<u8>, SourceError>,
    ) -> Result<Labels, SourceError> {
        let origin = || self.origin.clone();
        let faulty = |error: SourceError| Ok(Labels::faulty(error.to_string()));
        let (labels, classes) = match *self.shape {
            [n] | [n, 1] => (n, 1),
            [n, classes @ 2..=usize::MAX] => (n, classes),
            _ => {
                let found = format!("shape {:?}", self.shape);
                return faulty(SourceError::LabelKind { origin: origin(), found });
            }
        };
        if labels != images {
            return faulty(SourceError::LabelCount { origin: origin(), labels, images });
        }
        if classes > 1 {
            return self.one_hot(images, classes, read);
        }
        if !matches!(self.element.kind, Kind::Unsigned | Kind::Signed) {
            let found = self.element.to_string();
            return faulty(SourceError::LabelKind { origin: origin(), found });
        }
        let number = |bytes: &[u8]| Some(integer(self.element, bytes));
        let bytes = read(images * self.element.bytes)?;
        let numbers = bytes.chunks_exact(self.element.bytes).map(number);
        Ok(Labels::from_numbers(|row| format!("{} row {row}", self.origin), numbers))
    }

    /// The place of the one in each row of zeros.
    fn one_hot(
        &self,
        images: usize,
        classes: usize,
        read: &mut dyn FnMut(usize) -> Result<Vec<u8>, SourceError>,
    ) -> Result<Labels, SourceError> {
        let Some(one) = self.one() else {
            let found = self.element.to_string();
            let error = SourceError::LabelKind { origin: self.origin.clone(), found };
            return Ok(Labels::faulty(error.to_string()));
        };
        let mut known = Vec::new();
        // A row at a time, so that an array that is something else is left at its first row.
        for row in 0..images {
            let bytes = read(classes * self.element.bytes)?;
            let numbers =
                bytes.chunks_exact(self.element.bytes).map(|bytes| digits(self.element, bytes));
            let (mut place, mut others) = (None, 0);
            for (class, number) in numbers.enumerate() {
                match number {
                    0 => {}
                    number if number == one && place.is_none() => place = Some(class as u32),
                    _ => others += 1,
                }
            }
            match place.filter(|_| others == 0) {
                Some(class) => known.push(class),
                None => {
                    let (origin, shape) = (self.origin.clone(), self.shape.to_vec());
                    let error = SourceError::OneHot { origin, shape, row };
                    return Ok(Labels::faulty(error.to_string()));
                }
            }
        }
        Ok(Labels { known: Some(known), fault: None })
    }

    /// The bits of 1.
    fn one(&self) -> Option<i128> {
        match (self.element.kind, self.element.bytes) {
            (Kind::Unsigned | Kind::Signed | Kind::Bool, _) => Some(1),
            // IEEE 754's half precision has a bias of 15 over 10 bits of mantissa.
            (Kind::Float, 2) => Some(15 << 10),
            (Kind::Float, 4) => Some(1f32.to_bits().into()),
            (Kind::Float, 8) => Some(1f64.to_bits().into()),
            (Kind::Float, _) => None,
        }
    }
}
