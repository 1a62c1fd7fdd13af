//! `folder:PATH`: a folder of PNG, JPEG and WebP files, one subfolder a class, or none.
//!
//! Classes are the subfolders in the order of their names. The images of a class are ordered by name,
//! and the classes take turns (first of each, second of each, …), so that the first n images hold all
//! classes. Where PATH holds nothing but `train/` and `test/` (or `val/`), these are the splits;
//! otherwise every 10th image of each class, counted from 1, is the test split and the others are the
//! train split. Hidden files and files of other kinds are passed over.

use std::fs;
use std::path::{Path, PathBuf};

use ganbench_nn::images::ImageSize;
use rayon::prelude::*;

use super::catalogue::HubEntry;
use super::content::{Content, Row, image_error};
use super::decode::{Fault, MAX_SIDE, Target, header};
use super::prepared::{self, Wanted};
use super::{DataError, Dataset, DatasetRequest, Places, Progress, Split, Stage};

pub(super) const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];
/// Of each class, every so manieth image is for testing.
const TEST_EVERY: usize = 10;

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
        Ok(Dataset { name: self.name.into(), split: request.split, images, class_names, sha256 })
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

/// The files of one class in order.
struct Class {
    /// None where the folder has no classes.
    name: Option<String>,
    files: Vec<PathBuf>,
}

struct Classes {
    folder: PathBuf,
    classes: Vec<Class>,
}

struct Image {
    file: PathBuf,
    label: Option<u32>,
}

impl Classes {
    /// First image of each class, second of each, and so on.
    fn in_turns(&self) -> Vec<Image> {
        let longest = self.classes.iter().map(|class| class.files.len()).max().unwrap_or(0);
        let mut images = Vec::new();
        for i in 0..longest {
            for (label, class) in self.classes.iter().enumerate() {
                if let Some(file) = class.files.get(i) {
                    let label = class.name.is_some().then_some(label as u32);
                    images.push(Image { file: file.clone(), label });
                }
            }
        }
        images
    }

    fn count(&self) -> usize {
        self.classes.iter().map(|class| class.files.len()).sum()
    }
}

fn find_split(path: &Path, split: Split) -> Result<Classes, DataError> {
    let items = list(path)?;
    let is = |name: &str| items.folders.iter().any(|folder| folder == name);
    let only_splits = items.files.is_empty()
        && items.folders.iter().all(|name| matches!(name.as_str(), "train" | "test" | "val"));
    if !(only_splits && is("train")) {
        return set_apart(read_classes(path)?, split);
    }
    let test = if is("test") { "test" } else { "val" };
    let name = match split {
        Split::Train => "train",
        Split::Test if is(test) => test,
        Split::Test => {
            return Err(DataError::MissingSplit {
                folder: path.to_owned(),
                split: "test",
                expected: "test/ or val/ beside train/".into(),
                found: "train/".into(),
            });
        }
    };
    let classes = read_classes(&path.join(name))?;
    if is(test) {
        let other = read_classes(&path.join(if split == Split::Train { test } else { "train" }))?;
        same_classes(&classes, &other)?;
        same_classes(&other, &classes)?;
    }
    Ok(classes)
}

/// Every class of `all` must be in `some`, since the labels are their positions.
fn same_classes(some: &Classes, all: &Classes) -> Result<(), DataError> {
    for class in &all.classes {
        if !some.classes.iter().any(|other| other.name == class.name) {
            return Err(DataError::MissingClass {
                folder: some.folder.clone(),
                class: class.name.clone().unwrap_or_else(|| "images without a class".into()),
                other: all.folder.clone(),
            });
        }
    }
    Ok(())
}

/// Keeps every 10th image of each class, or the others.
fn set_apart(mut all: Classes, split: Split) -> Result<Classes, DataError> {
    let images = all.count();
    for class in &mut all.classes {
        let mut i = 0usize;
        class.files.retain(|_| {
            i += 1;
            i.is_multiple_of(TEST_EVERY) == (split == Split::Test)
        });
    }
    if all.count() == 0 {
        return Err(DataError::NoTestImages { folder: all.folder, images });
    }
    Ok(all)
}

fn read_classes(folder: &Path) -> Result<Classes, DataError> {
    let items = list(folder)?;
    let mut classes = Vec::new();
    match (items.files.first(), items.folders.first()) {
        (None, None) => return Err(DataError::NoImages { folder: folder.to_owned() }),
        (Some(image), Some(class)) => {
            return Err(DataError::MixedFolder {
                folder: folder.to_owned(),
                image: image.clone(),
                class: class.clone(),
            });
        }
        (Some(_), None) => classes.push(Class { name: None, files: items.paths(folder) }),
        (None, Some(_)) => {
            for name in items.folders {
                let class = folder.join(&name);
                let items = list(&class)?;
                if let Some(deep) = items.folders.first() {
                    return Err(DataError::DeepFolder { folder: class.join(deep) });
                }
                if items.files.is_empty() {
                    return Err(DataError::EmptyClass { folder: class });
                }
                classes.push(Class { name: Some(name), files: items.paths(&class) });
            }
        }
    }
    Ok(Classes { folder: folder.to_owned(), classes })
}

/// Names of the image files and of the folders in a folder, each sorted.
struct Items {
    files: Vec<String>,
    folders: Vec<String>,
}

impl Items {
    fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        self.files.iter().map(|name| folder.join(name)).collect()
    }
}

fn list(folder: &Path) -> Result<Items, DataError> {
    let mut items = Items { files: Vec::new(), folders: Vec::new() };
    for item in fs::read_dir(folder).map_err(DataError::io("list", folder))? {
        let path = item.map_err(DataError::io("list", folder))?.path();
        // Names that are not Unicode have no order that is the same everywhere.
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let source = std::io::Error::other("its name is not Unicode; rename it");
            return Err(DataError::io("read", &path)(source));
        };
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            items.folders.push(name.to_owned());
        } else if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
            items.files.push(name.to_owned());
        }
    }
    items.files.sort_unstable();
    items.folders.sort_unstable();
    Ok(items)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
