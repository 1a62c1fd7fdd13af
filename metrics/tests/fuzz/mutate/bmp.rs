//! BMP: the header's fields by its length, the palette and the pixels.

use ganbench_data::rng::Stream;

use super::numbers::{any_byte, below, change, one_of, resize};

/// Where the header that follows the file's own begins.
const HEADER: usize = 14;
/// Lengths of known headers, and some between.
const LENGTHS: [u32; 12] = [0, 11, 12, 16, 40, 41, 52, 56, 64, 108, 124, 0xffff_ffff];
const BITS: [u16; 12] = [0, 1, 2, 3, 4, 8, 15, 16, 24, 32, 64, 0xffff];

/// The same file with the oldest header, of 12 bytes. Of one with 40.
pub fn with_old_header(file: &[u8]) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| file[at + i]));
    let (width, height, bits) = (number(18) as u16, number(22) as u16, file[28]);
    let (pixels, palette) = (&file[number(10) as usize..], &file[HEADER + 40..number(10) as usize]);
    // A palette of three bytes for each colour.
    let palette: Vec<u8> = palette.chunks_exact(4).flat_map(|c| c[..3].to_vec()).collect();
    // As many colours as there are codes.
    let colours = if bits <= 8 { 3 << bits } else { 0 };
    let mut out = file[..HEADER].to_vec();
    out.extend(12u32.to_le_bytes());
    out.extend([width, height, 1, u16::from(bits)].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(palette);
    out.resize(HEADER + 12 + colours, 0);
    let start = out.len() as u32;
    out[10..14].copy_from_slice(&start.to_le_bytes());
    out.extend(pixels);
    out
}

/// The file after one to three changes of its header, palette and pixels.
pub fn damaged(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut out = file.to_vec();
    for _ in 0..=stream.below(3) {
        let is_old = out.get(HEADER) == Some(&12);
        match stream.below(12) {
            0 => put(&mut out, HEADER, &one_of(stream, &LENGTHS).to_le_bytes()),
            1 => {
                let at = if is_old { 24 } else { 28 };
                put(&mut out, at, &one_of(stream, &BITS).to_le_bytes());
            }
            2 => put(&mut out, 30, &(stream.below(8) as u32).to_le_bytes()),
            // A height below zero counts from the top.
            3 if !is_old => {
                let height = out.get(22).map_or(0, |height| i32::from(*height));
                put(&mut out, 22, &(-height).to_le_bytes());
            }
            4 => resize(stream, &mut out),
            // The palette or the bytes of pixels become more or fewer.
            5 => {
                let at = (HEADER + 12 + below(stream, out.len())).min(out.len());
                let mut behind = out.split_off(at);
                resize(stream, &mut behind);
                out.extend(behind);
            }
            6 => any_byte(stream, &mut out),
            _ if is_old => {
                let (at, width) =
                    one_of(stream, &[(10, 4), (14, 4), (18, 2), (20, 2), (22, 2), (24, 2)]);
                change(stream, &mut out, at, width);
            }
            // Of the file: length and where pixels begin. Then the sides, planes, bits,
            // compression, bytes of pixels, pixels per metre, colours, and masks.
            _ => {
                let fields = [
                    (2, 4),
                    (10, 4),
                    (14, 4),
                    (18, 4),
                    (22, 4),
                    (26, 2),
                    (28, 2),
                    (30, 4),
                    (34, 4),
                    (38, 4),
                    (46, 4),
                    (50, 4),
                    (54, 4),
                    (66, 4),
                ];
                let (at, width) = one_of(stream, &fields);
                change(stream, &mut out, at, width);
            }
        }
    }
    out
}

/// Overwrites bytes; not where they reach beyond the end.
fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
