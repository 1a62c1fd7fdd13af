//! PNG files as PIL reads them.
//!
//! PIL checks the chunks before the pixels with their checksums, ignores those of the chunks of
//! pixels and of what follows, and needs neither the end of the compressed stream nor the closing
//! chunk once it has all pixels; but a wrong checksum of the compressed stream is an error. What
//! stands after the pixels may end between two chunks, not within one. (`PngImagePlugin.py` and
//! `ZipDecode.c` of Pillow 13.0.0.)

use std::io::Cursor;
use std::ops::Range;

use png::{BitDepth, ColorType, DecodeOptions, InterlaceInfo, Transformations};

use super::Fault;
use super::format::{Marks, Raw};

pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Where the first chunk, the header, begins and ends.
const HEADER: Range<usize> = 8..33;
const MOST_COLOURS: usize = 256;
const GREY: u8 = 0;
const PALETTE: u8 = 3;
const GREY_ALPHA: u8 = 4;

/// A file whose chunks were looked at.
pub(crate) struct Png<'a> {
    bytes: &'a [u8],
    /// The bodies of the chunks of pixels.
    pixels: Vec<Chunk<'a>>,
    palette: Option<&'a [u8]>,
    /// The chunk `tRNS`.
    transparency: Option<&'a [u8]>,
    has_end: bool,
}

#[derive(Clone, Copy)]
struct Chunk<'a> {
    kind: &'a [u8],
    /// Shorter than its header says where the file ends in it.
    body: &'a [u8],
    checksum: Option<&'a [u8]>,
    is_whole: bool,
    /// Where the next chunk begins.
    end: usize,
}

impl<'a> Chunk<'a> {
    /// None where fewer than eight bytes are left, or what is there is no name of a chunk.
    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let (length, kind) = bytes.get(at..at + 8)?.split_at(4);
        if !kind.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return None;
        }
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let start = at + 8;
        let body_end = start.saturating_add(length);
        let held = body_end.min(bytes.len());
        let checksum = bytes.get(body_end..body_end.saturating_add(4));
        let end = body_end.saturating_add(4);
        let body = &bytes[start..held];
        Some(Self { kind, body, checksum, is_whole: held == body_end, end })
    }

    fn has_right_checksum(&self) -> bool {
        let mut crc = crc32fast::Hasher::new();
        crc.update(self.kind);
        crc.update(self.body);
        self.checksum == Some(&crc.finalize().to_be_bytes())
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(self.kind).into_owned()
    }
}

