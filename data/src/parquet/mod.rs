//! The one door to Parquet files: images, labels, results and guard files are read through it.
//!
//! polars allocates by what page headers claim, and ends the process where there is no such memory;
//! it also panics on some damaged files. So the counts of the footer and the headers of all pages
//! that are to be read are checked (`pages.rs`), the budget of memory is asked, and panics become
//! errors. The footer is parsed once.

mod pages;

use std::fs::File;
use std::io::Cursor;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ganbench_files::{self as files, memory, panics};
use polars::io::mmap::MmapBytesReader;
use polars::io::parquet::metadata::FileMetadataRef;
use polars::prelude::*;
use thiserror::Error;

use crate::numpy::Input;

/// Far above any file of different rows.
const MOST_ROWS_PER_BYTE: u64 = 64;
/// Writers of such files make groups of 100 to 10,000 rows. One group is held at a time.
const MOST_GROUP_ROWS: usize = 1 << 22;
/// What polars holds of a row beside its bytes: where these are, and whether it is null.
const BYTES_OF_A_ROW: u64 = 32;

/// A Parquet file that cannot be read.
#[derive(Debug, Error)]
// Each variant's message says what its fields are.
#[allow(missing_docs)]
pub enum ParquetError {
    #[error("cannot {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is not a whole Parquet file: {reason}; copy it or download it again")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path} cannot be read: {source}")]
    Memory { path: PathBuf, source: memory::NoMemory },
}

/// A file whose footer was read and checked.
pub struct ParquetFile {
    backing: Backing,
    length: u64,
    metadata: FileMetadataRef,
    schema: Schema,
    /// Rows of each row group.
    groups: Vec<usize>,
}

enum Backing {
    File(PathBuf),
    Memory { name: PathBuf, bytes: Arc<[u8]> },
}

impl ParquetFile {
    /// # Errors
    /// If the file cannot be read, is damaged, or claims more than it can hold.
    pub fn open(path: &Path) -> Result<Self, ParquetError> {
        let length =
            files::open(path).and_then(|file| file.metadata()).map_err(io("open", path))?;
        Self::new(Backing::File(path.to_owned()), length.len())
    }

    /// Of bytes in memory, which errors call `name`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(name: &Path, bytes: Arc<[u8]>) -> Result<Self, ParquetError> {
        let length = bytes.len() as u64;
        Self::new(Backing::Memory { name: name.to_owned(), bytes }, length)
    }

    fn new(backing: Backing, length: u64) -> Result<Self, ParquetError> {
        let path = backing.path();
        let input = backing.reader()?;
        let (metadata, schema, groups) = guarded(path, || {
            let mut reader = ParquetReader::new(input);
            let schema = Schema::from_arrow_schema(reader.schema()?.as_ref());
            let metadata = reader.get_metadata()?.clone();
            let groups = metadata.row_groups.iter().map(|group| group.num_rows());
            let groups: Vec<usize> = groups.collect();
            Ok((metadata, schema, groups))
        })?;
        check_rows(path, &groups, length)?;
        Ok(Self { backing, length, metadata, schema, groups })
    }

    /// What errors call it.
    pub fn path(&self) -> &Path {
        self.backing.path()
    }

    /// What its writer noted beside the rows under this key.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = self.metadata.key_value_metadata().iter().flatten();
        notes.rev().find(|note| note.key == key)?.value.as_deref()
    }

    /// The columns of the file, as its footer describes them.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Rows of each row group.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    /// Rows of all row groups.
    pub fn rows(&self) -> usize {
        self.groups.iter().sum()
    }

    /// One column of these rows of the file, which lie in these row groups.
    ///
    /// # Errors
    /// If pages claim more than there is, there is too little memory, or the file cannot be read.
    pub fn read(
        &self,
        column: &str,
        groups: Range<usize>,
        rows: Range<usize>,
    ) -> Result<DataFrame, ParquetError> {
        self.read_columns(&[column], groups, rows)
    }

    /// All columns that hold one value in each row; lists and structures are left out.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_flat(&self) -> Result<DataFrame, ParquetError> {
        let flat = self.schema.iter().filter(|(_, dtype)| !dtype.is_nested());
        let columns: Vec<&str> = flat.map(|(name, _)| name.as_str()).collect();
        self.read_columns(&columns, 0..self.groups.len(), 0..self.rows())
    }

    fn read_columns(
        &self,
        columns: &[&str],
        groups: Range<usize>,
        rows: Range<usize>,
    ) -> Result<DataFrame, ParquetError> {
        let path = self.path();
        let mut claimed = (rows.len() as u64).saturating_mul(BYTES_OF_A_ROW * columns.len() as u64);
        for group in groups {
            claimed = claimed.saturating_add(self.check_pages(columns, group)?);
        }
        // Decompressed, and as polars holds it.
        let what = || format!("reading {} rows", rows.len());
        let held = memory::ask(claimed.saturating_mul(2), what);
        let _held =
            held.map_err(|source| ParquetError::Memory { path: path.to_owned(), source })?;
        let names = columns.iter().map(|name| (*name).to_owned()).collect();
        let input = self.backing.reader()?;
        let frame = guarded(path, || {
            let mut reader = ParquetReader::new(input)
                .with_columns(Some(names))
                .with_slice(Some((rows.start, rows.len())));
            reader.set_metadata(self.metadata.clone());
            reader.finish()
        })?;
        // polars takes the height from one column of a damaged file, and others may be shorter.
        let heights = frame.columns().iter().map(height);
        if let Some(height) = heights.chain([frame.height()]).find(|height| *height != rows.len())
            && !columns.is_empty()
        {
            let reason = format!("{height} of {} rows can be read", rows.len());
            return Err(damaged(path, reason));
        }
        Ok(frame)
    }

    /// Checks the page headers of the columns of one row group, and says how many bytes its pages
    /// claim.
    fn check_pages(&self, columns: &[&str], group: usize) -> Result<u64, ParquetError> {
        let path = self.path();
        let (rows, chunks) = guarded(path, || {
            let group = &self.metadata.row_groups[group];
            let read = group.parquet_columns().iter().filter(|column| {
                let root = column.descriptor().path_in_schema.first();
                root.is_some_and(|root| columns.contains(&root.as_str()))
            });
            let chunks = read.map(|column| (column.byte_range(), column.num_values()));
            Ok((group.num_rows(), chunks.collect::<Vec<_>>()))
        })?;
        let mut input = std::io::BufReader::new(self.backing.input()?);
        let mut claimed = 0u64;
        for (range, values) in chunks {
            // More values than rows are lists; polars would read on behind the pages that are
            // checked.
            if i64::try_from(rows) != Ok(values) {
                let reason = format!("row group {group} has {rows} rows but {values} of a column");
                return Err(damaged(path, reason));
            }
            if range.start > range.end || range.end > self.length {
                return Err(damaged(path, "a column reaches beyond its end".into()));
            }
            let size = pages::check(&mut input, range, rows).map_err(|reason| {
                damaged(path, format!("row group {group} has {reason} of a column"))
            })?;
            claimed = claimed.saturating_add(size);
        }
        Ok(claimed)
    }
}

