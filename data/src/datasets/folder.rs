//! `folder:PATH`: a folder of PNG, JPEG, WebP, BMP and TIFF files, one subfolder per class, or
//! none.
//!
//! `classes.rs` says which file is of which class and split. All images have one size, or a size is
//! asked for and they are made to fit. Where an image cannot be read, all are looked at: then all
//! that are damaged are named at once, or left out and counted.

use std::path::Path;

use ganbench_files as files;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::classes::{Classes, Image, find_split};
use super::content::{Content, Row, image_error};
use super::prepared::{self, Prepared, Wanted};
use super::sizes::sizes;
use crate::catalogue::HubEntry;
use crate::catalogue::folder_name::folder_name;
use crate::decode::{Fault, MAX_SIDE, Target, header};
use crate::images::ImageSize;
use crate::sources::{Sieve, check_for_training};
use crate::{DataError, Dataset, DatasetRequest, Fit, Places, Progress, Stage, hex, limited};

/// The start of the names of files that keep decoded images. Their hash tells folders apart.
const CACHED_AS: &str = "folder";

pub(crate) fn load(
    path: &Path,
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let split = find_split(path, request.split)?;
    let images = images(&split, request);
    load_readable(path, images, request, progress, |images, progress| {
        load_any_size(path, &split, images, request, places, progress)
    })
}

/// What `load` makes of the images. Where one of them cannot be read, all are looked at; `load`
/// then gets those that can be read, if the others are damaged and the request leaves them out.
fn load_readable(
    path: &Path,
    mut images: Vec<Image>,
    request: &DatasetRequest,
    progress: &mut dyn FnMut(Progress),
    load: impl Fn(&[Image], &mut dyn FnMut(Progress)) -> Result<Dataset, DataError>,
) -> Result<Dataset, DataError> {
    let error = match load(&images, progress) {
        Err(error @ DataError::Image { .. }) => error,
        loaded => return loaded,
    };
    let mut sieve = Sieve::new(request.skip_damaged);
    let mut done = 0;
    for block in images.chunks(4 * rayon::current_num_threads()) {
        let look = |image: &Image| check_for_training(&image.file);
        let looked: Vec<_> = block.par_iter().map(look).collect();
        for one in looked {
            sieve.add(one);
        }
        done += block.len() as u64;
        progress(Progress { stage: Stage::Checking, done, total: images.len() as u64 });
    }
    let sieved = sieve
        .finish(&path.display().to_string())
        .map_err(|unreadable| DataError::Unreadable(Box::new(unreadable)))?;
    if sieved.damaged.is_empty() {
        // The file is whole, but not what was asked for.
        return Err(error);
    }
    sieved.retain(&mut images);
    let mut dataset = load(&images, progress)?;
    dataset.reading.skipped = sieved.skipped;
    Ok(dataset)
}

fn load_any_size(
    path: &Path,
    classes: &Classes,
    images: &[Image],
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let first = images.first().ok_or(DataError::NoImages { folder: path.to_owned() })?;
    let mut target = target(&first.file, request)?;
    if let Some(side) = request.size
        && (target.height, target.width) != (side, side)
    {
        target = fitted(target, side);
    }
    let mut set = Set { name: CACHED_AS, path, classes, images, target };
    let loaded = match (set.load(request, places, progress), request.size) {
        // The first image has the size that was asked for, another one has not.
        (Err(DataError::ImageSize { .. }), Some(side)) if target.fit.is_none() => {
            set.target = fitted(target, side);
            set.load(request, places, progress)
        }
        (Err(DataError::ImageSize { place, found, expected, why }), None) => {
            let files: Vec<_> = set.images.iter().map(|image| &image.file).collect();
            let (image, folder) = (place.file, path.to_owned());
            let sizes = sizes(&files).into();
            let (found, expected) = (found.into(), expected.into());
            Err(DataError::Sizes { image, found, expected, why, folder, sizes })
        }
        (loaded, _) => loaded,
    };
    let mut dataset = loaded?;
    dataset.name = folder_name(path);
    if let Some(fit) = set.target.fit {
        dataset.fit = Some(fit);
        dataset.sha256 = fitted_sha256(fit, set.target.output, &dataset.sha256);
    }
    Ok(dataset)
}

/// Images of any size become squares of this side.
fn fitted(target: Target, side: usize) -> Target {
    let output = ImageSize::new(side, side, target.output.channels);
    let why = "the size asked for";
    Target { height: side, width: side, why, fit: Some(Fit::CentreLanczos), output, ..target }
}

/// Without it, tables would take images that were made from the same files for the same images.
fn fitted_sha256(fit: Fit, size: ImageSize, content_sha256: &str) -> String {
    let of = format!("ganbench-fitted-1\0{}\0{}\0{content_sha256}", fit.as_str(), size.height);
    hex(Sha256::new_with_prefix(of))
}

/// `PATH/train/` and `PATH/test/` or `PATH/val/` as the dataset of an entry, whose sizes and number
/// of classes they must have.
pub(crate) fn load_entry(
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
    load_readable(path, images, request, progress, |images, progress| {
        let set = Set { name: &entry.name, path, classes: &split, images, target };
        set.load(request, places, progress)
    })
}

fn images(split: &Classes, request: &DatasetRequest) -> Vec<Image> {
    let all = split.in_turns();
    let labels: Option<Vec<u32>> = all.iter().map(|image| image.label).collect();
    match limited(request, labels.as_deref(), all.len()) {
        None => all,
        Some(rows) => rows.into_iter().map(|row| all[row].clone()).collect(),
    }
}

/// A split that is ready to be read.
struct Set<'a> {
    name: &'a str,
    path: &'a Path,
    classes: &'a Classes,
    images: &'a [Image],
    target: Target,
}

impl Set<'_> {
    fn load(
        &self,
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
            drawn: request.draw_seed.filter(|_| request.limit.is_some()),
        };
        let prepared = prepared::images(places, &wanted, progress, &mut |content, progress| {
            fill(content, self.images, progress)
        })?;
        let Prepared { images, sha256, reading } = prepared;
        let class_names =
            self.classes.classes.iter().filter_map(|class| class.name.clone()).collect();
        Ok(Dataset {
            name: self.name.into(),
            split: request.split,
            images,
            class_names,
            label_fault: None,
            fit: None,
            sha256,
            trained_on: None,
            reading,
        })
    }
}

fn fill(
    content: &mut Content,
    images: &[Image],
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    for block in images.chunks(content.block()) {
        let encoded: Vec<_> = block.par_iter().map(|image| files::read(&image.file)).collect();
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

/// As the first image, which decides the size; the others must have it.
fn target(first: &Path, request: &DatasetRequest) -> Result<Target, DataError> {
    let bytes = files::read(first).map_err(DataError::io("read", first))?;
    let target = Target {
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
