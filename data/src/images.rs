//! Batches of u8 images, the only thing that passes between the datasets, the generators and the
//! metrics.
//!
//! Convention: pixels are NHWC (the layout of PNG files and of the ADM `.npz` files), RGB order,
//! 0..=255.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use thiserror::Error;

/// Height, width and channels of every image of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
}

impl ImageSize {
    /// The numbers are taken as they are; [`ImageBatch`] checks them.
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Bytes of one image.
    pub fn bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// One image of a set whose images may differ in size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageView<'a> {
    /// The size of this image.
    pub size: ImageSize,
    /// `[height, width, channels]`, row-major.
    pub pixels: &'a [u8],
}

/// The known causes of each image of a synthetic set, one row an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// One name for each column of `values`.
    pub names: Vec<String>,
    /// `[n, names.len()]`, row-major.
    pub values: Vec<f32>,
}

/// The bytes of a batch, which read as a slice: in memory, or elsewhere (a mapped file) and shared.
#[derive(Clone)]
pub enum Pixels {
    /// Bytes of the process's own memory.
    Owned(Vec<u8>),
    /// Bytes that live elsewhere; copies of the batch share them.
    Shared(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(pixels) => pixels,
            Self::Shared(pixels) => (**pixels).as_ref(),
        }
    }
}

impl DerefMut for Pixels {
    /// Shared bytes become a copy in memory first.
    fn deref_mut(&mut self) -> &mut [u8] {
        if let Self::Shared(_) = self {
            *self = Self::Owned(self.to_vec());
        }
        match self {
            Self::Owned(pixels) => pixels,
            Self::Shared(_) => &mut [],
        }
    }
}

impl AsRef<[u8]> for Pixels {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(pixels: Vec<u8>) -> Self {
        Self::Owned(pixels)
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Pixels {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// `n` images of one size, with optional class labels and factors.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    /// The size of every image.
    pub size: ImageSize,
    /// `[n, height, width, channels]`, row-major.
    pub pixels: Pixels,
    /// `[n]`, where the set has classes.
    pub labels: Option<Vec<u32>>,
    /// `[n, …]`, where the set is synthetic.
    pub factors: Option<Factors>,
}

/// A batch whose parts disagree.
#[derive(Debug, Error, PartialEq)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum ImageError {
    #[error("image batch holds {got} bytes, which is no multiple of one {size} image")]
    PartialImage { got: usize, size: ImageSize },
    #[error("image batch holds {images} images but {labels} labels")]
    Labels { images: usize, labels: usize },
    #[error("image batch holds {images} images but factors for {factors}")]
    Factors { images: usize, factors: usize },
}

impl ImageBatch {
    /// Checks that pixels, labels and factors speak of the same number of images.
    pub fn new(
        size: ImageSize,
        pixels: Vec<u8>,
        labels: Option<Vec<u32>>,
        factors: Option<Factors>,
    ) -> Result<Self, ImageError> {
        Self::of_pixels(size, pixels.into(), labels, factors)
    }

    /// [`Self::new`] with pixels that need not be in memory.
    pub fn of_pixels(
        size: ImageSize,
        pixels: Pixels,
        labels: Option<Vec<u32>>,
        factors: Option<Factors>,
    ) -> Result<Self, ImageError> {
        if size.bytes() == 0 || !pixels.len().is_multiple_of(size.bytes()) {
            return Err(ImageError::PartialImage { got: pixels.len(), size });
        }
        let images = pixels.len() / size.bytes();
        if let Some(labels) = &labels
            && labels.len() != images
        {
            return Err(ImageError::Labels { images, labels: labels.len() });
        }
        if let Some(f) = &factors {
            let rows = if f.names.is_empty() { 0 } else { f.values.len() / f.names.len() };
            if rows != images || f.names.len() * images != f.values.len() {
                return Err(ImageError::Factors { images, factors: rows });
            }
        }
        Ok(Self { size, pixels, labels, factors })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.size.bytes()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The bytes of image `i`, `[height, width, channels]`.
    pub fn image(&self, i: usize) -> &[u8] {
        &self.pixels[i * self.size.bytes()..(i + 1) * self.size.bytes()]
    }

    /// The images of `rows`, which lie within the batch.
    pub fn views(&self, rows: std::ops::Range<usize>) -> Vec<ImageView<'_>> {
        rows.map(|i| ImageView { size: self.size, pixels: self.image(i) }).collect()
    }

