//! A folder of image files at any depth.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::Digest as _;

use super::encoded::{decode_sized, place, size};
use super::{BLOCK_BYTES, Image, ImageSource, MAX_SIDE, SourceError, SourceRequest, hasher};
use crate::data::classes::EXTENSIONS;
use crate::data::hex;

/// Links may lead in circles.
const DEEPEST: usize = 64;
/// An uncompressed image of the largest size, and as much again for what else a file may hold.
const LARGEST_FILE: u64 = (MAX_SIDE * MAX_SIDE * 6) as u64;

pub(super) struct Source {
    name: String,
    folder: PathBuf,
    files: Vec<File>,
    given: usize,
    has_labels: bool,
    /// Names of the first-level folders, in the order of labels.
    classes: Vec<String>,
    passed_over: usize,
}

struct File {
    /// Below the folder, parts joined by `/` on every system.
    name: String,
    label: Option<u32>,
}

impl Source {
    pub(super) fn open(folder: &Path, request: &SourceRequest) -> Result<Self, SourceError> {
        let mut found = Found { names: Vec::new(), others: 0 };
        found.gather(folder, "", 0)?;
        let Found { mut names, others } = found;
        if names.is_empty() {
            return Err(SourceError::NoImages { folder: folder.into(), others });
        }
        names.sort_unstable();
        let mut classes: Vec<String> =
            names.iter().filter_map(|n| class(n)).map(str::to_owned).collect();
        classes.dedup();
        let has_labels = names.iter().all(|name| class(name).is_some());
        // Labels before the limit, so that they do not depend on it. Sorted by path, the images of a
        // class may lie apart ("a" and "a-b": '-' sorts before '/'), hence the second sort.
        classes.sort_unstable();
        classes.dedup();
        names.truncate(request.count(names.len()));
        let label = |name: &str| {
            let class = class(name).filter(|_| has_labels)?;
            classes.binary_search_by(|c| c.as_str().cmp(class)).ok().map(|label| label as u32)
        };
        let files = names.into_iter().map(|name| File { label: label(&name), name }).collect();
        let (name, folder) = (request.text.clone(), folder.to_owned());
        Ok(Self { name, folder, files, given: 0, has_labels, classes, passed_over: others })
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

/// The first-level folder.
fn class(name: &str) -> Option<&str> {
    name.split_once('/').map(|(class, _)| class)
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len()
    }

    fn has_labels(&self) -> bool {
        self.has_labels
    }

    fn class_names(&self) -> Option<&[String]> {
        self.has_labels.then_some(self.classes.as_slice())
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

struct Found {
    names: Vec<String>,
    others: usize,
}

impl Found {
    fn gather(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), SourceError> {
        if depth > DEEPEST {
            return Err(SourceError::Deep { path: folder.into(), most: DEEPEST });
        }
        for item in fs::read_dir(folder).map_err(SourceError::io("list", folder))? {
            let path = item.map_err(SourceError::io("list", folder))?.path();
            // Names that are not Unicode have no order that is the same everywhere.
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                let source = std::io::Error::other("its name is not Unicode; rename it");
                return Err(SourceError::io("read", &path)(source));
            };
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                self.gather(&path, &format!("{prefix}{name}/"), depth + 1)?;
            } else if EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)) {
                self.names.push(format!("{prefix}{name}"));
            } else {
                self.others += 1;
            }
        }
        Ok(())
    }
}
