use std::fs;
use std::path::{Path, PathBuf};

use image::ImageFormat;
use safetensors::Dtype;

use super::tests::{SMALL, all, in_memory, npy, open_path, refusal, tensors_file, write};
use super::*;
use crate::fixtures::{Table, encode, pixels};

/// A folder of ten images, of which 3 and 7 are damaged: one shows at its end, one only when it is
/// decoded.
fn folder_with_damage() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..10 {
        let mut bytes = encode(i, SMALL, ImageFormat::Png);
        match i {
            3 => bytes.truncate(40),
            7 => {
                // The compressed stream under a checksum that fits.
                let at = bytes.windows(4).position(|kind| kind == b"IDAT").unwrap();
                let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
                bytes[at + 4 + length - 1] ^= 1;
                let checksum = crc32fast::hash(&bytes[at..at + 4 + length]);
                bytes[at + 4 + length..][..4].copy_from_slice(&checksum.to_be_bytes());
            }
            _ => {}
        }
        write(folder.path().join(format!("{i}.png")), &bytes);
    }
    folder
}

fn table_with_damage(folder: &Path) -> PathBuf {
    let path = folder.join("x.parquet");
    let mut table = Table::new("image", 10, SMALL);
    for i in [3, 7] {
        let bytes = fs::read(folder.join(format!("{i}.png"))).unwrap();
        table.images[i] = Some(bytes);
    }
    table.write(&path);
    path
}

fn without_damage(path: &Path) -> Box<dyn ImageSource> {
    let text = path.to_str().unwrap();
    let request = SourceRequest { skip_damaged: true, ..SourceRequest::new(text) };
    open(&request, &mut |_| {}).unwrap()
}

#[test]
fn all_damaged_images_are_named_at_once() {
    let folder = folder_with_damage();
    let dir = folder.path().display().to_string();
    // The check names those that it can tell without decoding.
    let error = open_path(folder.path()).unwrap().check(&mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string().replace(&dir, "DIR"),
        "1 of 10 images of DIR cannot be read: DIR/3.png is a PNG image without pixels; make it again, or leave \
         it out with --skip-damaged"
    );
    // Whoever meets one decodes the rest for the others.
    let table = table_with_damage(folder.path());
    for (path, name) in [(folder.path(), "DIR"), (&table, "DIR/x.parquet")] {
        let of = |i| match name {
            "DIR" => format!("DIR/{i}.png"),
            _ => format!("DIR/x.parquet row {i}"),
        };
        let error = refusal(open_path(path)).replace(&dir, "DIR");
        let start = format!(
            "2 of 10 images of {name} cannot be read: {} is a PNG image without pixels; {} is a corrupt image (",
            of(3),
            of(7)
        );
        assert!(error.starts_with(&start), "{error}");
        assert!(
            error.ends_with("; make them again, or leave them out with --skip-damaged"),
            "{error}"
        );
    }
}

#[test]
fn damaged_images_are_skipped_and_counted_where_that_is_asked_for() {
    let folder = folder_with_damage();
    let table = table_with_damage(folder.path());
    let dir = folder.path().to_owned();
    for path in [&dir, &table] {
        let mut source = without_damage(path);
        source.check(&mut |_| {}).unwrap();
        // One is found when it is decoded.
        assert_eq!((source.len(), source.reading().skipped.count), (9, 1));
        let mut images = Vec::new();
        loop {
            let more = source.next(1).unwrap();
            if more.is_empty() {
                break;
            }
            images.extend(more);
        }
        let expected: Vec<_> =
            (0..10).filter(|i| ![3, 7].contains(i)).map(|i| pixels(i, SMALL)).collect();
        assert_eq!(images.into_iter().map(|image| image.pixels).collect::<Vec<_>>(), expected);
        let skipped = source.reading().skipped;
        assert_eq!((source.len(), skipped.count, skipped.named.len()), (8, 2, 2));
    }
}

#[test]
fn a_set_of_damaged_images_alone_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("0.png"), b"");
    let error = without_damage(folder.path()).check(&mut |_| {}).unwrap_err().to_string();
    assert_eq!(
        error.replace(&folder.path().display().to_string(), "DIR"),
        "all 1 images of DIR are damaged: DIR/0.png is no PNG, JPEG, WebP, BMP or TIFF image"
    );
}

#[test]
fn the_rule_for_transparency_is_part_of_the_hash_unless_it_is_pils() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("0.png"), &encode(0, SMALL, ImageFormat::Png));
    let text = folder.path().to_str().unwrap();
    let hash = |alpha, check: bool| {
        let request = SourceRequest { alpha, ..SourceRequest::new(text) };
        let mut source = open(&request, &mut |_| {}).unwrap();
        if check {
            source.check(&mut |_| {}).unwrap();
        }
        source.content_sha256().unwrap()
    };
    let hashes = [Alpha::Pil, Alpha::White, Alpha::Refuse].map(|alpha| {
        assert_eq!(hash(alpha, true), hash(alpha, false));
        hash(alpha, true)
    });
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
}

