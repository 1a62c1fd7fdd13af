//! `dataset:NAME:SPLIT`: a dataset as the training reads it. It sits in memory whole.

use sha2::Digest as _;

use super::{BatchSource, SourceError, SourceRequest, hasher};
use crate::{DatasetRequest, Progress, Split, hex};

/// `name` is `NAME:SPLIT`; a NAME may hold colons itself (`folder:PATH`).
pub(super) fn open(
    name: &str,
    request: &SourceRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<BatchSource, SourceError> {
    let unknown = || SourceError::Unknown { text: request.text.clone() };
    let (name, split) = name.rsplit_once(':').ok_or_else(unknown)?;
    let split: Split = split.parse()?;
    let asked = DatasetRequest {
        root: request.root.clone(),
        limit: request.limit,
        draw_seed: Some(request.seed),
        skip_damaged: request.skip_damaged,
        ..DatasetRequest::new(name, split)
    };
    let dataset = crate::load(&asked, progress)?;
    let mut hash = hasher("dataset", dataset.images.len());
    // Channels and padding are not in the dataset's own hash.
    let size = dataset.images.size;
    for n in [size.height, size.width, size.channels] {
        hash.update((n as u64).to_le_bytes());
    }
    hash.update(dataset.sha256.as_bytes());
    let source = BatchSource::new(request.text.clone(), dataset.images, hex(hash));
    let source = source.with_label_fault(dataset.label_fault).with_reading(dataset.reading);
    Ok(source.with_class_names(dataset.class_names).with_dataset_sha256(dataset.sha256))
}
