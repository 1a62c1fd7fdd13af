//! Parquet files of encoded images, one row group at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use ganbench_files::memory;
use polars::prelude::*;
use rayon::prelude::*;

use super::bytes::{ArrayFormat, Backing};
use super::encoded::{check, decode_sized, place, size};
use super::reading::{Faults, Reading, Sieve};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, encoded_hasher};
use crate::datasets::labels::Labels;
use crate::datasets::parquet::{LABEL_BYTES, describe, within};
use crate::parquet::{ParquetFile, guarded};
use crate::{Alpha, DataError, Progress, Stage, hex};

const EXPECTED: &str = "image or img, of encoded images: binary, or a struct with bytes: binary";

pub(super) struct Source {
    name: String,
    backing: Backing,
    file: Arc<ParquetFile>,
    image_column: String,
    /// Of all rows.
    labels: Labels,
    /// Row groups read so far, and their rows.
    read: (usize, usize),
    /// Rows to give, rising, those skipped included.
    rows: Vec<usize>,
    found: usize,
    /// How many of `rows` were taken from `waiting`.
    given: usize,
    waiting: Waiting,
    reading: Reading,
    skip_damaged: bool,
    /// Rows that were found damaged, which count as given when they are reached.
    damaged: BTreeSet<usize>,
}

/// The rows to give of one row group, as far as they were not given yet.
#[derive(Default)]
struct Waiting {
    /// From the row `first` of the file on. Images of a dictionary share its bytes.
    images: BinaryChunked,
    first: usize,
    rows: Vec<usize>,
    /// How many of `rows` were given.
    given: usize,
}

#[derive(Clone, Copy)]
struct Row<'a> {
    index: usize,
    bytes: &'a [u8],
}

impl Waiting {
    fn len(&self) -> usize {
        self.rows.len() - self.given
    }

    /// The rows that wait. All were seen to have bytes.
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows[self.given..].iter().map(|&index| {
            let bytes = self.images.get(index - self.first).unwrap_or_default();
            Row { index, bytes }
        })
    }
}

impl Source {
    pub(super) fn open(backing: Backing, request: &SourceRequest) -> Result<Self, SourceError> {
        let file = match &backing {
            Backing::File(path) => ParquetFile::open(path)?,
            Backing::Memory { name, bytes } => ParquetFile::from_bytes(name, Arc::clone(bytes))?,
        };
        let (path, schema) = (file.path().to_owned(), file.schema());
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
        let rows = file.rows();
        if rows == 0 {
            return Err(DataError::EmptyParquet { path }.into());
        }
        let what = || format!("a list of the rows of {}", path.display());
        let _held = memory::ask_for(rows, LABEL_BYTES + size_of::<usize>(), what)?;
        let labels = match label_column {
            Some(column) => read_labels(&file, column)?,
            None => Labels::default(),
        };
        let chosen = request.rows(rows, labels.known.as_deref());
        Ok(Self {
            name: request.text.clone(),
            image_column: image_column.into(),
            labels,
            read: (0, 0),
            rows: chosen.unwrap_or_else(|| (0..rows).collect()),
            found: rows,
            given: 0,
            waiting: Waiting::default(),
            backing,
            file: Arc::new(file),
            reading: Reading::of_rule(request.alpha),
            skip_damaged: request.skip_damaged,
            damaged: BTreeSet::new(),
        })
    }

    /// Reads the rows to give of the next row group.
    fn refill(&mut self) -> Result<(), SourceError> {
        let (group, start) = self.read;
        let path = self.file.path();
        let missing = || DataError::EmptyParquet { path: path.to_owned() };
        let count = *self.file.groups().get(group).ok_or_else(missing)?;
        self.read = (group + 1, start + count);
        let rows = within(&self.rows, start, count);
        let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let frame = self.file.read(&self.image_column, group..group + 1, first..last + 1)?;
        let (images, null) = guarded(path, || {
            let images = frame.column(&self.image_column)?;
            let images = match images.dtype() {
                DataType::Struct(_) => images.struct_()?.field_by_name("bytes")?,
                _ => images.as_materialized_series().clone(),
            };
            let images = images.binary()?.clone();
            // Each is touched here, since damaged offsets show only when the bytes are asked for.
            let null = rows.iter().find(|&&row| images.get(row - first).is_none()).copied();
            Ok((images, null))
        })?;
        if let Some(row) = null {
            return Err(DataError::Null { path: path.to_owned(), row, column: "image" }.into());
        }
        self.waiting = Waiting { images, first, rows: rows.to_vec(), given: 0 };
        Ok(())
    }
}

