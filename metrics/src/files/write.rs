//! Writing features and statistics as `.npz`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use ganbench_data::numpy::NpzWriter;

use super::{FileError, FileMeta, meta};
use crate::features::Features;
use crate::numerics::statistics::Statistics;
use crate::recognition::Recognition;

/// Size of the arrays of a file of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureShape {
    /// Number of images.
    pub n: usize,
    /// Numbers of each image's features.
    pub dim: usize,
    /// 0 without logits.
    pub classes: usize,
}

impl std::fmt::Display for FeatureShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} features of {} dimensions", self.n, self.dim)?;
        if self.classes > 0 { write!(f, " and {} classes", self.classes) } else { Ok(()) }
    }
}

/// What a file holds beside its numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Companions<'a> {
    /// Where the numbers come from.
    pub meta: Option<&'a FileMeta>,
    /// The class of each image.
    pub labels: Option<&'a [u32]>,
}

/// Writes `pool` f32 `[n, dim]` and, with classes, `logits` f32 `[n, classes]`, a block at a time;
/// for features of `shapes` also `recognised` f32 `[n, 10]`, the eight factors and two misfits. The
/// file appears under its name only when it is whole.
pub struct FeatureWriter {
    shape: FeatureShape,
    written: usize,
    path: PathBuf,
    npz: NpzWriter,
    /// A zip archive takes one member after the other, so logits wait here.
    logits: Option<BufWriter<File>>,
    /// Few values per image.
    recognised: Vec<f32>,
}

impl FeatureWriter {
    /// # Errors
    /// If the folder of `path` cannot be made or written to.
    pub fn create(path: &Path, shape: FeatureShape) -> Result<Self, FileError> {
        let failed = failed(path);
        let mut npz = NpzWriter::create(path).map_err(&failed)?;
        npz.begin::<f32>("pool", &[shape.n, shape.dim]).map_err(&failed)?;
        let spool = || tempfile::tempfile_in(folder(path)).map_err(&failed);
        let logits = if shape.classes > 0 { Some(BufWriter::new(spool()?)) } else { None };
        let path = path.to_owned();
        Ok(Self { shape, written: 0, path, npz, logits, recognised: Vec::new() })
    }

    /// The features of the next images.
    ///
    /// # Errors
    /// If they are of other dimensions or classes, more than promised, or cannot be written.
    pub fn push(&mut self, features: &Features) -> Result<(), FileError> {
        let classes = features.logits().map_or(0, |logits| logits.classes);
        let n = self.written + features.len();
        let got = FeatureShape { n, dim: features.dim(), classes };
        if n > self.shape.n || got != (FeatureShape { n, ..self.shape }) {
            return Err(self.unlike(got));
        }
        let failed = failed(&self.path);
        self.npz.write(features.pool().iter().copied()).map_err(&failed)?;
        if let (Some(spool), Some(logits)) = (&mut self.logits, features.logits()) {
            let mut write = |value: &f32| spool.write_all(&value.to_le_bytes());
            logits.values.iter().try_for_each(&mut write).map_err(&failed)?;
        }
        let recognitions = features.recognitions().unwrap_or_default();
        self.recognised.extend(recognitions.iter().flat_map(Recognition::values));
        self.written = n;
        Ok(())
    }

    /// Closes the file and gives it its name.
    ///
    /// # Errors
    /// If fewer features came than promised, or the file cannot be written; what stood under the
    /// name before is kept.
    pub fn finish(self) -> Result<(), FileError> {
        self.finish_with(Companions::default())
    }

    /// [`Self::finish`] with `labels` u32 `[n]` and `meta.json` u8 `[bytes]`, where they are given.
    ///
    /// # Errors
    /// As [`Self::finish`], and if there is another number of labels than of rows.
    pub fn finish_with(mut self, companions: Companions<'_>) -> Result<(), FileError> {
        if self.written != self.shape.n {
            return Err(self.unlike(FeatureShape { n: self.written, ..self.shape }));
        }
        let failed = failed(&self.path);
        if let Some(spool) = self.logits.take() {
            let (n, classes) = (self.shape.n, self.shape.classes);
            self.npz.begin::<f32>("logits", &[n, classes]).map_err(&failed)?;
            let mut spool = spool.into_inner().map_err(|e| failed(e.into_error()))?;
            spool.rewind().map_err(&failed)?;
            let mut spool = BufReader::new(spool);
            let mut row = vec![0; 4 * classes];
            for _ in 0..n {
                spool.read_exact(&mut row).map_err(&failed)?;
                let values =
                    row.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]]));
                self.npz.write(values).map_err(&failed)?;
            }
        }
        if self.shape.n > 0 && self.recognised.len() == self.shape.n * Recognition::VALUES {
            let shape = [self.shape.n, Recognition::VALUES];
            self.npz.array("recognised", &shape, &self.recognised).map_err(&failed)?;
        }
        if let Some(labels) = companions.labels.filter(|labels| labels.len() != self.shape.n) {
            let origin = self.path.display().to_string();
            return Err(FileError::Labels { origin, labels: labels.len(), n: self.shape.n });
        }
        write_companions(&mut self.npz, companions).map_err(&failed)?;
        self.npz.finish().map_err(failed)
    }

    fn unlike(&self, got: FeatureShape) -> FileError {
        let path = self.path.clone();
        FileError::Written { path, expected: self.shape.to_string(), got: got.to_string() }
    }
}

/// All features at once, as [`FeatureWriter`] writes them.
///
/// # Errors
/// If the file cannot be written (what stood there before is kept), or there is another number of
/// labels than of rows.
pub fn write_features(
    path: &Path,
    features: &Features,
    companions: Companions<'_>,
) -> Result<(), FileError> {
    let classes = features.logits().map_or(0, |logits| logits.classes);
    let shape = FeatureShape { n: features.len(), dim: features.dim(), classes };
    let mut writer = FeatureWriter::create(path, shape)?;
    writer.push(features)?;
    writer.finish_with(companions)
}

/// Writes `mu` f64 `[d]`, `sigma` f64 `[d, d]` and, where known, the number of images `n`, i64, and
/// `meta.json`. This is what pytorch-fid and TTUR read.
///
/// # Errors
/// If the file cannot be written; what stood there before is kept.
pub fn write_statistics(
    path: &Path,
    statistics: &Statistics,
    companions: Companions<'_>,
) -> Result<(), FileError> {
    let write = || {
        let d = statistics.dim();
        let mut npz = NpzWriter::create(path)?;
        npz.array("mu", &[d], statistics.mean())?;
        npz.array("sigma", &[d, d], statistics.covariance())?;
        if let Some(n) = statistics.n() {
            npz.array("n", &[], &[n as i64])?;
        }
        write_companions(&mut npz, companions)?;
        npz.finish()
    };
    write().map_err(failed(path))
}

fn write_companions(npz: &mut NpzWriter, companions: Companions<'_>) -> io::Result<()> {
    if let Some(labels) = companions.labels {
        npz.array("labels", &[labels.len()], labels)?;
    }
    let Some(meta) = companions.meta else { return Ok(()) };
    let json = meta.to_json();
    npz.begin::<u8>(meta::MEMBER, &[json.len()])?;
    npz.write(json)
}

fn failed(path: &Path) -> impl Fn(io::Error) -> FileError + use<> {
    let path = path.to_owned();
    move |source| FileError::Io { action: "write", path: path.clone(), source }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
