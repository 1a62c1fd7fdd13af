//! `.npz`: a zip archive of `.npy` arrays, stored or deflated.
//!
//! The `zip` crate reads the directory; members are inflated here, so that an array can be read
//! piece by piece from a file that it owns, and no more than its directory entry promises.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;
use ganbench_files::panics;
use zip::{CompressionMethod, ZipArchive};

use super::{Array, Input, NumpyError};

/// Statistics, features and images have a handful.
const MOST_MEMBERS: usize = 256;
/// No deflate stream gets below 1032:1 (zlib's documentation, "Maximum Compression Factor").
const BEST_RATIO: u64 = 1032;

/// An archive whose directory was read.
pub struct Archive {
    origin: String,
    members: Vec<Member>,
    input: Box<dyn Input>,
}

#[derive(Clone, Debug)]
struct Member {
    /// With `.npy`, as in the directory.
    name: String,
    start: u64,
    compressed: u64,
    size: u64,
    crc: u32,
    method: CompressionMethod,
    encrypted: bool,
}

impl Archive {
    /// `origin` is what errors call the archive.
    ///
    /// # Errors
    /// If the directory is damaged, or has more members than any archive of arrays.
    pub fn open(origin: &str, mut input: Box<dyn Input>) -> Result<Self, NumpyError> {
        let damaged = |reason: String| NumpyError::Archive { origin: origin.into(), reason };
        let length = input.seek(SeekFrom::End(0)).map_err(|e| damaged(e.to_string()))?;
        let zip = panics::caught(|| ZipArchive::new(input)).map_err(damaged)?;
        let mut zip = zip.map_err(|e| damaged(e.to_string()))?;
        if zip.len() > MOST_MEMBERS {
            let (origin, members, most) = (origin.into(), zip.len(), MOST_MEMBERS);
            return Err(NumpyError::ManyMembers { origin, members, most });
        }
        let mut members = Vec::with_capacity(zip.len());
        for i in 0..zip.len() {
            let file = zip.by_index_raw(i).map_err(|e| damaged(e.to_string()))?;
            let name = file.name().map_err(|e| damaged(e.to_string()))?.into_owned();
            let start = file.data_start().ok_or_else(|| damaged(format!("{name} has no place")))?;
            let compressed = file.compressed_size();
            if start.checked_add(compressed).is_none_or(|end| end > length) {
                return Err(damaged(format!("{name} reaches beyond the end of the file")));
            }
            members.push(Member {
                start,
                compressed,
                size: file.size(),
                crc: file.crc32(),
                method: file.compression(),
                encrypted: file.encrypted(),
                name,
            });
        }
        Ok(Self { origin: origin.into(), members, input: zip.into_inner() })
    }

    /// Names of the arrays, without `.npy`, in the order of the directory.
    pub fn names(&self) -> Vec<&str> {
        self.members.iter().filter_map(|m| m.name.strip_suffix(".npy")).collect()
    }

    /// Whether there is an array of this name, which comes without `.npy`.
    pub fn contains(&self, name: &str) -> bool {
        self.names().contains(&name)
    }

    /// An array of the archive, to be read before any other is.
    ///
    /// # Errors
    /// If there is none or more than one of the name, it is encrypted, compressed other than by
    /// deflate, or damaged.
    pub fn array(&mut self, name: &str) -> Result<Array<'_>, NumpyError> {
        let (origin, member) = self.member(name)?;
        open(&origin, &member, &mut self.input)
    }

    /// As [`Self::array`]; it takes the archive along, and can be kept.
    ///
    /// # Errors
    /// As [`Self::array`].
    pub fn into_array(self, name: &str) -> Result<Array<'static>, NumpyError> {
        let (origin, member) = self.member(name)?;
        open(&origin, &member, self.input)
    }

    fn member(&self, name: &str) -> Result<(String, Member), NumpyError> {
        let origin = format!("{} member {name}.npy", self.origin);
        let mut found = self.members.iter().filter(|m| m.name.strip_suffix(".npy") == Some(name));
        let Some(member) = found.next() else {
            let reason = format!("it has no member {name}.npy");
            return Err(NumpyError::Archive { origin: self.origin.clone(), reason });
        };
        if found.next().is_some() {
            return Err(NumpyError::Twice { origin });
        }
        if member.encrypted {
            return Err(NumpyError::Encrypted { origin });
        }
        Ok((origin, member.clone()))
    }
}

fn open<'a>(
    origin: &str,
    member: &Member,
    mut input: impl Read + Seek + Send + 'a,
) -> Result<Array<'a>, NumpyError> {
    let io = |source| NumpyError::Io { origin: origin.into(), source };
    input.seek(SeekFrom::Start(member.start)).map_err(io)?;
    let (size, compressed) = (member.size, member.compressed);
    let raw = io::BufReader::new(input.take(compressed));
    let body: Box<dyn Read + Send + 'a> = match member.method {
        CompressionMethod::STORE if size == compressed => Box::new(raw),
        CompressionMethod::STORE => {
            let reason = format!("{size} bytes are stored as {compressed}");
            return Err(NumpyError::Archive { origin: origin.into(), reason });
        }
        CompressionMethod::DEFLATE => {
            if size > compressed.saturating_mul(BEST_RATIO).saturating_add(BEST_RATIO) {
                return Err(NumpyError::Ratio { origin: origin.into(), size, compressed });
            }
            Box::new(DeflateDecoder::new(raw))
        }
        other => {
            let method = other.to_string();
            return Err(NumpyError::Compression { origin: origin.into(), method });
        }
    };
    let checksum = crc32fast::Hasher::new();
    let checked = Checked { body, left: size, checksum, expected: member.crc };
    Array::new(origin, Box::new(checked), size)
}

/// Gives exactly as many bytes as promised, and compares their checksum at the end.
struct Checked<'a> {
    body: Box<dyn Read + Send + 'a>,
    left: u64,
    checksum: crc32fast::Hasher,
    expected: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let invalid = |text: &str| Err(io::Error::new(ErrorKind::InvalidData, text));
        let read = self.body.read(&mut out[..most])?;
        if read == 0 {
            let text = "the member ends before the size that the directory promises";
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.checksum.update(&out[..read]);
        self.left -= read as u64;
        if self.left == 0 {
            if self.body.read(&mut [0])? != 0 {
                return invalid("the member goes on beyond the size that the directory promises");
            }
            if self.checksum.clone().finalize() != self.expected {
                return invalid("the checksum of the member does not fit its bytes");
            }
        }
        Ok(read)
    }
}
