//! Parquet files of encoded images, one row group at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use polars::prelude::*;
use rayon::prelude::*;

use super::bytes::{ArrayFormat, Backing};
use super::encoded::{decode_sized, place, size};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, pages};
use crate::data::DataError;
use crate::data::parquet::{describe, guarded};

const EXPECTED: &str = "image or img, of encoded images: binary, or a struct with bytes: binary";

/// Far above any file of different images.
const MOST_ROWS_PER_BYTE: u64 = 64;
/// Writers of such files make groups of 100 to 10,000 rows. One group is held at a time.
const MOST_GROUP_ROWS: usize = 1 << 22;

pub(super) struct Source {
    name: String,
    backing: Backing,
    image_column: String,
    label_column: Option<String>,
    /// Rows of each row group.
    groups: Vec<usize>,
    /// Row groups read so far, and their rows.
    read: (usize, usize),
    len: usize,
    given: usize,
    waiting: VecDeque<Row>,
}

struct Row {
    bytes: Vec<u8>,
    label: Option<u32>,
}

impl Source {
    pub(super) fn open(backing: Backing, request: &SourceRequest) -> Result<Self, SourceError> {
        let path = backing.path().to_owned();
        let (schema, groups) = guarded(&path, || {
            let mut reader = ParquetReader::new(reader(&backing)?);
            let schema = Schema::from_arrow_schema(reader.schema()?.as_ref());
            let groups = &reader.get_metadata()?.row_groups;
            Ok((schema, groups.iter().map(|group| group.num_rows()).collect::<Vec<_>>()))
        })?;
        let image_column = ["image", "img"]
            .into_iter()
            .find(|name| schema.get(name).is_some_and(is_image))
            .ok_or_else(|| {
                let found: Vec<_> = schema.iter().map(|(n, dtype)| describe(n, dtype)).collect();
                let (path, found) = (path.clone(), found.join(", "));
                SourceError::Columns { path, expected: EXPECTED, found }
            })?;
        let label_column = ["label", "labels"]
            .into_iter()
            .find(|name| schema.get(name).is_some_and(DataType::is_integer));
        let rows = groups.iter().try_fold(0usize, |n, &rows| n.checked_add(rows));
        let rows = rows.ok_or_else(|| damaged(&path, "its row groups overflow"))?;
        if rows == 0 {
            return Err(DataError::EmptyParquet { path }.into());
        }
        // polars takes memory for the rows that the file claims, and ends the process where there is none.
        let bytes = backing.len()?;
        let most = bytes.saturating_mul(MOST_ROWS_PER_BYTE);
        let largest = groups.iter().copied().max().unwrap_or(0);
        if rows as u64 > most || largest > MOST_GROUP_ROWS {
            let reason = format!(
                "it claims {rows} rows in {bytes} bytes, {largest} of them in one row group (at most \
                 {MOST_GROUP_ROWS} are read)"
            );
            return Err(damaged(&path, &reason));
        }
        Ok(Self {
            name: request.text.clone(),
            image_column: image_column.into(),
            label_column: label_column.map(Into::into),
            groups,
            read: (0, 0),
            len: request.count(rows),
            given: 0,
            waiting: VecDeque::new(),
            backing,
        })
    }

    /// Walks the page headers of the columns that are read of a row group.
    fn check_pages(&self, group: usize, rows: usize) -> Result<(), SourceError> {
        let path = self.backing.path();
        let names = [Some(&self.image_column), self.label_column.as_ref()];
        let ranges = guarded(path, || {
            let mut reader = ParquetReader::new(reader(&self.backing)?);
            let columns = reader.get_metadata()?.row_groups[group].parquet_columns().iter();
            let is_read =
                |root: &PlSmallStr| names.iter().flatten().any(|n| n.as_str() == root.as_str());
            let read = columns
                .filter(|column| column.descriptor().path_in_schema.first().is_some_and(is_read));
            Ok(read.map(|column| (column.byte_range(), column.num_values())).collect::<Vec<_>>())
        })?;
        let length = self.backing.len()?;
        let mut input = self.backing.input()?;
        for (range, values) in ranges {
            // More values than rows are lists; polars would read on behind the pages that are checked.
            if i64::try_from(rows) != Ok(values) {
                let reason = format!("row group {group} has {rows} rows but {values} of a column");
                return Err(damaged(path, &reason));
            }
            if range.start > range.end || range.end > length {
                return Err(damaged(path, "a column reaches beyond its end"));
            }
            input.seek(SeekFrom::Start(range.start)).map_err(SourceError::io("read", path))?;
            let mut chunk = vec![0; (range.end - range.start) as usize];
            input.read_exact(&mut chunk).map_err(SourceError::io("read", path))?;
            pages::check(&chunk, rows).map_err(|reason| {
                damaged(path, &format!("row group {group} has {reason} of a column"))
            })?;
        }
        Ok(())
    }

