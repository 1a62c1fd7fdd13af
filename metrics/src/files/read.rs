//! Reading features and statistics.

use std::io::{Read as _, Seek as _};
use std::path::Path;

use ganbench_data::numpy::{Archive, Array, Element, Input, Kind};
use ganbench_files::{self as files, memory};
use ganbench_nn::kernels::Real;

use super::keys::{self, StatisticsKeys};
use super::{FileError, FileMeta, WideFeatures, meta};
use crate::features::{Features, Logits};
use crate::numerics::statistics::Statistics;
use crate::recognition::Recognition;

/// Two million images of 2048 f32 numbers; keeps a wrong path from filling the memory.
const LARGEST: usize = 16 << 30;
/// Numbers are converted in pieces of about so many bytes.
const PIECE: usize = 1 << 20;

/// What a file of features holds.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureFile {
    /// Stored as f32, or as f16 and widened without loss.
    Features(Features),
    /// Stored as f64.
    Wide(WideFeatures),
    /// Mean and covariance in place of the features of single images.
    Statistics(Statistics),
}

/// What a file holds, and what it says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFeatures {
    /// The numbers of the file.
    pub content: FeatureFile,
    /// None of a file that another tool wrote.
    pub meta: Option<FileMeta>,
    /// The class of each image.
    pub labels: Option<Vec<u32>>,
    /// Of statistics: which members they were read from.
    pub keys: Option<StatisticsKeys>,
}

impl StoredFeatures {
    /// Reads a `.npz` or `.npy` file, told apart by their first bytes:
    ///
    /// - `.npz` with `pool` `[n, d]` and, if there, `logits` `[n, classes]`: features;
    /// - `.npz` with `mu` `[d]` and `sigma` `[d, d]`, and the number of images in `n` or
    ///   `num_images` if there: statistics. Alone, `mean` and `cov`, `m` and `s`, `mean` and
    ///   `sigma`, or `feats_mean` and `feats_cov` are the same;
    /// - `.npz` with `arr_0` alone, or `.npy`: features `[n, d]`.
    ///
    /// Numbers are floats of 16, 32 or 64 bits in either byte order, in C or Fortran order. Beside
    /// `pool` or `mu`, [`FileMeta`] is read where it is there, and beside `pool` integer `labels`
    /// `[n]`.
    ///
    /// # Errors
    /// If the file is damaged (with the offset), holds none of these, a shape or kind is another, a
    /// number is not finite (with its row), sigma is not symmetric, or several pairs of names could
    /// be meant.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let io = |source| FileError::Io { action: "open", path: path.into(), source };
        let file = files::open(path).map_err(io)?;
        Self::from_input(&path.display().to_string(), Box::new(file))
    }

    /// As [`Self::read`], of bytes from anywhere, which errors call `origin`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_input(origin: &str, mut input: Box<dyn Input>) -> Result<Self, FileError> {
        let path = origin.into();
        let io = |source| FileError::Io { action: "read", path, source };
        let mut start = Vec::new();
        input.by_ref().take(6).read_to_end(&mut start).and_then(|_| input.rewind()).map_err(io)?;
        let plain = |content| Self { content, meta: None, labels: None, keys: None };
        if start == b"\x93NUMPY" {
            let mut array = Array::npy(origin, input)?;
            return Ok(plain(features(&mut array, None)?));
        }
        if !start.starts_with(b"PK") {
            return Err(FileError::Format { origin: origin.into(), start });
        }
        let mut archive = Archive::open(origin, input)?;
        let has = |name: &str| archive.contains(name);
        let half = |found, missing| FileError::Half { origin: origin.into(), found, missing };
        if has("pool") {
            let logits = match has("logits") {
                true => Some(matrix(&mut archive.array("logits")?)?),
                false => None,
            };
            let mut content = features(&mut archive.array("pool")?, logits)?;
            if archive.contains("recognised") {
                content = with_recognitions(content, &mut archive.array("recognised")?)?;
            }
            let labels = match archive.contains("labels") {
                true => Some(labels(&mut archive.array("labels")?, content.rows())?),
                false => None,
            };
            return Ok(Self { content, meta: file_meta(&mut archive)?, labels, keys: None });
        }
        if let Some(keys) = keys::find(&archive, origin)? {
            let statistics = statistics(&mut archive, keys)?;
            let meta = file_meta(&mut archive)?;
            // Without a description nobody says that these are labels of the same images.
            let labels = match (archive.contains("labels") && meta.is_some(), statistics.n()) {
                (true, Some(n)) => Some(labels(&mut archive.array("labels")?, n)?),
                _ => None,
            };
            let content = FeatureFile::Statistics(statistics);
            return Ok(Self { content, meta, labels, keys: Some(keys) });
        }
        match (has("mu"), has("sigma")) {
            (true, _) => return Err(half("mu", "sigma")),
            (_, true) => return Err(half("sigma", "mu")),
            (false, false) => {}
        }
        if archive.names() == ["arr_0"] {
            return Ok(plain(features(&mut archive.array("arr_0")?, None)?));
        }
        let found = archive.names().join(", ");
        Err(FileError::NoFeatures { origin: origin.into(), found })
    }
}

