//! What can be wrong with a dataset, one sentence each.

use std::path::{Path, PathBuf};

use ganbench_files::memory::NoMemory;
use thiserror::Error;

use super::sources::Unreadable;
use crate::decode::format::FORMATS;
use crate::images::{ImageError, ImageSize};
use crate::parquet::ParquetError;

/// Why a dataset could not be loaded.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum DataError {
    #[error("unknown dataset \"{name}\"; known: {known}, or folder:PATH")]
    UnknownDataset { name: String, known: String },
    #[error("unknown split \"{split}\"; known: train, test")]
    UnknownSplit { split: String },
    #[error("0 images of {name} asked for; ask for at least 1")]
    NothingAsked { name: String },
    #[error("{name} cannot have {channels} channels; known: {known}")]
    Channels { name: String, channels: usize, known: &'static str },
    #[error("{name} cannot have images of side {size}; known: {known}")]
    Size { name: String, size: usize, known: String },
    #[error("no memory for {images} images of {size}; ask for fewer")]
    Memory { images: usize, size: ImageSize },
    #[error(transparent)]
    NoMemory(#[from] NoMemory),

    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// `--data` was given and does not hold the dataset.
    #[error(
        "no {split} split of {name} under --data {root}: looked for {searched}; --data takes the folder \
         that holds {name}/, without it $GANBENCH_DATA and the hub are searched, and --dataset shapes \
         needs no data"
    )]
    WrongRoot { name: String, split: &'static str, root: String, searched: String },
    /// No place has the dataset, and it cannot be downloaded.
    #[error(
        "no {split} split of {name} found: looked for {searched}; downloading it from {url} failed: \
         {reason}; give --data DIR where DIR holds {name}/, or use --dataset shapes, which needs no data"
    )]
    NotFound { name: String, split: &'static str, searched: String, url: String, reason: String },
    /// The table does not know the files of a split on the hub, and the hub does not say.
    #[error(
        "no {split} split of {name} found: looked for {searched}; its files in {why}; put them at {files}, or images at DIR/{name}/{split}/CLASS/, and give --data DIR"
    )]
    NotListed {
        name: String,
        split: &'static str,
        searched: String,
        /// The repository, and what came in the way.
        why: String,
        files: String,
    },
    #[error("{folder} holds no {split} split: expected {expected}, found {found}")]
    MissingSplit { folder: PathBuf, split: &'static str, expected: String, found: String },
    #[error(
        "{folder} lacks {missing}, one of the {total} files of its {split} split; copy it there"
    )]
    MissingShard { folder: PathBuf, missing: String, total: usize, split: &'static str },

    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("{path} holds no rows; copy it or download it again")]
    EmptyParquet { path: PathBuf },
    #[error("{path} has the wrong columns: expected {expected}, found {found}")]
    Schema { path: PathBuf, expected: String, found: String },
    #[error("{path} row {row} has no {column}")]
    Null { path: PathBuf, row: usize, column: &'static str },
    #[error("{path} row {row} has label {label}, outside 0..={last}")]
    Label { path: PathBuf, row: usize, label: i64, last: usize },

    #[error("{place} {reason}")]
    Image { place: Place, reason: String },
    /// Images of a folder, all of them named at once.
    // Boxed, since every function here returns this type.
    #[error(transparent)]
    Unreadable(Box<Unreadable>),
    #[error(
        "{place} is {found} pixels but {expected} were expected ({why}); resize the images first"
    )]
    ImageSize { place: Place, found: String, expected: String, why: &'static str },

    /// Of a folder; `image` is the first of another size.
    #[error(
        "{image} is {found} pixels but {expected} were expected ({why}); {folder} holds {sizes} (width x height); \
         --image-size N, or dataset.image_size in the plan, crops the square in the middle of each and resizes it"
    )]
    Sizes {
        image: PathBuf,
        // Boxed, since every function here returns this type.
        found: Box<str>,
        expected: Box<str>,
        why: &'static str,
        folder: PathBuf,
        /// Each with its number of images.
        sizes: Box<str>,
    },

    #[error("{folder} holds no images; expected {FORMATS} files, or one folder of them per class")]
    NoImages { folder: PathBuf },
    #[error("{folder} has {found} class folders but {name} has {expected} classes")]
    Classes { folder: PathBuf, found: usize, name: String, expected: usize },
    #[error("class folder {folder} holds no images; fill it or remove it")]
    EmptyClass { folder: PathBuf },
    #[error("{folder} lacks the class folder \"{class}\" that {other} has")]
    MissingClass { folder: PathBuf, class: String, other: PathBuf },
    #[error(
        "{folder} holds both images and class folders ({image}, {class}/); keep one of the two kinds"
    )]
    MixedFolder { folder: PathBuf, image: String, class: String },
    #[error(
        "{} line {line} is {found:?}; expected a file's name, a tab and its class", file.display()
    )]
    Annotation { file: PathBuf, line: usize, found: String },
    #[error(
        "{folder} holds {split}/, which is called as a split, beside {other}/, which is not, so that it is open \
         what to train on; splits are called {known}; move {other}/ elsewhere, or rename {split}/ if it is a class"
    )]
    SplitBesideOther { folder: PathBuf, split: String, other: String, known: String },
    #[error(
        "{folder} holds both {first}/ and {second}/, which are names of the same split; keep one of the two"
    )]
    SplitTwice { folder: PathBuf, first: String, second: String },
    #[error("{path} {reason}")]
    DatasetJson { path: PathBuf, reason: String },
    #[error(
        "{link} and {folder} are one folder, whose images would count twice; remove the link or move it elsewhere"
    )]
    FolderTwice { link: PathBuf, folder: PathBuf },
    #[error("{folder} lies in a class folder, which must hold images only; move it out")]
    DeepFolder { folder: PathBuf },
    #[error(
        "{folder} has {images} images, too few to set any apart for the test split (every 10th is)"
    )]
    NoTestImages { folder: PathBuf, images: usize },

    #[error("{path} has sha256 {got} but {expected} is {origin}; {advice}")]
    Changed { path: PathBuf, got: String, expected: String, origin: String, advice: String },
    #[error("no folder for {what}: neither {variables} nor a home folder is set; set one of them")]
    NoCache { what: &'static str, variables: &'static str },

    #[error(transparent)]
    Batch(#[from] ImageError),
}

/// Where an image lies: a file, or a row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 0.
    pub row: Option<usize>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.row {
            Some(row) => write!(f, "{} row {row}", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

impl DataError {
    /// For `map_err`: `action` is a verb, as in "cannot read …".
    pub(crate) fn io(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
