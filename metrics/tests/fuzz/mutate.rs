//! Damage that follows the structure of a kind of file.

/// BMP.
pub mod bmp;
/// Numbers as headers hold them.
mod numbers;
/// Safetensors.
pub mod safetensors;
/// TIFF.
pub mod tiff;
/// WebP.
pub mod webp;

use std::io::{Cursor, Write as _};

use ganbench_data::rng::Stream;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// Makes the checksums of a PNG file fit its chunks again, as far as its chunks can be made out:
/// otherwise hardly any damage gets past them.
pub fn png_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(&[a, b, c, d]) = bytes.get(at..at + 4) {
        let end = (at + 8).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
        if bytes.len() < end.saturating_add(4) {
            return;
        }
        let checksum = crc32fast::hash(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&checksum.to_be_bytes());
        at = end + 4;
    }
}

/// A JPEG file after one to three changes of its segments: their order, their number, and the
/// fields of frames and scans. Changed bytes alone hardly ever leave the rest of such a file
/// readable.
pub fn jpeg_segments(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut segments = segments(file);
    let below = |stream: &mut Stream, n: usize| stream.below(n as u64) as usize;
    for _ in 0..=stream.below(3) {
        let at = below(stream, segments.len());
        let other = below(stream, segments.len());
        match stream.below(8) {
            0 => segments.swap(at, other),
            1 => segments.insert(at, segments[other].clone()),
            2 => drop(segments.remove(at)),
            // Sampling factors of a frame: each channel's own.
            3..=5 => {
                let frame = segments.iter_mut().find(|s| matches!(s[1], 0xc0..=0xc2));
                let Some(frame) = frame else { continue };
                for channel in (11..frame.len()).step_by(3) {
                    let factors = [0x11, 0x11, 0x22, 0x21, 0x12, 0x41, 0x14, 0x44, 0x31, 0x13];
                    frame[channel] = factors[below(stream, factors.len())];
                }
            }
            6 => {
                let adobe = segments.iter_mut().find(|s| s[1] == 0xee && s.len() == 16);
                adobe.into_iter().for_each(|adobe| adobe[15] = stream.below(4) as u8);
            }
            _ => {
                let segment = &mut segments[at];
                let byte = below(stream, segment.len());
                segment[byte] = stream.u64() as u8;
            }
        }
        if segments.is_empty() {
            break;
        }
    }
    [b"\xff\xd8".to_vec(), segments.concat(), b"\xff\xd9".to_vec()].concat()
}

/// What stands between the first and the last marker; a scan with its bytes. Of a whole file.
fn segments(file: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    let mut at = 2;
    while file[at + 1] != 0xd9 {
        let mut end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        // Behind the head of a scan come its bytes, up to a marker that is none of theirs.
        while file[at + 1] == 0xda
            && (file[end] != 0xff || matches!(file[end + 1], 0 | 0xd0..=0xd7))
        {
            end += 1;
        }
        segments.push(file[at..end].to_vec());
        at = end;
    }
    segments
}

/// A PNG file with a chunk that is longer, shorter, doubled, gone or elsewhere, and right
/// checksums.
pub fn png_chunks(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let (signature, mut rest) = file.split_at(8);
    let mut chunks = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let (body, behind) = behind.split_at(4 + u32::from_be_bytes(*length) as usize);
        chunks.push(body.to_vec());
        rest = &behind[4..];
    }
    for _ in 0..=stream.below(2) {
        let [at, other] = [(); 2].map(|()| stream.below(chunks.len() as u64) as usize);
        match stream.below(6) {
            0 => chunks.swap(at, other),
            1 => chunks.insert(at, chunks[other].clone()),
            2 if chunks.len() > 1 => drop(chunks.remove(at)),
            3 => {
                let more = stream.below(7) as usize;
                let chunk = &mut chunks[at];
                chunk.resize(chunk.len() + more, stream.u64() as u8);
            }
            _ => {
                let chunk = &mut chunks[at];
                let less = stream.below(1 + (chunk.len() as u64 - 4).min(7)) as usize;
                chunk.truncate(chunk.len() - less);
            }
        }
    }
    let mut out = signature.to_vec();
    for chunk in chunks {
        out.extend((chunk.len() as u32 - 4).to_be_bytes());
        out.extend(&chunk);
        out.extend(crc32fast::hash(&chunk).to_be_bytes());
    }
    out
}

/// An archive whose directory and checksums fit its members: damage inside an archive hardly ever
/// gets past them otherwise.
pub fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, member) in members {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(member).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
