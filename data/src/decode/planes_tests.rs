use std::collections::BTreeMap;

use super::*;
use crate::decode::format::Encoded;
use crate::fixtures::{JpegCase, bytes_from_hex as bytes, jpeg_cases};

fn cases() -> BTreeMap<String, JpegCase> {
    jpeg_cases(include_str!("../../tests-data/jpeg_planes.json"))
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
