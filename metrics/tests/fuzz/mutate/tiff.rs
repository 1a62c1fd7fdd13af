//! TIFF: the entries of directories, in both orders of bytes.

use ganbench_data::rng::Stream;

use super::numbers::{any_byte, below, one_of, other, resize};

/// Tags that decide how pixels are read.
const TAGS: [u16; 22] = [
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338,
    339, 347, 532,
];
const STRIP_OFFSETS: u16 = 273;
const STRIP_BYTES: u16 = 279;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;

#[derive(Clone)]
struct Entry {
    tag: u16,
    kind: u16,
    /// What is claimed, whatever is there.
    count: u64,
    values: Vec<u64>,
}

/// A picture apart from the order of its bytes.
#[derive(Clone)]
struct Picture {
    entries: Vec<Entry>,
    strips: Vec<Vec<u8>>,
}

/// Bytes of a number of this type.
fn width(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}

/// Reads the first directory of a whole file of the order II.
fn picture(file: &[u8]) -> Picture {
    let number = |at: usize, width: usize| {
        file[at..at + width].iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
    };
    let directory = number(4, 4) as usize;
    let entry = |i: u64| {
        let at = directory + 2 + 12 * i as usize;
        let (tag, kind, count) =
            (number(at, 2) as u16, number(at + 2, 2) as u16, number(at + 4, 4));
        let bytes = width(kind) * count as usize;
        let from = if bytes <= 4 { at + 8 } else { number(at + 8, 4) as usize };
        let values = (0..count as usize).map(|i| number(from + i * width(kind), width(kind)));
        Entry { tag, kind, count, values: values.collect() }
    };
    let entries: Vec<Entry> = (0..number(directory, 2)).map(entry).collect();
    let values = |tag| entries.iter().find(|e| e.tag == tag).map_or(&[][..], |e| &e.values);
    let strips = values(STRIP_OFFSETS).iter().zip(values(STRIP_BYTES));
    let strips = strips.map(|(at, length)| file[*at as usize..(*at + *length) as usize].to_vec());
    Picture { strips: strips.collect(), entries }
}

/// The directory lies behind the strips, and values that do not fit into their entries behind it.
fn file_of(picture: &Picture, is_big_endian: bool, keeps_offsets: bool, next: u32) -> Vec<u8> {
    let number = |value: u64, width: usize| match is_big_endian {
        true => value.to_be_bytes()[8 - width..].to_vec(),
        false => value.to_le_bytes()[..width].to_vec(),
    };
    let mut out = if is_big_endian { b"MM\0\x2a".to_vec() } else { b"II\x2a\0".to_vec() };
    let mut offsets = Vec::new();
    let strips: usize = picture.strips.iter().map(Vec::len).sum();
    let directory = 8 + strips;
    out.extend(number(directory as u64, 4));
    for strip in &picture.strips {
        offsets.push(out.len() as u64);
        out.extend(strip);
    }
    let mut behind = Vec::new();
    let start = directory + 2 + 12 * picture.entries.len() + 4;
    out.extend(number(picture.entries.len() as u64, 2));
    for entry in &picture.entries {
        let offsets = (entry.tag == STRIP_OFFSETS && !keeps_offsets).then_some(&offsets);
        let values = offsets.unwrap_or(&entry.values);
        let mut bytes: Vec<u8> =
            values.iter().flat_map(|&value| number(value, width(entry.kind))).collect();
        out.extend(number(entry.tag.into(), 2));
        out.extend(number(entry.kind.into(), 2));
        out.extend(number(entry.count, 4));
        if bytes.len() > 4 {
            out.extend(number((start + behind.len()) as u64, 4));
            behind.append(&mut bytes);
        } else {
            bytes.resize(4, 0);
            out.extend(bytes);
        }
    }
    out.extend(number(next.into(), 4));
    out.extend(behind);
    out
}

/// The same picture in the other order of bytes. Of 8 bits a channel.
pub fn turned(file: &[u8]) -> Vec<u8> {
    file_of(&picture(file), true, false, 0)
}

/// The file after one to three changes of its entries, in any order of bytes.
pub fn damaged(file: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut picture = picture(file);
    let is_big_endian = stream.below(2) == 0;
    let (mut keeps_offsets, mut next) = (false, 0);
    let mut at_the_end = None;
    for _ in 0..=stream.below(3) {
        let entries = &mut picture.entries;
        if entries.is_empty() {
            break;
        }
        let [at, with] = [(); 2].map(|()| below(stream, entries.len()));
        match stream.below(16) {
            0 => entries.swap(at, with),
            1 => entries.insert(at, entries[with].clone()),
            2 => drop(entries.remove(at)),
            3 => entries[at].tag = one_of(stream, &TAGS),
            4 => entries[at].kind = other(stream, entries[at].kind.into()) as u16 % 20,
            5 => entries[at].count = other(stream, entries[at].count) & 0xffff_ffff,
            // Values of the same number as are claimed.
            6 => {
                let value = other(stream, 0);
                entries[at].values.push(value);
                entries[at].count = entries[at].values.len() as u64;
            }
            7 => {
                let (tag, kind, value) =
                    (one_of(stream, &TAGS), one_of(stream, &[3, 4]), stream.below(9));
                entries.insert(at, Entry { tag, kind, count: 1, values: vec![value] });
            }
            8 => {
                let values = entries.iter_mut().find(|e| e.tag == BITS).map(|e| &mut e.values);
                values.into_iter().flatten().for_each(|bits| {
                    *bits = one_of(stream, &[0, 1, 4, 8, 12, 16, 24, 32, 64, 255]);
                });
            }
            9 => {
                let compression = one_of(stream, &[1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 50000]);
                let entry = entries.iter_mut().find(|e| e.tag == COMPRESSION);
                entry.into_iter().for_each(|e| e.values = vec![compression]);
            }
            10 => {
                keeps_offsets = true;
                let offsets = entries.iter_mut().find(|e| e.tag == STRIP_OFFSETS);
                let offsets = offsets.map(|e| &mut e.values);
                offsets.into_iter().flatten().for_each(|offset| *offset = other(stream, *offset));
            }
            11 => {
                if let Some(strip) = picture.strips.first_mut() {
                    if with % 2 == 0 { resize(stream, strip) } else { any_byte(stream, strip) }
                }
            }
            // Of the next directory; the first one among them.
            12 => next = one_of(stream, &[8, 9, u32::MAX, file.len() as u32]),
            13 => at_the_end = Some(()),
            _ => {
                let values = &mut entries[at].values;
                if !values.is_empty() {
                    let value = below(stream, values.len());
                    values[value] = other(stream, values[value]);
                }
            }
        }
    }
    let mut out = file_of(&picture, is_big_endian, keeps_offsets, next);
    if at_the_end.is_some() {
        resize(stream, &mut out);
    }
    out
}
