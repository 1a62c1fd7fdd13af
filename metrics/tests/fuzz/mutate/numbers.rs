//! Numbers as the headers of files hold them.

use ganbench_data::rng::Stream;

/// Numbers at which headers break, beside those next to what is there.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    3,
    8,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// A number below `n`.
pub fn below(stream: &mut Stream, n: usize) -> usize {
    stream.below(n as u64) as usize
}

/// One of `values`.
pub fn one_of<T: Copy>(stream: &mut Stream, values: &[T]) -> T {
    values[below(stream, values.len())]
}

/// Another number in the place of `number`: next to it, a multiple or a part of it, one at which
/// headers break, or any.
pub fn other(stream: &mut Stream, number: u64) -> u64 {
    match stream.below(8) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number.wrapping_mul(2),
        3 => number / 2,
        4 => number ^ (1 << stream.below(32)),
        5 => stream.below(1 << 16),
        _ => one_of(stream, &EDGES),
    }
}

/// Overwrites `width` bytes from `at` on with a number of other value, the lowest byte first; not
/// where they reach beyond the end.
pub fn change(stream: &mut Stream, bytes: &mut [u8], at: usize, width: usize) {
    let Some(field) = bytes.get_mut(at..at + width) else { return };
    let number = field.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte));
    field.copy_from_slice(&other(stream, number).to_le_bytes()[..width]);
}

/// Makes a piece of a file longer or shorter by some bytes.
pub fn resize(stream: &mut Stream, bytes: &mut Vec<u8>) {
    let (some, byte) = (1 + below(stream, 9), stream.u64() as u8);
    match stream.below(2) {
        0 => bytes.resize(bytes.len() + some, byte),
        _ => bytes.truncate(bytes.len().saturating_sub(some)),
    }
}

/// Replaces a byte.
pub fn any_byte(stream: &mut Stream, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let at = below(stream, bytes.len());
        bytes[at] = stream.u64() as u8;
    }
}
