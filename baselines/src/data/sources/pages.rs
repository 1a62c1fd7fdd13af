//! What the pages of a Parquet column claim, checked before polars takes memory for it.
//!
//! polars allocates by the counts in page headers, −1 among them, and ends the process where there is no
//! such memory; that cannot be caught. So the headers are walked first. Source: the `PageHeader` of
//! `parquet.thrift` in Thrift's compact protocol; no page is decompressed here.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use polars::io::mmap::MmapBytesReader;
use polars::prelude::{ParquetReader, PolarsResult, SerReader as _};

use crate::data::DataError;
use crate::data::parquet::guarded;

/// Far above any file of different images.
const MOST_ROWS_PER_BYTE: u64 = 64;
/// Writers of such files make groups of 100 to 10,000 rows. One group is held at a time.
const MOST_GROUP_ROWS: usize = 1 << 22;

/// Room for a page of small numbers or repeated text, which compresses without limit.
const SMALL_PAGE: u64 = 1 << 20;
/// Beyond that room; encoded images hardly compress at all.
const BEST_RATIO: u64 = 1024;
const DEEPEST: usize = 8;

/// Rows of a file of `bytes` bytes in all, of those of its row groups.
///
/// # Errors
/// If they are more than such a file can hold: polars takes memory for as many, too.
pub(in crate::data) fn rows(path: &Path, groups: &[usize], bytes: u64) -> Result<usize, DataError> {
    let rows = groups.iter().try_fold(0usize, |n, &rows| n.checked_add(rows));
    let rows = rows.ok_or_else(|| damaged(path, "its row groups overflow".into()))?;
    let largest = groups.iter().copied().max().unwrap_or(0);
    if rows as u64 > bytes.saturating_mul(MOST_ROWS_PER_BYTE) || largest > MOST_GROUP_ROWS {
        let reason = format!(
            "it claims {rows} rows in {bytes} bytes, {largest} of them in one row group (at most \
             {MOST_GROUP_ROWS} are read)"
        );
        return Err(damaged(path, reason));
    }
    Ok(rows)
}

/// A row group, and where its bytes are.
pub(in crate::data) struct Group<'a, I> {
    pub path: &'a Path,
    /// The file.
    pub input: I,
    /// Of the file, in bytes.
    pub length: u64,
    pub index: usize,
    /// Columns that are to be read, by name.
    pub columns: &'a [&'a str],
}

impl<I: Read + Seek> Group<'_, I> {
    /// Walks the page headers of the columns; `open` gives the file to polars.
    ///
    /// # Errors
    /// If they claim more than there is, or the file cannot be read.
    pub(in crate::data) fn check<R: MmapBytesReader>(
        mut self,
        open: impl FnOnce() -> PolarsResult<R>,
    ) -> Result<(), DataError> {
        let (path, index) = (self.path, self.index);
        let (rows, chunks) = guarded(path, || {
            let mut reader = ParquetReader::new(open()?);
            let group = &reader.get_metadata()?.row_groups[index];
            let read = group.parquet_columns().iter().filter(|column| {
                let root = column.descriptor().path_in_schema.first();
                root.is_some_and(|root| self.columns.contains(&root.as_str()))
            });
            let chunks = read.map(|column| (column.byte_range(), column.num_values()));
            Ok((group.num_rows(), chunks.collect::<Vec<_>>()))
        })?;
        for (range, values) in chunks {
            // More values than rows are lists; polars would read on behind the pages that are checked.
            if i64::try_from(rows) != Ok(values) {
                let reason = format!("row group {index} has {rows} rows but {values} of a column");
                return Err(damaged(path, reason));
            }
            if range.start > range.end || range.end > self.length {
                return Err(damaged(path, "a column reaches beyond its end".into()));
            }
            let mut chunk = vec![0; (range.end - range.start) as usize];
            let read = self.input.seek(SeekFrom::Start(range.start));
            let read = read.and_then(|_| self.input.read_exact(&mut chunk));
            read.map_err(DataError::io("read", path))?;
            check(&chunk, rows).map_err(|reason| {
                damaged(path, format!("row group {index} has {reason} of a column"))
            })?;
        }
        Ok(())
    }
}

fn damaged(path: &Path, reason: String) -> DataError {
    DataError::Parquet { path: path.into(), reason }
}