/// The labels of all rows.
fn read_labels(file: &ParquetFile, column: &str) -> Result<Labels, SourceError> {
    let path = file.path();
    let frame = file.read(column, 0..file.groups().len(), 0..file.rows())?;
    let labels = guarded(path, || {
        let labels = frame.column(column)?.strict_cast(&DataType::Int64)?;
        let labels = labels.i64()?.iter().map(|label| label.map(i128::from));
        Ok(labels.collect::<Vec<_>>())
    })?;
    Ok(Labels::from_numbers(|row| format!("{} row {row}", path.display()), labels))
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
            let group = again.group()?;
            let rows: Vec<Row<'_>> = group.rows().collect();
            let look = |row: &Row<'_>| check(row.bytes, alpha, &self.place(*row));
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
    fn place(&self, row: Row<'_>) -> String {
        place(self.file.path(), Some(row.index))
    }

    /// The same rows from the start.
    fn again(&self) -> Self {
        Self {
            name: self.name.clone(),
            backing: self.backing.clone(),
            file: Arc::clone(&self.file),
            image_column: self.image_column.clone(),
            labels: Labels::default(),
            read: (0, 0),
            rows: self.rows.clone(),
            found: self.found,
            given: 0,
            waiting: Waiting::default(),
            reading: Reading::of_rule(self.alpha()),
            skip_damaged: self.skip_damaged,
            damaged: BTreeSet::new(),
        }
    }

    /// The rows of the next row group.
    fn group(&mut self) -> Result<Waiting, SourceError> {
        while self.waiting.len() == 0 {
            self.refill()?;
        }
        self.given += self.waiting.len();
        Ok(std::mem::take(&mut self.waiting))
    }

    /// All that is wrong with the rows from `start` on, by decoding them.
    fn faults_from(&self, start: usize) -> Result<Faults, SourceError> {
        let mut again = self.again();
        let mut faults = Faults::default();
        let decode = |row: &Row<'_>| {
            let name = self.place(*row);
            decode_sized(row.bytes, size(row.bytes, &name)?, self.alpha(), &name).map(drop)
        };
        while again.given < self.rows.len() {
            let group = again.group()?;
            let kept = |row: &Row<'_>| row.index >= start && !self.damaged.contains(&row.index);
            let rows: Vec<Row<'_>> = group.rows().filter(kept).collect();
            let errors: Vec<_> = rows.par_iter().filter_map(|row| decode(row).err()).collect();
            errors.iter().for_each(|error| faults.add(error));
        }
        Ok(faults)
    }

    /// The images of the next `n` rows or fewer; none where all of them are damaged and skipped.
    fn block(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        while self.waiting.len() == 0 {
            self.refill()?;
        }
        // At most to the end of the row group, so that one at a time is held.
        let n = n.min(self.waiting.len());
        let mut rows = Vec::new();
        let mut held = 0;
        let mut taken = 0;
        for row in self.waiting.rows().take(n) {
            if !self.damaged.contains(&row.index) {
                let size = size(row.bytes, &self.place(row));
                held += size.as_ref().map_or(0, |size| size.bytes());
                if held > BLOCK_BYTES && !rows.is_empty() {
                    break;
                }
                rows.push(size.map(|size| (row, size)));
            }
            taken += 1;
        }
        let decode = |one: Result<(Row<'_>, _), SourceError>| {
            let (row, size) = one?;
            let (image, marks) = decode_sized(row.bytes, size, self.alpha(), &self.place(row))?;
            let label = self.labels.known.as_ref().map(|known| known[row.index]);
            Ok((Image { label, ..image }, marks))
        };
        let decoded: Vec<Result<_, SourceError>> = rows.into_par_iter().map(decode).collect();
        let mut images = Vec::with_capacity(decoded.len());
        let waiting = &self.waiting.rows[self.waiting.given..];
        let mut at = waiting.iter().filter(|index| !self.damaged.contains(index));
        let mut damaged: Vec<usize> = Vec::new();
        for one in decoded {
            let index = at.next().copied();
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
        self.waiting.given += taken;
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
