//! Every resizer against its reference: tests-data/resize_golden.npz, made by resize_golden.py
//! beside it with torch 2.9.0, torch-fidelity 0.4.0, pillow 12.3.0 and clean-fid 0.1.35.

use std::io::Cursor;

use ganbench_data::images::{ImageSize, ImageView};
use npyz::npz::NpzArchive;
use sha2::{Digest as _, Sha256};

use super::*;

const SAMPLES: usize = 64;

struct Golden(NpzArchive<Cursor<&'static [u8]>>);

/// An image's size, the size wanted, and its row in the file.
struct Case {
    from: ImageSize,
    to: [usize; 2],
    row: usize,
}

impl Golden {
    fn open() -> Self {
        let bytes: &'static [u8] = include_bytes!("../../tests-data/resize_golden.npz");
        Self(NpzArchive::new(Cursor::new(bytes)).unwrap())
    }

    fn cases(&mut self) -> Vec<Case> {
        let sizes = self.0.by_name("cases").unwrap().unwrap().into_vec::<i32>().unwrap();
        let cases = sizes.as_chunks::<5>().0.iter().map(|c| c.map(|v| v as usize)).enumerate();
        let cases = cases.map(|(row, [h, w, c, height, width])| Case {
            from: ImageSize::new(h, w, c),
            to: [height, width],
            row,
        });
        cases.collect()
    }

    fn sha256(&mut self, name: &str) -> Vec<[u8; 32]> {
        let name = format!("{name}_sha256");
        let bytes = self.0.by_name(&name).unwrap().unwrap().into_vec::<u8>().unwrap();
        bytes.as_chunks::<32>().0.to_vec()
    }

    fn samples(&mut self, name: &str) -> Vec<f32> {
        let name = format!("{name}_samples");
        self.0.by_name(&name).unwrap().unwrap().into_vec().unwrap()
    }
}

fn hashed(i: usize) -> u64 {
    (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn image(size: ImageSize) -> Vec<u8> {
    (0..size.bytes()).map(|i| (hashed(i) >> 56) as u8).collect()
}

/// The result of a float resizer, for a case.
fn planes(case: &Case, resize: impl Fn(ImageView<'_>, [usize; 2], &mut [f32])) -> Vec<f32> {
    let mut out = vec![f32::NAN; case.from.channels * case.to[0] * case.to[1]];
    resize(ImageView { size: case.from, pixels: &image(case.from) }, case.to, &mut out);
    out
}

fn sha256(values: &[f32]) -> [u8; 32] {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Sha256::digest(bytes).into()
}

#[test]
fn tensorflow1_has_torch_fidelitys_bits_at_any_size() {
    let mut golden = Golden::open();
    let expected = golden.sha256("tensorflow1");
    for case in golden.cases() {
        let ours = planes(&case, tensorflow1_bilinear);
        assert_eq!(sha256(&ours), expected[case.row], "{} to {:?}", case.from, case.to);
    }
}

#[test]
fn torch_bilinear_agrees_with_torch_to_a_millionth_of_the_range() {
    let mut golden = Golden::open();
    let expected = golden.samples("torch_bilinear");
    let mut largest = 0f32;
    for case in golden.cases() {
        let ours = planes(&case, |image, to, out| torch_bilinear(image, to, f32::from, out));
        for (j, expected) in expected[case.row * SAMPLES..][..SAMPLES].iter().enumerate() {
            let ours = ours[(hashed(j) >> 32) as usize % ours.len()];
            largest = largest.max((ours - expected).abs());
        }
    }
    // torch may contract the products and sums; 255 has an ulp of 1.5e-5.
    assert!(largest <= 1e-6 * 255.0, "{largest}");
}

#[test]
fn pil_float_has_pillows_bits_of_mode_f() {
    let mut golden = Golden::open();
    for (name, filter) in
        [("pil_float_bilinear", Filter::Bilinear), ("pil_float_bicubic", Filter::Bicubic)]
    {
        let expected = golden.sha256(name);
        for case in golden.cases() {
            let ours = planes(&case, |image, to, out| pil_float(image, filter, to, out));
            assert_eq!(sha256(&ours), expected[case.row], "{name} {} to {:?}", case.from, case.to);
        }
    }
}

#[test]
fn pil_float_bicubic_has_the_bits_of_clean_fids_clean_resizer() {
    let mut golden = Golden::open();
    let expected = golden.sha256("clean_fid");
    let cases: Vec<Case> = golden.cases().into_iter().filter(|c| c.to == [299; 2]).collect();
    let of_colours = cases.iter().filter(|c| c.from.channels == 3);
    assert_eq!(of_colours.clone().count(), 3);
    for case in of_colours {
        let ours = planes(case, |image, to, out| pil_float(image, Filter::Bicubic, to, out));
        assert_eq!(sha256(&ours), expected[case.row], "{} to {:?}", case.from, case.to);
    }
}

#[test]
fn pil_bytes_are_pillows() {
    let mut golden = Golden::open();
    for (name, filter) in
        [("pil_bytes_bilinear", Filter::Bilinear), ("pil_bytes_bicubic", Filter::Bicubic)]
    {
        let expected = golden.sha256(name);
        for case in golden.cases() {
            let pixels = image(case.from);
            let ours = pil_bytes(ImageView { size: case.from, pixels: &pixels }, filter, case.to);
            let ours: [u8; 32] = Sha256::digest(ours).into();
            assert_eq!(ours, expected[case.row], "{name} {} to {:?}", case.from, case.to);
        }
    }
}
