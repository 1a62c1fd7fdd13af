//! Parquet files in Hugging Face layout: a struct `{bytes, path}` of the encoded image, and a label.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::catalogue::HubEntry;
use super::content::{Content, Row};
use super::decode::Target;
use super::prepared::{self, Wanted};
use super::sources::pages;
use super::{DataError, Dataset, DatasetRequest, Places, Progress, Stage};

/// A shard that has the right columns.
struct Shard<'a> {
    path: &'a Path,
    /// Rows of each row group.
    groups: Vec<usize>,
}

/// Reads the shards of a split in the order given, one row group at a time.
pub(super) fn load(
    entry: &HubEntry,
    files: &[PathBuf],
    target: Target,
    request: &DatasetRequest,
    places: &Places,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let mut shards = Vec::with_capacity(files.len());
    for path in files {
        shards.push(Shard { path, groups: check(path, entry)? });
    }
    let rows: usize = shards.iter().flat_map(|shard| &shard.groups).sum();
    let total = request.limit.unwrap_or(rows).min(rows);
    let wanted = Wanted {
        name: &entry.name,
        split: request.split,
        origin: files.first().and_then(|file| file.parent()).unwrap_or(Path::new("")),
        files,
        target,
        images: total,
    };
    let (images, sha256) = prepared::images(places, &wanted, &mut |content| {
        for shard in &shards {
            fill(content, shard, entry, total, progress)?;
        }
        Ok(())
    })?;
    Ok(Dataset {
        name: entry.name.clone(),
        split: request.split,
        images,
        class_names: entry.class_names(),
        sha256,
        trained_on: None,
    })
}

/// Adds a shard's images until `content` holds `total`.
fn fill(
    content: &mut Content,
    shard: &Shard,
    entry: &HubEntry,
    total: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), DataError> {
    let path = shard.path;
    let mut first = 0;
    for (index, &rows) in shard.groups.iter().enumerate() {
        let wanted = rows.min(total - content.len());
        if wanted == 0 {
            break;
        }
        check_pages(path, entry, index)?;
        let frame = read(path, entry, first..first + wanted)?;
        let labels = labels(&frame, path, entry, first)?;
        let images = images(&frame, path, entry)?;
        let encoded = encoded(&images, path, first)?;
        for start in (0..encoded.len()).step_by(content.block()) {
            let end = encoded.len().min(start + content.block());
            let rows: Vec<_> = (start..end)
                .map(|i| Row {
                    file: path,
                    row: Some(first + i),
                    bytes: encoded[i],
                    label: Some(labels[i]),
                })
                .collect();
            content.extend(&rows)?;
            progress(Progress {
                stage: Stage::Decoding,
                done: content.len() as u64,
                total: total as u64,
            });
        }
        first += rows;
    }
    Ok(())
}

/// Rows of each row group of a file that has the right columns.
fn check(path: &Path, entry: &HubEntry) -> Result<Vec<usize>, DataError> {
    let (schema, groups) = guarded(path, || {
        let mut reader = ParquetReader::new(File::open(path)?);
        let schema = Schema::from_arrow_schema(reader.schema()?.as_ref());
        let groups = &reader.get_metadata()?.row_groups;
        Ok((schema, groups.iter().map(|group| group.num_rows()).collect::<Vec<_>>()))
    })?;
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
    let length = path.metadata().map_err(DataError::io("read", path))?.len();
    if pages::rows(path, &groups, length)? == 0 {
        return Err(DataError::EmptyParquet { path: path.to_owned() });
    }
    Ok(groups)
}

/// Of one row group.
fn check_pages(path: &Path, entry: &HubEntry, index: usize) -> Result<(), DataError> {
    let io = |error| DataError::io("open", path)(error);
    let columns = [entry.image_column.as_str(), entry.label_column.as_str()];
    let input = File::open(path).map_err(io)?;
    let length = input.metadata().map_err(io)?.len();
    pages::Group { path, input, length, index, columns: &columns }.check(|| Ok(File::open(path)?))
}

pub(super) fn describe(name: &str, dtype: &DataType) -> String {
    match dtype {
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| describe(f.name(), f.dtype())).collect();
            format!("{name}: struct {{{}}}", fields.join(", "))
        }
        other => format!("{name}: {other}"),
    }
}

/// Some rows of a file.
fn read(path: &Path, entry: &HubEntry, rows: Range<usize>) -> Result<DataFrame, DataError> {
    let frame = guarded(path, || {
        ParquetReader::new(File::open(path)?)
            .with_columns(Some(vec![entry.image_column.clone(), entry.label_column.clone()]))
            .with_slice(Some((rows.start, rows.len())))
            .finish()
    })?;
    if frame.height() != rows.len() {
        let reason = format!("{} of {} rows can be read", frame.height(), rows.len());
        return Err(DataError::Parquet { path: path.to_owned(), reason });
    }
    Ok(frame)
}

/// `first` is the row of the file that the frame starts with.
fn labels(
    frame: &DataFrame,
    path: &Path,
    entry: &HubEntry,
    first: usize,
) -> Result<Vec<u32>, DataError> {
    let column = guarded(path, || frame.column(&entry.label_column)?.cast(&DataType::Int64))?;
    let column = guarded(path, || column.i64().cloned())?;
    let label_of = |(row, label): (usize, Option<i64>)| {
        let (path, row) = (|| path.to_owned(), first + row);
        let label = label.ok_or_else(|| DataError::Null { path: path(), row, column: "label" })?;
        match u32::try_from(label) {
            Ok(class) if (class as usize) < entry.classes() => Ok(class),
            _ => {
                let last = entry.classes().saturating_sub(1);
                Err(DataError::Label { path: path(), row, label, last })
            }
        }
    };
    column.iter().enumerate().map(label_of).collect()
}

fn images(frame: &DataFrame, path: &Path, entry: &HubEntry) -> Result<BinaryChunked, DataError> {
    guarded(path, || {
        let bytes = frame.column(&entry.image_column)?.struct_()?.field_by_name("bytes")?;
        bytes.binary().cloned()
    })
}

fn encoded<'a>(
    images: &'a BinaryChunked,
    path: &Path,
    first: usize,
) -> Result<Vec<&'a [u8]>, DataError> {
    let null = |row| DataError::Null { path: path.to_owned(), row: first + row, column: "image" };
    images.iter().enumerate().map(|(row, bytes)| bytes.ok_or_else(|| null(row))).collect()
}

/// Runs one step of the reader. polars panics on some damaged files (seen with flipped bits), which is
/// the file's fault, not ours; catching that needs the default `panic = "unwind"`.
pub(super) fn guarded<T>(
    path: &Path,
    step: impl FnOnce() -> PolarsResult<T>,
) -> Result<T, DataError> {
    let parquet = |reason: String| DataError::Parquet { path: path.to_owned(), reason };
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(parquet(first_line(&error.to_string()))),
        Err(_) => Err(parquet("the reader failed on damaged pages".into())),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
