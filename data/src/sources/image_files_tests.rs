//! Files of every kind against PIL, from `tests-data/image_files.py`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::encoded::{check, decode_sized, size};
use super::*;
use crate::decode::format::Marks;

#[derive(Deserialize)]
struct Case {
    file: String,
    /// Width and height.
    size: Option<(usize, usize)>,
    /// RGB; none where PIL refuses the file.
    pil: Option<String>,
    /// The same on white, of files with alpha.
    white: Option<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
    (0..hex.len() / 2).map(byte).collect()
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(include_str!("../../tests-data/image_files.json")).unwrap()
}

fn decoded(file: &[u8], alpha: Alpha) -> Result<(Image, Marks), SourceError> {
    decode_sized(file, size(file, "x")?, alpha, "x")
}

fn rgb(image: &Image) -> Vec<u8> {
    match image.size.channels {
        1 => image.pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        _ => image.pixels.clone(),
    }
}

/// What PIL reads and we do not, with the reason given.
const REFUSED: [(&str, &str); 13] = [
    ("bmp: 16 bits", "is a BMP image of 16 bits a pixel; save it as PNG"),
    ("bmp: 16 bits with masks", "is a BMP image of 16 bits a pixel; save it as PNG"),
    ("bmp: runs", "is a BMP image with compression; save it as PNG"),
    ("other: gif", "is no PNG, JPEG, WebP, BMP or TIFF image"),
    (
        "png: without rows",
        "is a corrupt image (IDAT or fDAT chunk does not have enough data for image.)",
    ),
    (
        "tiff: bilevel",
        "is a TIFF image of kind Gray(1); expected grey or RGB of 8 or 16 bits a channel, so save it as PNG",
    ),
    (
        "tiff: cmyk",
        "is a TIFF image of kind CMYK(8); expected grey or RGB of 8 or 16 bits a channel, so save it as PNG",
    ),
    (
        "tiff: floats",
        "is a TIFF image of kind Gray(32); expected grey or RGB of 8 or 16 bits a channel, so save it as PNG",
    ),
    (
        "tiff: palette",
        "is a TIFF image that is not read (Photometric interpretation RGBPalette with bits per sample [8] is \
         unsupported); save it as PNG or without compression",
    ),
    (
        "tiff: rgb, jpeg",
        "is a TIFF image that is not read (compression method ModernJPEG is unsupported); save it as PNG or without \
         compression",
    ),
    (
        "tiff: rgba, multiplied",
        "is a TIFF image of colours that are multiplied with their transparency; save it as PNG",
    ),
    (
        "tiff: separate planes",
        "is a TIFF image of separate planes or reversed bits; save it as PNG",
    ),
    (
        "tiff: turned by a tag",
        "is a TIFF image that is turned by its Orientation tag; save it upright",
    ),
];

#[test]
fn every_kind_of_file_has_pils_pixels_or_is_refused_by_name() {
    let mut wrong = Vec::new();
    for (name, case) in cases() {
        let file = bytes(&case.file);
        let ours = decoded(&file, Alpha::Pil);
        let ok = match (&ours, &case.pil) {
            (Ok((image, _)), Some(pil)) => {
                case.size == Some((image.size.width, image.size.height)) && rgb(image) == bytes(pil)
            }
            (Err(error), pil) => {
                let known = REFUSED.iter().find(|(refused, _)| *refused == name);
                match known {
                    Some((_, reason)) => error.to_string() == format!("x {reason}"),
                    None => pil.is_none() && error.to_string().starts_with("x is "),
                }
            }
            (Ok(_), None) => false,
        };
        if !ok {
            wrong.push(format!("{name}: {:?}", ours.map(|(image, marks)| (image.size, marks))));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn transparent_pixels_are_dropped_put_on_white_or_refused() {
    let mut transparent = 0;
    for (name, case) in cases() {
        let Some(white) = &case.white else { continue };
        let file = bytes(&case.file);
        let Ok((image, marks)) = decoded(&file, Alpha::White) else {
            assert_eq!(name, "tiff: rgba, multiplied");
            continue;
        };
        assert!(rgb(&image) == bytes(white), "{name}");
        assert_eq!(marks.transparent, case.pil.as_ref() != Some(white), "{name}");
        let refused = decoded(&file, Alpha::Refuse).map(|(image, _)| rgb(&image));
        match marks.transparent {
            true => {
                transparent += 1;
                assert_eq!(
                    refused.unwrap_err().to_string(),
                    "x has pixels that are not opaque; put it on a background first",
                    "{name}"
                );
            }
            false => assert!(refused.unwrap() == bytes(white), "{name}"),
        }
    }
    assert_eq!(transparent, 11);
}

#[test]
fn what_pil_converts_or_forgives_is_marked() {
    let marked = |of: fn(Marks) -> bool| -> Vec<String> {
        let marked =
            |case: &Case| decoded(&bytes(&case.file), Alpha::Pil).is_ok_and(|(_, marks)| of(marks));
        cases().into_iter().filter(|(_, case)| marked(case)).map(|(name, _)| name).collect()
    };
    assert_eq!(
        marked(|marks| marks.clipped),
        ["png: grey of 16 bits", "tiff: grey of 16 bits", "tiff: grey of 16 bits, big end first"]
    );
    assert_eq!(
        marked(|marks| marks.upper_bits),
        [
            "png: grey alpha of 16 bits",
            "png: rgb of 16 bits",
            "png: rgba of 16 bits",
            "tiff: rgb of 16 bits",
            "tiff: rgb of 16 bits, big end first"
        ]
    );
    assert_eq!(
        marked(|marks| marks.mended),
        [
            "png: cut in the checksum of the compressed stream",
            "png: cut in the checksum of the pixels",
            "png: without the end",
            "png: wrong checksum of the pixels",
        ]
    );
}

/// The check before the network starts finds what decoding finds, on all files but those whose
/// damage no checksum shows.
#[test]
fn the_check_finds_what_cannot_be_decoded() {
    let missed = |(name, case): (String, Case)| {
        let file = bytes(&case.file);
        let (checked, decoded) = (check(&file, Alpha::Pil, "x"), decoded(&file, Alpha::Pil));
        assert!(checked.is_ok() || decoded.is_err(), "{name}: {checked:?}");
        (checked.is_ok() && decoded.is_err()).then_some(name)
    };
    let missed: Vec<String> = cases().into_iter().filter_map(missed).collect();
    assert_eq!(
        missed,
        [
            "png: damaged pixels",
            "png: pixels in two places",
            "png: without rows",
            "png: wrong checksum of the compressed stream"
        ]
    );
}
