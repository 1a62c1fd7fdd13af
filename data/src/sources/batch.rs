//! Images that are in memory whole: of a dataset, or of a generator.

use super::{BLOCK_BYTES, Image, ImageSource, Reading, SourceError};
use crate::images::ImageBatch;

/// A source of a batch's images, in their order.
pub struct BatchSource {
    name: String,
    images: ImageBatch,
    content_sha256: String,
    dataset_sha256: Option<String>,
    label_fault: Option<String>,
    class_names: Option<Vec<String>>,
    reading: Reading,
    given: usize,
}

impl BatchSource {
    /// `name` and `content_sha256` are as [`ImageSource`] gives them.
    pub fn new(name: String, images: ImageBatch, content_sha256: String) -> Self {
        Self {
            name,
            images,
            content_sha256,
            dataset_sha256: None,
            label_fault: None,
            class_names: None,
            reading: Reading::default(),
            given: 0,
        }
    }

    /// With what [`ImageSource::dataset_sha256`] says.
    #[must_use]
    pub fn with_dataset_sha256(self, sha256: String) -> Self {
        Self { dataset_sha256: Some(sha256), ..self }
    }

    /// With what [`ImageSource::label_fault`] says.
    #[must_use]
    pub fn with_label_fault(mut self, fault: Option<String>) -> Self {
        self.label_fault = fault;
        self
    }

    /// With what [`ImageSource::reading`] says.
    #[must_use]
    pub fn with_reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// With the name of each class; none where classes have no names.
    #[must_use]
    pub fn with_class_names(self, names: Vec<String>) -> Self {
        Self { class_names: (!names.is_empty()).then_some(names), ..self }
    }
}

impl ImageSource for BatchSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn has_labels(&self) -> bool {
        self.images.labels.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.label_fault.as_deref()
    }

    fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    fn reading(&self) -> Reading {
        self.reading.clone()
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let size = self.images.size;
        let n = n.min(self.len() - self.given).min((BLOCK_BYTES / size.bytes()).max(1));
        let rows = self.given..self.given + n;
        self.given = rows.end;
        let image = |i: usize| Image {
            size,
            pixels: self.images.image(i).to_vec(),
            label: self.images.labels.as_ref().map(|labels| labels[i]),
        };
        Ok(rows.map(image).collect())
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        Ok(self.content_sha256.clone())
    }

    fn dataset_sha256(&self) -> Option<&str> {
        self.dataset_sha256.as_deref()
    }
}
