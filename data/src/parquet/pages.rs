//! What the pages of a Parquet column claim, checked before polars takes memory for it.
//!
//! polars allocates by the counts in page headers, −1 among them, and ends the process where there
//! is no such memory; that cannot be caught. So the headers are walked first. Source: the
//! `PageHeader` of `parquet.thrift` in Thrift's compact protocol; no page is decompressed here, and
//! none is held.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

/// Room for a page of small numbers or repeated text, which compresses without limit.
const SMALL_PAGE: u64 = 1 << 20;
/// Beyond that room; encoded images hardly compress at all.
const BEST_RATIO: u64 = 1024;
const DEEPEST: usize = 8;
/// Each value is a part of the one before and what follows it: some bytes can stand for any number
/// of large values.
const DELTA_BYTE_ARRAY: i64 = 7;

/// Checks the page headers of a column chunk of `rows` rows without repetition, which lies at these
/// bytes of the input, and gives the bytes that its pages hold when they are decompressed.
///
/// Errors say what is wrong and at which byte of the chunk.
pub(crate) fn check(
    input: &mut BufReader<impl Read + Seek>,
    chunk: Range<u64>,
    rows: usize,
) -> Result<u64, String> {
    let rows = rows as u64;
    let (mut values, mut claimed) = (0u64, 0u64);
    input
        .seek(SeekFrom::Start(chunk.start))
        .map_err(|error| format!("an unread chunk ({error})"))?;
    let mut chunk = Thrift { input, at: 0, length: chunk.end - chunk.start, numbers: Vec::new() };
    while chunk.at < chunk.length && values < rows {
        let at = chunk.at;
        chunk.numbers.clear();
        chunk.structure(0, 0).ok_or_else(|| format!("a damaged page header at byte {at}"))?;
        let number = |parent, id| {
            let found = chunk.numbers.iter().find(|n| (n.parent, n.id) == (parent, id));
            found.map(|n| n.value)
        };
        let size = |id| number(0, id).and_then(|n| u64::try_from(n).ok());
        let (Some(size), Some(stored)) = (size(2), size(3)) else {
            return Err(format!("a page header without sizes at byte {at}"));
        };
        if size > stored.saturating_mul(BEST_RATIO).saturating_add(SMALL_PAGE) {
            return Err(format!("a page that claims {size} bytes in {stored} at byte {at}"));
        }
        claimed = claimed.saturating_add(size);
        // Of data pages of version 1 and 2.
        if [number(5, 2), number(8, 4)].contains(&Some(DELTA_BYTE_ARRAY)) {
            return Err(format!(
                "a page in the encoding DELTA_BYTE_ARRAY, which does not tell how large its values are, at byte {at}"
            ));
        }
        // Data pages of version 1 and 2, and dictionaries.
        for (kind, is_data) in [(5, true), (8, true), (7, false)] {
            let Some(count) = number(kind, 1) else { continue };
            match u64::try_from(count) {
                Ok(count) if count <= rows => values += if is_data { count } else { 0 },
                _ => return Err(format!("a page that claims {count} of {rows} rows at byte {at}")),
            }
        }
        chunk
            .pass(stored)
            .ok_or_else(|| format!("a page of {stored} bytes that was cut off at byte {at}"))?;
    }
    if values != rows {
        return Err(format!("pages of {values} rows instead of {rows}"));
    }
    Ok(claimed)
}

/// An integer field, with the field of the structure that it lies in (0 for the outermost).
struct Number {
    parent: i64,
    id: i64,
    value: i64,
}

/// Stands somewhere in a column chunk.
struct Thrift<'a, I> {
    input: &'a mut BufReader<I>,
    /// Bytes of the chunk that were passed.
    at: u64,
    length: u64,
    numbers: Vec<Number>,
}

impl<I: Read + Seek> Thrift<'_, I> {
    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        if self.at == self.length {
            return None;
        }
        self.input.read_exact(&mut byte).ok()?;
        self.at += 1;
        Some(byte[0])
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
        if count > self.length - self.at {
            return None;
        }
        self.input.seek_relative(i64::try_from(count).ok()?).ok()?;
        self.at += count;
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
    use std::io::Cursor;

    use super::*;

    fn check(chunk: &[u8], rows: usize) -> Result<u64, String> {
        // What stands before the chunk is none of it.
        let input = [&[0x15; 3], chunk].concat();
        let end = input.len() as u64;
        super::check(&mut BufReader::new(Cursor::new(input)), 3..end, rows)
    }

    /// A page of version 1 with `values` rows in `stored` bytes that claim to be `size`; all of
    /// them below 64, so that each is one byte (zigzag: twice the number, −1 is 1).
    fn page(values: u8, size: u8, stored: u8) -> Vec<u8> {
        // Field 1 (type) = 0, 2 (size), 3 (stored size), 5: a structure with field 1 (values), 2, 3
        // and 4.
        let mut out = vec![0x15, 0, 0x15, 2 * size, 0x15, 2 * stored, 0x2c];
        let values = if values == 255 { 1 } else { 2 * values };
        out.extend([0x15, values, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
        out.extend(vec![9; stored.into()]);
        out
    }

    #[test]
    fn pages_that_hold_the_rows_pass() {
        let pages = [page(3, 5, 5), page(2, 0, 0)].concat();
        assert_eq!(check(&pages, 5), Ok(5));
        // What follows the last row is never read.
        assert_eq!(check(&[pages, vec![7; 9]].concat(), 5), Ok(5));
    }

    #[test]
    fn pages_that_claim_more_than_there_is_are_refused() {
        let text = |pages: &[u8], rows| check(pages, rows).unwrap_err();
        assert_eq!(text(&page(255, 1, 1), 3), "a page that claims -1 of 3 rows at byte 0");
        assert_eq!(text(&page(4, 1, 1), 3), "a page that claims 4 of 3 rows at byte 0");
        assert_eq!(text(&page(2, 1, 1), 3), "pages of 2 rows instead of 3");
        let cut = page(3, 9, 9);
        assert_eq!(text(&cut[..cut.len() - 1], 3), "a page of 9 bytes that was cut off at byte 0");
        let mut delta = page(3, 1, 1);
        let encoding = delta.windows(2).position(|pair| pair == [0x15, 6]).unwrap() + 4;
        delta[encoding - 1] = 14;
        assert_eq!(
            text(&delta, 3),
            "a page in the encoding DELTA_BYTE_ARRAY, which does not tell how large its values are, at byte 0"
        );
        assert_eq!(text(&[0x15], 3), "a damaged page header at byte 0");
        assert_eq!(text(&[0x15, 0, 0], 3), "a page header without sizes at byte 0");
        // A size of 2³⁰ for nothing, and lists in lists.
        let mut large = page(3, 0, 0);
        large.splice(3..4, [0x80, 0x80, 0x80, 0x80, 8]);
        assert_eq!(text(&large, 3), "a page that claims 1073741824 bytes in 0 at byte 0");
        assert_eq!(text(&[0x19; 64], 3), "a damaged page header at byte 0");
    }
}
