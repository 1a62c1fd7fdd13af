//! Gathers encoded images into a batch, and hashes what was encoded.

use std::path::Path;

use ganbench_nn::images::ImageBatch;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use super::decode::{Fault, Target, decode};
use super::error::Place;
use super::{DataError, hex};

/// Images decoded between two reports of progress.
pub(super) const BLOCK: usize = 2048;

/// One encoded image.
pub(super) struct Row<'a> {
    pub file: &'a Path,
    /// In `file`, counted from 0; none where the file is the image.
    pub row: Option<usize>,
    pub bytes: &'a [u8],
    pub label: Option<u32>,
}

/// The images so far.
pub(super) struct Content {
    target: Target,
    hash: Sha256,
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

impl Content {
    /// With room for `count` images.
    pub(super) fn new(target: Target, count: usize) -> Result<Self, DataError> {
        let mut hash = Sha256::new();
        hash.update(b"ganbench-images-1");
        let pixels = super::room(count, target.output)?;
        Ok(Self { target, hash, pixels, labels: Vec::new() })
    }

    /// Decodes `rows` on all threads. Of several bad images the first is reported.
    pub(super) fn extend(&mut self, rows: &[Row]) -> Result<(), DataError> {
        for row in rows {
            self.hash.update((row.bytes.len() as u64).to_le_bytes());
            self.hash.update(row.bytes);
            self.hash.update(row.label.map_or(-1, i64::from).to_le_bytes());
        }
        self.labels.extend(rows.iter().filter_map(|row| row.label));
        let start = self.pixels.len();
        self.pixels.resize(start + rows.len() * self.target.output.bytes(), 0);
        let target = self.target;
        let fault = self.pixels[start..]
            .par_chunks_exact_mut(target.output.bytes())
            .zip(rows)
            .find_map_first(|(out, row)| Some((row, decode(row.bytes, &target, out).err()?)));
        fault.map_or(Ok(()), |(row, fault)| Err(image_error(row.file, row.row, fault, &target)))
    }

    pub(super) fn len(&self) -> usize {
        self.pixels.len() / self.target.output.bytes()
    }

    /// The batch and the hash of its encoded content.
    pub(super) fn finish(self) -> Result<(ImageBatch, String), DataError> {
        let labels = (!self.labels.is_empty()).then_some(self.labels);
        Ok((ImageBatch::new(self.target.output, self.pixels, labels, None)?, hex(self.hash)))
    }
}

pub(super) fn image_error(
    file: &Path,
    row: Option<usize>,
    fault: Fault,
    target: &Target,
) -> DataError {
    let place = Place { file: file.to_owned(), row };
    match fault {
        Fault::Reason(reason) => DataError::Image { place, reason },
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
    use ganbench_nn::images::ImageSize;

    /// A PNG file of one pixel, (1, 2, 3).
    const PNG: &str = "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49\
                       444154789c636064620600000e0007d76fe4780000000049454e44ae426082";

    fn hash(labels: &[Option<u32>]) -> String {
        let png: Vec<u8> = (0..PNG.len() / 2)
            .map(|i| u8::from_str_radix(&PNG[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        let output = ImageSize::new(1, 1, 3);
        let target = Target { height: 1, width: 1, why: "a test", output };
        let mut content = Content::new(target, labels.len()).unwrap();
        // One at a time: how they are portioned must not show.
        for &label in labels {
            content.extend(&[Row { file: Path::new("x"), row: None, bytes: &png, label }]).unwrap();
        }
        let (images, hash) = content.finish().unwrap();
        assert_eq!(images.pixels[..3], [1, 2, 3]);
        hash
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
