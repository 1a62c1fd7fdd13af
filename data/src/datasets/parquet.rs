//! Parquet files in Hugging Face layout: a struct `{bytes, path}` of the encoded image, and a
//! label.

use std::path::{Path, PathBuf};

use ganbench_files::memory;
use polars::prelude::*;

use super::content::{Content, Row};
use super::labels::Labels;
use super::prepared::{self, Prepared, Wanted};
use crate::catalogue::HubEntry;
use crate::decode::Target;
use crate::parquet::{ParquetFile, guarded};
use crate::{DataError, Dataset, DatasetRequest, Places, Progress, Stage, limited};

/// What is held of a row while labels are read.
pub(crate) const LABEL_BYTES: usize = 64;

/// Reads the shards of a split in the order given, one row group at a time.
pub(crate) fn load(
    entry: &HubEntry,
    files: &[PathBuf],
    target: Target,
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let mut shards = Vec::with_capacity(files.len());
    for path in files {
        shards.push(open(path, entry)?);
    }
    let rows: usize = shards.iter().map(ParquetFile::rows).sum();
    // A draw needs all labels; what comes first does not, and is read with the images.
    let draws = request.draw_seed.is_some() && request.limit.is_some_and(|n| n < rows);
    let all = if draws { Some(read_labels(&shards, entry, rows)?) } else { None };
    let chosen = limited(request, all.as_ref().and_then(|all| all.known.as_deref()), rows);
    let total = chosen.as_ref().map_or(rows, Vec::len);
    let wanted = Wanted {
        name: &entry.name,
        split: request.split,
        origin: files.first().and_then(|file| file.parent()).unwrap_or(Path::new("")),
        files,
        target,
        images: total,
        drawn: request.draw_seed.filter(|_| draws),
    };
    let labels = || match all.clone() {
        Some(all) => Ok(all),
        None => read_labels(&shards, entry, total),
    };
    let Prepared { images, sha256, reading } =
        prepared::images(places, &wanted, progress, &mut |content, progress| {
            let known = labels()?.known.map(|known| match &chosen {
                Some(chosen) => chosen.iter().map(|&row| known[row]).collect(),
                None => known,
            });
            let mut start = 0;
            for shard in &shards {
                let rows = shard.rows();
                let rows_of_shard: Vec<usize> = match &chosen {
                    None => (0..rows).collect(),
                    Some(chosen) => {
                        within(chosen, start, rows).iter().map(|row| row - start).collect()
                    }
                };
                let fill =
                    Fill { shard, entry, rows: &rows_of_shard, labels: known.as_deref(), total };
                fill.run(content, progress)?;
                start += rows;
            }
            Ok(())
        })?;
    let label_fault = if images.labels.is_none() { labels()?.fault } else { None };
    let class_names = if images.labels.is_none() { Vec::new() } else { entry.class_names() };
    Ok(Dataset {
        name: entry.name.clone(),
        split: request.split,
        images,
        class_names,
        label_fault,
        fit: None,
        sha256,
        trained_on: None,
        reading,
    })
}

/// Those of the rising `rows` that are among `count` rows from `start` on.
pub(crate) fn within(rows: &[usize], start: usize, count: usize) -> &[usize] {
    let before = |limit: usize| rows.partition_point(|&row| row < limit);
    &rows[before(start)..before(start + count)]
}

/// What is taken of one shard.
struct Fill<'a> {
    shard: &'a ParquetFile,
    entry: &'a HubEntry,
    /// Of the shard, rising.
    rows: &'a [usize],
    /// Of all images of the set.
    labels: Option<&'a [u32]>,
    /// Images of the set.
    total: usize,
}

impl Fill<'_> {
    /// Adds the images, one row group at a time.
    fn run(
        &self,
        content: &mut Content,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), DataError> {
        let (path, entry) = (self.shard.path(), self.entry);
        let mut start = 0;
        for (index, &count) in self.shard.groups().iter().enumerate() {
            let rows = within(self.rows, start, count);
            start += count;
            let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { continue };
            let frame = self.shard.read(&entry.image_column, index..index + 1, first..last + 1)?;
            let images = images(&frame, path, entry)?;
            let encoded = encoded(&images, path, first, rows)?;
            for (rows, encoded) in rows.chunks(content.block()).zip(encoded.chunks(content.block()))
            {
                let done = content.len();
                let row = |i: usize| Row {
                    file: path,
                    row: Some(rows[i]),
                    bytes: encoded[i],
                    label: self.labels.map(|labels| labels[done + i]),
                };
                content.extend(&(0..rows.len()).map(row).collect::<Vec<_>>())?;
                progress(Progress {
                    stage: Stage::Decoding,
                    done: content.len() as u64,
                    total: self.total as u64,
                });
            }
        }
        Ok(())
    }
}

