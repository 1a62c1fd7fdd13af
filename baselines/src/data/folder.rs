//! `folder:PATH`: a folder of PNG, JPEG and WebP files, one subfolder a class, or none.
//!
//! `classes.rs` says which file is of which class and split.

use std::fs;
use std::path::Path;

use ganbench_nn::images::ImageSize;
use rayon::prelude::*;

use super::catalogue::HubEntry;
use super::classes::{Classes, Image, find_split};
use super::content::{Content, Row, image_error};
use super::decode::{Fault, MAX_SIDE, Target, header};
use super::prepared::{self, Wanted};
use super::{DataError, Dataset, DatasetRequest, Places, Progress, Stage};

pub(super) fn load(
    path: &Path,
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let split = find_split(path, request.split)?;
    let images = images(&split, request);
    let first = images.first().ok_or(DataError::NoImages { folder: path.to_owned() })?;
    let target = target(&first.file, request)?;
    let set = Set { name: "folder", path, classes: split, images, target };
    set.load(request, places, progress)
}

/// `PATH/train/` and `PATH/test/` or `PATH/val/` as the dataset of an entry, whose sizes and number of classes
/// they must have.
pub(super) fn load_entry(
    entry: &HubEntry,
    path: &Path,
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let target = Target { fit: entry.fit, ..Target::of_entry(entry, request)? };
    let split = find_split(path, request.split)?;
    let classes = split.classes.iter().filter(|class| class.name.is_some()).count();
    if classes != entry.classes() {
        return Err(DataError::Classes {
            folder: split.folder,
            found: classes,
            name: entry.name.clone(),
            expected: entry.classes(),
        });
    }
    let images = images(&split, request);
    Set { name: &entry.name, path, classes: split, images, target }.load(request, places, progress)
}

fn images(split: &Classes, request: &DatasetRequest) -> Vec<Image> {
    let mut images = split.in_turns();
    images.truncate(request.limit.unwrap_or(usize::MAX));
    images
}

/// A split that is ready to be read.
struct Set<'a> {
    name: &'a str,
    path: &'a Path,
    classes: Classes,
    images: Vec<Image>,
    target: Target,
}

impl Set<'_> {
    fn load(
        self,
        request: &DatasetRequest,
        places: &Places,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Dataset, DataError> {
        let files: Vec<_> = self.images.iter().map(|image| image.file.clone()).collect();
        let wanted = Wanted {
            name: self.name,
            split: request.split,
            origin: self.path,
            files: &files,
            target: self.target,
            images: self.images.len(),
        };
        let (images, sha256) = prepared::images(places, &wanted, &mut |content| {
            fill(content, &self.images, progress)
        })?;
        let class_names = self.classes.classes.into_iter().filter_map(|class| class.name).collect();
        let (name, trained_on) = (self.name.into(), None);
        Ok(Dataset { name, split: request.split, images, class_names, sha256, trained_on })
    }
}

fn fill(
    content: &mut Content,
    images: &[Image],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    for block in images.chunks(content.block()) {
        let encoded: Vec<_> = block.par_iter().map(|image| fs::read(&image.file)).collect();
        let mut rows = Vec::with_capacity(block.len());
        for (image, bytes) in block.iter().zip(&encoded) {
            let bytes = bytes.as_deref().map_err(|error| {
                let source = std::io::Error::new(error.kind(), error.to_string());
                DataError::io("read", &image.file)(source)
            })?;
            rows.push(Row { file: &image.file, row: None, bytes, label: image.label });
        }
        content.extend(&rows)?;
        progress(Progress {
            stage: Stage::Decoding,
            done: content.len() as u64,
            total: images.len() as u64,
        });
    }
    Ok(())
}

/// The first image decides the size; the others must have it.
fn target(first: &Path, request: &DatasetRequest) -> Result<Target, DataError> {
    let bytes = fs::read(first).map_err(DataError::io("read", first))?;
    let mut target = Target {
        height: MAX_SIDE,
        width: MAX_SIDE,
        why: "the largest that is read",
        shrink: 1,
        fit: None,
        output: ImageSize::new(MAX_SIDE, MAX_SIDE, 3),
    };
    let (height, width) =
        header(&bytes).map_err(|fault| image_error(first, None, fault, &target))?;
    let fault = Fault::Size { height, width };
    if height > MAX_SIDE || width > MAX_SIDE {
        return Err(image_error(first, None, fault, &target));
    }
    if let Some(side) = request.size
        && (height, width) != (side, side)
    {
        (target.height, target.width, target.why) = (side, side, "the size asked for");
        return Err(image_error(first, None, fault, &target));
    }
    let channels = request.channels.unwrap_or(3);
    if !matches!(channels, 1 | 3) {
        return Err(DataError::Channels { name: request.name.clone(), channels, known: "1, 3" });
    }
    let output = ImageSize::new(height, width, channels);
    Ok(Target { height, width, why: "the size of the first image", shrink: 1, fit: None, output })
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
