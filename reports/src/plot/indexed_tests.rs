use image::{ImageFormat, Rgb, RgbImage};

use super::*;

fn png_of(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn pixels(png: &[u8]) -> RgbImage {
    image::load_from_memory_with_format(png, ImageFormat::Png).unwrap().into_rgb8()
}

#[test]
fn a_picture_of_few_colours_keeps_each_of_them() {
    // In no order, so that no filter of PNG makes the three channels as small as the table does.
    let picture = RgbImage::from_fn(90, 70, |x, y| {
        let i = ((x * 7919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24) as u8;
        Rgb([i, i ^ 0x55, 7])
    });
    let smaller = indexed_png(&png_of(&picture)).unwrap().unwrap();
    assert_eq!(pixels(&smaller), picture);
    // What has a table already is left.
    assert_eq!(indexed_png(&smaller).unwrap(), None);
}

#[test]
fn many_colours_become_near_ones_and_the_ground_stays() {
    let picture = RgbImage::from_fn(200, 200, |x, y| match x < 100 {
        true => Rgb([255; 3]),
        false => Rgb([x as u8, y as u8, (x * y % 64) as u8]),
    });
    let smaller = pixels(&indexed_png(&png_of(&picture)).unwrap().unwrap());
    let far =
        |(a, b): (&Rgb<u8>, &Rgb<u8>)| (0..3).map(|c| a.0[c].abs_diff(b.0[c])).max().unwrap_or(0);
    assert!(picture.pixels().zip(smaller.pixels()).all(|pair| far(pair) <= 40));
    let mean = picture.pixels().zip(smaller.pixels()).map(|p| f64::from(far(p))).sum::<f64>();
    assert!(mean / 40_000.0 < 6.0, "{}", mean / 40_000.0);
    assert_eq!(smaller.get_pixel(3, 5), &Rgb([255; 3]));
    let colors: std::collections::BTreeSet<_> = smaller.pixels().map(|p| p.0).collect();
    assert!(colors.len() <= MOST_COLORS);
}

#[test]
fn what_is_no_picture_is_an_error() {
    assert!(indexed_png(b"no picture").is_err());
}