/// A shard that has the right columns.
fn open(path: &Path, entry: &HubEntry) -> Result<ParquetFile, DataError> {
    let file = ParquetFile::open(path)?;
    let schema = file.schema();
    let is_image = |dtype: &DataType| {
        matches!(dtype, DataType::Struct(fields)
            if fields.iter().any(|f| f.name() == "bytes" && f.dtype() == &DataType::Binary))
    };
    if !schema.get(&entry.image_column).is_some_and(is_image)
        || !schema.get(&entry.label_column).is_some_and(DataType::is_integer)
    {
        let found: Vec<_> = schema.iter().map(|(name, dtype)| describe(name, dtype)).collect();
        return Err(DataError::Schema {
            path: path.to_owned(),
            expected: format!(
                "{}: struct {{bytes: binary, path}}, {}: integer",
                entry.image_column, entry.label_column
            ),
            found: found.join(", "),
        });
    }
    if file.rows() == 0 {
        return Err(DataError::EmptyParquet { path: path.to_owned() });
    }
    Ok(file)
}

pub(crate) fn describe(name: &str, dtype: &DataType) -> String {
    match dtype {
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| describe(f.name(), f.dtype())).collect();
            format!("{name}: struct {{{}}}", fields.join(", "))
        }
        other => format!("{name}: {other}"),
    }
}

/// The labels of the first `total` rows. A null or -1 makes the set one without labels.
///
/// # Errors
/// If a file cannot be read, or holds a label that the set does not have.
fn read_labels(
    shards: &[ParquetFile],
    entry: &HubEntry,
    total: usize,
) -> Result<Labels, DataError> {
    let held = memory::ask_for(total, LABEL_BYTES, || format!("the labels of {}", entry.name));
    let _held = held?;
    let mut all: Vec<Option<i128>> = Vec::with_capacity(total);
    for shard in shards {
        let path = shard.path();
        let (mut rows, mut groups) = (0, 0);
        for group in shard.groups() {
            if all.len() + rows >= total {
                break;
            }
            rows += group;
            groups += 1;
        }
        let rows = rows.min(total - all.len());
        if rows == 0 {
            break;
        }
        let frame = shard.read(&entry.label_column, 0..groups, 0..rows)?;
        let column = guarded(path, || {
            frame.column(&entry.label_column)?.cast(&DataType::Int64)?.i64().cloned()
        })?;
        let last = entry.classes().saturating_sub(1);
        for (row, label) in column.iter().enumerate() {
            if let Some(label) = label
                && (label < -1 || label > last as i64)
            {
                return Err(DataError::Label { path: path.to_owned(), row, label, last });
            }
            all.push(label.map(i128::from));
        }
    }
    let place = |mut row: usize| {
        for shard in shards {
            match row.checked_sub(shard.rows()) {
                Some(later) => row = later,
                None => return format!("{} row {row}", shard.path().display()),
            }
        }
        format!("row {row}")
    };
    Ok(Labels::from_numbers(place, all))
}

fn images(frame: &DataFrame, path: &Path, entry: &HubEntry) -> Result<BinaryChunked, DataError> {
    Ok(guarded(path, || {
        let bytes = frame.column(&entry.image_column)?.struct_()?.field_by_name("bytes")?;
        bytes.binary().cloned()
    })?)
}

/// Of these rows of the file; `first` is the one that the frame starts with.
fn encoded<'a>(
    images: &'a BinaryChunked,
    path: &Path,
    first: usize,
    rows: &[usize],
) -> Result<Vec<&'a [u8]>, DataError> {
    let all: Vec<Option<&[u8]>> = images.iter().collect();
    let image = |&row: &usize| {
        let null = || DataError::Null { path: path.to_owned(), row, column: "image" };
        all.get(row - first).copied().flatten().ok_or_else(null)
    };
    rows.iter().map(image).collect()
}