#[test]
fn wider_integers_in_0_to_255_are_read_as_bytes_and_others_are_refused() {
    let pixels: Vec<u8> = (0..36).map(|i| i * 7).collect();
    let big: Vec<u8> = pixels.iter().flat_map(|&p| i64::from(p).to_be_bytes()).collect();
    let int: Vec<u8> = pixels.iter().flat_map(|&p| i32::from(p).to_le_bytes()).collect();
    let word: Vec<u8> = pixels.iter().flat_map(|&p| u16::from(p).to_le_bytes()).collect();
    for (descr, data) in [(">i8", &big), ("<i4", &int), ("<u2", &word)] {
        let file = npy(descr, "False", "(2, 3, 2, 3)", data);
        let mut source = in_memory(&file, ArrayFormat::Npy).unwrap();
        source.check(&mut |_| {}).unwrap();
        let images = all(source, 1).unwrap();
        assert_eq!([&images[0].pixels[..], &images[1].pixels].concat(), pixels, "{descr}");
    }
    let tensors = tensors_file(&[("images", Dtype::I32, &[2, 3, 2, 3], &int)]);
    let images = all(in_memory(&tensors, ArrayFormat::SafeTensors).unwrap(), 2).unwrap();
    assert_eq!(images[1].pixels, pixels[18..]);

    for (value, text) in [(256, "256"), (-1, "-1"), (i32::MIN, "-2147483648")] {
        let mut data = int.clone();
        data[80..84].copy_from_slice(&value.to_le_bytes());
        let file = npy("<i4", "False", "(2, 3, 2, 3)", &data);
        let mut source = in_memory(&file, ArrayFormat::Npy).unwrap();
        let expected = format!(
            "x holds {text} in image 1, expected integers in 0..=255; scale and quantise the images to that range"
        );
        assert_eq!(source.next(1).unwrap().len(), 1);
        assert_eq!(source.next(1).unwrap_err().to_string(), expected);
    }
    let signed = npy("|i1", "False", "(1, 1, 1, 3)", &[1, 127, 0x80]);
    assert_eq!(
        refusal(in_memory(&signed, ArrayFormat::Npy)),
        "x holds -128 in image 0, expected integers in 0..=255; scale and quantise the images to that range"
    );
}

#[test]
fn a_wider_integer_out_of_range_is_found_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let data: Vec<u8> = (0..300i64).flat_map(i64::to_le_bytes).collect();
    write(path.clone(), &npy("<i8", "False", "(100, 1, 1, 3)", &data));
    let error = open_path(&path).unwrap().check(&mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("x.npy holds 256 in image 85, expected integers in 0..=255"), "{error}");
}

/// The rows that a limit draws, rising.
fn drawn(labels: Option<&[u32]>, found: usize, limit: usize) -> Vec<usize> {
    let mut rows = crate::draw_subset(labels, found, limit, 0);
    rows.sort_unstable();
    rows
}

#[test]
fn damaged_images_of_a_draw_are_skipped_and_the_others_are_those_drawn() {
    let folder = folder_with_damage();
    let table = table_with_damage(folder.path());
    // The table has a class for each row, the folder none.
    let labels: Vec<u32> = (0..10).collect();
    for (path, labels) in [(folder.path(), None), (table.as_path(), Some(labels.as_slice()))] {
        let rows = drawn(labels, 10, 9);
        let damaged = rows.iter().filter(|row| [3, 7].contains(*row)).count();
        let whole = rows.iter().filter(|row| ![3, 7].contains(*row));
        let expected: Vec<_> = whole.map(|&row| pixels(row, SMALL)).collect();
        let text = path.to_str().unwrap();
        let limit = Some(9);
        let request = SourceRequest { skip_damaged: true, limit, ..SourceRequest::new(text) };
        let mut source = open(&request, &mut |_| {}).unwrap();
        source.check(&mut |_| {}).unwrap();
        let mut images = Vec::new();
        while let Some(image) = source.next(1).unwrap().pop() {
            images.push(image.pixels);
        }
        assert_eq!(images, expected, "{text}");
        assert_eq!((source.len(), source.reading().skipped.count), (9 - damaged, damaged));

        let request = SourceRequest { limit, ..SourceRequest::new(text) };
        let mut source = open(&request, &mut |_| {}).unwrap();
        let error = source.next(9).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{damaged} of 9 images of {text} ")), "{error}");
    }
}

#[test]
fn a_wider_integer_out_of_range_is_named_by_its_row_in_the_array_and_only_if_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("x.npy").to_str().unwrap().to_owned();
    let rows = drawn(None, 100, 60);
    let (last, other) = (rows[59], (0..100).find(|row| !rows.contains(row)).unwrap());
    let check = |row: usize| {
        let mut values = [7i64; 300];
        values[3 * row] = 256;
        let data: Vec<u8> = values.into_iter().flat_map(i64::to_le_bytes).collect();
        write(text.clone().into(), &npy("<i8", "False", "(100, 1, 1, 3)", &data));
        let request = SourceRequest { limit: Some(60), ..SourceRequest::new(&text) };
        open(&request, &mut |_| {}).unwrap().check(&mut |_| {}).map_err(|error| error.to_string())
    };
    let error = check(last).unwrap_err();
    assert!(error.contains(&format!("x.npy holds 256 in image {last}, ")), "{error}");
    assert_eq!(check(other), Ok(()));
}
