use std::fs;
use std::path::{Path, PathBuf};

use ganbench_data::rng::Stream;
use npyz::WriterBuilder as _;
use polars::prelude::*;

/// Square RGB images of noise, one behind the other.
pub struct Pictures {
    pub side: usize,
    /// `[n, side, side, 3]`
    pub pixels: Vec<u8>,
}

impl Pictures {
    /// Grey levels of `least` to `least + 199`, by seed.
    pub fn noise(seed: u64, n: usize, side: usize, least: u8) -> Self {
        let mut stream = Stream::new(seed, "pictures");
        let pixels = (0..n * side * side * 3).map(|_| least + stream.below(200) as u8).collect();
        Self { side, pixels }
    }

    fn bytes(&self) -> usize {
        self.side * self.side * 3
    }

    fn shape(&self) -> [usize; 4] {
        [self.pixels.len() / self.bytes(), self.side, self.side, 3]
    }

    /// One PNG file each.
    pub fn encoded(&self) -> Vec<Vec<u8>> {
        let encode = |pixels: &[u8]| {
            let side = self.side as u32;
            let image = image::RgbImage::from_raw(side, side, pixels.to_vec()).unwrap();
            let mut bytes = std::io::Cursor::new(Vec::new());
            image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        self.pixels.chunks_exact(self.bytes()).map(encode).collect()
    }

    /// PNG files, the second half of them in nested folders behind the first in the order of paths.
    pub fn folder(&self, folder: &Path) {
        let all = self.encoded();
        let half = all.len() / 2;
        for (i, bytes) in all.iter().enumerate() {
            let place = if i < half { folder.to_owned() } else { folder.join("z/deeper") };
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join(format!("{i:04}.png")), bytes).unwrap();
        }
    }

    pub fn npy(&self) -> Vec<u8> {
        npy("|u1", &self.shape(), &self.pixels)
    }

    /// `arr_0`, as numpy.savez writes it.
    pub fn npz(&self, path: &Path) {
        npz(path, |archive| {
            let mut member = archive
                .array("arr_0", Default::default())
                .unwrap()
                .default_dtype()
                .shape(&self.shape().map(|axis| axis as u64))
                .begin_nd()
                .unwrap();
            member.extend(self.pixels.iter().copied()).unwrap();
            member.finish().unwrap();
        });
    }

    /// A header of JSON with its length before it, then the tensor `images`.
    pub fn safetensors(&self) -> Vec<u8> {
        let header = serde_json::json!({"images": {"dtype": "U8", "shape": self.shape(),
            "data_offsets": [0, self.pixels.len()]}})
        .to_string();
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes(), &self.pixels].concat()
    }

    /// Encoded images in a column `image`, in row groups of 8.
    pub fn parquet(&self, path: &Path) {
        let images = self.encoded();
        let images = images.iter().map(|bytes| Some(bytes.as_slice()));
        let images = BinaryChunked::from_iter_options("image".into(), images);
        write(DataFrame::new(images.len(), vec![images.into_series().into()]).unwrap(), path);
    }

    /// As the hub has cifar10: a struct of bytes and path, and labels, below `root`.
    pub fn cifar10(&self, root: &Path, split: &str) -> PathBuf {
        let images = self.encoded();
        let n = images.len();
        let bytes = images.iter().map(|bytes| Some(bytes.as_slice()));
        let bytes = BinaryChunked::from_iter_options("bytes".into(), bytes).into_series();
        let paths = Series::new("path".into(), vec!["x.png"; n]);
        let images = StructChunked::from_series("img".into(), n, [bytes, paths].iter()).unwrap();
        let labels = Series::new("label".into(), (0..n as i64).map(|i| i % 10).collect::<Vec<_>>());
        let columns = vec![images.into_series().into(), labels.into()];
        let folder = root.join("cifar10/plain_text");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{split}-00000-of-00001.parquet"));
        write(DataFrame::new(n, columns).unwrap(), &path);
        path
    }
}

fn write(mut frame: DataFrame, path: &Path) {
    let file = fs::File::create(path).unwrap();
    ParquetWriter::new(file).with_row_group_size(Some(8)).finish(&mut frame).unwrap();
}

/// An archive of whatever `fill` puts in.
pub fn npz(
    path: &Path,
    fill: impl FnOnce(&mut npyz::npz::NpzWriter<std::io::BufWriter<fs::File>>),
) {
    let mut archive = npyz::npz::NpzWriter::create(path).unwrap();
    fill(&mut archive);
}

/// Of numpy's format 1.0, with a header that may lie.
pub fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    [out, header.into_bytes(), data.to_vec()].concat()
}

/// `[n, d]` in f64.
pub fn matrix(d: usize, values: &[f64]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy("<f8", &[values.len() / d, d], &bytes)
}

/// `mu` and `sigma` of a file of statistics.
pub fn statistics(path: &Path, mu: &[f64], sigma: &[f64]) {
    npz(path, |archive| {
        for (name, shape, values) in
            [("mu", vec![mu.len() as u64], mu), ("sigma", vec![mu.len() as u64; 2], sigma)]
        {
            let member = archive.array(name, Default::default()).unwrap();
            let mut member = member.default_dtype().shape(&shape).begin_nd().unwrap();
            member.extend(values.iter().copied()).unwrap();
            member.finish().unwrap();
        }
    });
}
