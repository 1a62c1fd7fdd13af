//! Writing `.npz`: stored members, as `numpy.savez` makes them, one after the other, so that memory
//! does not grow with the arrays.

use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ganbench_files::shared;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A number as NumPy stores it.
pub trait Number: Copy {
    /// NumPy's description of the type, little-endian.
    const DESCR: &'static str;

    /// Its bytes, appended to `bytes`.
    fn put(self, bytes: &mut Vec<u8>);
}

macro_rules! number {
    ($($t:ty, $descr:literal;)*) => {$(
        impl Number for $t {
            const DESCR: &'static str = $descr;

            fn put(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

number! { u8, "|u1"; u32, "<u4"; i64, "<i8"; f32, "<f4"; f64, "<f8"; }

/// Bytes that go to the disk at once.
const PIECE: usize = 1 << 16;

/// An archive in a temporary file beside its place. The file appears under its name only when it is
/// whole.
pub struct NpzWriter {
    path: PathBuf,
    zip: ZipWriter<Unfinished>,
    /// Numbers that are still to come of the array that was begun.
    missing: u64,
    piece: Vec<u8>,
}

/// Takes everything in silence once a write failed: an archive that is given up would else try to
/// end the file, and report on stderr that it cannot.
struct Unfinished {
    file: BufWriter<shared::Unfinished>,
    failed: bool,
}

impl Unfinished {
    fn noting<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.failed |= result.as_ref().is_err_and(|e| e.kind() != ErrorKind::Interrupted);
        result
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failed {
            return Ok(bytes.len());
        }
        let result = self.file.write(bytes);
        self.noting(result)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        if self.failed {
            return Ok(());
        }
        let result = self.file.flush();
        self.noting(result)
    }
}

impl Seek for Unfinished {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        if self.failed {
            return Ok(0);
        }
        let result = self.file.seek(to);
        self.noting(result)
    }
}

impl NpzWriter {
    /// # Errors
    /// If the folder of `path` cannot be made or written to.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = shared::Unfinished::beside(path)?;
        let zip = ZipWriter::new(Unfinished { file: BufWriter::new(file), failed: false });
        Ok(Self { path: path.into(), zip, missing: 0, piece: Vec::with_capacity(PIECE + 8) })
    }

    /// Begins an array in C order; its numbers follow by [`NpzWriter::write`]. Source of the
    /// layout: `numpy/lib/format.py`, version 1.0.
    ///
    /// # Errors
    /// If it cannot be written, or numbers of the array before are missing.
    pub fn begin<T: Number>(&mut self, name: &str, shape: &[usize]) -> io::Result<()> {
        self.check_complete()?;
        // The time is left out, so that equal arrays give equal files; large, since the size comes
        // before the data.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        self.zip.start_file(format!("{name}.npy"), options)?;
        let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
        let axes = if shape.len() > 1 { axes.trim_end_matches(", ") } else { axes.trim_end() };
        let descr = T::DESCR;
        let dictionary =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}), }}");
        // The numbers begin at a multiple of 64.
        let length = (10 + dictionary.len() + 1).next_multiple_of(64) - 10;
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((length as u16).to_le_bytes());
        header.extend(format!("{dictionary:<width$}\n", width = length - 1).into_bytes());
        self.missing = shape.iter().map(|&axis| axis as u64).product();
        self.zip.write_all(&header)
    }

    /// The next numbers of the array that was begun.
    ///
    /// # Errors
    /// If they are more than its shape has, or cannot be written.
    pub fn write<T: Number>(&mut self, numbers: impl IntoIterator<Item = T>) -> io::Result<()> {
        for number in numbers {
            self.missing = self.missing.checked_sub(1).ok_or_else(|| {
                io::Error::other("an array got more numbers than its shape has: a defect of ours")
            })?;
            number.put(&mut self.piece);
            if self.piece.len() >= PIECE {
                self.zip.write_all(&self.piece)?;
                self.piece.clear();
            }
        }
        self.zip.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// A whole array.
    ///
    /// # Errors
    /// As of [`NpzWriter::begin`] and [`NpzWriter::write`].
    pub fn array<T: Number>(
        &mut self,
        name: &str,
        shape: &[usize],
        numbers: &[T],
    ) -> io::Result<()> {
        self.begin::<T>(name, shape)?;
        self.write(numbers.iter().copied())
    }

    fn check_complete(&self) -> io::Result<()> {
        match self.missing {
            0 => Ok(()),
            n => Err(io::Error::other(format!(
                "an array lacks {n} of its numbers: a defect of ours"
            ))),
        }
    }

    /// Closes the archive and gives it its name.
    ///
    /// # Errors
    /// If numbers are missing, or the file cannot be written; what stood under the name before is
    /// kept.
    pub fn finish(self) -> io::Result<()> {
        self.check_complete()?;
        let Unfinished { file, failed } = self.zip.finish()?;
        if failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Archive;
    use super::*;

    fn read(path: &Path, name: &str) -> (Vec<usize>, Vec<u8>) {
        let mut archive =
            Archive::open("test", Box::new(std::fs::File::open(path).unwrap())).unwrap();
        let mut array = archive.array(name).unwrap();
        let shape = array.header().shape.clone();
        (shape, array.read_all().unwrap())
    }

    #[test]
    fn arrays_of_every_type_and_rank_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/arrays.npz");
        let mut npz = NpzWriter::create(&path).unwrap();
        npz.array("scalar", &[], &[1.5f64]).unwrap();
        npz.array("row", &[3], &[1i64, -2, 3]).unwrap();
        npz.begin::<u8>("image", &[2, 2, 1]).unwrap();
        npz.write([1u8, 2]).unwrap();
        npz.write([3u8, 4]).unwrap();
        npz.array("none", &[0, 4], &[] as &[f32]).unwrap();
        assert!(!path.exists());
        npz.finish().unwrap();
        assert_eq!(read(&path, "scalar"), (vec![], 1.5f64.to_le_bytes().to_vec()));
        assert_eq!(read(&path, "row").0, [3]);
        assert_eq!(read(&path, "image"), (vec![2, 2, 1], vec![1, 2, 3, 4]));
        assert_eq!(read(&path, "none"), (vec![0, 4], vec![]));
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn an_array_with_too_few_or_too_many_numbers_gives_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arrays.npz");
        let mut npz = NpzWriter::create(&path).unwrap();
        npz.begin::<f32>("a", &[2]).unwrap();
        let error = npz.write([1f32, 2.0, 3.0]).unwrap_err().to_string();
        assert!(error.starts_with("an array got more numbers than its shape has"), "{error}");
        drop(npz);
        let mut npz = NpzWriter::create(&path).unwrap();
        npz.begin::<f32>("a", &[2]).unwrap();
        npz.write([1f32]).unwrap();
        let error = npz.finish().unwrap_err().to_string();
        assert_eq!(error, "an array lacks 1 of its numbers: a defect of ours");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