/// Values that a column holds, whatever its length says.
fn height(column: &Column) -> usize {
    column.as_materialized_series().chunks().iter().map(|chunk| chunk.len()).sum()
}

impl Backing {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory { name, .. } => name,
        }
    }

    fn input(&self) -> Result<Box<dyn Input>, ParquetError> {
        Ok(match self {
            Self::File(path) => Box::new(open(path)?),
            Self::Memory { bytes, .. } => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }

    fn reader(&self) -> Result<Box<dyn MmapBytesReader>, ParquetError> {
        Ok(match self {
            Self::File(path) => Box::new(open(path)?),
            Self::Memory { bytes, .. } => Box::new(Cursor::new(Arc::clone(bytes))),
        })
    }
}

fn open(path: &Path) -> Result<File, ParquetError> {
    files::open(path).map_err(io("open", path))
}

/// Refuses more rows than a file of `bytes` bytes can hold: polars takes memory for as many, too.
fn check_rows(path: &Path, groups: &[usize], bytes: u64) -> Result<(), ParquetError> {
    let rows = groups.iter().try_fold(0usize, |n, &rows| n.checked_add(rows));
    let rows = rows.ok_or_else(|| damaged(path, "its row groups overflow".into()))?;
    let largest = groups.iter().copied().max().unwrap_or(0);
    if rows as u64 > bytes.saturating_mul(MOST_ROWS_PER_BYTE) || largest > MOST_GROUP_ROWS {
        let reason = format!(
            "it claims {rows} rows in {bytes} bytes, {largest} of them in one row group (at most \
             {MOST_GROUP_ROWS} are read)"
        );
        return Err(damaged(path, reason));
    }
    Ok(())
}

/// Runs one step of the reader, behind the boundary for panics.
///
/// # Errors
/// If the step fails or panics.
pub(crate) fn guarded<T>(
    path: &Path,
    step: impl FnOnce() -> PolarsResult<T>,
) -> Result<T, ParquetError> {
    match panics::caught(step) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(path, first_line(&error.to_string()))),
        Err(_) => Err(damaged(path, "the reader failed on damaged pages".into())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn damaged(path: &Path, reason: String) -> ParquetError {
    ParquetError::Damaged { path: path.into(), reason }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ParquetError + use<> {
    let path = path.to_owned();
    move |source| ParquetError::Io { action, path, source }
}
