//! Images that are in memory whole: of a dataset, or of a generator.

use ganbench_nn::images::ImageBatch;

use super::{BLOCK_BYTES, Image, ImageSource, SourceError};

/// A source of a batch's images, in their order.
pub struct BatchSource {
    name: String,
    images: ImageBatch,
    content_sha256: String,
    label_fault: Option<String>,
    class_names: Option<Vec<String>>,
    given: usize,
}

impl BatchSource {
    /// `name` and `content_sha256` are as [`ImageSource`] gives them.
    pub fn new(name: String, images: ImageBatch, content_sha256: String) -> Self {
        let (label_fault, class_names) = (None, None);
        Self { name, images, content_sha256, label_fault, class_names, given: 0 }
    }

    /// With what [`ImageSource::label_fault`] says.
    #[must_use]
    pub fn with_label_fault(mut self, fault: Option<String>) -> Self {
        self.label_fault = fault;
        self
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
}
