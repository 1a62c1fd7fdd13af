//! A folder of image files at any depth.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::encoded::{check, decode_sized, place, read_file, size};
use super::reading::{Faults, Reading, Sieve};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, encoded_hasher};
use crate::datasets::dataset_json::{DATASET_JSON, DatasetJson};
use crate::datasets::labels::Labels;
use crate::datasets::splits::is_split;
use crate::datasets::walk::{Files, files_below};
use crate::decode::format::IMAGE_EXTENSIONS;
use crate::{Alpha, Progress, Stage, hex};

/// Longer ones are no endings but parts of names.
const LONGEST_ENDING: usize = 12;

pub(super) struct Source {
    name: String,
    folder: PathBuf,
    files: Vec<File>,
    /// Of `files`, those skipped included.
    given: usize,
    /// Of all images of the folder.
    labels: Labels,
    /// Names of the first-level folders, in the order of labels, where these are the classes.
    class_names: Option<Vec<String>>,
    reading: Reading,
    skip_damaged: bool,
    /// Files that were found damaged only when they were decoded.
    lost: usize,
    /// Of all files, once they were looked through.
    sha256: Option<String>,
}

struct File {
    /// Below the folder, parts joined by `/` on every system.
    name: String,
    label: Option<u32>,
}

impl Source {
    pub(super) fn open(folder: &Path, request: &SourceRequest) -> Result<Self, SourceError> {
        let Files { images: names, mut others, hidden } = files_below(folder, &IMAGE_EXTENSIONS)?;
        if names.is_empty() {
            return Err(SourceError::NoImages { folder: folder.into(), others: others.len() });
        }
        // What is wrong with it matters to those who need labels only.
        let json = DatasetJson::read(folder).transpose();
        let (labels, class_names) = match json {
            None => of_folders(folder, &names),
            Some(json) => {
                others.retain(|name| name != DATASET_JSON);
                let labels = match json.and_then(|json| json.labels_of(folder, &names)) {
                    Ok(known) => Labels { known, fault: None },
                    Err(error) => Labels::faulty(error.to_string()),
                };
                // Its classes are numbers.
                (labels, None)
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
        let left_out = kinds(&others, hidden);
        Ok(Self {
            name: request.text.clone(),
            folder: folder.to_owned(),
            files,
            given: 0,
            labels,
            class_names,
            reading: Reading { left_out, ..Reading::of_rule(request.alpha) },
            skip_damaged: request.skip_damaged,
            lost: 0,
            sha256: None,
        })
    }

    fn alpha(&self) -> Alpha {
        self.reading.alpha
    }

    /// For messages.
    fn place(&self, file: &File) -> String {
        place(&self.folder.join(&file.name), None)
    }

    /// All that is wrong with the files not given yet, by decoding them.
    fn faults_of_rest(&self) -> Faults {
        let decode = |file: &File| {
            let bytes = self.read(file)?;
            let name = self.place(file);
            decode_sized(&bytes, size(&bytes, &name)?, self.alpha(), &name).map(drop)
        };
        let errors: Vec<SourceError> =
            self.files[self.given..].par_iter().filter_map(|file| decode(file).err()).collect();
        let mut faults = Faults::default();
        errors.iter().for_each(|error| faults.add(error));
        faults
    }

    fn hash(hash: &mut Sha256, file: &File, bytes: &[u8]) {
        for part in [file.name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        // Classes that the limit left without images still count in the labels.
        hash.update(file.label.map_or(-1, i64::from).to_le_bytes());
    }

    /// The images of the next `n` files or fewer; none where all of them are damaged and skipped.
    fn block(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let files = &self.files[self.given..self.given + n];
        // One thread's share at a time, so that what is encoded does not pile up either.
        let mut images = Vec::new();
        let mut taken = 0;
        let mut held = 0;
        let mut reading = self.reading.clone();
        for files in files.chunks(4 * rayon::current_num_threads()) {
            let read = |file| {
                let bytes = self.read(file)?;
                let size = size(&bytes, &self.place(file))?;
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
            let fitting = if taken == 0 { fitting.max(1) } else { fitting };
            let decoded: Vec<Result<_, SourceError>> = encoded
                .into_par_iter()
                .take(fitting)
                .zip(files)
                .map(|(one, file)| {
                    let (bytes, size) = one?;
                    let (image, marks) =
                        decode_sized(&bytes, size, self.alpha(), &self.place(file))?;
                    Ok((Image { label: file.label, ..image }, marks))
                })
                .collect();
            for one in decoded {
                match one {
                    Ok((image, marks)) => {
                        reading.count(marks);
                        images.push(image);
                    }
                    Err(error) if error.is_damage() && self.skip_damaged => {
                        reading.skipped.add(error.to_string());
                    }
                    Err(error) => {
                        let faults = self.faults_of_rest();
                        // None is left where a file was put right in the meantime.
                        return Err(match faults.is_empty() {
                            true => error,
                            false => faults.into_error(&self.name, self.files.len()).into(),
                        });
                    }
                }
            }
            taken += fitting;
            if fitting < files.len() {
                break;
            }
        }
        self.given += taken;
        self.lost += taken - images.len();
        self.reading = reading;
        Ok(images)
    }

    fn read(&self, file: &File) -> Result<Vec<u8>, SourceError> {
        read_file(&self.folder.join(&file.name))
    }
}

/// The position of the first-level folder, where every image lies in one, and the names of these
/// folders.
fn of_folders(folder: &Path, names: &[String]) -> (Labels, Option<Vec<String>>) {
    let class = |name: &'_ String| name.split_once('/').map(|(class, _)| class.to_owned());
    let Some(of_image) = names.iter().map(class).collect::<Option<Vec<String>>>() else {
        return (Labels::default(), None);
    };
    // Sorted by path, the images of a class may lie apart ("a" and "a-b": '-' sorts before '/').
    let mut classes = of_image.clone();
    classes.sort_unstable();
    classes.dedup();
    if let Some(split) = classes.iter().find(|name| is_split(name)) {
        let fault = format!(
            "{}/ is called as a split, so that the folders in {} are no classes; give the folder of one split",
            folder.join(split).display(),
            folder.display()
        );
        return (Labels::faulty(fault), None);
    }
    let label = |class: &String| classes.binary_search(class).map_or(0, |label| label as u32);
    let known = Some(of_image.iter().map(label).collect());
    (Labels { known, fault: None }, Some(classes))
}

/// Counts of what is left out: `others` by ending, and hidden files and folders.
fn kinds(others: &[String], hidden: usize) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for name in others {
        let extension = Path::new(name).extension().and_then(|e| e.to_str()).unwrap_or_default();
        let kind = match extension.is_empty() || extension.len() > LONGEST_ENDING {
            true => "without ending".to_owned(),
            false => format!(".{}", extension.to_lowercase()),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    if hidden > 0 {
        kinds.insert("hidden".into(), hidden);
    }
    kinds
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.files.len() - self.lost
    }

    fn has_labels(&self) -> bool {
        self.labels.known.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.labels.fault.as_deref()
    }

    fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    fn reading(&self) -> Reading {
        self.reading.clone()
    }

    fn check(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        let mut hash = encoded_hasher("folder", self.files.len(), self.alpha());
        let mut sieve = Sieve::new(self.skip_damaged);
        let mut done = 0;
        for files in self.files.chunks(4 * rayon::current_num_threads()) {
            let look = |file: &File| {
                let bytes = self.read(file)?;
                check(&bytes, self.alpha(), &self.place(file)).map(|()| bytes)
            };
            let looked: Vec<Result<_, SourceError>> = files.par_iter().map(look).collect();
            for (file, one) in files.iter().zip(looked) {
                if let Some(bytes) = sieve.add(one) {
                    Self::hash(&mut hash, file, &bytes);
                }
            }
            done += files.len();
            let (stage, total) = (Stage::Checking, self.files.len() as u64);
            progress(Progress { stage, done: done as u64, total });
        }
        let sieved = sieve.finish(&self.name)?;
        if sieved.damaged.is_empty() {
            self.sha256 = Some(hex(hash));
        }
        sieved.retain(&mut self.files);
        self.reading.skipped = sieved.skipped;
        Ok(())
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        loop {
            let n = n.min(self.files.len() - self.given);
            let images = self.block(n)?;
            // A block without images would be the end.
            if !images.is_empty() || self.given == self.files.len() || n == 0 {
                return Ok(images);
            }
        }
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        if let Some(sha256) = &self.sha256 {
            return Ok(sha256.clone());
        }
        let mut hash = encoded_hasher("folder", self.files.len(), self.alpha());
        for file in &self.files {
            Self::hash(&mut hash, file, &self.read(file)?);
        }
        Ok(hex(hash))
    }
}
