//! Sets that are too large to sit in memory: decoded once into a file of pixels, which is mapped.
//!
//! `<cache>/datasets/<name>-<split>-<hash>.u8` holds the pixels of all images in row order, the
//! labels as little-endian u32 where there are any, then what they were made from as JSON, the
//! CRC-32 of all that and the length of the JSON, little-endian u32 and u64, and eight bytes that
//! say what it is. It is written as `.part` and renamed when whole. One that is damaged (the CRC is
//! checked at each opening), or older than what it was made from, is made again. Whoever makes one
//! holds the lock of a `.lock` file beside it; others wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ganbench_files::shared::{Lock, open_regular};
use memmap2::{Mmap, MmapOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::content::{Content, Decoded};
use crate::decode::Target;
use crate::images::{ImageBatch, ImageSize, Pixels};
use crate::sources::Reading;
use crate::{DataError, Places, Progress, Split, Stage, hex};

const MAGIC: &[u8; 8] = b"ganbu8-2";
/// The CRC, the JSON's length and the magic bytes.
const TAIL: u64 = 20;
/// Far above any JSON that is written here.
const MOST_JSON: u64 = 1 << 16;

/// What is wanted, and what it is made from.
pub(crate) struct Wanted<'a> {
    pub name: &'a str,
    pub split: Split,
    /// Where the images are; tells apart sets of one name.
    pub origin: &'a Path,
    /// Every file that is read, in order.
    pub files: &'a [PathBuf],
    pub target: Target,
    pub images: usize,
    /// Seed by which the images were drawn, where they are a part of the set that is not its start.
    pub drawn: Option<u64>,
}

/// The JSON behind the pixels.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    /// Hash of paths, lengths and times of the files read, and of what was done to their images.
    made_from: String,
    images: usize,
    height: usize,
    width: usize,
    channels: usize,
    labels: bool,
    /// Of the encoded images and labels, as `Dataset::sha256`.
    content_sha256: String,
    #[serde(default, skip_serializing_if = "Reading::is_plain")]
    reading: Reading,
}

/// Images that were decoded now or before.
pub(crate) struct Prepared {
    pub images: ImageBatch,
    /// Of the encoded images and labels, as `Dataset::sha256`.
    pub sha256: String,
    pub reading: Reading,
}

/// Decodes all images.
type Fill<'a> = dyn FnMut(&mut Content, &mut dyn FnMut(Progress)) -> Result<(), DataError> + 'a;

/// The images that `fill` decodes: mapped from a file where they
/// have at least `places.mapped_bytes` and there is a folder for it, in memory otherwise.
pub(crate) fn images(
    places: &Places,
    wanted: &Wanted,
    progress: &mut dyn FnMut(Progress),
    fill: &mut Fill<'_>,
) -> Result<Prepared, DataError> {
    let bytes = (wanted.images as u64).saturating_mul(wanted.target.output.bytes() as u64);
    let Some(cache) = places.cache.as_ref().filter(|_| bytes >= places.mapped_bytes) else {
        let mut content = Content::in_memory(wanted.target, wanted.images)?;
        fill(&mut content, progress)?;
        let decoded = content.finish();
        let images = ImageBatch::new(wanted.target.output, decoded.pixels, decoded.labels, None)?;
        let (sha256, reading) = (decoded.sha256, decoded.reading);
        return Ok(Prepared { images, sha256, reading });
    };
    let made_from = wanted.made_from()?;
    let path = cache.join("datasets").join(wanted.file_name());
    if let Some(found) = open(&path, wanted, &made_from)? {
        return Ok(found);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(DataError::io("make", folder))?;
    let lock_path = path.with_extension("lock");
    let mut waits = |_: &str| progress(Progress { stage: Stage::Waiting, done: 0, total: 0 });
    let _lock = Lock::wait(&lock_path, &mut waits).map_err(DataError::io("lock", &lock_path))?;
    // Another process may have made it while this one waited.
    if let Some(found) = open(&path, wanted, &made_from)? {
        return Ok(found);
    }
    let mut writer = Writer::new(path.with_extension("part"))?;
    let written =
        write(&mut writer, wanted, made_from.clone(), &mut |content| fill(content, progress));
    let written = written
        .and_then(|()| fs::rename(&writer.path, &path).map_err(DataError::io("rename", &path)));
    if let Err(error) = written {
        // Best effort: what stays is written over the next time.
        let _ = fs::remove_file(&writer.path);
        return Err(error);
    }
    open(&path, wanted, &made_from)?.ok_or_else(|| {
        let source = io::Error::other("it is not what was just written; is the disk damaged?");
        DataError::io("read", &path)(source)
    })
}

impl Wanted<'_> {
    fn file_name(&self) -> String {
        let mut hash = Sha256::new();
        let origin = fs::canonicalize(self.origin).unwrap_or(self.origin.to_owned());
        hash.update(origin.as_os_str().as_encoded_bytes());
        hash.update(format!("\0{:?}\0{}", self.target, self.images));
        hash.update(self.draw());
        format!("{}-{}-{}.u8", self.name, self.split, &hex(hash)[..16])
    }

    /// Nothing for all images or the first, so that files from before stay of use.
    fn draw(&self) -> String {
        self.drawn.map_or_else(String::new, |seed| format!("drawn by {seed}\0"))
    }

    fn made_from(&self) -> Result<String, DataError> {
        let mut hash = Sha256::new();
        hash.update(format!("ganbench-prepared-2\0{:?}\0{}\0", self.target, self.images));
        hash.update(self.draw());
        for path in self.files {
            let metadata = fs::metadata(path).map_err(DataError::io("read", path))?;
            let modified = metadata.modified().map_err(DataError::io("read", path))?;
            let modified = modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(format!("\0{}\0{modified}\0", metadata.len()));
        }
        Ok(hex(hash))
    }
}

