use std::io::Cursor;

use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgba};

use super::fit::half;
use super::*;
use crate::fixtures::{encode, encode_tiff, pixels};

const SIZE: ImageSize = ImageSize { height: 5, width: 7, channels: 3 };

fn target(output: ImageSize) -> Target {
    Target { height: 5, width: 7, why: "a test", shrink: 1, fit: None, output }
}

fn run(bytes: &[u8], output: ImageSize) -> Result<Vec<u8>, Fault> {
    let mut out = vec![0; output.bytes()];
    decode(bytes, &target(output), &mut out).map(|_| out)
}

fn reason_of(bytes: &[u8], output: ImageSize) -> String {
    match run(bytes, output).unwrap_err() {
        Fault::Reason(reason) | Fault::Damaged(reason) => reason,
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
    assert_eq!(
        reason_of(&encode(0, SIZE, ImageFormat::Png), ImageSize::new(5, 7, 1)),
        "is in colour, but 1 channel was asked for"
    );
    assert_eq!(reason_of(b"not an image", SIZE), "is no PNG, JPEG, WebP, BMP or TIFF image");
    assert_eq!(reason_of(b"", SIZE), "is no PNG, JPEG, WebP, BMP or TIFF image");
}

#[test]
fn what_is_trained_on_has_the_pixels_that_are_measured_of_16_bits_and_of_bmp_and_tiff() {
    let deep_grey = ImageBuffer::from_fn(7, 5, |x, y| Luma([(40 * x + y) as u16 * 7]));
    let deep = ImageBuffer::from_fn(7, 5, |x, y| image::Rgb([9000 * x as u16, 77, 256 * y as u16]));
    let mut files = vec![png(deep_grey), png(deep)];
    files.extend([encode(3, SIZE, ImageFormat::Bmp), encode_tiff(3, SIZE)]);
    for (i, file) in files.iter().enumerate() {
        let (measured, marks) = read(Encoded::open(file).unwrap(), Alpha::Pil).unwrap();
        let measured = match measured.len() {
            35 => measured.iter().flat_map(|&grey| [grey; 3]).collect(),
            _ => measured,
        };
        assert_eq!(run(file, SIZE).unwrap(), measured, "file {i}");
        assert_eq!((marks.clipped, marks.upper_bits), (i == 0, i == 1), "file {i}");
    }
    // As PIL: above 255 is white; the upper 8 bits.
    assert_eq!(run(&files[0], SIZE).unwrap()[..6], [0, 0, 0, 255, 255, 255]);
    assert_eq!(run(&files[1], SIZE).unwrap()[..6], [0, 0, 0, 35, 0, 0]);
    assert_eq!(run(&files[2], SIZE).unwrap(), pixels(3, SIZE));
}

/// PIL reads these, so that they are measured; a data set for training is to be whole.
#[test]
fn a_png_file_with_a_wrong_checksum_or_without_its_end_is_not_trained_on() {
    let whole = encode(0, SIZE, ImageFormat::Png);
    let mut wrong = whole.clone();
    let checksum = wrong.len() - 13;
    wrong[checksum] ^= 1;
    for file in [&wrong[..], &whole[..whole.len() - 12]] {
        assert!(read(Encoded::open(file).unwrap(), Alpha::Pil).unwrap().1.mended);
        assert_eq!(reason_of(file, SIZE), "has a wrong checksum or lacks its end; copy it again");
    }
}

#[test]
fn an_image_that_fits_is_cropped_in_the_middle_and_not_resampled() {
    let output = ImageSize::new(5, 5, 3);
    let fit = Target { fit: Some(Fit::CentreLanczos), ..target(output) };
    let mut out = vec![0; output.bytes()];
    decode(&encode(3, SIZE, ImageFormat::Png), &fit, &mut out).unwrap();
    let whole = pixels(3, SIZE);
    let expected: Vec<u8> =
        whole.chunks(7 * 3).flat_map(|row| row[3..18].iter().copied()).collect();
    assert_eq!(out, expected);
}

#[test]
fn a_fitted_image_is_that_of_pillow() {
    // Pillow 13.0.0:
    //   a = np.array([[[(y * y * 3 + x * 5 + c * 70) % 256 for c in range(3)] for x in range(37)]
    //                 for y in range(29)], np.uint8)
    //   Image.fromarray(a).crop((4, 0, 33, 29)).resize((8, 8), Image.LANCZOS)
    // Pillow's weights are fixed-point numbers, ours f32: a pixel may be off by one.
    let image = image::RgbImage::from_fn(37, 29, |x, y| {
        image::Rgb([0, 1, 2].map(|c| ((y * y * 3 + x * 5 + c * 70) % 256) as u8))
    });
    let output = ImageSize::new(8, 8, 3);
    let fit = Target { fit: Some(Fit::CentreLanczos), ..target(output) };
    let mut out = vec![0; output.bytes()];
    decode(&png(image), &fit, &mut out).unwrap();
    let expected: Vec<u8> = (0..PILLOW.len() / 2)
        .map(|i| u8::from_str_radix(&PILLOW[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let worst = out.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(out.len() == expected.len() && worst <= Some(1), "{worst:?}");
}

const PILLOW: &str = "\
    1d66be2e7fd14293df56acd869c1af82d53296e00eafd42971ad9d839f8290af649d9b4eac9b3c9f7d4cb0616b974c7b\
    80816397697c8076906c657d8163926782a6788e81617c8969698a7a7d789d96827d8475658685837889968361807573\
    777579847365778a6a90998b7378a575628c8e6f69968f82985c88a06fac918284698c55598c6673ae7785798d8d54a1\
    88549c9f67929c7c8168925853996a6b937e80798b92579260a28c73957a76717b838c66a5897b8d7b927477858b6866";

#[test]
fn half_pixels_of_a_crop_are_rounded_to_even() {
    assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(half), [0, 0, 1, 2, 2, 2, 3, 4]);
}

#[test]
fn a_fitted_image_may_not_claim_more_than_is_read() {
    let fit = Target { fit: Some(Fit::CentreLanczos), ..target(SIZE) };
    let wide = png(image::GrayImage::new(8193, 1));
    let fault = decode(&wide, &fit, &mut vec![0; SIZE.bytes()]).unwrap_err();
    let expected = "is 8193x1 pixels; at most 8192 a side are read";
    assert_eq!(fault, Fault::Reason(expected.into()));
}