impl FeatureFile {
    /// [`StoredFeatures::read`] of the numbers alone.
    ///
    /// # Errors
    /// As [`StoredFeatures::read`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(StoredFeatures::read(path)?.content)
    }

    /// [`StoredFeatures::from_input`] of the numbers alone.
    ///
    /// # Errors
    /// As [`StoredFeatures::read`].
    pub fn from_input(origin: &str, input: Box<dyn Input>) -> Result<Self, FileError> {
        Ok(StoredFeatures::from_input(origin, input)?.content)
    }

    /// Images whose features it holds; 0 of statistics.
    fn rows(&self) -> usize {
        match self {
            Self::Features(features) => features.len(),
            Self::Wide(features) => features.len(),
            Self::Statistics(_) => 0,
        }
    }
}

fn file_meta(archive: &mut Archive) -> Result<Option<FileMeta>, FileError> {
    if !archive.contains(meta::MEMBER) {
        return Ok(None);
    }
    let mut array = archive.array(meta::MEMBER)?;
    let (origin, header) = (array.origin().to_owned(), array.header());
    if header.element.kind != Kind::Unsigned || header.element.bytes != 1 {
        let found = header.element.to_string();
        return Err(FileError::Kind { origin, found, expected: "bytes of JSON" });
    }
    let (bytes, most) = (header.data_bytes(), meta::MOST_BYTES);
    if bytes > most {
        return Err(FileError::TooLarge { origin, bytes, most });
    }
    Ok(Some(FileMeta::from_json(&origin, &array.read_all()?)?))
}

/// The class of each of `n` images.
fn labels(array: &mut Array<'_>, n: usize) -> Result<Vec<u32>, FileError> {
    let (origin, header) = (array.origin().to_owned(), array.header());
    let element = header.element;
    if !matches!(element.kind, Kind::Unsigned | Kind::Signed) {
        let found = element.to_string();
        return Err(FileError::Kind {
            origin,
            found,
            expected: "whole numbers, one for each image",
        });
    }
    if header.numbers != n || header.shape.first() != Some(&n) {
        return Err(FileError::Labels { origin, labels: header.numbers, n });
    }
    let bytes = array.read_all()?;
    let label = |(row, stored): (usize, &[u8])| {
        let label = integer(element, stored.to_vec());
        u32::try_from(label).map_err(|_| FileError::Label { origin: origin.clone(), row, label })
    };
    bytes.chunks_exact(element.bytes).enumerate().map(label).collect()
}

/// Of at most 8 bytes as stored.
fn integer(element: Element, mut stored: Vec<u8>) -> i64 {
    if element.big_endian {
        stored.reverse();
    }
    let negative = element.kind == Kind::Signed && stored.last().is_some_and(|&b| b & 0x80 != 0);
    stored.resize(8, if negative { 0xff } else { 0 });
    i64::from_le_bytes(stored.try_into().unwrap_or_default())
}

/// Numbers with as many bits as the file has.
enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

