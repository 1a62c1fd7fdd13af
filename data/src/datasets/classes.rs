//! Folders of image files: which file is of which class and split.
//!
//! Classes are the subfolders in the order of their names. The images of a class are ordered by
//! name, and the classes take turns (first of each, second of each, …), so that the first n images
//! hold all classes. Where PATH holds `train/` and folders called as other splits (`splits.rs` has
//! their names), these are the splits; otherwise every 10th image of each class, counted from 1, is
//! the test split and the others are the train split. Hidden files and files of other kinds are
//! passed over.
//!
//! A folder with the `dataset.json` of StyleGAN's tools has its labels from there, and images at
//! any depth.
//!
//! Also as Tiny ImageNet is published: the files of a class in `CLASS/images/`, and beside `train/`
//! a `val/` whose `val_annotations.txt` says the class of each file of `val/images/` (a line
//! `FILE<tab>CLASS<tab>...`). That is then the test split; a `test/` beside it has no classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ganbench_files as files;

use super::dataset_json::DatasetJson;
use super::splits::{Splits, splits};
use super::walk::{Entry, SeenFolders, entries, files_below, has_extension};
use crate::decode::format::IMAGE_EXTENSIONS;
use crate::{DataError, Split};

const ANNOTATIONS: &str = "val_annotations.txt";
const IMAGES: &str = "images";
/// Of each class, every so manieth image is for testing.
const TEST_EVERY: usize = 10;

/// The files of one class in order.
pub(crate) struct Class {
    /// None where the folder has no classes.
    pub name: Option<String>,
    pub files: Vec<PathBuf>,
}

pub(crate) struct Classes {
    pub folder: PathBuf,
    pub classes: Vec<Class>,
    /// The names are the numbers that a `dataset.json` has for labels: some may have no images.
    numbered: bool,
}

#[derive(Clone)]
pub(crate) struct Image {
    pub file: PathBuf,
    pub label: Option<u32>,
}

impl Classes {
    /// First image of each class, second of each, and so on.
    pub fn in_turns(&self) -> Vec<Image> {
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

    /// Whether the images have labels.
    fn are_named(&self) -> bool {
        self.classes.iter().any(|class| class.name.is_some())
    }

    /// Adds classes without images, where the classes are numbers, until there are `n`.
    fn number_up_to(&mut self, n: usize) {
        if self.numbered {
            let class = |label: usize| Class { name: Some(label.to_string()), files: Vec::new() };
            self.classes.extend((self.classes.len()..n).map(class));
        }
    }

    fn count(&self) -> usize {
        self.classes.iter().map(|class| class.files.len()).sum()
    }
}

pub(crate) fn find_split(path: &Path, split: Split) -> Result<Classes, DataError> {
    let items = list(path)?;
    // Images beside folders are refused below, whatever these are called.
    let found = if items.files.is_empty() { splits(path, &items.folders)? } else { None };
    match found {
        Some(found) => read_split(path, &found, split),
        None => set_apart(read_classes(path)?, split),
    }
}

fn read_split(path: &Path, splits: &Splits, split: Split) -> Result<Classes, DataError> {
    let train = splits.train.as_ref().map(|name| read_classes(&path.join(name))).transpose()?;
    let test = read_test(path, splits, train.as_ref())?;
    let missing = |expected: &str| DataError::MissingSplit {
        folder: path.to_owned(),
        split: split.as_str(),
        expected: expected.into(),
        found: splits.found(),
    };
    let (mut wanted, mut other) = match split {
        Split::Train => (train.ok_or_else(|| missing("train/"))?, test),
        Split::Test => (test.ok_or_else(|| missing("test/ or val/ beside train/"))?, train),
    };
    if let Some(other) = &mut other {
        wanted.number_up_to(other.classes.len());
        other.number_up_to(wanted.classes.len());
        for (some, all) in [(&wanted, &*other), (&*other, &wanted)] {
            same_classes(some, all)?;
        }
    }
    Ok(wanted)
}

/// Of several folders the one with annotations, or else the first that has classes where `train`
/// has, or else the first.
fn read_test(
    path: &Path,
    splits: &Splits,
    train: Option<&Classes>,
) -> Result<Option<Classes>, DataError> {
    for name in &splits.tests {
        let annotations = path.join(name).join(ANNOTATIONS);
        if annotations.is_file() {
            return read_annotated(&path.join(name), &annotations).map(Some);
        }
    }
    let mut first = None;
    for name in &splits.tests {
        let classes = read_classes(&path.join(name))?;
        if classes.are_named() || !train.is_some_and(Classes::are_named) {
            return Ok(Some(classes));
        }
        first = first.or(Some(classes));
    }
    Ok(first)
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
    if let Some(json) = DatasetJson::read(folder)? {
        return read_labelled(folder, &json);
    }
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
            let mut seen = SeenFolders::default();
            seen.enter(folder)?;
            for name in items.folders {
                let mut class = folder.join(&name);
                seen.enter(&class)?;
                let mut items = list(&class)?;
                if items.files.is_empty() && items.folders == [IMAGES] {
                    class.push(IMAGES);
                    seen.enter(&class)?;
                    items = list(&class)?;
                }
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
    Ok(Classes { folder: folder.to_owned(), classes, numbered: false })
}

/// The images at any depth, with the labels of the folder's `dataset.json`.
fn read_labelled(folder: &Path, json: &DatasetJson) -> Result<Classes, DataError> {
    let images = files_below(folder, &IMAGE_EXTENSIONS)?.images;
    if images.is_empty() {
        return Err(DataError::NoImages { folder: folder.to_owned() });
    }
    let paths = images.iter().map(|image| folder.join(image));
    let mut found = Classes { folder: folder.to_owned(), classes: Vec::new(), numbered: false };
    match json.labels_of(folder, &images)? {
        None => found.classes.push(Class { name: None, files: paths.collect() }),
        Some(labels) => {
            found.numbered = true;
            found.number_up_to(labels.iter().max().map_or(0, |&last| last as usize + 1));
            for (path, label) in paths.zip(labels) {
                found.classes[label as usize].files.push(path);
            }
        }
    }
    Ok(found)
}

/// The classes of a folder by its annotations, in the order of their names.
fn read_annotated(folder: &Path, annotations: &Path) -> Result<Classes, DataError> {
    let text = files::read_to_string(annotations).map_err(DataError::io("read", annotations))?;
    let mut classes: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut fields = line.split('\t');
        let file = fields.next().filter(|file| !file.is_empty() && !file.contains(['/', '\\']));
        let class = fields.next().filter(|class| !class.is_empty());
        let (Some(file), Some(class)) = (file, class) else {
            return Err(DataError::Annotation {
                file: annotations.to_owned(),
                line: i + 1,
                found: line.chars().take(60).collect(),
            });
        };
        classes.entry(class).or_default().push(folder.join(IMAGES).join(file));
    }
    let classes: Vec<Class> = classes
        .into_iter()
        .map(|(name, mut files)| {
            files.sort_unstable();
            Class { name: Some(name.to_owned()), files }
        })
        .collect();
    match classes.is_empty() {
        true => Err(DataError::NoImages { folder: folder.to_owned() }),
        false => Ok(Classes { folder: folder.to_owned(), classes, numbered: false }),
    }
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
    for entry in entries(folder)? {
        let Entry { name, path } = entry?;
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            items.folders.push(name);
        } else if has_extension(&path, &IMAGE_EXTENSIONS) {
            items.files.push(name);
        }
    }
    items.files.sort_unstable();
    items.folders.sort_unstable();
    Ok(items)
}
