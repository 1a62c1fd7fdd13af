//! Pickles whose operations were taken out, repeated, put in and exchanged. Changed bytes alone
//! hardly ever leave the rest of a pickle readable.

use std::path::Path;

use ganbench_data::rng::Stream;

use super::*;

#[path = "../../tests/fuzz/factor.rs"]
mod factor;

const LEGACY: &[u8] = include_bytes!("../../tests-data/tiny_legacy.pth");
const INPUTS: usize = 50_000;

/// Operations that hostile pickles are made of: memo slots, marks, containers, sizes at their
/// ends, and calls.
const PIECES: [&[u8]; 24] = [
    b"(",
    b")",
    b"t",
    b"]",
    b"}",
    b"R",
    b"Q",
    b"u",
    b"s",
    b"b",
    b"N",
    b"0",
    b"2",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x88",
    b"K\xff",
    b"M\xff\xff",
    b"J\xff\xff\xff\xff",
    b"J\xff\xff\xff\x7f",
    b"h\x01",
    b"q\x01",
    b"cos\nsystem\n",
];

/// Bytes that the operation at the start of `bytes` takes; 1 of an unknown one.
fn operation_bytes(bytes: &[u8]) -> usize {
    let lines = |n: usize| {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        ends.map(|(at, _)| at + 1).nth(n - 1).unwrap_or(1)
    };
    match bytes[0] {
        b'K' | b'h' | b'q' | 0x80 => 2,
        b'M' => 3,
        b'J' | b'j' | b'r' => 5,
        b'c' => lines(2),
        b'X' => match bytes.get(1..5) {
            Some(&[a, b, c, d]) => 5 + u32::from_le_bytes([a, b, c, d]) as usize,
            _ => 1,
        },
        0x8a => 2 + usize::from(bytes.get(1).copied().unwrap_or(0)),
        _ => 1,
    }
}

/// The operations of the pickle at the start of `bytes`, its end included.
fn operations(bytes: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + operation_bytes(&bytes[at..])).min(bytes.len());
        found.push(&bytes[at..end]);
        if bytes[at] == b'.' {
            break;
        }
        at = end;
    }
    found
}

#[test]
fn damaged_operations_of_a_pickle_never_panic() {
    let specs = [
        ("a.conv.weight", vec![3, 4]),
        ("a.transposed", vec![4, 3]),
        ("a.part", vec![2, 2]),
        ("b.parameter", vec![2]),
    ];
    let specs = specs.map(|(name, shape)| TensorSpec { name: name.into(), shape });
    let is_taken = |file: &[u8]| tensors(Path::new("w.pth"), file, &specs).is_ok();
    assert!(is_taken(LEGACY));
    // The pickle of the tensors stands behind those of the magic, the version and the facts.
    let behind_version =
        LEGACY.windows(6).position(|b| b == b"\x80\x02M\xe9\x03.").expect("a version") + 6;
    let facts: usize = operations(&LEGACY[behind_version..]).iter().map(|op| op.len()).sum();
    let start = behind_version + facts;
    let state = operations(&LEGACY[start..]);
    let end = start + state.iter().map(|op| op.len()).sum::<usize>();
    assert!(state.len() > 100, "{} operations", state.len());

    let mut stream = Stream::new(0, "operations");
    let mut taken = 0;
    let inputs = INPUTS * factor::factor();
    for _ in 0..inputs {
        let mut ops = state.clone();
        for _ in 0..=stream.below(3) {
            let at = stream.below(ops.len() as u64) as usize;
            let other = stream.below(ops.len() as u64) as usize;
            match stream.below(5) {
                0 => drop(ops.remove(at)),
                1 => ops.insert(at, ops[other]),
                2 => ops.swap(at, other),
                3 => ops.insert(at, PIECES[stream.below(PIECES.len() as u64) as usize]),
                _ => ops[at] = PIECES[stream.below(PIECES.len() as u64) as usize],
            }
        }
        let file = [&LEGACY[..start], &ops.concat(), &LEGACY[end..]].concat();
        taken += usize::from(is_taken(&file));
    }
    println!("fuzz: pickle operations: {inputs} inputs, {taken} taken");
    assert!(taken > 0 && taken < inputs, "{taken} of {inputs} were taken");
}
