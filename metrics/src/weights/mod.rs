//! Network weights: published files, read without executing anything, and made ones for tests.

pub mod made;
pub mod pickle;
mod pickle_file;
pub mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ganbench_files as files;
use pickle::PickleError;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Above any network here (CLIP ViT-L/14 with its half for text: 1.7 GB); keeps a wrong path from
/// filling the memory.
const LARGEST_FILE: u64 = 2 << 30;

/// A file of weights that cannot be used.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum WeightsError {
    #[error("weights {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("weights {path} hold {bytes} bytes, more than any network here (limit {LARGEST_FILE})")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error(
        "weights {path} begin with bytes {start:02x?}, expected a PyTorch file in the legacy format or \
         safetensors"
    )]
    UnknownFormat { path: PathBuf, start: Vec<u8> },
    #[error(
        "weights {path} are a zip archive (PyTorch's format since 1.6), expected the legacy format of the \
         published file; convert it to safetensors"
    )]
    Zip { path: PathBuf },
    #[error("weights {path}: {source}")]
    Pickle { path: PathBuf, source: PickleError },
    #[error("weights {path} are no valid safetensors file: {source}")]
    SafeTensors { path: PathBuf, source: safetensors::SafeTensorError },
    #[error(
        "weights {origin}: {count} tensors missing, first \"{first}\"; refusing to score with partial weights"
    )]
    Missing { origin: String, count: usize, first: String },
    #[error(
        "weights {origin}: {count} tensors that the network does not have, first \"{first}\"; is it another network's file?"
    )]
    Extra { origin: String, count: usize, first: String },
    #[error("weights {origin}: tensor \"{name}\" has shape {got:?}, expected {expected:?}")]
    Shape { origin: String, name: String, got: Vec<usize>, expected: Vec<usize> },
    #[error("weights {origin}: tensor \"{name}\" holds {got} numbers, expected f32")]
    Type { origin: String, name: String, got: String },
    #[error("weights {origin}: tensor \"{name}\" holds {value}, expected finite numbers only")]
    NonFinite { origin: String, name: String, value: f32 },
    #[error(
        "no weights \"{file}\": {name} is {folder}, which does not hold it; put the file there or pass its \
         path with --weights", name = source::VARIABLE
    )]
    NotInFolder { file: String, folder: PathBuf },
    #[error(
        "weights \"{file}\" are neither given (--weights, {name}) nor in the hub's cache, and downloading \
         {repository} failed: {reason}", name = source::VARIABLE
    )]
    Download { file: String, repository: String, reason: String },
    #[error("downloaded weights {path} have sha256 {got}, expected {expected}; {advice}")]
    Hash { path: PathBuf, got: String, expected: String, advice: &'static str },
    #[error(
        "extractor \"{extractor}\" has no made weights; they exist for inception, dinov2 and clip only"
    )]
    NotMade { extractor: String },
    #[error("extractor \"{extractor}\" has no weights, but {path} was given; leave out --weights")]
    NotWanted { extractor: String, path: PathBuf },
}

fn check_hash(path: &Path, got: &str, expected: &str) -> Result<(), WeightsError> {
    if got == expected {
        return Ok(());
    }
    let (got, expected) = (got.into(), expected.into());
    Err(WeightsError::Hash {
        path: path.into(),
        got,
        expected,
        advice: "delete the file and try again",
    })
}

/// Name and shape of a tensor that a network needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The tensor's key, as in the published file.
    pub name: String,
    /// Length of each axis, in the published file's order.
    pub shape: Vec<usize>,
}

/// Row-major f32 numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightTensor {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// All numbers, with the last axis running fastest.
    pub values: Vec<f32>,
}

/// All tensors of a network, and where they come from.
#[derive(Clone, Debug)]
pub struct Weights {
    /// By the keys of the published file.
    pub tensors: BTreeMap<String, WeightTensor>,
    /// SHA-256 of the file in lower-case hexadecimal; `made:SEED` for made weights, which have no
    /// file.
    pub sha256: String,
}

impl Weights {
    /// Reads `path` (legacy PyTorch pickle or safetensors, told apart by their first bytes) and
    /// takes exactly the tensors of `specs`; counters and CLIP's half for text are passed over.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged (with the offset), or lacks a tensor, has one too
    /// many, or one of another shape or type (with its name).
    pub fn read(path: &Path, specs: &[TensorSpec]) -> Result<Self, WeightsError> {
        Self::read_expecting(path, specs, None)
    }

