use image::ImageFormat;
use safetensors::tensor::Dtype;

use super::tests::{SMALL, all, in_memory, npy, open_path, tensors_file, write};
use super::*;
use crate::fixtures::{Table, encode, pixels};

/// What a source says of labels that it has not; its images must be there all the same.
fn label_fault(result: Result<Box<dyn ImageSource>, SourceError>) -> String {
    let source = result.unwrap();
    assert!(!source.has_labels());
    let fault = source.label_fault().unwrap().to_owned();
    assert!(all(source, 2).unwrap().iter().all(|image| image.label.is_none()));
    fault
}

/// One pixel per image, and these labels.
fn labelled(images: usize, dtype: Dtype, shape: &[usize], labels: &[u8]) -> Vec<u8> {
    let pixels = vec![0; images];
    tensors_file(&[
        ("images", Dtype::U8, &[images, 1, 1, 1], &pixels),
        ("labels", dtype, shape, labels),
    ])
}

#[test]
fn labels_that_are_none_matter_to_those_who_ask_for_them_only() {
    let fault = |dtype, shape: &[usize], labels: &[u8]| {
        let file = labelled(2, dtype, shape, labels);
        label_fault(in_memory(&file, ArrayFormat::SafeTensors))
    };
    assert_eq!(fault(Dtype::I8, &[3], &[0; 3]), "x tensor labels has 3 labels for 2 images");
    assert_eq!(
        fault(Dtype::I8, &[2], &[0xff; 2]),
        "x tensor labels row 0 has the label -1, which stands for an image without a label, and so have all \
         others"
    );
    assert_eq!(
        fault(Dtype::I8, &[2], &[7, 0xff]),
        "x tensor labels row 1 has the label -1, which stands for an image without a label, but x tensor labels \
         row 0 has one; label every image"
    );
    assert_eq!(
        fault(Dtype::I8, &[2], &[7, 0xfe]),
        "x tensor labels row 1 is -2, expected labels of 0 and above, below 2 to the power of 32"
    );
    assert_eq!(
        fault(Dtype::F32, &[2], &[0; 8]),
        "x tensor labels holds float32, expected one integer for each image"
    );
    assert_eq!(
        fault(Dtype::U8, &[2, 2, 1], &[0; 4]),
        "x tensor labels holds shape [2, 2, 1], expected one integer for each image"
    );
    assert_eq!(
        fault(Dtype::U8, &[2, 2], &[0, 1, 1, 1]),
        "x tensor labels has shape [2, 2] but row 1 is not one-hot, expected one integer for each image, or a \
         row of zeros with a single 1"
    );
}

#[test]
fn one_hot_labels_of_any_numbers_become_the_place_of_the_one() {
    let rows = [[0u8, 0, 1], [1, 0, 0]];
    let bytes = |number: &dyn Fn(u8) -> Vec<u8>| {
        rows.iter().flatten().flat_map(|&v| number(v)).collect::<Vec<u8>>()
    };
    for (dtype, labels) in [
        (Dtype::U8, bytes(&|v| vec![v])),
        (Dtype::BOOL, bytes(&|v| vec![v])),
        (Dtype::I64, bytes(&|v| i64::from(v).to_le_bytes().into())),
        // 1.0 in half precision is 0x3c00.
        (Dtype::F16, bytes(&|v| vec![0, 0x3c * v])),
        (Dtype::F32, bytes(&|v| f32::from(v).to_le_bytes().into())),
        (Dtype::F64, bytes(&|v| f64::from(v).to_le_bytes().into())),
    ] {
        let file = labelled(2, dtype, &[2, 3], &labels);
        let images = all(in_memory(&file, ArrayFormat::SafeTensors).unwrap(), 9).unwrap();
        let found: Vec<_> = images.iter().map(|image| image.label).collect();
        assert_eq!(found, [Some(2), Some(0)], "{dtype:?}");
    }
}

// data/tests-data/one-hot.npz, numpy 2.4.6:
// numpy.savez_compressed("one-hot.npz", numpy.zeros((4, 1, 1, 3), "u1"), numpy.eye(3)[[2, 0, 1,
// 1]])
const ONE_HOT: &[u8] = include_bytes!("../../tests-data/one-hot.npz");

#[test]
fn numpys_one_hot_labels_are_read() {
    let images = all(in_memory(ONE_HOT, ArrayFormat::Npz).unwrap(), 3).unwrap();
    assert_eq!(images.iter().filter_map(|i| i.label).collect::<Vec<_>>(), [2, 0, 1, 1]);
}

#[test]
fn parquet_labels_of_minus_one_or_null_leave_the_images_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for (label, what) in [(Some(-1), "-1"), (None, "null")] {
        let mut table = Table::cifar10(20);
        table.labels.fill(label);
        table.write(&path);
        assert_eq!(
            label_fault(open_path(&path)),
            format!(
                "{} row 0 has the label {what}, which stands for an image without a label, and so have all \
                 others",
                path.display()
            )
        );
    }
    let mut table = Table::cifar10(20);
    table.labels[13] = Some(-1);
    table.write(&path);
    let fault = label_fault(open_path(&path));
    assert!(fault.contains("x.parquet row 13 has the label -1, "), "{fault}");
}