    /// The images at `rows`, in that order, with their labels and factors, in memory.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(rows.len() * self.size.bytes());
        for &row in rows {
            pixels.extend_from_slice(self.image(row));
        }
        Self {
            size: self.size,
            pixels: pixels.into(),
            labels: self.labels.as_ref().map(|l| rows.iter().map(|&r| l[r]).collect()),
            factors: self.factors.as_ref().map(|f| Factors {
                names: f.names.clone(),
                values: rows
                    .iter()
                    .flat_map(|&r| &f.values[r * f.names.len()..(r + 1) * f.names.len()])
                    .copied()
                    .collect(),
            }),
        }
    }

    /// Mirrors the images, left to right, for which `mirrored` says so; it is asked once an image,
    /// in order.
    pub fn flip(&mut self, mut mirrored: impl FnMut(usize) -> bool) {
        let (line, channels) = (self.size.width * self.size.channels, self.size.channels);
        let bytes = self.size.bytes();
        for (i, image) in self.pixels.chunks_exact_mut(bytes).enumerate() {
            if mirrored(i) {
                for line in image.chunks_exact_mut(line) {
                    line.reverse();
                    line.chunks_exact_mut(channels).for_each(<[u8]>::reverse);
                }
            }
        }
    }

    /// The first `n` images, or all where there are fewer.
    pub fn take(&self, n: usize) -> Self {
        self.select(&(0..n.min(self.len())).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flip_mirrors_lines_and_keeps_the_order_of_channels() {
        let size = ImageSize::new(2, 2, 3);
        let mut batch = ImageBatch::new(size, (0..24).collect(), None, None).unwrap();
        batch.flip(|i| i == 1);
        let expected = [15, 16, 17, 12, 13, 14, 21, 22, 23, 18, 19, 20];
        assert_eq!(batch.pixels[..12], (0..12).collect::<Vec<u8>>());
        assert_eq!(batch.pixels[12..], expected);
    }

    #[test]
    fn selected_rows_keep_their_labels_and_factors() {
        let batch = ImageBatch::new(
            ImageSize::new(1, 2, 1),
            vec![1, 2, 3, 4, 5, 6],
            Some(vec![7, 8, 9]),
            Some(Factors { names: vec!["hue".into()], values: vec![0.1, 0.2, 0.3] }),
        )
        .unwrap();
        let some = batch.select(&[2, 0]);
        assert_eq!(some.pixels, [5, 6, 1, 2]);
        assert_eq!(some.labels.unwrap(), [9, 7]);
        assert_eq!(some.factors.unwrap().values, [0.3, 0.1]);
    }

    #[test]
    fn shared_pixels_are_read_in_place_and_copied_before_they_change() {
        let shared: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(vec![1u8, 2, 3, 4]);
        let size = ImageSize::new(1, 2, 1);
        let mut batch =
            ImageBatch::of_pixels(size, Pixels::Shared(Arc::clone(&shared)), None, None).unwrap();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.image(1).as_ptr(), (*shared).as_ref()[2..].as_ptr());
        assert_eq!(batch.select(&[1]).pixels, [3, 4]);
        assert_eq!(batch, ImageBatch::new(size, vec![1, 2, 3, 4], None, None).unwrap());
        batch.pixels[0] = 9;
        assert_eq!((&batch.pixels[..], (*shared).as_ref()), (&[9, 2, 3, 4][..], &[1, 2, 3, 4][..]));
    }

    #[test]
    fn a_partial_image_is_refused() {
        let error = ImageBatch::new(ImageSize::new(2, 2, 1), vec![0; 5], None, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "image batch holds 5 bytes, which is no multiple of one 2x2x1 image"
        );
    }
}
