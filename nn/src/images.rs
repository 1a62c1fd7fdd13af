//! Batches of u8 images, the only thing that passes between the datasets, the generators and the
//! metrics.
//!
//! Convention: pixels are NHWC (the layout of PNG files and of the ADM `.npz` files), RGB order,
//! 0..=255.

use thiserror::Error;

/// Height, width and channels of every image of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageSize {
    pub height: usize,
    pub width: usize,
    /// 1 (grey) or 3 (RGB).
    pub channels: usize,
}

impl ImageSize {
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels }
    }

    /// Bytes of one image.
    pub fn bytes(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl std::fmt::Display for ImageSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// One image of a set whose images may differ in size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageView<'a> {
    pub size: ImageSize,
    /// `[height, width, channels]`, row-major.
    pub pixels: &'a [u8],
}

/// The known causes of each image of a synthetic set, one row an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    pub names: Vec<String>,
    /// `[n, names.len()]`, row-major.
    pub values: Vec<f32>,
}

/// `n` images of one size, with optional class labels and factors.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBatch {
    pub size: ImageSize,
    /// `[n, height, width, channels]`, row-major.
    pub pixels: Vec<u8>,
    /// `[n]`, where the set has classes.
    pub labels: Option<Vec<u32>>,
    /// `[n, …]`, where the set is synthetic.
    pub factors: Option<Factors>,
}

/// A batch whose parts disagree.
#[derive(Debug, Error, PartialEq)]
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

    /// The images at `rows`, in that order, with their labels and factors.
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(rows.len() * self.size.bytes());
        for &row in rows {
            pixels.extend_from_slice(self.image(row));
        }
        Self {
            size: self.size,
            pixels,
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

    /// The first `n` images, or all where there are fewer.
    pub fn take(&self, n: usize) -> Self {
        self.select(&(0..n.min(self.len())).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_partial_image_is_refused() {
        let error = ImageBatch::new(ImageSize::new(2, 2, 1), vec![0; 5], None, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "image batch holds 5 bytes, which is no multiple of one 2x2x1 image"
        );
    }
}