/// Labels of the images that a limit leaves, and the images' first bytes.
fn drawn(text: &str, limit: usize, seed: u64) -> (Vec<Option<u32>>, Vec<u8>) {
    let request = SourceRequest { limit: Some(limit), seed, ..SourceRequest::new(text) };
    let images = all(open(&request, &mut |_| {}).unwrap(), 3).unwrap();
    let first = images.iter().map(|image| image.pixels[0]).collect();
    (images.iter().map(|image| image.label).collect(), first)
}

#[test]
fn a_limit_draws_the_share_of_each_class_from_any_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    // 40 images sorted by class, 24 of class 0 and 16 of class 1; the first byte is 7·row.
    let label = |row: usize| u32::from(row >= 24);
    let mut table = Table::new("image", 40, SMALL);
    table.labels = (0..40).map(|row| Some(label(row).into())).collect();
    table.write(&file("x.parquet"));
    let mut array = Vec::new();
    for row in 0..40 {
        let name = format!("images/{}/{row:02}.png", ["a", "b"][label(row) as usize]);
        write(file(&name), &encode(row, SMALL, ImageFormat::Png));
        array.extend(pixels(row, SMALL));
    }
    let labels: Vec<u8> = (0..40).map(|row| label(row) as u8).collect();
    let tensors = [
        ("images", Dtype::U8, &[40, 3, 2, 3][..], array.as_slice()),
        ("labels", Dtype::U8, &[40], &labels),
    ];
    write(file("x.safetensors"), &tensors_file(&tensors));
    write(file("x.npy"), &npy("|u1", "False", "(40, 3, 2, 3)", &array));
    let text = |name: &str| file(name).to_str().unwrap().to_owned();

    let (labels, first) = drawn(&text("x.parquet"), 10, 0);
    assert_eq!(labels.iter().flatten().map(|&l| l as usize).sum::<usize>(), 4);
    for (label_of, &byte) in labels.iter().zip(&first) {
        let row = (0..40).find(|row| (row * 7 % 256) as u8 == byte).unwrap();
        assert_eq!(*label_of, Some(label(row)));
    }
    for name in ["images", "x.safetensors"] {
        assert_eq!(drawn(&text(name), 10, 0), (labels.clone(), first.clone()), "{name}");
    }
    assert_ne!(drawn(&text("x.parquet"), 10, 1).1, first);
    // Without labels any subset, and no fewer than all where more are asked for.
    let (labels, first) = drawn(&text("x.npy"), 10, 0);
    assert_eq!((labels, first.len()), (vec![None; 10], 10));
    let expected: Vec<u8> = {
        let mut rows = crate::draw_subset(None, 40, 10, 0);
        rows.sort_unstable();
        rows.iter().map(|row| (row * 7 % 256) as u8).collect()
    };
    assert_eq!(first, expected);
    for name in ["x.parquet", "images", "x.safetensors", "x.npy"] {
        assert_eq!(drawn(&text(name), 99, 0).1.len(), 40);
    }
    // The hash tells which were drawn, and is that of the whole source where all are.
    let hash = |name: &str, limit, seed| {
        let request = SourceRequest { limit, seed, ..SourceRequest::new(text(name)) };
        open(&request, &mut |_| {}).unwrap().content_sha256().unwrap()
    };
    for name in ["x.parquet", "images", "x.safetensors", "x.npy"] {
        assert_ne!(hash(name, Some(10), 0), hash(name, Some(10), 1), "{name}");
        assert_eq!(hash(name, Some(40), 0), hash(name, None, 1), "{name}");
    }
}

#[test]
fn folders_called_as_splits_are_no_classes() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("train/0.png"), &encode(0, SMALL, ImageFormat::Png));
    write(folder.path().join("Valid/0.png"), &encode(1, SMALL, ImageFormat::Png));
    assert!(open_path(folder.path()).unwrap().class_names().is_none());
    let fault = label_fault(open_path(folder.path()));
    assert_eq!(
        fault.replace(&folder.path().display().to_string(), "DIR"),
        "DIR/Valid/ is called as a split, so that the folders in DIR are no classes; give the folder of one \
         split"
    );
}

#[test]
fn a_folder_with_stylegans_dataset_json_has_its_labels_from_there() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["00000/0.png", "00000/1.png", "00001/2.png"] {
        write(folder.path().join(name), &encode(0, SMALL, ImageFormat::Png));
    }
    let json = folder.path().join("dataset.json");
    let labels = |text: &str| {
        write(json.clone(), text.as_bytes());
        let source = open_path(folder.path()).unwrap();
        assert_eq!(source.reading().left_out, [].into());
        source
    };
    let source =
        labels(r#"{"labels": [["00001/2.png", 5], ["00000/1.png", 0], ["00000/0.png", 5]]}"#);
    // The chunk folders name no classes.
    assert!(source.class_names().is_none());
    let found: Vec<_> = all(source, 9).unwrap().iter().map(|image| image.label).collect();
    assert_eq!(found, [Some(5), Some(0), Some(5)]);
    let source = labels(r#"{"labels": null}"#);
    assert!(!source.has_labels() && source.label_fault().is_none());
    // Said to those who need labels only.
    labels(r#"{"labels": [["00001/2.png", 5]]}"#);
    let fault = label_fault(open_path(folder.path()));
    assert!(fault.ends_with(
        "dataset.json has no label of 00000/0.png; label every image, or make labels null"
    ));
}