impl<'a> Png<'a> {
    /// # Errors
    /// If a chunk before the pixels is damaged, there are no pixels, or the file ends within a
    /// chunk behind them.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut at = HEADER.start;
        let mut png =
            Self { bytes, pixels: Vec::new(), palette: None, transparency: None, has_end: false };
        let mut before = true;
        while let Some(chunk) = Chunk::at(bytes, at) {
            if at == HEADER.start && (chunk.kind != b"IHDR" || chunk.end != HEADER.end) {
                return damaged("is a PNG image without a header");
            }
            match chunk.kind {
                b"IDAT" if before => png.pixels.push(chunk),
                _ if png.pixels.is_empty() => {
                    if !chunk.is_whole || !chunk.has_right_checksum() {
                        let name = chunk.name();
                        return damaged(format!("is a PNG image with a damaged chunk {name}"));
                    }
                    match chunk.kind {
                        b"PLTE" => png.palette = Some(chunk.body),
                        b"tRNS" => png.transparency = Some(chunk.body),
                        _ => {}
                    }
                }
                kind => {
                    before = false;
                    // Behind `fcTL` come the further pictures of an animation.
                    png.has_end = matches!(kind, b"IEND" | b"fcTL");
                    if png.has_end {
                        break;
                    }
                    if !chunk.is_whole {
                        return damaged("is a PNG image that was cut off behind its pixels");
                    }
                }
            }
            at = chunk.end;
        }
        if png.pixels.is_empty() {
            return damaged("is a PNG image without pixels");
        }
        if png.kind() == PALETTE {
            png.check_palette()?;
        }
        Ok(png)
    }

    /// The decoder takes it that a palette consists of whole colours.
    fn check_palette(&self) -> Result<(), Fault> {
        let length = self.palette.map_or(0, <[u8]>::len);
        if length == 0 || !length.is_multiple_of(3) || length > MOST_COLOURS * 3 {
            return damaged(format!(
                "is a PNG image with a palette of {length} bytes, expected 3 for each of 1 to {MOST_COLOURS} colours"
            ));
        }
        Ok(())
    }

    fn header(&self) -> &[u8] {
        &self.bytes[HEADER.start + 8..HEADER.end - 4]
    }

    /// Width and height, which may lie.
    pub fn dimensions(&self) -> (u32, u32) {
        let number = |at: usize| {
            self.header()[at..at + 4].iter().fold(0, |n, &byte| n << 8 | u32::from(byte))
        };
        (number(0), number(4))
    }

    fn kind(&self) -> u8 {
        self.header()[9]
    }

    pub fn is_grey(&self) -> bool {
        matches!(self.kind(), GREY | GREY_ALPHA)
    }

    /// In the file, before they are compressed.
    pub fn bits_per_pixel(&self) -> usize {
        let samples = match self.kind() {
            GREY | PALETTE => 1,
            GREY_ALPHA => 2,
            2 => 3,
            _ => 4,
        };
        samples * usize::from(self.header()[8]).max(1)
    }

    /// Memory that decoding takes for each pixel, at most.
    pub fn bytes_per_pixel(&self) -> usize {
        // 16 bits of up to four channels, and the same with 8 bits.
        8 + 4
    }

    /// Whether pixels may be transparent.
    pub fn has_alpha(&self) -> bool {
        matches!(self.kind(), GREY_ALPHA | 6) || self.transparency.is_some()
    }

    /// Whether the file is as whoever wrote it left it, as far as its checksums tell.
    pub fn is_intact(&self) -> bool {
        self.has_end && self.pixels.iter().all(|chunk| chunk.is_whole && chunk.has_right_checksum())
    }

    /// # Errors
    /// If there are not all pixels.
    pub fn read(&self) -> Result<Raw, Fault> {
        let marks = Marks { mended: !self.is_intact(), ..Marks::default() };
        let file = self.bare()?;
        let mut options = DecodeOptions::default();
        options.set_ignore_crc(true);
        options.set_ignore_adler32(false);
        let mut decoder = png::Decoder::new_with_options(Cursor::new(file), options);
        // Whoever calls knows how large the image is.
        decoder.set_limits(png::Limits { bytes: usize::MAX });
        decoder.set_transformations(Transformations::EXPAND);
        let mut reader = decoder.read_info().map_err(|error| corrupt(&error))?;
        let (colour, depth) = reader.output_color_type();
        let size = reader.output_buffer_size().unwrap_or(0);
        let mut pixels = vec![0; size];
        let (width, height) = self.dimensions();
        if self.header()[12] == 0 {
            let stride = size / height.max(1) as usize;
            for line in pixels.chunks_exact_mut(stride.max(1)) {
                let row = reader.next_row().map_err(|error| corrupt(&error))?;
                let row = row.ok_or_else(|| corrupt(&"it lacks rows"))?;
                line.copy_from_slice(row.data());
            }
        } else {
            let stride = reader.output_line_size(width).unwrap_or(0);
            let bits = (colour.samples() * depth as usize) as u8;
            for _ in 0..interlaced_rows(width, height) {
                let row = reader.next_interlaced_row().map_err(|error| corrupt(&error))?;
                let row = row.ok_or_else(|| corrupt(&"it lacks rows"))?;
                if let InterlaceInfo::Adam7(info) = row.interlace() {
                    png::expand_interlaced_row(&mut pixels, stride, row.data(), info, bits);
                }
            }
        }
        // A stream that was cut off has no checksum to compare.
        if self.pixels.iter().all(|chunk| chunk.is_whole) {
            reader.finish().map_err(|error| corrupt(&error))?;
        }
        let samples = colour.samples();
        Ok(match depth {
            BitDepth::Sixteen => {
                let grey = self.kind() == GREY;
                let alpha = matches!(colour, ColorType::GrayscaleAlpha | ColorType::Rgba);
                let pairs =
                    pixels.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                Raw::of_16_bits(samples, pairs, grey, alpha, marks)
            }
            _ => Raw { samples, pixels, marks },
        })
    }

    /// A file of the same pixels and nothing else.
    fn bare(&self) -> Result<Vec<u8>, Fault> {
        let length: usize = self.pixels.iter().map(|chunk| chunk.body.len()).sum();
        let of_chunk = u32::try_from(length).map_err(|_| corrupt(&"its pixels exceed a chunk"))?;
        let mut file = Vec::with_capacity(length + 2048);
        file.extend_from_slice(&self.bytes[..HEADER.end]);
        let mut put = |kind: &[u8], bodies: &[&[u8]], length: u32| {
            file.extend_from_slice(&length.to_be_bytes());
            file.extend_from_slice(kind);
            bodies.iter().for_each(|body| file.extend_from_slice(body));
            // Nobody looks at the checksum.
            file.extend_from_slice(&[0; 4]);
        };
        let others = [(&b"PLTE"[..], self.palette), (b"tRNS", self.transparency)];
        for (kind, body) in others {
            if let Some(body) = body.filter(|_| kind != b"PLTE" || self.kind() == PALETTE) {
                put(kind, &[body], body.len() as u32);
            }
        }
        let bodies: Vec<&[u8]> = self.pixels.iter().map(|chunk| chunk.body).collect();
        put(b"IDAT", &bodies, of_chunk);
        put(b"IEND", &[], 0);
        Ok(file)
    }
}

/// Rows of all passes of Adam7.
fn interlaced_rows(width: u32, height: u32) -> u32 {
    let passes = [(0, 0, 8), (4, 0, 8), (0, 4, 8), (2, 0, 4), (0, 2, 4), (1, 0, 2), (0, 1, 2)];
    let rows = |(x, y, step): (u32, u32, u32)| match width > x && height > y {
        true => (height - y).div_ceil(step),
        false => 0,
    };
    passes.into_iter().map(rows).sum()
}

fn damaged<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Damaged(reason.into()))
}

fn corrupt(error: &dyn std::fmt::Display) -> Fault {
    Fault::Damaged(format!("is a corrupt image ({error})"))
}