/// A file under way.
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    crc: crc32fast::Hasher,
}

impl Writer {
    fn new(path: PathBuf) -> Result<Self, DataError> {
        // What a process that died left, or a link that somebody put there, is not written into.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DataError::io("remove", &path)(error));
            }
            _ => {}
        }
        let file = File::create_new(&path).map_err(DataError::io("make", &path))?;
        Ok(Self { path, file, crc: crc32fast::Hasher::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.crc.update(bytes);
        self.file.write_all(bytes).map_err(DataError::io("write", &self.path))
    }
}

fn write(
    writer: &mut Writer,
    wanted: &Wanted,
    made_from: String,
    fill: &mut dyn FnMut(&mut Content) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let mut content = Content::in_file(wanted.target, writer);
    fill(&mut content)?;
    let Decoded { labels, images, sha256: content_sha256, reading, .. } = content.finish();
    let bytes: Vec<u8> = labels.iter().flatten().flat_map(|label| label.to_le_bytes()).collect();
    writer.write(&bytes)?;
    let ImageSize { height, width, channels } = wanted.target.output;
    let footer = Footer {
        made_from,
        images,
        height,
        width,
        channels,
        labels: labels.is_some(),
        content_sha256,
        reading,
    };
    let json = serde_json::to_vec(&footer).map_err(|error| {
        DataError::io("write", &writer.path)(io::Error::other(error.to_string()))
    })?;
    writer.write(&json)?;
    let mut tail = writer.crc.clone().finalize().to_le_bytes().to_vec();
    tail.extend_from_slice(&(json.len() as u64).to_le_bytes());
    tail.extend_from_slice(MAGIC);
    writer.write(&tail)?;
    writer.file.sync_all().map_err(DataError::io("write", &writer.path))
}

/// The set in the file at `path`; none where there is no file, or one that is damaged or of
/// something else.
fn open(path: &Path, wanted: &Wanted, made_from: &str) -> Result<Option<Prepared>, DataError> {
    let mut file = match open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DataError::io("open", path)(error)),
    };
    match read(&mut file, wanted, made_from) {
        Ok(Some(Found { pixels, labels, footer })) => {
            let images = ImageBatch::of_pixels(wanted.target.output, pixels, labels, None)?;
            let Footer { content_sha256: sha256, reading, .. } = footer;
            Ok(Some(Prepared { images, sha256, reading }))
        }
        Ok(None) => Ok(None),
        // Shorter than its end says.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(DataError::io("read", path)(error)),
    }
}

struct Found {
    pixels: Pixels,
    labels: Option<Vec<u32>>,
    footer: Footer,
}

fn read(file: &mut File, wanted: &Wanted, made_from: &str) -> io::Result<Option<Found>> {
    let length = file.metadata()?.len();
    let Some(before_tail) = length.checked_sub(TAIL) else { return Ok(None) };
    file.seek(SeekFrom::Start(before_tail))?;
    let mut crc = [0; 4];
    let mut json_length = [0; 8];
    let mut magic = [0; 8];
    file.read_exact(&mut crc)?;
    file.read_exact(&mut json_length)?;
    file.read_exact(&mut magic)?;
    let json_length = u64::from_le_bytes(json_length);
    let body = before_tail.checked_sub(json_length);
    let Some(body) = body.filter(|_| magic == *MAGIC && json_length <= MOST_JSON) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(body))?;
    let mut json = vec![0; json_length as usize];
    file.read_exact(&mut json)?;
    let Ok(footer) = serde_json::from_slice::<Footer>(&json) else { return Ok(None) };
    let output = wanted.target.output;
    let pixels = (wanted.images as u64).checked_mul(output.bytes() as u64);
    let labels = if footer.labels { 4 * wanted.images as u64 } else { 0 };
    let size = ImageSize::new(footer.height, footer.width, footer.channels);
    let is_wanted =
        footer.made_from == made_from && footer.images == wanted.images && size == output;
    let Some(pixels) = pixels.filter(|p| is_wanted && p.checked_add(labels) == Some(body)) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(0))?;
    if crc32(file, before_tail)? != u32::from_le_bytes(crc) {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(pixels))?;
    let mut bytes = vec![0; labels as usize];
    file.read_exact(&mut bytes)?;
    let labels = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let map = Arc::new(map(file, pixels as usize)?);
    let labels = footer.labels.then_some(labels);
    Ok(Some(Found { pixels: Pixels::Shared(map), labels, footer }))
}

fn crc32(file: &mut File, bytes: u64) -> io::Result<u32> {
    let mut crc = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(buffer.len() as u64) as usize;
        file.read_exact(&mut buffer[..part])?;
        crc.update(&buffer[..part]);
        left -= part as u64;
    }
    Ok(crc.finalize())
}

/// The first `length` bytes of the file, which is not empty.
fn map(file: &File, length: usize) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are mapped. Files of this kind appear by
    // renaming and are never written to afterwards; a newer one takes the name and leaves this one
    // to those who have it open.
    unsafe { MmapOptions::new().len(length).map(file) }
}

#[cfg(test)]
#[path = "prepared_tests.rs"]
mod tests;
