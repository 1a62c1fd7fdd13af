//! Parquet files of encoded images, one row group at a time.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;

use polars::prelude::*;
use rayon::prelude::*;

use super::bytes::{ArrayFormat, Backing};
use super::encoded::{check, decode_sized, place, size};
use super::reading::{Faults, Reading, Sieve};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, encoded_hasher, pages};
use crate::data::labels::Labels;
use crate::data::parquet::{describe, guarded, within};
use crate::data::{Alpha, DataError, Progress, Stage, hex};

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
    /// Rows to give, rising, those skipped included.
    rows: Vec<usize>,
    found: usize,
    /// How many of `rows` were taken from `waiting`.
    given: usize,
    waiting: VecDeque<Row>,
    reading: Reading,
    skip_damaged: bool,
    /// Rows that were found damaged, which count as given when they are reached.
    damaged: BTreeSet<usize>,
}

struct Row {
    index: usize,
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
            reading: Reading::of_rule(request.alpha),
            skip_damaged: request.skip_damaged,
            damaged: BTreeSet::new(),
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
        for (&index, bytes) in rows.iter().zip(images) {
            let null = || DataError::Null { path: path.clone(), row: index, column: "image" };
            self.waiting.push_back(Row { index, bytes: bytes.ok_or_else(null)? });
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
        self.rows.len() - self.damaged.len()
    }

    fn has_labels(&self) -> bool {
        self.labels.known.is_some()
    }

    fn label_fault(&self) -> Option<&str> {
        self.labels.fault.as_deref()
    }

    fn reading(&self) -> Reading {
        self.reading.clone()
    }

    fn check(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        let alpha = self.alpha();
        let mut again = self.again();
        let mut sieve = Sieve::new(self.skip_damaged);
        while again.given < self.rows.len() {
            let rows = again.group()?;
            let look = |row: &Row| check(&row.bytes, alpha, &self.place(row));
            let looked: Vec<_> = rows.par_iter().map(look).collect();
            for one in looked {
                sieve.add(one);
            }
            let (stage, done) = (Stage::Checking, again.given as u64);
            progress(Progress { stage, done, total: self.rows.len() as u64 });
        }
        let sieved = sieve.finish(&self.name)?;
        self.damaged = sieved.damaged.iter().map(|&i| self.rows[i]).collect();
        self.reading.skipped = sieved.skipped;
        Ok(())
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        loop {
            let n = n.min(self.rows.len() - self.given);
            if n == 0 {
                return Ok(Vec::new());
            }
            let images = self.block(n)?;
            // A block without images would be the end.
            if !images.is_empty() {
                return Ok(images);
            }
        }
    }

    fn content_sha256(&self) -> Result<String, SourceError> {
        let mut hash = encoded_hasher(ArrayFormat::Parquet.as_str(), self.len(), self.alpha());
        let rows: Vec<usize> =
            self.rows.iter().filter(|row| !self.damaged.contains(row)).copied().collect();
        let rows = (rows.len() < self.found).then_some(rows.as_slice());
        self.backing.update_hash(&mut hash, rows)?;
        Ok(hex(hash))
    }
}

impl Source {
    fn alpha(&self) -> Alpha {
        self.reading.alpha
    }

    /// For messages.
    fn place(&self, row: &Row) -> String {
        place(self.backing.path(), Some(row.index))
    }

    /// The same rows from the start.
    fn again(&self) -> Self {
        Self {
            name: self.name.clone(),
            backing: self.backing.clone(),
            image_column: self.image_column.clone(),
            labels: Labels::default(),
            groups: self.groups.clone(),
            read: (0, 0),
            rows: self.rows.clone(),
            found: self.found,
            given: 0,
            waiting: VecDeque::new(),
            reading: Reading::of_rule(self.alpha()),
            skip_damaged: self.skip_damaged,
            damaged: BTreeSet::new(),
        }
    }

    /// The rows of the next row group.
    fn group(&mut self) -> Result<Vec<Row>, SourceError> {
        while self.waiting.is_empty() {
            self.refill()?;
        }
        self.given += self.waiting.len();
        Ok(self.waiting.drain(..).collect())
    }

    /// All that is wrong with the rows from `start` on, by decoding them.
    fn faults_from(&self, start: usize) -> Result<Faults, SourceError> {
        let mut again = self.again();
        let mut faults = Faults::default();
        let decode = |row: &Row| {
            let name = self.place(row);
            decode_sized(&row.bytes, size(&row.bytes, &name)?, self.alpha(), &name).map(drop)
        };
        while again.given < self.rows.len() {
            let mut rows = again.group()?;
            rows.retain(|row| row.index >= start && !self.damaged.contains(&row.index));
            let errors: Vec<_> = rows.par_iter().filter_map(|row| decode(row).err()).collect();
            errors.iter().for_each(|error| faults.add(error));
        }
        Ok(faults)
    }

    /// The images of the next `n` rows or fewer; none where all of them are damaged and skipped.
    fn block(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        while self.waiting.is_empty() {
            self.refill()?;
        }
        // At most to the end of the row group, so that one at a time is held.
        let n = n.min(self.waiting.len());
        let mut rows = Vec::new();
        let mut held = 0;
        let mut taken = 0;
        for row in self.waiting.iter().take(n) {
            if !self.damaged.contains(&row.index) {
                let size = size(&row.bytes, &self.place(row));
                held += size.as_ref().map_or(0, |size| size.bytes());
                if held > BLOCK_BYTES && !rows.is_empty() {
                    break;
                }
                rows.push(size.map(|size| (row, size)));
            }
            taken += 1;
        }
        let decode = |one: Result<(&Row, _), SourceError>| {
            let (row, size) = one?;
            let (image, marks) = decode_sized(&row.bytes, size, self.alpha(), &self.place(row))?;
            let label = self.labels.known.as_ref().map(|known| known[row.index]);
            Ok((Image { label, ..image }, marks))
        };
        let decoded: Vec<Result<_, SourceError>> = rows.into_par_iter().map(decode).collect();
        let mut images = Vec::with_capacity(decoded.len());
        let mut at = self.waiting.iter().map(|row| row.index);
        let mut at = at.by_ref().filter(|index| !self.damaged.contains(index));
        let mut damaged = Vec::new();
        for one in decoded {
            let index = at.next();
            match one {
                Ok((image, marks)) => {
                    self.reading.count(marks);
                    images.push(image);
                }
                Err(error) if error.is_damage() && self.skip_damaged => {
                    self.reading.skipped.add(error.to_string());
                    damaged.extend(index);
                }
                Err(error) => {
                    let faults = self.faults_from(self.rows[self.given])?;
                    return Err(match faults.is_empty() {
                        true => error,
                        false => faults.into_error(&self.name, self.rows.len()).into(),
                    });
                }
            }
        }
        self.damaged.extend(damaged);
        self.waiting.drain(..taken);
        self.given += taken;
        Ok(images)
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
