//! Gathers encoded images into a batch, and hashes what was encoded.

use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::prepared::Writer;
use crate::decode::format::Marks;
use crate::decode::{Fault, Target, decode};
use crate::error::Place;
use crate::sources::Reading;
use crate::{DataError, hex};

/// Images decoded between two reports of progress, at most.
const BLOCK: usize = 2048;
/// Bytes of their pixels, about, so that large images need no more memory than small ones.
const BLOCK_BYTES: usize = 64 << 20;

/// One encoded image.
pub(crate) struct Row<'a> {
    pub file: &'a Path,
    /// In `file`, counted from 0; none where the file is the image.
    pub row: Option<usize>,
    pub bytes: &'a [u8],
    pub label: Option<u32>,
}

/// Where decoded pixels go.
enum Store<'a> {
    Memory(Vec<u8>),
    /// With the pixels of one block.
    File {
        writer: &'a mut Writer,
        block: Vec<u8>,
    },
}

/// The images so far.
pub(crate) struct Content<'a> {
    target: Target,
    hash: Sha256,
    store: Store<'a>,
    labels: Vec<u32>,
    images: usize,
    reading: Reading,
}

/// All images, when they are there.
pub(crate) struct Decoded {
    /// Empty where they went to a file.
    pub pixels: Vec<u8>,
    pub labels: Option<Vec<u32>>,
    pub images: usize,
    /// Of the encoded content.
    pub sha256: String,
    /// What was done to the images beyond reading them.
    pub reading: Reading,
}

impl<'a> Content<'a> {
    /// In memory, with room for `count` images.
    pub(crate) fn in_memory(target: Target, count: usize) -> Result<Self, DataError> {
        Ok(Self::new(target, Store::Memory(crate::room(count, target.output)?)))
    }

    /// In a file.
    pub(crate) fn in_file(target: Target, writer: &'a mut Writer) -> Self {
        Self::new(target, Store::File { writer, block: Vec::new() })
    }

    fn new(target: Target, store: Store<'a>) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"ganbench-images-1");
        let reading = Reading::default();
        Self { target, hash, store, labels: Vec::new(), images: 0, reading }
    }

    /// How many images to give to [`Self::extend`] at a time.
    pub(crate) fn block(&self) -> usize {
        (BLOCK_BYTES / self.target.output.bytes().max(1)).clamp(1, BLOCK)
    }

    /// Decodes `rows` on all threads. Of several bad images the first is reported.
    pub(crate) fn extend(&mut self, rows: &[Row]) -> Result<(), DataError> {
        for row in rows {
            self.hash.update((row.bytes.len() as u64).to_le_bytes());
            self.hash.update(row.bytes);
            self.hash.update(row.label.map_or(-1, i64::from).to_le_bytes());
        }
        self.labels.extend(rows.iter().filter_map(|row| row.label));
        self.images += rows.len();
        let (target, bytes) = (self.target, self.target.output.bytes());
        let marks = match &mut self.store {
            Store::Memory(pixels) => {
                let start = pixels.len();
                pixels.resize(start + rows.len() * bytes, 0);
                decode_all(rows, &target, &mut pixels[start..])?
            }
            Store::File { writer, block } => {
                block.clear();
                block.resize(rows.len() * bytes, 0);
                let marks = decode_all(rows, &target, block)?;
                writer.write(block)?;
                marks
            }
        };
        marks.into_iter().for_each(|marks| self.reading.count(marks));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.images
    }

    pub(crate) fn finish(self) -> Decoded {
        Decoded {
            pixels: match self.store {
                Store::Memory(pixels) => pixels,
                Store::File { .. } => Vec::new(),
            },
            labels: (!self.labels.is_empty()).then_some(self.labels),
            images: self.images,
            sha256: hex(self.hash),
            reading: self.reading,
        }
    }
}

/// `out` holds zeros.
fn decode_all(rows: &[Row], target: &Target, out: &mut [u8]) -> Result<Vec<Marks>, DataError> {
    let decoded: Vec<Result<Marks, Fault>> = out
        .par_chunks_exact_mut(target.output.bytes())
        .zip(rows)
        .map(|(out, row)| decode(row.bytes, target, out))
        .collect();
    let of_row = |(one, row): (Result<Marks, Fault>, &Row)| {
        one.map_err(|fault| image_error(row.file, row.row, fault, target))
    };
    decoded.into_iter().zip(rows).map(of_row).collect()
}

pub(crate) fn image_error(
    file: &Path,
    row: Option<usize>,
    fault: Fault,
    target: &Target,
) -> DataError {
    let place = Place { file: file.to_owned(), row };
    match fault {
        Fault::Reason(reason) | Fault::Damaged(reason) => DataError::Image { place, reason },
        Fault::Size { height, width } => DataError::ImageSize {
            place,
            found: format!("{width}x{height}"),
            expected: format!("{}x{}", target.width, target.height),
            why: target.why,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageSize;

    /// A PNG file of one pixel, (1, 2, 3).
    const PNG: &str = "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49\
                       444154789c636064620600000e0007d76fe4780000000049454e44ae426082";

    fn hash(labels: &[Option<u32>]) -> String {
        let png: Vec<u8> = (0..PNG.len() / 2)
            .map(|i| u8::from_str_radix(&PNG[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let output = ImageSize::new(1, 1, 3);
        let target = Target { height: 1, width: 1, why: "a test", shrink: 1, fit: None, output };
        let mut content = Content::in_memory(target, labels.len()).unwrap();
        // One at a time: how they are portioned must not show.
        for &label in labels {
            content.extend(&[Row { file: Path::new("x"), row: None, bytes: &png, label }]).unwrap();
        }
        let decoded = content.finish();
        assert_eq!(decoded.pixels[..3], [1, 2, 3]);
        decoded.sha256
    }

    #[test]
    fn the_hash_of_the_content_is_that_of_an_independent_script() {
        // Python 3: the PNG file by struct and zlib; then, rows being (bytes, label),
        //   h = hashlib.sha256(b"ganbench-images-1")
        //   for b, l in rows:
        //       h.update(struct.pack("<Q", len(b)) + b + struct.pack("<q", -1 if l is None else l))
        assert_eq!(
            hash(&[Some(3), Some(0)]),
            "e1ea4c6c2c0abe92eeb4567afbf0c2d481defcd1d48dc6ac95dcbd7520be23b1"
        );
        assert_eq!(
            hash(&[None]),
            "34be4299efedfc65905bddc735901f1bba63eafb2d4e6890b02aa282fdd831da"
        );
    }
}