    /// Reads the next row group.
    fn refill(&mut self) -> Result<(), SourceError> {
        let (group, start) = self.read;
        let path = self.backing.path().to_owned();
        let rows = *self.groups.get(group).ok_or_else(|| damaged(&path, "rows are missing"))?;
        self.read = (group + 1, start + rows);
        let wanted = rows.min(self.len - start);
        self.check_pages(group, rows)?;
        let columns = [Some(&self.image_column), self.label_column.as_ref()];
        let columns = columns.into_iter().flatten().cloned().collect();
        let (images, labels) = guarded(&path, || {
            let frame = ParquetReader::new(reader(&self.backing)?)
                .with_columns(Some(columns))
                .with_slice(Some((start, wanted)))
                .finish()?;
            let images = frame.column(&self.image_column)?;
            let images = match images.dtype() {
                DataType::Struct(_) => images.struct_()?.field_by_name("bytes")?,
                _ => images.as_materialized_series().clone(),
            };
            let labels = match &self.label_column {
                Some(name) => Some(frame.column(name)?.strict_cast(&DataType::Int64)?),
                None => None,
            };
            let labels = labels.map(|labels| labels.i64().cloned()).transpose()?;
            // Taken out here, since damaged offsets show only when the bytes are asked for.
            let images = images.binary()?.iter().map(|b| b.map(<[u8]>::to_vec)).collect::<Vec<_>>();
            let labels = labels.map(|labels| labels.iter().collect::<Vec<_>>());
            Ok((images, labels))
        })?;
        if images.len() != wanted || labels.as_ref().is_some_and(|l| l.len() != wanted) {
            let found = format!("{} of {wanted} rows of a group can be read", images.len());
            return Err(damaged(&path, &found));
        }
        for (i, bytes) in images.into_iter().enumerate() {
            let row = start + i;
            let null = |column| DataError::Null { path: path.clone(), row, column };
            let bytes = bytes.ok_or_else(|| null("image"))?;
            let label = match &labels {
                None => None,
                Some(labels) => {
                    let label = labels[i].ok_or_else(|| null("label"))?;
                    let origin = || self.backing.origin();
                    let wrong =
                        |_| SourceError::Label { origin: origin(), row, label: label.into() };
                    Some(u32::try_from(label).map_err(wrong)?)
                }
            };
            self.waiting.push_back(Row { bytes, label });
        }
        Ok(())
    }
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.len
    }

    fn has_labels(&self) -> bool {
        self.label_column.is_some()
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let n = n.min(self.len - self.given);
        if n == 0 {
            return Ok(Vec::new());
        }
        while self.waiting.is_empty() {
            self.refill()?;
        }
        // At most to the end of the row group, so that one at a time is held.
        let n = n.min(self.waiting.len());
        let path = self.backing.path();
        let name = |i: usize| place(path, Some(self.given + i));
        let mut sizes = Vec::new();
        let mut held = 0;
        for (i, row) in self.waiting.iter().take(n).enumerate() {
            let size = size(&row.bytes, &name(i))?;
            held += size.bytes();
            if held > BLOCK_BYTES && !sizes.is_empty() {
                break;
            }
            sizes.push(size);
        }
        let rows: Vec<Row> = self.waiting.drain(..sizes.len()).collect();
        let decoded: Vec<Result<Image, SourceError>> = rows
            .par_iter()
            .zip(&sizes)
            .enumerate()
            .map(|(i, (row, &size))| decode_sized(&row.bytes, size, row.label, &name(i)))
            .collect();
        let images = decoded.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.given += images.len();
        Ok(images)
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        self.backing.sha256(ArrayFormat::Parquet, self.len)
    }
}

fn is_image(dtype: &DataType) -> bool {
    match dtype {
        DataType::Binary => true,
        DataType::Struct(fields) => {
            fields.iter().any(|f| f.name() == "bytes" && f.dtype() == &DataType::Binary)
        }
        _ => false,
    }
}

fn reader(backing: &Backing) -> PolarsResult<Box<dyn polars::io::mmap::MmapBytesReader>> {
    Ok(match backing {
        Backing::File(path) => Box::new(File::open(path)?),
        Backing::Memory { bytes, .. } => Box::new(Cursor::new(bytes.to_vec())),
    })
}

fn damaged(path: &std::path::Path, reason: &str) -> SourceError {
    let path = PathBuf::from(path);
    DataError::Parquet { path, reason: reason.into() }.into()
}
