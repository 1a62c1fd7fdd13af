//! Writing features and statistics: `.npz` with stored members, as `numpy.savez` makes them.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read as _, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ganbench_files::shared;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{FileError, FileMeta, meta};
use crate::features::Features;
use crate::numerics::statistics::Statistics;
use crate::recognition::Recognition;

/// Size of the arrays of a file of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureShape {
    /// Number of images.
    pub n: usize,
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
    npz: Npz,
    /// A zip archive takes one member after the other, so logits wait here.
    logits: Option<BufWriter<File>>,
    /// Few values per image.
    recognised: Vec<f32>,
}

impl FeatureWriter {
    /// # Errors
    /// If the folder of `path` cannot be made or written to.
    pub fn create(path: &Path, shape: FeatureShape) -> Result<Self, FileError> {
        let mut npz = Npz::create(path)?;
        npz.start("pool", "<f4", &[shape.n, shape.dim])?;
        let spool = || tempfile::tempfile_in(folder(path)).map_err(npz.failed());
        let logits = if shape.classes > 0 { Some(BufWriter::new(spool()?)) } else { None };
        Ok(Self { shape, written: 0, npz, logits, recognised: Vec::new() })
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
        self.npz.write(features.pool().iter().flat_map(|v| v.to_le_bytes()))?;
        if let (Some(spool), Some(logits)) = (&mut self.logits, features.logits()) {
            let failed = self.npz.failed();
            put(spool, logits.values.iter().flat_map(|v| v.to_le_bytes())).map_err(failed)?;
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
        if let Some(spool) = self.logits.take() {
            self.npz.start("logits", "<f4", &[self.shape.n, self.shape.classes])?;
            let mut spool = spool.into_inner().map_err(|e| self.npz.failed()(e.into_error()))?;
            spool.rewind().map_err(self.npz.failed())?;
            let mut piece = vec![0; 1 << 16];
            loop {
                match spool.read(&mut piece).map_err(self.npz.failed())? {
                    0 => break,
                    n => self.npz.write(piece[..n].iter().copied())?,
                }
            }
        }
        if self.shape.n > 0 && self.recognised.len() == self.shape.n * Recognition::VALUES {
            self.npz.start("recognised", "<f4", &[self.shape.n, Recognition::VALUES])?;
            self.npz.write(self.recognised.iter().flat_map(|v| v.to_le_bytes()))?;
        }
        if let Some(labels) = companions.labels.filter(|labels| labels.len() != self.shape.n) {
            let origin = self.npz.path.display().to_string();
            return Err(FileError::Labels { origin, labels: labels.len(), n: self.shape.n });
        }
        self.npz.companions(companions)?;
        self.npz.finish()
    }

    fn unlike(&self, got: FeatureShape) -> FileError {
        let path = self.npz.path.clone();
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
    let d = statistics.dim();
    let mut npz = Npz::create(path)?;
    npz.start("mu", "<f8", &[d])?;
    npz.write(statistics.mean().iter().flat_map(|v| v.to_le_bytes()))?;
    npz.start("sigma", "<f8", &[d, d])?;
    npz.write(statistics.covariance().iter().flat_map(|v| v.to_le_bytes()))?;
    if let Some(n) = statistics.n() {
        npz.start("n", "<i8", &[])?;
        npz.write((n as i64).to_le_bytes().into_iter())?;
    }
    npz.companions(companions)?;
    npz.finish()
}

/// An archive in a temporary file beside `path`.
struct Npz {
    path: PathBuf,
    zip: ZipWriter<Unfinished>,
}

/// Takes everything in silence once a write failed: an archive that is given up would else try to
/// end the file, and report on stderr that it cannot.
struct Unfinished {
    file: BufWriter<shared::Unfinished>,
    failed: bool,
}

impl Unfinished {
    fn noting<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.failed |= result.as_ref().is_err_and(|e| e.kind() != ErrorKind::Interrupted);
        result
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let result = self.file.write(bytes);
        self.noting(result)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let result = self.file.flush();
        self.noting(result)
    }
}

impl Seek for Unfinished {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        if self.failed {
            return Ok(0);
        }
        let result = self.file.seek(to);
        self.noting(result)
    }
}

impl Npz {
    fn create(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Io { action: "write", path: path.into(), source };
        let file = shared::Unfinished::beside(path).map_err(failed)?;
        Ok(Self {
            path: path.into(),
            zip: ZipWriter::new(Unfinished { file: BufWriter::new(file), failed: false }),
        })
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> FileError + use<> {
        let path = self.path.clone();
        move |source| FileError::Io { action: "write", path: path.clone(), source }
    }

    /// Begins an array in C order. Source of the layout: `numpy/lib/format.py`, version 1.0.
    fn start(&mut self, name: &str, descr: &str, shape: &[usize]) -> Result<(), FileError> {
        let failed = self.failed();
        // The time is left out, so that equal features give equal files; large, since the size
        // comes before the data.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        let name = format!("{name}.npy");
        self.zip.start_file(name, options).map_err(|e| failed(e.into()))?;
        let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
        let axes = if shape.len() > 1 { axes.trim_end_matches(", ") } else { axes.trim_end() };
        let dictionary =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
        // The numbers begin at a multiple of 64.
        let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((length as u16).to_le_bytes());
        header.extend(format!("{dictionary:<width$}\n", width = length - 1).into_bytes());
        self.zip.write_all(&header).map_err(failed)
    }

    fn write(&mut self, bytes: impl Iterator<Item = u8>) -> Result<(), FileError> {
        let failed = self.failed();
        put(&mut self.zip, bytes).map_err(failed)
    }

    fn companions(&mut self, companions: Companions<'_>) -> Result<(), FileError> {
        if let Some(labels) = companions.labels {
            self.start("labels", "<u4", &[labels.len()])?;
            self.write(labels.iter().flat_map(|label| label.to_le_bytes()))?;
        }
        let Some(meta) = companions.meta else { return Ok(()) };
        let json = meta.to_json();
        self.start(meta::MEMBER, "|u1", &[json.len()])?;
        self.write(json.into_iter())
    }

    fn finish(self) -> Result<(), FileError> {
        let failed = self.failed();
        let Unfinished { file, failed: gave_up } =
            self.zip.finish().map_err(|e| failed(e.into()))?;
        if gave_up {
            return Err(failed(std::io::Error::other("an earlier write failed")));
        }
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_all().map_err(&failed)?;
        file.persist(&self.path).map_err(failed)
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// In pieces, since a write a number would be slow.
fn put(out: &mut impl Write, bytes: impl Iterator<Item = u8>) -> std::io::Result<()> {
    let mut piece = Vec::with_capacity(1 << 16);
    for byte in bytes {
        piece.push(byte);
        if piece.len() == 1 << 16 {
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    out.write_all(&piece)
}
