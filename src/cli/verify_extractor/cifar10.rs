//! CIFAR-10 as its first copies have it, in which published check values choose their images by
//! number.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ganbench_data::images::{ImageBatch, ImageSize};
use ganbench_data::{self as data, DatasetRequest, Split};
use ganbench_metrics::numpy_random::RandomState;

/// First labels of the files of the original archive: data_batch_1 to data_batch_5.
const FIRST_LABELS: [[u32; 10]; 5] = [
    [6, 9, 9, 4, 1, 1, 2, 7, 8, 3],
    [1, 6, 6, 8, 8, 3, 4, 6, 0, 6],
    [8, 5, 0, 6, 9, 2, 8, 3, 6, 2],
    [0, 6, 0, 2, 7, 2, 1, 2, 4, 1],
    [1, 8, 5, 1, 5, 7, 4, 3, 8, 2],
];
/// Images of a file of the original archive, and bytes of an image in it.
const FILE: usize = 10_000;
const RECORD: usize = 1 + 3 * 32 * 32;

/// CIFAR-10, in the order of the original archive where it is that.
pub(super) struct Cifar10 {
    pub(super) train: ImageBatch,
    pub(super) test: ImageBatch,
    /// Row of the training split for each index of the original order; None for a copy that was
    /// shuffled.
    pub(super) order: Option<Vec<usize>>,
    /// Of the data set as the hub has it: training and test split.
    pub(super) sha256: Option<[String; 2]>,
}

impl Cifar10 {
    /// From the original binary files in `root`, else as any data set.
    pub(super) fn load(root: Option<PathBuf>) -> Result<Self> {
        for folder in root.iter().flat_map(|root| [root.join("cifar-10-batches-bin"), root.clone()])
        {
            if folder.join("data_batch_1.bin").is_file() {
                return Self::original(&folder);
            }
        }
        let load = |split| {
            let mut request = DatasetRequest::new("cifar10", split);
            request.root = root.clone();
            data::load(&request, &mut |_| {})
        };
        let (train, test) = (load(Split::Train)?, load(Split::Test)?);
        let order = original_order(train.images.labels.as_deref().unwrap_or_default());
        let sha256 = Some([train.sha256, test.sha256]);
        Ok(Self { train: train.images, test: test.images, order, sha256 })
    }

    /// The binary version of <https://www.cs.toronto.edu/~kriz/cifar.html>: a label and 3x32x32
    /// planes an image.
    fn original(folder: &Path) -> Result<Self> {
        let read = |names: &[String]| -> Result<ImageBatch> {
            let size = ImageSize::new(32, 32, 3);
            let (mut pixels, mut labels) = (Vec::new(), Vec::new());
            for name in names {
                let path = folder.join(name);
                let bytes = std::fs::read(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                if bytes.len() != FILE * RECORD {
                    bail!(
                        "{} has {} bytes, expected {FILE} images of {RECORD}",
                        path.display(),
                        bytes.len()
                    );
                }
                for record in bytes.chunks_exact(RECORD) {
                    labels.push(u32::from(record[0]));
                    let planes = &record[1..];
                    pixels.extend(
                        (0..1024).flat_map(|i| [planes[i], planes[1024 + i], planes[2048 + i]]),
                    );
                }
            }
            Ok(ImageBatch::new(size, pixels, Some(labels), None)?)
        };
        let train = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect::<Vec<_>>();
        let train = read(&train)?;
        let test = read(&["test_batch.bin".to_string()])?;
        let order = original_order(train.labels.as_deref().unwrap_or_default());
        Ok(Self { train, test, order, sha256: None })
    }

    /// The subset that torch-fidelity's `util_dump_dataset_as_images.py` takes.
    pub(super) fn chosen(&self, split: Split, n: usize) -> Result<ImageBatch> {
        let images = match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        };
        if images.len() < n {
            bail!(
                "{n} images of cifar10 {split} are needed, got {}; use the whole data set",
                images.len()
            );
        }
        let mut rows = RandomState::new(2020).choice(images.len(), n);
        // It writes files named by their indices, which are read back in the order of their names.
        rows.sort_unstable();
        if let (Split::Train, Some(order)) = (split, &self.order) {
            rows.iter_mut().for_each(|row| *row = order[*row]);
        }
        Ok(images.select(&rows))
    }
}

/// The hub's copy holds the archive's five training files in another order: found by their first
/// labels.
fn original_order(labels: &[u32]) -> Option<Vec<usize>> {
    let files: Vec<&[u32]> = labels.chunks_exact(FILE).collect();
    let mut order = Vec::with_capacity(labels.len());
    for first in FIRST_LABELS.iter().filter(|_| labels.len() == FIRST_LABELS.len() * FILE) {
        let place = files.iter().position(|file| file.starts_with(first))?;
        order.extend(place * FILE..(place + 1) * FILE);
    }
    Some(order).filter(|order| order.len() == labels.len() && !order.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_their_first_labels_and_others_taken_as_they_lie() {
        let mut labels = vec![0; 5 * FILE];
        // As the hub has them, as far as it is known: data_batch_4 first.
        for (place, number) in [3, 0, 1, 4, 2].into_iter().enumerate() {
            labels[place * FILE..place * FILE + 10].copy_from_slice(&FIRST_LABELS[number]);
        }
        let order = original_order(&labels).unwrap();
        assert_eq!([0, 1, 2, 3, 4].map(|file| order[file * FILE] / FILE), [1, 2, 4, 0, 3]);
        labels[0] = 9;
        assert!(original_order(&labels).is_none());
        assert!(original_order(&labels[..FILE]).is_none());
    }

    #[test]
    fn the_original_binary_files_are_read_pixel_by_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = vec![0u8; FILE * RECORD];
        // Label 6, then red 10, green 20, blue 30 of the first pixel.
        (file[0], file[1], file[1 + 1024], file[1 + 2048]) = (6, 10, 20, 30);
        let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]);
        names.for_each(|name: String| std::fs::write(folder.path().join(name), &file).unwrap());
        let cifar10 = Cifar10::load(Some(folder.path().to_owned())).unwrap();
        assert_eq!((cifar10.train.len(), cifar10.test.len()), (50_000, 10_000));
        assert_eq!(cifar10.test.image(0)[..3], [10, 20, 30]);
        assert_eq!(cifar10.train.labels.as_ref().unwrap()[FILE], 6);
        assert!(cifar10.order.is_none() && cifar10.sha256.is_none());
        std::fs::write(folder.path().join("test_batch.bin"), &file[1..]).unwrap();
        let error = Cifar10::load(Some(folder.path().to_owned())).err().unwrap().to_string();
        assert!(error.ends_with("has 30729999 bytes, expected 10000 images of 3073"), "{error}");
    }
}
