use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::data::format::Encoded;

#[derive(Deserialize)]
struct Case {
    height: u32,
    width: u32,
    jpeg: String,
    pixels: String,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
    (0..hex.len() / 2).map(byte).collect()
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("../../tests-data/jpeg_planes.json")).unwrap()
}

#[test]
fn channels_of_any_sampling_factors_are_read_as_pil_reads_them_to_the_bit() {
    let cases = cases();
    assert_eq!(cases.len(), 36);
    for (name, case) in cases {
        let jpeg = bytes(&case.jpeg);
        let encoded = Encoded::open(&jpeg).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert_eq!(encoded.dimensions(), (case.width, case.height), "{name}");
        let raw = encoded.read().unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert!(raw.pixels == bytes(&case.pixels), "{name}");
    }
}

#[test]
fn factors_that_are_no_parts_of_the_largest_are_refused_with_the_factors() {
    let mut jpeg = bytes(&cases()["k sampled less"].jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 11] = 0x32;
    jpeg[frame + 14] = 0x21;
    let Err(Fault::Reason(reason)) = Encoded::open(&jpeg).and_then(Encoded::read).map(drop) else {
        panic!("it was read")
    };
    assert_eq!(
        reason,
        "is a JPEG image of the sampling factors [[3, 2], [2, 1], [1, 1], [1, 1]], which PIL does not read \
         either; save it as PNG"
    );
}
