//! Parquet files in Hugging Face layout: a struct `{bytes, path}` of the encoded image, and a
//! label.

use std::fs::File;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::prelude::*;

use super::catalogue::HubEntry;
use super::content::{Content, Row};
use super::decode::Target;
use super::labels::Labels;
use super::prepared::{self, Prepared, Wanted};
use super::sources::pages;
use super::{DataError, Dataset, DatasetRequest, Places, Progress, Stage, limited};

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
                let rows: usize = shard.groups.iter().sum();
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
pub(super) fn within(rows: &[usize], start: usize, count: usize) -> &[usize] {
    let before = |limit: usize| rows.partition_point(|&row| row < limit);
    &rows[before(start)..before(start + count)]
}

/// What is taken of one shard.
struct Fill<'a> {
    shard: &'a Shard<'a>,
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
        let (path, entry) = (self.shard.path, self.entry);
        let mut start = 0;
        for (index, &count) in self.shard.groups.iter().enumerate() {
            let rows = within(self.rows, start, count);
            start += count;
            let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { continue };
            check_pages(path, &entry.image_column, index)?;
            let frame = read(path, &entry.image_column, first..last + 1)?;
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
fn check_pages(path: &Path, column: &str, index: usize) -> Result<(), DataError> {
    let io = |error| DataError::io("open", path)(error);
    let input = File::open(path).map_err(io)?;
    let length = input.metadata().map_err(io)?.len();
    let group = pages::Group { path, input, length, index, columns: &[column] };
    group.check(|| Ok(File::open(path)?))
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

/// Some rows of a column of a file.
fn read(path: &Path, column: &str, rows: Range<usize>) -> Result<DataFrame, DataError> {
    let frame = guarded(path, || {
        ParquetReader::new(File::open(path)?)
            .with_columns(Some(vec![column.to_owned()]))
            .with_slice(Some((rows.start, rows.len())))
            .finish()
    })?;
    if frame.height() != rows.len() {
        let reason = format!("{} of {} rows can be read", frame.height(), rows.len());
        return Err(DataError::Parquet { path: path.to_owned(), reason });
    }
    Ok(frame)
}

/// The labels of the first `total` rows. A null or -1 makes the set one without labels.
///
/// # Errors
/// If a file cannot be read, or holds a label that the set does not have.
fn read_labels(shards: &[Shard], entry: &HubEntry, total: usize) -> Result<Labels, DataError> {
    let mut all: Vec<Option<i128>> = Vec::with_capacity(total);
    for Shard { path, groups } in shards {
        let mut rows = 0;
        for (index, group) in groups.iter().enumerate() {
            if all.len() + rows >= total {
                break;
            }
            check_pages(path, &entry.label_column, index)?;
            rows += group;
        }
        let rows = rows.min(total - all.len());
        if rows == 0 {
            break;
        }
        let frame = read(path, &entry.label_column, 0..rows)?;
        let column = guarded(path, || {
            frame.column(&entry.label_column)?.cast(&DataType::Int64)?.i64().cloned()
        })?;
        let last = entry.classes().saturating_sub(1);
        for (row, label) in column.iter().enumerate() {
            if let Some(label) = label
                && (label < -1 || label > last as i64)
            {
                return Err(DataError::Label { path: path.to_path_buf(), row, label, last });
            }
            all.push(label.map(i128::from));
        }
    }
    let place = |mut row: usize| {
        for Shard { path, groups } in shards {
            match row.checked_sub(groups.iter().sum()) {
                Some(later) => row = later,
                None => return format!("{} row {row}", path.display()),
            }
        }
        format!("row {row}")
    };
    Ok(Labels::from_numbers(place, all))
}

fn images(frame: &DataFrame, path: &Path, entry: &HubEntry) -> Result<BinaryChunked, DataError> {
    guarded(path, || {
        let bytes = frame.column(&entry.image_column)?.struct_()?.field_by_name("bytes")?;
        bytes.binary().cloned()
    })
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

/// Runs one step of the reader. polars panics on some damaged files (seen with flipped bits), which
/// is the file's fault, not ours; catching that needs the default `panic = "unwind"`.
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