    /// As [`Self::read`]; a file of another hash than `sha256` is refused before it is looked into.
    pub(crate) fn read_expecting(
        path: &Path,
        specs: &[TensorSpec],
        sha256: Option<&str>,
    ) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { path: path.into(), source };
        let bytes = files::open(path).and_then(|file| file.metadata()).map_err(io)?.len();
        if bytes > LARGEST_FILE {
            return Err(WeightsError::TooLarge { path: path.into(), bytes });
        }
        let bytes = files::read(path).map_err(io)?;
        let got = hex(&Sha256::digest(&bytes));
        sha256.map_or(Ok(()), |expected| check_hash(path, &got, expected))?;
        Ok(Self { tensors: tensors(path, &bytes, specs)?, sha256: got })
    }

    /// As [`Self::read`], from a file inside the program, which errors call `origin`.
    pub(crate) fn embedded(
        origin: &str,
        bytes: &[u8],
        specs: &[TensorSpec],
    ) -> Result<Self, WeightsError> {
        let sha256 = hex(&Sha256::digest(bytes));
        Ok(Self { tensors: tensors(Path::new(origin), bytes, specs)?, sha256 })
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn tensors(
    path: &Path,
    bytes: &[u8],
    specs: &[TensorSpec],
) -> Result<BTreeMap<String, WeightTensor>, WeightsError> {
    let origin = || path.display().to_string();
    if pickle_file::is_legacy(bytes) {
        let pickled = |source| WeightsError::Pickle { path: path.into(), source };
        let file = pickle_file::PickleFile::parse(bytes).map_err(pickled)?;
        let shapes = file.tensors.iter().map(|(name, t)| (name.as_str(), t.shape.as_slice()));
        check_names(&origin(), shapes, specs)?;
        return take(origin(), specs, |name| {
            file.values(&file.tensors[name]).map_err(|got| got.to_owned())
        });
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return Err(WeightsError::Zip { path: path.into() });
    }
    if bytes.get(8) != Some(&b'{') {
        let start = bytes[..bytes.len().min(8)].to_vec();
        return Err(WeightsError::UnknownFormat { path: path.into(), start });
    }
    let invalid = |source| WeightsError::SafeTensors { path: path.into(), source };
    let file = SafeTensors::deserialize(bytes).map_err(invalid)?;
    let views: BTreeMap<_, _> = file.iter().collect();
    check_names(&origin(), views.iter().map(|(name, view)| (*name, view.shape())), specs)?;
    take(origin(), specs, |name| match views[name].dtype() {
        Dtype::F32 => Ok(floats(views[name].data())),
        other => Err(format!("{other:?}")),
    })
}

/// Little-endian f32 numbers.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// What published files hold beside the weights that features need: counters, and the half of CLIP
/// that reads text.
fn is_passed_over(name: &str) -> bool {
    let counter = name.ends_with(".num_batches_tracked") || name.ends_with(".position_ids");
    counter || name.starts_with("text_") || name == "logit_scale"
}

/// Refuses by name what is missing, too much or of another shape.
fn check_names<'a>(
    origin: &str,
    found: impl Iterator<Item = (&'a str, &'a [usize])>,
    specs: &[TensorSpec],
) -> Result<(), WeightsError> {
    let origin = origin.to_owned();
    let found: BTreeMap<&str, &[usize]> = found.filter(|(name, _)| !is_passed_over(name)).collect();
    let mut missing = specs.iter().filter(|spec| !found.contains_key(spec.name.as_str()));
    if let Some(first) = missing.next() {
        let (count, first) = (1 + missing.count(), first.name.clone());
        return Err(WeightsError::Missing { origin, count, first });
    }
    let known: BTreeMap<&str, &[usize]> =
        specs.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())).collect();
    let mut extra = found.keys().filter(|name| !known.contains_key(*name));
    if let Some(first) = extra.next() {
        let (count, first) = (1 + extra.count(), (*first).to_owned());
        return Err(WeightsError::Extra { origin, count, first });
    }
    for (name, expected) in known {
        if found[name] != expected {
            let (name, got, expected) = (name.into(), found[name].into(), expected.into());
            return Err(WeightsError::Shape { origin, name, got, expected });
        }
    }
    Ok(())
}

/// Decodes the tensors of `specs`, whose names and shapes were checked; `values` gives the numbers
/// of one, or the name of their type where that is not f32.
fn take(
    origin: String,
    specs: &[TensorSpec],
    values: impl Fn(&str) -> Result<Vec<f32>, String>,
) -> Result<BTreeMap<String, WeightTensor>, WeightsError> {
    let mut tensors = BTreeMap::new();
    for TensorSpec { name, shape } in specs {
        let values = values(name).map_err(|got| {
            let (origin, name) = (origin.clone(), name.clone());
            WeightsError::Type { origin, name, got }
        })?;
        if let Some(&value) = values.iter().find(|v| !v.is_finite()) {
            return Err(WeightsError::NonFinite { origin, name: name.clone(), value });
        }
        tensors.insert(name.clone(), WeightTensor { shape: shape.clone(), values });
    }
    Ok(tensors)
}

#[cfg(test)]
mod pickle_ops_tests;
#[cfg(test)]
#[path = "weights_tests.rs"]
mod tests;
