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
use crate::data::parquet::{describe, guarded};

const EXPECTED: &str = "image or img, of encoded images: binary, or a struct with bytes: binary";

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
        let rows = pages::rows(&path, &groups, backing.len()?)?;
        if rows == 0 {
            return Err(DataError::EmptyParquet { path }.into());
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

    /// Reads the next row group.
    fn refill(&mut self) -> Result<(), SourceError> {
        let (group, start) = self.read;
        let path = self.backing.path().to_owned();
        let rows = *self.groups.get(group).ok_or_else(|| damaged(&path, "rows are missing"))?;
        self.read = (group + 1, start + rows);
        let wanted = rows.min(self.len - start);
        let columns = [Some(&self.image_column), self.label_column.as_ref()];
        let columns: Vec<&str> = columns.into_iter().flatten().map(String::as_str).collect();
        let (input, length) = (self.backing.input()?, self.backing.len()?);
        let checked = pages::Group { path: &path, input, length, index: group, columns: &columns };
        checked.check(|| reader(&self.backing))?;
        let columns = columns.into_iter().map(str::to_owned).collect();
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
