//! Arrays of raw pixels, `[n, height, width, channels]`, read image by image.

use ganbench_nn::images::ImageSize;
use ganbench_nn::numpy::{Archive, Array, Element, Kind};

use super::bytes::{ArrayFormat, Backing};
use super::{BLOCK_BYTES, Image, ImageSource, MAX_SIDE, SourceError, SourceRequest};

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
            let pixels = self.pixels.read(bytes)?;
            let label = self.labels.as_ref().map(|labels| labels[self.given]);
            images.push(Image { size: self.size, pixels, label });
            self.given += 1;
        }
        Ok(images)
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        self.backing.sha256(self.format, self.len)
    }
}

pub(super) fn npy(backing: Backing, request: &SourceRequest) -> Result<Source, SourceError> {
    let array = Array::npy(&backing.origin(), backing.input()?)?;
    let (found, size) = checked(&array)?;
    Ok(Source {
        name: request.text.clone(),
        backing,
        format: ArrayFormat::Npy,
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
    let pixels = Box::new(archive.into_array("arr_0")?);
    let (name, format) = (request.text.clone(), ArrayFormat::Npz);
    Ok(Source { name, backing, format, size, len, given: 0, labels, pixels })
}

fn checked(array: &Array<'_>) -> Result<(usize, ImageSize), SourceError> {
    let (header, origin) = (array.header(), array.origin());
    let byte = Element { kind: Kind::Unsigned, bytes: 1, big_endian: false };
    if header.element != byte {
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
        let signed = self.element.kind == Kind::Signed;
        let number = |bytes: &[u8]| {
            let digits = |n: i128, &byte: &u8| n << 8 | i128::from(byte);
            let n = match self.element.big_endian {
                true => bytes.iter().fold(0, digits),
                false => bytes.iter().rev().fold(0, digits),
            };
            let range = 1i128 << (8 * bytes.len());
            if signed && n >= range / 2 { n - range } else { n }
        };
        let numbers = bytes.chunks_exact(self.element.bytes).map(number).enumerate();
        numbers
            .map(|(row, label)| {
                let wrong = |_| SourceError::Label { origin: self.origin.clone(), row, label };
                u32::try_from(label).map_err(wrong)
            })
            .collect()
    }
}
