//! Parquet files of encoded images, one row group at a time.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::Cursor;
use std::path::PathBuf;

use polars::prelude::*;
use rayon::prelude::*;
use sha2::Digest as _;

use super::bytes::{ArrayFormat, Backing};
use super::encoded::{check, decode_sized, place, size};
use super::reading::{Faults, Reading};
use super::{BLOCK_BYTES, Image, ImageSource, SourceError, SourceRequest, encoded_hasher, pages};
use crate::data::hash::update_from;
use crate::data::parquet::{describe, guarded};
use crate::data::{Alpha, DataError, Progress, Stage, hex};

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
    /// Rows to read, those skipped included.
    len: usize,
    /// Rows of `len` that were taken from `waiting`.
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
            reading: Reading::of_rule(request.alpha),
            skip_damaged: request.skip_damaged,
            damaged: BTreeSet::new(),
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
            self.waiting.push_back(Row { index: row, bytes, label });
        }
        Ok(())
    }
}

impl ImageSource for Source {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> usize {
        self.len - self.damaged.len()
    }

    fn has_labels(&self) -> bool {
        self.label_column.is_some()
    }

    fn reading(&self) -> Reading {
        self.reading.clone()
    }

    fn check(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), SourceError> {
        let alpha = self.alpha();
        let mut again = self.again()?;
        let mut faults = Faults::default();
        while again.given < self.len {
            let rows = again.group()?;
            let look = |row: &Row| check(&row.bytes, alpha, &self.place(row)).err();
            let looked: Vec<_> = rows.par_iter().map(look).collect();
            for (row, error) in rows.iter().zip(looked) {
                match error {
                    None => {}
                    Some(error) if error.is_damage() && self.skip_damaged => {
                        self.reading.skipped.add(error.to_string());
                        self.damaged.insert(row.index);
                    }
                    Some(error) => faults.add(&error),
                }
            }
            let (stage, done) = (Stage::Checking, again.given as u64);
            progress(Progress { stage, done, total: self.len as u64 });
        }
        if !faults.is_empty() {
            return Err(faults.into_error(self.name.clone(), self.len));
        }
        if self.damaged.len() == self.len {
            let (count, named) = (self.len, self.reading.skipped.named.join("; "));
            return Err(SourceError::AllDamaged { origin: self.name.clone(), count, named });
        }
        Ok(())
    }

    fn next(&mut self, n: usize) -> Result<Vec<Image>, SourceError> {
        loop {
            let n = n.min(self.len - self.given);
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
        for row in &self.damaged {
            hash.update((*row as u64).to_le_bytes());
        }
        let path = self.backing.path();
        update_from(&mut hash, self.backing.input()?).map_err(SourceError::io("read", path))?;
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
    fn again(&self) -> Result<Self, SourceError> {
        let request = SourceRequest { limit: Some(self.len), ..SourceRequest::new(&self.name) };
        Self::open(self.backing.clone(), &request)
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
        let mut again = self.again()?;
        let mut faults = Faults::default();
        let decode = |row: &Row| {
            let name = self.place(row);
            decode_sized(&row.bytes, size(&row.bytes, &name)?, self.alpha(), &name).map(drop)
        };
        while again.given < self.len {
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
            Ok((Image { label: row.label, ..image }, marks))
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
                    let faults = self.faults_from(self.given)?;
                    return Err(match faults.is_empty() {
                        true => error,
                        false => faults.into_error(self.name.clone(), self.len),
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
