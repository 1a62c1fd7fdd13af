//! Parquet files in Hugging Face layout: a struct `{bytes, path}` of the encoded image, and a label.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::catalogue::HubEntry;
use super::content::{BLOCK, Content, Row};
use super::decode::Target;
use super::sources::pages;
use super::{DataError, Dataset, DatasetRequest, Progress, Stage};

/// Reads the shards of a split in the order given.
pub(super) fn load(
    entry: &HubEntry,
    files: &[PathBuf],
    target: Target,
    request: &DatasetRequest,
    progress: &mut dyn FnMut(Progress),
) -> Result<Dataset, DataError> {
    let mut shards = Vec::with_capacity(files.len());
    for path in files {
        let groups = check(path, entry)?;
        shards.push((path, groups.iter().sum::<usize>(), groups));
    }
    let rows: usize = shards.iter().map(|(_, rows, _)| rows).sum();
    let total = request.limit.unwrap_or(rows).min(rows);
    let mut content = Content::new(target, total)?;
    for (path, rows, groups) in shards {
        let wanted = rows.min(total - content.len());
        if wanted == 0 {
            break;
        }
        check_pages(path, entry, &groups, wanted)?;
        let frame = read(path, entry, wanted)?;
        let labels = labels(&frame, path, entry)?;
        let images = images(&frame, path, entry)?;
        let encoded = encoded(&images, path)?;
        for start in (0..encoded.len()).step_by(BLOCK) {
            let end = encoded.len().min(start + BLOCK);
            let rows: Vec<_> = (start..end)
                .map(|i| Row {
                    file: path,
                    row: Some(i),
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
    }
    let (images, sha256) = content.finish()?;
    Ok(Dataset {
        name: entry.name.clone(),
        split: request.split,
        images,
        class_names: entry.class_names.clone(),
        sha256,
    })
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

/// Of the row groups that hold the first `rows` rows.
fn check_pages(
    path: &Path,
    entry: &HubEntry,
    groups: &[usize],
    rows: usize,
) -> Result<(), DataError> {
    let io = |error| DataError::io("open", path)(error);
    let columns = [entry.image_column.as_str(), entry.label_column.as_str()];
    let mut start = 0;
    for (index, group) in groups.iter().enumerate() {
        if start >= rows {
            break;
        }
        let input = File::open(path).map_err(io)?;
        let length = input.metadata().map_err(io)?.len();
        let group_pages = pages::Group { path, input, length, index, columns: &columns };
        group_pages.check(|| Ok(File::open(path)?))?;
        start += group;
    }
    Ok(())
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

/// The first `rows` rows.
fn read(path: &Path, entry: &HubEntry, rows: usize) -> Result<DataFrame, DataError> {
    let frame = guarded(path, || {
        ParquetReader::new(File::open(path)?)
            .with_columns(Some(vec![entry.image_column.clone(), entry.label_column.clone()]))
            .with_slice(Some((0, rows)))
            .finish()
    })?;
    if frame.height() != rows {
        let reason = format!("{} of {rows} rows can be read", frame.height());
        return Err(DataError::Parquet { path: path.to_owned(), reason });
    }
    Ok(frame)
}

fn labels(frame: &DataFrame, path: &Path, entry: &HubEntry) -> Result<Vec<u32>, DataError> {
    let column = guarded(path, || frame.column(&entry.label_column)?.cast(&DataType::Int64))?;
    let column = guarded(path, || column.i64().cloned())?;
    let label_of = |(row, label): (usize, Option<i64>)| {
        let path = || path.to_owned();
        let label = label.ok_or_else(|| DataError::Null { path: path(), row, column: "label" })?;
        match u32::try_from(label) {
            Ok(class) if (class as usize) < entry.class_names.len() => Ok(class),
            _ => {
                let last = entry.class_names.len().saturating_sub(1);
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

fn encoded<'a>(images: &'a BinaryChunked, path: &Path) -> Result<Vec<&'a [u8]>, DataError> {
    let null = |row| DataError::Null { path: path.to_owned(), row, column: "image" };
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
