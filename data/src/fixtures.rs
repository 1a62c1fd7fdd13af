//! Small made datasets for the tests.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};
use polars::prelude::*;
use serde::Deserialize;

use super::{DataError, Dataset, DatasetRequest, Places, load_from};
use crate::images::ImageSize;

/// Image `i`: every pixel its own value, so that a flip, a transposition or swapped channels show.
pub(crate) fn pixels(i: usize, size: ImageSize) -> Vec<u8> {
    let value = |y: usize, x: usize, c: usize| (i * 7 + y * 5 + x * 3 + c * 70) as u8;
    (0..size.bytes())
        .map(|k| {
            let (pixel, c) = (k / size.channels, k % size.channels);
            value(pixel / size.width, pixel % size.width, c)
        })
        .collect()
}

pub(crate) fn encode(i: usize, size: ImageSize, format: ImageFormat) -> Vec<u8> {
    let (width, height) = (size.width as u32, size.height as u32);
    let raw = pixels(i, size);
    let image = match size.channels {
        1 => DynamicImage::ImageLuma8(GrayImage::from_raw(width, height, raw).unwrap()),
        _ => DynamicImage::ImageRgb8(RgbImage::from_raw(width, height, raw).unwrap()),
    };
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

/// [`encode`] of 3 channels as an uncompressed TIFF file of one strip, which the image crate does
/// not write.
pub(crate) fn encode_tiff(i: usize, size: ImageSize) -> Vec<u8> {
    let (width, height) = (size.width as u32, size.height as u32);
    let pixels = pixels(i, size);
    let (short, long) = (3u16, 4u16);
    let bits_at = 8 + 2 + 9 * 12 + 4;
    // Tags of the TIFF 6.0 specification: size, bits, compression, colours, strip, samples, strip's
    // rows and bytes.
    let entries = [
        (256, long, 1, width),
        (257, long, 1, height),
        (258, short, 3, bits_at),
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long, 1, bits_at + 6),
        (277, short, 1, 3),
        (278, long, 1, height),
        (279, long, 1, pixels.len() as u32),
    ];
    let mut bytes = b"II\x2a\0\x08\0\0\0\x09\0".to_vec();
    for (tag, kind, count, value) in entries {
        bytes.extend(u16::to_le_bytes(tag));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(u32::to_le_bytes(count));
        bytes.extend(u32::to_le_bytes(value));
    }
    bytes.extend([0; 4]);
    bytes.extend([8u16; 3].iter().flat_map(|bits| bits.to_le_bytes()));
    bytes.extend(pixels);
    bytes
}

/// A Parquet file in the layout of the hub. `None` becomes null.
pub(crate) struct Table {
    pub image_column: &'static str,
    pub images: Vec<Option<Vec<u8>>>,
    pub labels: Vec<Option<i64>>,
    pub compression: ParquetCompression,
}

impl Table {
    /// `rows` PNG images of `size`, labels 0, 1, … 9, 0, …
    pub(crate) fn new(image_column: &'static str, rows: usize, size: ImageSize) -> Self {
        Self {
            image_column,
            images: (0..rows).map(|i| Some(encode(i, size, ImageFormat::Png))).collect(),
            labels: (0..rows).map(|i| Some(i as i64 % 10)).collect(),
            compression: ParquetCompression::Zstd(None),
        }
    }

    /// 32x32x3, as `cifar10`.
    pub(crate) fn cifar10(rows: usize) -> Self {
        Self::new("img", rows, ImageSize::new(32, 32, 3))
    }

    pub(crate) fn frame(&self) -> DataFrame {
        let bytes = BinaryChunked::from_iter_options(
            "bytes".into(),
            self.images.iter().map(|image| image.as_deref()),
        );
        let names: Vec<_> = (0..self.images.len()).map(|i| format!("{i}.png")).collect();
        let names = Series::new("path".into(), names);
        let column = StructChunked::from_series(
            self.image_column.into(),
            self.images.len(),
            [bytes.into_series(), names].iter(),
        )
        .unwrap();
        let labels = Series::new("label".into(), &self.labels);
        DataFrame::new(self.images.len(), vec![column.into_series().into(), labels.into()]).unwrap()
    }

    pub(crate) fn write(&self, path: &Path) {
        write_frame(&mut self.frame(), self.compression, path);
    }
}

pub(crate) fn write_frame(frame: &mut DataFrame, compression: ParquetCompression, path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    ParquetWriter::new(file)
        .with_compression(compression)
        .with_row_group_size(Some(8))
        .finish(frame)
        .unwrap();
}

/// `ROOT/cifar10/plain_text/<name>`.
pub(crate) fn cifar10_file(root: &Path, name: &str) -> PathBuf {
    root.join("cifar10/plain_text").join(name)
}

pub(crate) const TRAIN: &str = "train-00000-of-00001.parquet";

/// Nothing of the environment: no `$GANBENCH_DATA`, empty caches, no network.
pub(crate) fn no_places(folder: &Path) -> Places {
    Places {
        data: None,
        hub_cache: Some(folder.join("hub")),
        cache: Some(folder.join("ganbench")),
        endpoint: "http://127.0.0.1:9".into(),
        mapped_bytes: u64::MAX,
        offline: true,
        hub_limits: None,
    }
}

/// Loads from `--data root` alone.
pub(crate) fn load_root(root: &Path, mut request: DatasetRequest) -> Result<Dataset, DataError> {
    request.root = Some(root.to_owned());
    load_from(&request, &no_places(root), &mut |_| {})
}

/// The message of an error, with the path of the test's folder cut out.
pub(crate) fn message<T: std::fmt::Debug>(result: Result<T, DataError>, folder: &Path) -> String {
    result.unwrap_err().to_string().replace(&folder.display().to_string(), "DIR")
}

/// A JPEG file and the pixels that PIL reads from it, both in hexadecimal digits.
#[derive(Deserialize)]
pub(crate) struct JpegCase {
    pub height: u32,
    pub width: u32,
    pub jpeg: String,
    pub pixels: String,
}

/// Cases by their names, of a file of `tests-data/`.
pub(crate) fn jpeg_cases(json: &str) -> BTreeMap<String, JpegCase> {
    serde_json::from_str(json).unwrap()
}

/// The bytes that hexadecimal digits stand for.
pub(crate) fn bytes_from_hex(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
    (0..hex.len() / 2).map(byte).collect()
}
