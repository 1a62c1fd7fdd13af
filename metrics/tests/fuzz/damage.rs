//! Damage to bytes of any kind. The program's own tests take this file too.

use ganbench_data::rng::Stream;

/// Numbers at which headers break.
const EDGES: [u64; 8] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0xffff_ffff_ffff_ffff, 0x8000_0000_0000_0000];

/// One of `seeds` after one to four changes. Not empty.
pub fn damaged(seeds: &[&[u8]], stream: &mut Stream) -> Vec<u8> {
    let pick = |stream: &mut Stream| seeds[stream.below(seeds.len() as u64) as usize];
    let mut bytes = pick(stream).to_vec();
    for _ in 0..=stream.below(4) {
        let at = stream.below(bytes.len() as u64) as usize;
        // Mostly short, since long ranges leave little of a small file.
        let most = (bytes.len() - at).min(1 << (1 + stream.below(7)));
        let length = 1 + stream.below(most as u64) as usize;
        match stream.below(9) {
            0 => bytes[at] = stream.u64() as u8,
            1 | 2 => bytes[at] ^= 1 << stream.below(8),
            3 => {
                let edge = EDGES[stream.below(8) as usize].to_le_bytes();
                let width = (1 << stream.below(4)).min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            4 => bytes.truncate(at.max(1)),
            5 => bytes.insert(at, stream.u64() as u8),
            6 => drop(bytes.drain(at..at + length.min(bytes.len() - 1))),
            7 => {
                let range = bytes[at..at + length].to_vec();
                let to = stream.below(bytes.len() as u64) as usize;
                bytes.splice(to..to, range);
            }
            // The head of another file on the rest of this one.
            _ => {
                let head = pick(stream);
                let cut = at.min(head.len());
                bytes.splice(..at, head[..cut].iter().copied());
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}