struct Matrix {
    rows: usize,
    columns: usize,
    numbers: Numbers,
}

fn features(array: &mut Array<'_>, logits: Option<Matrix>) -> Result<FeatureFile, FileError> {
    let pool = matrix(array)?;
    if let Some(logits) = logits.as_ref().filter(|logits| logits.rows != pool.rows) {
        let source = crate::MetricError::LogitRows { pool: pool.rows, logits: logits.rows };
        return Err(FileError::Metric { origin: array.origin().into(), source });
    }
    let failed = |source| FileError::Metric { origin: array.origin().into(), source };
    let dim = pool.columns;
    Ok(match (pool.numbers, logits) {
        (Numbers::F32(pool), None) => {
            FeatureFile::Features(Features::new(dim, pool, None).map_err(failed)?)
        }
        (
            Numbers::F32(pool),
            Some(Matrix { columns: classes, numbers: Numbers::F32(values), .. }),
        ) => {
            let logits = Some(Logits { classes, values });
            FeatureFile::Features(Features::new(dim, pool, logits).map_err(failed)?)
        }
        // Where one of the two has more digits, both are kept in f64.
        (pool, logits) => FeatureFile::Wide(WideFeatures {
            dim,
            pool: pool.widened(),
            logits: logits.map(|logits| (logits.columns, logits.numbers.widened())),
        }),
    })
}

/// The member `recognised`: a row of factors and misfit for each image.
fn with_recognitions(
    content: FeatureFile,
    array: &mut Array<'_>,
) -> Result<FeatureFile, FileError> {
    let FeatureFile::Features(features) = content else { return Ok(content) };
    let origin = array.origin().to_string();
    let failed = |source| FileError::Metric { origin: origin.clone(), source };
    let matrix = matrix(array)?;
    let Numbers::F32(values) = matrix.numbers else { return Ok(FeatureFile::Features(features)) };
    let (rows, rest) = values.as_chunks();
    if !rest.is_empty() || matrix.columns != Recognition::VALUES {
        let source = crate::MetricError::PartialRow { len: values.len(), dim: Recognition::VALUES };
        return Err(failed(source));
    }
    let kinds =
        |(row, values)| Recognition::from_values(values).ok_or(crate::MetricError::NoKind { row });
    let rows: Result<Vec<_>, _> = rows.iter().enumerate().map(kinds).collect();
    let rows = rows.map_err(failed)?;
    Ok(FeatureFile::Features(features.with_recognitions(rows).map_err(failed)?))
}

pub(super) fn statistics(
    archive: &mut Archive,
    [mu, sigma]: StatisticsKeys,
) -> Result<Statistics, FileError> {
    let mut array = archive.array(mu)?;
    let origin = array.origin().to_owned();
    let &[d] = array.header().shape.as_slice() else {
        return Err(shape(&array, "[d]"));
    };
    if d == 0 {
        return Err(FileError::Empty { origin });
    }
    let mean = numbers(&mut array, d)?.widened();
    drop(array);
    let mut array = archive.array(sigma)?;
    let origin = array.origin().to_owned();
    if array.header().shape != [d, d] {
        return Err(shape(&array, &format!("[{d}, {d}], as {mu} has shape [{d}]")));
    }
    let covariance = numbers(&mut array, d)?.widened();
    drop(array);
    let name = ["n", "num_images"].into_iter().find(|name| archive.contains(name));
    let n = name.map(|name| count(&mut archive.array(name)?)).transpose()?;
    let statistics = Statistics::from_parts(n, mean, covariance);
    statistics.map_err(|source| FileError::Metric { origin, source })
}

/// A number of images: an integer `[]` or `[1]`.
fn count(array: &mut Array<'_>) -> Result<usize, FileError> {
    let element = array.header().element;
    let expected = "one integer, the number of images";
    if array.header().numbers != 1 {
        return Err(shape(array, expected));
    }
    if !matches!(element.kind, Kind::Unsigned | Kind::Signed) {
        let (origin, found) = (array.origin().into(), array.header().element.to_string());
        return Err(FileError::Kind { origin, found, expected });
    }
    let value = integer(element, array.read_all()?);
    let origin = array.origin().to_owned();
    usize::try_from(value).map_err(|_| FileError::Count { origin, value })
}

