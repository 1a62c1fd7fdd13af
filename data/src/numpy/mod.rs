//! NumPy files (`.npy`, `.npz`), read and written as streams: memory grows neither with the file
//! nor with what its headers claim, and nothing of a file is ever executed.
//!
//! A header's shape must agree with the number of bytes that follow. Source: `numpy/lib/format.py`.

mod archive;
mod error;
mod header;
mod write;

#[cfg(test)]
mod tests;

use std::io::{Read, Seek, SeekFrom};

pub use archive::Archive;
pub use error::NumpyError;
use ganbench_files::memory;
pub use header::{Element, Header, Kind};
pub use write::{NpzWriter, Number};

/// Bytes that can be read from any place: a file, or bytes in memory.
pub trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// Numbers are read in pieces of so many bytes where the whole is asked for, so that memory is
/// taken only as the bytes really come.
const PIECE: usize = 1 << 20;

/// An array whose header was read and agrees with the length of its data; stands somewhere in its
/// numbers.
pub struct Array<'a> {
    origin: String,
    header: Header,
    data: Box<dyn Read + Send + 'a>,
    /// Bytes of numbers read so far.
    offset: u64,
}

impl std::fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Array").field("origin", &self.origin).field("header", &self.header).finish()
    }
}

impl<'a> Array<'a> {
    /// A `.npy` file. `origin` is what errors call it.
    ///
    /// # Errors
    /// If the header is damaged or of a kind that is not read, or its shape disagrees with the
    /// length.
    pub fn npy(origin: &str, mut input: impl Input + 'a) -> Result<Self, NumpyError> {
        let io = |source| NumpyError::Io { origin: origin.into(), source };
        let length = input.seek(SeekFrom::End(0)).map_err(io)?;
        input.seek(SeekFrom::Start(0)).map_err(io)?;
        Self::new(origin, Box::new(std::io::BufReader::new(input)), length)
    }

    /// From a stream of `length` bytes, header included.
    fn new(
        origin: &str,
        mut data: Box<dyn Read + Send + 'a>,
        length: u64,
    ) -> Result<Self, NumpyError> {
        let header = Header::read(origin, &mut data)?;
        let (needed, found) =
            (header.data_bytes() as u64, length.saturating_sub(header.bytes as u64));
        if needed != found {
            let (origin, shape, header) = (origin.into(), header.shape, header.bytes);
            return Err(NumpyError::Length { origin, shape, needed, found, header });
        }
        Ok(Self { origin: origin.into(), header, data, offset: 0 })
    }

    /// What the file says of the array: its type, axis order and shape.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What errors call the array.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The next `bytes` bytes of numbers, as they are stored.
    ///
    /// # Errors
    /// If the data ends before (names the offset), is damaged, or there is no such memory.
    pub fn read(&mut self, bytes: usize) -> Result<Vec<u8>, NumpyError> {
        let held = memory::ask(bytes as u64, || format!("a part of {bytes} bytes"));
        let _held =
            held.map_err(|source| NumpyError::Memory { origin: self.origin.clone(), source })?;
        let mut out = Vec::new();
        let failed =
            |offset, source| NumpyError::Data { origin: self.origin.clone(), offset, source };
        while out.len() < bytes {
            let (start, piece) = (out.len(), (bytes - out.len()).min(PIECE));
            let memory = |_| std::io::Error::from(std::io::ErrorKind::OutOfMemory);
            out.try_reserve(piece).map_err(|e| failed(self.offset, memory(e)))?;
            out.resize(start + piece, 0);
            self.data.read_exact(&mut out[start..]).map_err(|e| failed(self.offset, e))?;
            self.offset += piece as u64;
        }
        Ok(out)
    }

    /// All numbers that are left, as they are stored.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&mut self) -> Result<Vec<u8>, NumpyError> {
        self.read(self.header.data_bytes() - self.offset as usize)
    }
}
