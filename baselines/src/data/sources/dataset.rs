//! `dataset:NAME:SPLIT`: a dataset as the training reads it. It sits in memory whole.

use ganbench_nn::images::ImageBatch;

use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, hasher};
use crate::data::{self, DatasetRequest, Progress, Split, hex};

pub(super) struct Source {
    name: String,
    images: ImageBatch,
    /// Of the dataset.
    sha256: String,
    given: usize,
}

impl Source {
    /// `name` is `NAME:SPLIT`; a NAME may hold colons itself (`folder:PATH`).
    pub(super) fn open(
        name: &str,
        request: &SourceRequest,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, SourceError> {
        let unknown = || SourceError::Unknown { text: request.text.clone() };
        let (name, split) = name.rsplit_once(':').ok_or_else(unknown)?;
        let split: Split = split.parse()?;
        let (root, limit) = (request.root.clone(), request.limit);
        let asked = DatasetRequest { root, limit, ..DatasetRequest::new(name, split) };
        let dataset = data::load(&asked, progress)?;
        let name = request.text.clone();
        Ok(Self { name, images: dataset.images, sha256: dataset.sha256, given: 0 })
    }
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.images.len()
    }

    fn has_labels(&self) -> bool {
        self.images.labels.is_some()
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
        use sha2::Digest as _;
        let mut hash = hasher("dataset", self.len());
        // Channels and padding are not in the dataset's own hash.
        let size = self.images.size;
        for n in [size.height, size.width, size.channels] {
            hash.update((n as u64).to_le_bytes());
        }
        hash.update(self.sha256.as_bytes());
        Ok(hex(hash))
    }
}