/// Checks the page headers in the bytes of a column chunk of `rows` rows without repetition.
///
/// Errors say what is wrong and at which byte of the chunk.
fn check(chunk: &[u8], rows: usize) -> Result<(), String> {
    let rows = rows as u64;
    let mut at = 0;
    let mut values = 0;
    while at < chunk.len() && values < rows {
        let mut header = Thrift { bytes: chunk, at, numbers: Vec::new() };
        header.structure(0, 0).ok_or_else(|| format!("a damaged page header at byte {at}"))?;
        let number = |parent, id| {
            let found = header.numbers.iter().find(|n| (n.parent, n.id) == (parent, id));
            found.map(|n| n.value)
        };
        let size = |id| number(0, id).and_then(|n| u64::try_from(n).ok());
        let (Some(size), Some(stored)) = (size(2), size(3)) else {
            return Err(format!("a page header without sizes at byte {at}"));
        };
        if size > stored.saturating_mul(BEST_RATIO).saturating_add(SMALL_PAGE) {
            return Err(format!("a page that claims {size} bytes in {stored} at byte {at}"));
        }
        // Data pages of version 1 and 2, and dictionaries.
        for (kind, is_data) in [(5, true), (8, true), (7, false)] {
            let Some(count) = number(kind, 1) else { continue };
            match u64::try_from(count) {
                Ok(count) if count <= rows => values += if is_data { count } else { 0 },
                _ => return Err(format!("a page that claims {count} of {rows} rows at byte {at}")),
            }
        }
        let end = usize::try_from(stored).ok().and_then(|stored| header.at.checked_add(stored));
        match end {
            Some(end) if end <= chunk.len() => at = end,
            _ => return Err(format!("a page of {stored} bytes that was cut off at byte {at}")),
        }
    }
    if values != rows {
        return Err(format!("pages of {values} rows instead of {rows}"));
    }
    Ok(())
}

/// An integer field, with the field of the structure that it lies in (0 for the outermost).
struct Number {
    parent: i64,
    id: i64,
    value: i64,
}

struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
    numbers: Vec<Number>,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        self.at = (end <= self.bytes.len()).then_some(end)?;
        Some(())
    }

    fn structure(&mut self, parent: i64, depth: usize) -> Option<()> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.signed()?,
                step => id.checked_add(i64::from(step))?,
            };
            match head & 15 {
                // Their value is in the head.
                1 | 2 => {}
                4..=6 => {
                    let value = self.signed()?;
                    if depth < 2 {
                        self.numbers.push(Number { parent, id, value });
                    }
                }
                kind => self.value(kind, id, depth)?,
            }
        }
    }

    /// Passes over a value that is no field's integer.
    fn value(&mut self, kind: u8, id: i64, depth: usize) -> Option<()> {
        if depth == DEEPEST {
            return None;
        }
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.varint()?;
                self.pass(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                // Each takes at least a byte, so this ends with the bytes.
                (0..count).try_for_each(|_| self.value(head & 15, -1, depth + 1))
            }
            12 => self.structure(id, depth + 1),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of version 1 with `values` rows in `stored` bytes that claim to be `size`; all of them
    /// below 64, so that each is one byte (zigzag: twice the number, −1 is 1).
    fn page(values: u8, size: u8, stored: u8) -> Vec<u8> {
        // Field 1 (type) = 0, 2 (size), 3 (stored size), 5: a structure with field 1 (values), 2, 3 and 4.
        let mut out = vec![0x15, 0, 0x15, 2 * size, 0x15, 2 * stored, 0x2c];
        let values = if values == 255 { 1 } else { 2 * values };
        out.extend([0x15, values, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
        out.extend(vec![9; stored.into()]);
        out
    }

    #[test]
    fn pages_that_hold_the_rows_pass() {
        let pages = [page(3, 5, 5), page(2, 0, 0)].concat();
        assert_eq!(check(&pages, 5), Ok(()));
        // What follows the last row is never read.
        assert_eq!(check(&[pages, vec![7; 9]].concat(), 5), Ok(()));
    }

    #[test]
    fn pages_that_claim_more_than_there_is_are_refused() {
        let text = |pages: &[u8], rows| check(pages, rows).unwrap_err();
        assert_eq!(text(&page(255, 1, 1), 3), "a page that claims -1 of 3 rows at byte 0");
        assert_eq!(text(&page(4, 1, 1), 3), "a page that claims 4 of 3 rows at byte 0");
        assert_eq!(text(&page(2, 1, 1), 3), "pages of 2 rows instead of 3");
        let cut = page(3, 9, 9);
        assert_eq!(text(&cut[..cut.len() - 1], 3), "a page of 9 bytes that was cut off at byte 0");
        assert_eq!(text(&[0x15], 3), "a damaged page header at byte 0");
        assert_eq!(text(&[0x15, 0, 0], 3), "a page header without sizes at byte 0");
        // A size of 2³⁰ for nothing, and lists in lists.
        let mut large = page(3, 0, 0);
        large.splice(3..4, [0x80, 0x80, 0x80, 0x80, 8]);
        assert_eq!(text(&large, 3), "a page that claims 1073741824 bytes in 0 at byte 0");
        assert_eq!(text(&[0x19; 64], 3), "a damaged page header at byte 0");
    }
}
