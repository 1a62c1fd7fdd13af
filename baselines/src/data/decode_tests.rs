use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgba};

use super::*;
use crate::data::fixtures::{encode, pixels};

const SIZE: ImageSize = ImageSize { height: 5, width: 7, channels: 3 };

fn target(output: ImageSize) -> Target {
    Target { height: 5, width: 7, why: "a test", shrink: 1, output }
}

fn run(bytes: &[u8], output: ImageSize) -> Result<Vec<u8>, Fault> {
    let mut out = vec![0; output.bytes()];
    decode(bytes, &target(output), &mut out).map(|()| out)
}

fn reason_of(bytes: &[u8], output: ImageSize) -> String {
    match run(bytes, output).unwrap_err() {
        Fault::Reason(reason) => reason,
        fault => panic!("{fault:?}"),
    }
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.into().write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

#[test]
fn png_and_webp_pixels_come_out_as_they_went_in() {
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(run(&encode(3, SIZE, format), SIZE).unwrap(), pixels(3, SIZE));
    }
}

#[test]
fn jpeg_pixels_keep_their_place_and_channel() {
    // A vertical edge, red on the left and blue on the right.
    let image = image::RgbImage::from_fn(7, 5, |x, _| {
        image::Rgb(if x < 4 { [250, 0, 0] } else { [0, 0, 250] })
    });
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
    DynamicImage::from(image).write_with_encoder(encoder).unwrap();
    let out = run(&bytes, SIZE).unwrap();
    let at = |y: usize, x: usize| &out[(y * 7 + x) * 3..][..3];
    for y in 0..5 {
        assert!(at(y, 0)[0] > 200 && at(y, 0)[2] < 60, "{:?}", at(y, 0));
        assert!(at(y, 6)[2] > 200 && at(y, 6)[0] < 60, "{:?}", at(y, 6));
    }
}

#[test]
fn a_grey_image_is_repeated_and_padded_with_zeros_in_the_middle() {
    let grey = ImageSize::new(5, 7, 1);
    let padded = run(&encode(0, grey, ImageFormat::Png), ImageSize::new(9, 9, 3)).unwrap();
    let raw = pixels(0, grey);
    for y in 0..9 {
        for x in 0..9 {
            // (9 - 5)/2 = 2 rows above, (9 - 7)/2 = 1 column on the left.
            let inside = (2..7).contains(&y) && (1..8).contains(&x);
            let expected = if inside { raw[(y - 2) * 7 + (x - 1)] } else { 0 };
            assert_eq!(padded[(y * 9 + x) * 3..][..3], [expected; 3], "row {y} column {x}");
        }
    }
}

#[test]
fn an_opaque_alpha_channel_is_dropped() {
    let colour = ImageBuffer::from_pixel(7, 5, Rgba([1u8, 2, 3, 255]));
    assert_eq!(run(&png(colour), SIZE).unwrap()[..6], [1, 2, 3, 1, 2, 3]);
    let grey = ImageBuffer::from_pixel(7, 5, LumaA([9u8, 255]));
    assert_eq!(run(&png(grey), ImageSize::new(5, 7, 1)).unwrap(), [9; 35]);
}

#[test]
fn an_image_cut_anywhere_is_an_error() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = encode(1, SIZE, format);
        for length in 0..whole.len() - 12 {
            assert!(run(&whole[..length], SIZE).is_err(), "{format:?} cut at {length}");
        }
    }
    let jpeg = encode(1, SIZE, ImageFormat::Jpeg);
    assert_eq!(reason_of(&jpeg[..jpeg.len() - 2], SIZE), "is a JPEG image that was cut off");
}

#[test]
fn a_flipped_byte_never_panics() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let whole = encode(1, SIZE, format);
        for i in 0..whole.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[i] ^= flip;
                let _ = run(&bytes, SIZE);
            }
        }
    }
}

#[test]
fn a_header_that_claims_a_huge_image_is_refused_before_decoding() {
    // Width and height lie at bytes 16..24 of a PNG file, the checksum of the chunk at 29..33.
    let mut bytes = encode(0, SIZE, ImageFormat::Png);
    bytes[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
    let mut crc = !0u32;
    for &byte in &bytes[12..29] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    assert_eq!(run(&bytes, SIZE).unwrap_err(), Fault::Size { height: 20_000, width: 20_000 });
}

#[test]
fn what_would_need_a_silent_conversion_is_refused() {
    let wide = encode(0, ImageSize::new(5, 8, 3), ImageFormat::Png);
    assert_eq!(run(&wide, SIZE).unwrap_err(), Fault::Size { height: 5, width: 8 });

    let glass = ImageBuffer::from_pixel(7, 5, Rgba([1u8, 2, 3, 254]));
    assert_eq!(
        reason_of(&png(glass), SIZE),
        "has pixels that are not opaque; put it on a background first"
    );
    let deep = ImageBuffer::from_pixel(7, 5, Luma([9u16]));
    assert_eq!(
        reason_of(&png(deep), SIZE),
        "has pixels of kind L16; convert it to 8 bits a channel"
    );
    assert_eq!(
        reason_of(&encode(0, SIZE, ImageFormat::Png), ImageSize::new(5, 7, 1)),
        "is in colour, but 1 channel was asked for"
    );
    assert_eq!(reason_of(b"not an image", SIZE), "is no PNG, JPEG or WebP image");
    assert_eq!(reason_of(b"", SIZE), "is no PNG, JPEG or WebP image");
}