fn shape(array: &Array<'_>, expected: &str) -> FileError {
    FileError::Shape {
        origin: array.origin().into(),
        shape: array.header().shape.clone(),
        expected: expected.into(),
    }
}

/// Rows of features.
fn matrix(array: &mut Array<'_>) -> Result<Matrix, FileError> {
    let header = array.header();
    if header.element.kind == Kind::Unsigned && header.shape.len() == 4 {
        let shape = header.shape.clone();
        return Err(FileError::Images { origin: array.origin().into(), shape });
    }
    let &[rows, columns] = header.shape.as_slice() else {
        return Err(shape(array, "[n, d]"));
    };
    if header.numbers == 0 {
        return Err(FileError::Empty { origin: array.origin().into() });
    }
    let fortran = header.fortran_order;
    let numbers = numbers(array, if fortran { rows } else { columns })?;
    let numbers = match numbers {
        numbers if !fortran => numbers,
        Numbers::F32(values) => Numbers::F32(transposed(&values, rows)),
        Numbers::F64(values) => Numbers::F64(transposed(&values, rows)),
    };
    Ok(Matrix { rows, columns, numbers })
}

/// From column-major with `rows` numbers a column.
fn transposed<T: Copy>(values: &[T], rows: usize) -> Vec<T> {
    (0..rows).flat_map(|row| values.iter().skip(row).step_by(rows).copied()).collect()
}

/// All numbers of an array as stored, checked to be finite; `line` numbers stand beside one
/// another.
fn numbers(array: &mut Array<'_>, line: usize) -> Result<Numbers, FileError> {
    let header = array.header();
    let (element, bytes) = (header.element, header.data_bytes());
    let origin = || array.origin().to_owned();
    if element.kind != Kind::Float {
        let expected = "floats of 16, 32 or 64 bits";
        return Err(FileError::Kind { origin: origin(), found: element.to_string(), expected });
    }
    if bytes > LARGEST {
        return Err(FileError::TooLarge { origin: origin(), bytes, most: LARGEST });
    }
    let what = || format!("a copy of the numbers of {}", array.origin());
    let _held = memory::ask_for(header.numbers, element.bytes.max(4), what)?;
    match element.bytes {
        2 => Ok(Numbers::F32(converted(array, line, |b: [u8; 2]| {
            half::f16::from_le_bytes(b).to_f32()
        })?)),
        4 => Ok(Numbers::F32(converted(array, line, f32::from_le_bytes)?)),
        _ => Ok(Numbers::F64(converted(array, line, f64::from_le_bytes)?)),
    }
}

fn converted<T: Real, const BYTES: usize>(
    array: &mut Array<'_>,
    line: usize,
    convert: impl Fn([u8; BYTES]) -> T,
) -> Result<Vec<T>, FileError> {
    let header = array.header();
    let (big_endian, total) = (header.element.big_endian, header.numbers);
    let fortran = header.fortran_order;
    let mut out: Vec<T> = Vec::new();
    while out.len() < total {
        let piece = (total - out.len()).min(PIECE / BYTES);
        let bytes = array.read(piece * BYTES)?;
        let memory =
            |_| FileError::Memory { origin: array.origin().into(), bytes: total * size_of::<T>() };
        out.try_reserve(piece).map_err(memory)?;
        for &stored in bytes.as_chunks::<BYTES>().0 {
            let mut stored = stored;
            if big_endian {
                stored.reverse();
            }
            let value = convert(stored);
            if !value.f64().is_finite() {
                let at = out.len();
                let row = if fortran { at % line } else { at / line };
                let (origin, value) = (array.origin().into(), value.f64());
                return Err(FileError::NonFinite { origin, row, value });
            }
            out.push(value);
        }
    }
    Ok(out)
}

impl Numbers {
    fn widened(self) -> Vec<f64> {
        match self {
            Self::F32(values) => values.into_iter().map(f64::from).collect(),
            Self::F64(values) => values,
        }
    }
}
