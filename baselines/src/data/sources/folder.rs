//! A folder of image files at any depth.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::Digest as _;

use super::encoded::{decode_sized, place, size};
use super::{BLOCK_BYTES, Image, ImageSource, MAX_SIDE, SourceError, SourceRequest, hasher};
use crate::data::dataset_json::{DATASET_JSON, DatasetJson};
use crate::data::hex;
use crate::data::labels::Labels;
use crate::data::splits::is_split;
use crate::data::walk::{Files, files_below};

/// An uncompressed image of the largest size, and as much again for what else a file may hold.
const LARGEST_FILE: u64 = (MAX_SIDE * MAX_SIDE * 6) as u64;

pub(super) struct Source {
    name: String,
    folder: PathBuf,
    files: Vec<File>,
    given: usize,
    /// Of all images of the folder.
    labels: Labels,
    passed_over: usize,
}

struct File {
    /// Below the folder, parts joined by `/` on every system.
    name: String,
    label: Option<u32>,
}

impl Source {
    pub(super) fn open(folder: &Path, request: &SourceRequest) -> Result<Self, SourceError> {
        let Files { images: names, mut others } = files_below(folder)?;
        if names.is_empty() {
            return Err(SourceError::NoImages { folder: folder.into(), others: others.len() });
        }
        // What is wrong with it matters to those who need labels only.
        let json = DatasetJson::read(folder).transpose();
        let labels = match json {
            None => of_folders(folder, &names),
            Some(json) => {
                others.retain(|name| name != DATASET_JSON);
                match json.and_then(|json| json.labels_of(folder, &names)) {
                    Ok(known) => Labels { known, fault: None },
                    Err(error) => Labels::faulty(error.to_string()),
                }
            }
        };
        // Labels before the limit, so that they do not depend on it.
        let rows = request.rows(names.len(), labels.known.as_deref());
        let label = |row: usize| labels.known.as_ref().map(|known| known[row]);
        let all = names.into_iter().enumerate();
        let mut files: Vec<File> =
            all.map(|(row, name)| File { label: label(row), name }).collect();
        if let Some(rows) = rows {
            let mut row = 0;
            files.retain(|_| {
                row += 1;
                rows.binary_search(&(row - 1)).is_ok()
            });
        }
        Ok(Self {
            name: request.text.clone(),
            folder: folder.to_owned(),
            files,
            given: 0,
            labels,
            passed_over: others.len(),
        })
    }

    fn read(&self, file: &File) -> Result<Vec<u8>, SourceError> {
        let path = self.folder.join(&file.name);
        let bytes = fs::metadata(&path).map_err(SourceError::io("read", &path))?.len();
        if bytes > LARGEST_FILE {
            let (most, most_side) = (LARGEST_FILE, MAX_SIDE);
            return Err(SourceError::LargeFile { path, bytes, most, most_side });
        }
        fs::read(&path).map_err(SourceError::io("read", &path))
    }
}

/// The position of the first-level folder, where every image lies in one.
fn of_folders(folder: &Path, names: &[String]) -> Labels {
    let class = |name: &'_ String| name.split_once('/').map(|(class, _)| class.to_owned());
    let Some(of_image) = names.iter().map(class).collect::<Option<Vec<String>>>() else {
        return Labels::default();
    };
    // Sorted by path, the images of a class may lie apart ("a" and "a-b": '-' sorts before '/').
    let mut classes = of_image.clone();
    classes.sort_unstable();
    classes.dedup();
    if let Some(split) = classes.iter().find(|name| is_split(name)) {
        return Labels::faulty(format!(
            "{}/ is called as a split, so that the folders in {} are no classes; give the folder of one split",
            folder.join(split).display(),
            folder.display()
        ));
    }
    let label = |class: &String| classes.binary_search(class).map_or(0, |label| label as u32);
    Labels { known: Some(of_image.iter().map(label).collect()), fault: None }
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn has_labels(&self) -> bool {
        self.labels.known.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.labels.fault.as_deref()
    }

    fn passed_over(&self) -> usize {
        self.passed_over
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let n = n.min(self.files.len() - self.given);
        let files = &self.files[self.given..self.given + n];
        let name = |file: &File| place(&self.folder.join(&file.name), None);
        // One thread's share at a time, so that what is encoded does not pile up either.
        let mut images = Vec::new();
        let mut held = 0;
        for files in files.chunks(4 * rayon::current_num_threads()) {
            let read = |file| {
                let bytes = self.read(file)?;
                let size = size(&bytes, &name(file))?;
                Ok((bytes, size))
            };
            let encoded: Vec<Result<_, SourceError>> = files.par_iter().map(read).collect();
            // Errors count only for images that are reached.
            let fitting = encoded
                .iter()
                .take_while(|one| {
                    held += one.as_ref().map_or(0, |(_, size)| size.bytes());
                    held <= BLOCK_BYTES
                })
                .count();
            let fitting = if images.is_empty() { fitting.max(1) } else { fitting };
            let decoded: Vec<Result<Image, SourceError>> = encoded
                .into_par_iter()
                .take(fitting)
                .zip(files)
                .map(|(one, file)| {
                    let (bytes, size) = one?;
                    decode_sized(&bytes, size, file.label, &name(file))
                })
                .collect();
            for image in decoded {
                images.push(image?);
            }
            if fitting < files.len() {
                break;
            }
        }
        self.given += images.len();
        Ok(images)
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        let mut hash = hasher("folder", self.files.len());
        for file in &self.files {
            let bytes = self.read(file)?;
            for part in [file.name.as_bytes(), &bytes] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            // Classes that the limit left without images still count in the labels.
            hash.update(file.label.map_or(-1, i64::from).to_le_bytes());
        }
        Ok(hex(hash))
    }
}
