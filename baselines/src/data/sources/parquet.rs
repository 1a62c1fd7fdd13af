//! Parquet files of encoded images, one row group at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;

use polars::prelude::*;
use rayon::prelude::*;

use super::bytes::{ArrayFormat, Backing};
use super::encoded::{decode_sized, place, size};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, pages};
use crate::data::DataError;
use crate::data::labels::Labels;
use crate::data::parquet::{describe, guarded, within};

const EXPECTED: &str = "image or img, of encoded images: binary, or a struct with bytes: binary";

pub(super) struct Source {
    name: String,
    backing: Backing,
    image_column: String,
    /// Of all rows.
    labels: Labels,
    /// Rows of each row group.
    groups: Vec<usize>,
    /// Row groups read so far, and their rows.
    read: (usize, usize),
    /// Rows to give, rising.
    rows: Vec<usize>,
    found: usize,
    given: usize,
    waiting: VecDeque<Row>,
}

struct Row {
    row: usize,
    bytes: Vec<u8>,
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
        let rows = pages::rows(&path, &groups, backing.len()?)?;
        if rows == 0 {
            return Err(DataError::EmptyParquet { path }.into());
        }
        let labels = match label_column {
            Some(column) => read_labels(&backing, column, &groups)?,
            None => Labels::default(),
        };
        let chosen = request.rows(rows, labels.known.as_deref());
        Ok(Self {
            name: request.text.clone(),
            image_column: image_column.into(),
            labels,
            groups,
            read: (0, 0),
            rows: chosen.unwrap_or_else(|| (0..rows).collect()),
            found: rows,
            given: 0,
            waiting: VecDeque::new(),
            backing,
        })
    }

    /// Reads the rows to give of the next row group.
    fn refill(&mut self) -> Result<(), SourceError> {
        let (group, start) = self.read;
        let path = self.backing.path().to_owned();
        let count = *self.groups.get(group).ok_or_else(|| damaged(&path, "rows are missing"))?;
        self.read = (group + 1, start + count);
        let rows = within(&self.rows, start, count);
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let wanted = last + 1 - first;
        check_pages(&self.backing, &self.image_column, group)?;
        let images = guarded(&path, || {
            let frame = ParquetReader::new(reader(&self.backing)?)
                .with_columns(Some(vec![self.image_column.clone()]))
                .with_slice(Some((first, wanted)))
                .finish()?;
            let images = frame.column(&self.image_column)?;
            let images = match images.dtype() {
                DataType::Struct(_) => images.struct_()?.field_by_name("bytes")?,
                _ => images.as_materialized_series().clone(),
            };
            let images = images.binary()?;
            if images.len() != wanted {
                return Ok(Err(images.len()));
            }
            // Taken out here, since damaged offsets show only when the bytes are asked for.
            let bytes = |&row: &usize| images.get(row - first).map(<[u8]>::to_vec);
            Ok(Ok(rows.iter().map(bytes).collect::<Vec<_>>()))
        })?;
        let images = images.map_err(|found| {
            damaged(&path, &format!("{found} of {wanted} rows of a group can be read"))
        })?;
        for (&row, bytes) in rows.iter().zip(images) {
            let null = || DataError::Null { path: path.clone(), row, column: "image" };
            self.waiting.push_back(Row { row, bytes: bytes.ok_or_else(null)? });
        }
        Ok(())
    }
}

/// The labels of all rows.
fn read_labels(backing: &Backing, column: &str, groups: &[usize]) -> Result<Labels, SourceError> {
    let path = backing.path();
    for index in 0..groups.len() {
        check_pages(backing, column, index)?;
    }
    let labels = guarded(path, || {
        let frame = ParquetReader::new(reader(backing)?)
            .with_columns(Some(vec![column.to_owned()]))
            .finish()?;
        let labels = frame.column(column)?.strict_cast(&DataType::Int64)?;
        let labels = labels.i64()?.iter().map(|label| label.map(i128::from));
        Ok(labels.collect::<Vec<_>>())
    })?;
    let rows: usize = groups.iter().sum();
    if labels.len() != rows {
        return Err(damaged(path, &format!("{} of {rows} labels can be read", labels.len())));
    }
    Ok(Labels::from_numbers(|row| format!("{} row {row}", path.display()), labels))
}

/// Of one row group.
fn check_pages(backing: &Backing, column: &str, index: usize) -> Result<(), SourceError> {
    let (path, input, length) = (backing.path(), backing.input()?, backing.len()?);
    let group = pages::Group { path, input, length, index, columns: &[column] };
    Ok(group.check(|| reader(backing))?)
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn has_labels(&self) -> bool {
        self.labels.known.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.labels.fault.as_deref()
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        let n = n.min(self.rows.len() - self.given);
        if n == 0 {
            return Ok(Vec::new());
        }
        while self.waiting.is_empty() {
            self.refill()?;
        }
        // At most to the end of the row group, so that one at a time is held.
        let n = n.min(self.waiting.len());
        let path = self.backing.path();
        let name = |row: &Row| place(path, Some(row.row));
        let mut sizes = Vec::new();
        let mut held = 0;
        for row in self.waiting.iter().take(n) {
            let size = size(&row.bytes, &name(row))?;
            held += size.bytes();
            if held > BLOCK_BYTES && !sizes.is_empty() {
                break;
            }
            sizes.push(size);
        }
        let rows: Vec<Row> = self.waiting.drain(..sizes.len()).collect();
        let label = |row: &Row| self.labels.known.as_ref().map(|known| known[row.row]);
        let decoded: Vec<Result<Image, SourceError>> = rows
            .par_iter()
            .zip(&sizes)
            .map(|(row, &size)| decode_sized(&row.bytes, size, label(row), &name(row)))
            .collect();
        let images = decoded.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.given += images.len();
        Ok(images)
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        let rows = (self.rows.len() < self.found).then_some(self.rows.as_slice());
        self.backing.sha256(ArrayFormat::Parquet, self.rows.len(), rows)
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
