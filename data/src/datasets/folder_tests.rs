use std::fs;

use image::ImageFormat;
use tempfile::TempDir;

use super::*;
use crate::Split;
use crate::fixtures::{encode, encode_tiff, message, no_places, pixels};
use crate::load_from;

const SIZE: ImageSize = ImageSize { height: 4, width: 4, channels: 3 };

/// Files of 4x4 images, image `i` of the list showing `pixels(i)`.
fn folder(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (i, file) in files.iter().enumerate() {
        put(root.path(), file, &encode(i, SIZE, ImageFormat::Png));
    }
    root
}

fn put(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn load(root: &Path, split: Split) -> Result<Dataset, DataError> {
    load_with(root, split, |_| {})
}

fn load_with(
    root: &Path,
    split: Split,
    change: impl FnOnce(&mut DatasetRequest),
) -> Result<Dataset, DataError> {
    let mut request = DatasetRequest::new(format!("folder:{}", root.display()), split);
    change(&mut request);
    load_from(&request, &no_places(root), &mut |_| {})
}

/// Which images of the list a dataset holds, in order.
fn shown(set: &Dataset) -> Vec<usize> {
    let find = |image: &[u8]| (0..200).find(|&i| pixels(i, SIZE) == image).unwrap();
    (0..set.images.len()).map(|i| find(set.images.image(i))).collect()
}

#[test]
fn classes_take_turns_in_the_order_of_their_names() {
    let root = folder(&["b/1.png", "a/2.PNG", "a/1.png", "c/0.png", "b/0.png", "a/3.png"]);
    put(root.path(), "a/.hidden.png", b"junk");
    put(root.path(), "a/notes.txt", b"junk");
    let set = load(root.path(), Split::Train).unwrap();
    assert_eq!(set.class_names, ["a", "b", "c"]);
    assert_eq!(shown(&set), [2, 4, 3, 1, 0, 5]);
    assert_eq!(set.images.labels, Some(vec![0, 1, 2, 0, 1, 0]));
    let first = load_with(root.path(), Split::Train, |r| r.limit = Some(3)).unwrap();
    assert_eq!(shown(&first), [2, 4, 3]);
}

#[test]
fn without_classes_there_are_no_labels() {
    let root = folder(&["2.png", "1.png"]);
    let set = load(root.path(), Split::Train).unwrap();
    assert_eq!(shown(&set), [1, 0]);
    assert_eq!(set.images.labels, None);
    assert!(set.class_names.is_empty());
}

#[test]
fn every_10th_image_of_a_class_is_for_testing() {
    let names: Vec<_> = (0..23).map(|i| format!("a/{i:02}.png")).collect();
    let root = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(shown(&load(root.path(), Split::Test).unwrap()), [9, 19]);
    let train: Vec<_> = (0..23).filter(|i| i % 10 != 9).collect();
    assert_eq!(shown(&load(root.path(), Split::Train).unwrap()), train);
}

#[test]
fn folders_called_train_and_test_are_the_splits() {
    let root = folder(&["train/a/0.png", "train/b/0.png", "test/a/0.png", "test/b/0.png"]);
    assert_eq!(shown(&load(root.path(), Split::Train).unwrap()), [0, 1]);
    assert_eq!(shown(&load(root.path(), Split::Test).unwrap()), [2, 3]);
}

#[test]
fn validation_folders_of_any_name_are_never_classes_and_never_trained_on() {
    for name in ["valid", "Val", "validation", "testing", "eval", "Evaluation", "dev"] {
        let test = format!("{name}/0.png");
        let root = folder(&["Train/0.png", "Train/1.png", &test]);
        let train = load(root.path(), Split::Train).unwrap();
        assert_eq!((shown(&train), train.images.labels.clone()), (vec![0, 1], None), "{name}");
        assert!(train.class_names.is_empty());
        assert_eq!(shown(&load(root.path(), Split::Test).unwrap()), [2], "{name}");
    }
    let root = folder(&["train/a/0.png", "valid/a/0.png", "test/a/0.png", "train/a/1.png"]);
    assert_eq!(shown(&load(root.path(), Split::Train).unwrap()), [0, 3]);
    assert_eq!(shown(&load(root.path(), Split::Test).unwrap()), [2], "test comes before valid");
    // As competitions have it: the images of test/ have no classes.
    let root = folder(&["train/a/0.png", "valid/a/0.png", "test/0.png"]);
    assert_eq!(shown(&load(root.path(), Split::Test).unwrap()), [1]);
    // Never trained on, even where nothing else is there.
    let root = folder(&["valid/a/0.png"]);
    assert_eq!(
        message(load(root.path(), Split::Train), root.path()),
        "DIR holds no train split: expected train/, found valid/"
    );
}

#[test]
fn a_split_beside_a_folder_of_another_name_is_refused_with_the_known_names() {
    for split in [Split::Train, Split::Test] {
        let root = folder(&["train/0.png", "foo/0.png"]);
        assert_eq!(
            message(load(root.path(), split), root.path()),
            "DIR holds train/, which is called as a split, beside foo/, which is not, so that it is open what \
             to train on; splits are called train, training, test, testing, eval, evaluation, val, valid, \
             validation, dev; move foo/ elsewhere, or rename train/ if it is a class"
        );
    }
}

#[test]
fn stylegans_chunk_folders_are_no_classes_and_dataset_json_has_the_labels() {
    let root = folder(&["00000/img0.png", "00000/img1.png", "00001/img2.png", "00001/img3.png"]);
    let write = |labels: &str| {
        let text = format!("{{\"labels\": {labels}}}");
        put(root.path(), "dataset.json", text.as_bytes());
    };
    write(
        r#"[["00000/img0.png", 2], ["00000/img1.png", 0], ["00001/img2.png", 0], ["00001/img3.png", 2]]"#,
    );
    let set = load(root.path(), Split::Train).unwrap();
    // Class 1 has no images, and yet its number.
    assert_eq!(set.class_names, ["0", "1", "2"]);
    assert_eq!(shown(&set), [1, 0, 2, 3]);
    assert_eq!(set.images.labels, Some(vec![0, 2, 0, 2]));
    assert_eq!(set.class_counts(), [2, 0, 2]);

    write("null");
    let set = load(root.path(), Split::Train).unwrap();
    assert_eq!((shown(&set), set.images.labels), (vec![0, 1, 2, 3], None));
    assert!(set.class_names.is_empty());

    write(r#"[["00000/img0.png", 2]]"#);
    assert_eq!(
        message(load(root.path(), Split::Train), root.path()),
        "DIR/dataset.json has no label of 00000/img1.png; label every image, or make labels null"
    );
    // Of another tool: the folders are classes, as without the file.
    write(r#"{"0": "cat"}"#);
    assert_eq!(load(root.path(), Split::Train).unwrap().class_names, ["00000", "00001"]);
}

#[test]
fn splits_may_each_have_a_dataset_json_and_share_its_numbers() {
    let root = folder(&["train/00000/0.png", "train/00000/1.png", "val/00000/0.png"]);
    put(
        root.path(),
        "train/dataset.json",
        br#"{"labels": [["00000/0.png", 0], ["00000/1.png", 3]]}"#,
    );
    put(root.path(), "val/dataset.json", br#"{"labels": [["00000/0.png", 1]]}"#);
    for (split, labels) in [(Split::Train, vec![0, 3]), (Split::Test, vec![1])] {
        let set = load(root.path(), split).unwrap();
        assert_eq!((set.class_names.len(), set.images.labels), (4, Some(labels)));
    }
}

#[test]
fn a_set_is_called_as_its_folder() {
    let root = folder(&["my-flowers/0.png"]);
    assert_eq!(load(&root.path().join("my-flowers"), Split::Train).unwrap().name, "my-flowers");
}

#[test]
fn the_hash_is_that_of_bytes_and_labels_and_not_of_names() {
    let hash = |files: &[&str]| load(folder(files).path(), Split::Train).unwrap().sha256;
    let base = hash(&["a/0.png", "b/0.png"]);
    assert_eq!(base, hash(&["cat/x.png", "dog/y.png"]));
    assert_ne!(base, hash(&["b/0.png", "a/0.png"]), "other images");
    assert_ne!(base, hash(&["0.png", "1.png"]), "no labels");
}

#[test]
fn mixed_sizes_are_refused_with_the_sizes_the_counts_and_the_way_out() {
    let root = folder(&["a/0.png", "a/1.png"]);
    put(root.path(), "a/2.png", &encode(2, ImageSize::new(4, 6, 3), ImageFormat::Png));
    let way_out = "; --image-size N, or dataset.image_size in the plan, crops the square in the middle of each \
                   and resizes it";
    assert_eq!(
        message(load(root.path(), Split::Train), root.path()),
        format!(
            "DIR/a/2.png is 6x4 pixels but 4x4 were expected (the size of the first image); DIR holds 2 of \
             4x4, 1 of 6x4 (width x height){way_out}"
        )
    );
    for i in 1..=7 {
        let size = ImageSize::new(4 + i, 4, 3);
        put(root.path(), &format!("a/3{i}.png"), &encode(i, size, ImageFormat::Png));
    }
    put(root.path(), "a/4.png", b"junk");
    let error = message(load(root.path(), Split::Train), root.path());
    let sizes = "2 of 4x4, 1 of 4x5, 1 of 4x6, 1 of 4x7, 1 of 4x8, 1 of 4x9, 2 of 2 other sizes, 1 that cannot \
                 be read (width x height)";
    assert!(error.contains(sizes), "{error}");
}

fn sized(root: &Path, size: usize) -> Dataset {
    load_with(root, Split::Train, |r| r.size = Some(size)).unwrap()
}

#[test]
fn images_of_any_size_are_cropped_and_resized_to_the_size_asked_for() {
    let root = folder(&["a/0.png", "a/1.png"]);
    let oblong = ImageSize::new(4, 8, 3);
    put(root.path(), "a/2.png", &encode(2, oblong, ImageFormat::Png));
    let set = sized(root.path(), 4);
    assert_eq!((set.images.size, set.fit), (SIZE, Some(Fit::CentreLanczos)));
    assert_eq!(set.images.image(1), pixels(1, SIZE), "of the size already");
    // Columns 2 to 5 of the oblong one.
    let wide = pixels(2, oblong);
    let middle: Vec<u8> = (0..4).flat_map(|y| wide[(y * 8 + 2) * 3..][..12].to_vec()).collect();
    assert_eq!(set.images.image(2), middle);
    let larger = sized(root.path(), 6);
    assert_eq!((larger.images.size, larger.fit), (ImageSize::new(6, 6, 3), set.fit));
    // Made from the same files, and yet not the same images.
    assert_ne!(larger.sha256, set.sha256);
    assert_eq!(sized(root.path(), 6).sha256, larger.sha256);
}

#[test]
fn a_folder_of_the_size_asked_for_is_the_folder_without_a_size() {
    let root = folder(&["a/0.png", "a/1.png"]);
    let plain = load(root.path(), Split::Train).unwrap();
    let asked = sized(root.path(), 4);
    assert_eq!((&asked.sha256, asked.fit), (&plain.sha256, None));
    assert_eq!(asked.images, plain.images);
    assert_ne!(sized(root.path(), 8).sha256, plain.sha256);
}

#[test]
fn a_drawn_limit_takes_the_share_of_each_class_and_a_limit_alone_the_first() {
    let names: Vec<String> =
        (0..40).map(|i| format!("{}/{i:02}.png", if i < 30 { "a" } else { "b" })).collect();
    let root = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let of = |limit, draw_seed| {
        let change = |r: &mut DatasetRequest| (r.limit, r.draw_seed) = (Some(limit), draw_seed);
        load_with(root.path(), Split::Train, change).unwrap()
    };
    let all = load(root.path(), Split::Train).unwrap();
    // Every 10th of each class is for testing: 27 and 9 are left.
    assert_eq!(all.class_counts(), [27, 9]);
    assert_eq!(of(8, None).class_counts(), [4, 4], "the classes take turns");
    let drawn = of(8, Some(0));
    assert_eq!(drawn.class_counts(), [6, 2]);
    assert_ne!(shown(&drawn), shown(&of(8, Some(1))));
    assert_ne!(drawn.sha256, of(8, Some(1)).sha256);
    assert_eq!(shown(&of(36, Some(0))), shown(&all));
    // In the order of the whole set.
    let place = |i: &usize| shown(&all).iter().position(|other| other == i).unwrap();
    assert!(shown(&drawn).iter().map(place).is_sorted());
}

/// Ten images in two classes. The first, which decides the size, and a 16-bit image with a wrong
/// checksum are damaged.
fn folder_with_damage() -> TempDir {
    let names: Vec<String> = (0..10).map(|i| format!("{}/{i}.png", ["a", "b"][i % 2])).collect();
    let root = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
    put(root.path(), "a/0.png", b"junk");
    let mut wrong = fs::read(root.path().join("b/7.png")).unwrap();
    let checksum = wrong.len() - 13;
    wrong[checksum] ^= 1;
    put(root.path(), "b/7.png", &wrong);
    root
}

#[test]
fn all_damaged_images_of_a_training_folder_are_named_at_once() {
    let root = folder_with_damage();
    for size in [None, Some(8)] {
        let loaded = load_with(root.path(), Split::Train, |r| r.size = size);
        assert_eq!(
            message(loaded, root.path()),
            "2 of 10 images of DIR cannot be read: DIR/a/0.png is no PNG, JPEG, WebP, BMP or TIFF image; \
             DIR/b/7.png has a wrong checksum or lacks its end; copy it again; make them again, or leave them out \
             with --skip-damaged"
        );
    }
    // What is no damage is named beside it, and cannot be left out.
    let glass = image::RgbaImage::from_pixel(4, 4, image::Rgba([1, 2, 3, 4]));
    glass.save(root.path().join("b/9.png")).unwrap();
    let loaded = load_with(root.path(), Split::Train, |r| r.skip_damaged = true);
    assert_eq!(
        message(loaded, root.path()),
        "1 of 10 images of DIR cannot be read: DIR/b/9.png has pixels that are not opaque; put it on a background \
         first; mend or remove it"
    );
}

#[test]
fn damaged_images_of_a_training_folder_are_left_out_and_counted_where_that_is_asked_for() {
    let root = folder_with_damage();
    for mapped in [false, true] {
        let mut request =
            DatasetRequest::new(format!("folder:{}", root.path().display()), Split::Train);
        request.skip_damaged = true;
        let mut places = no_places(root.path());
        let cache = tempfile::tempdir().unwrap();
        if mapped {
            (places.cache, places.mapped_bytes) = (Some(cache.path().into()), 0);
        }
        // The second time from the cache.
        for _ in 0..2 {
            let set = load_from(&request, &places, &mut |_| {}).unwrap();
            assert_eq!(shown(&set), [1, 2, 3, 4, 5, 6, 8, 9]);
            assert_eq!(set.images.labels, Some(vec![1, 0, 1, 0, 1, 0, 0, 1]));
            let skipped = &set.reading.skipped;
            assert_eq!((skipped.count, skipped.named.len()), (2, 2), "{skipped:?}");
        }
    }
    let whole = folder(&["0.png", "1.png"]);
    let set = load_with(whole.path(), Split::Train, |r| r.skip_damaged = true).unwrap();
    assert_eq!(set.reading.skipped.count, 0);
    put(whole.path(), "0.png", b"junk");
    put(whole.path(), "1.png", b"");
    let none = load_with(whole.path(), Split::Train, |r| r.skip_damaged = true);
    assert!(
        message(none, whole.path()).starts_with("all 2 images of DIR are damaged: DIR/0.png is no"),
    );
}

#[test]
fn bmp_tiff_and_16_bit_files_are_trained_on_and_16_bits_are_counted() {
    let root = folder(&["0.png"]);
    put(root.path(), "1.bmp", &encode(1, SIZE, ImageFormat::Bmp));
    put(root.path(), "2.TIFF", &encode_tiff(2, SIZE));
    put(root.path(), "3.tif", &encode_tiff(3, SIZE));
    let deep = image::ImageBuffer::from_fn(4, 4, |x, y| image::Rgb([(300 * x + y) as u16; 3]));
    image::DynamicImage::ImageRgb16(deep).save(root.path().join("4.png")).unwrap();
    let grey = image::ImageBuffer::from_fn(4, 4, |x, y| image::Luma([(90 * x + y) as u16]));
    image::DynamicImage::ImageLuma16(grey).save(root.path().join("5.png")).unwrap();
    let cache = tempfile::tempdir().unwrap();
    for mapped_bytes in [u64::MAX, 0, 0] {
        let mut places = no_places(root.path());
        (places.cache, places.mapped_bytes) = (Some(cache.path().into()), mapped_bytes);
        let name = format!("folder:{}", root.path().display());
        let request = DatasetRequest::new(name, Split::Train);
        let set = load_from(&request, &places, &mut |_| {}).unwrap();
        for i in 0..4 {
            assert_eq!(set.images.image(i), pixels(i, SIZE), "image {i}");
        }
        assert_eq!(set.images.image(4)[..12], [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert_eq!(set.images.image(5)[..12], [0, 0, 0, 90, 90, 90, 180, 180, 180, 255, 255, 255]);
        let read = &set.reading;
        assert_eq!((read.upper_8_of_16_bits, read.clipped_16_bit_grey), (1, 1));
    }
}

#[test]
fn folders_of_another_form_are_refused() {
    let says = |files: &[&str], split| {
        let root = folder(files);
        fs::create_dir_all(root.path().join("train")).unwrap();
        message(load(root.path(), split), root.path())
    };
    assert_eq!(
        says(&[], Split::Train),
        "DIR/train holds no images; expected PNG, JPEG, WebP, BMP or TIFF files, or one folder of them per class"
    );
    assert_eq!(
        says(&["0.png", "train/1.png"], Split::Train),
        "DIR holds both images and class folders (0.png, train/); keep one of the two kinds"
    );
    assert_eq!(
        says(&["train/a/0.png", "train/b/0.png", "test/a/0.png"], Split::Test),
        "DIR/test lacks the class folder \"b\" that DIR/train has"
    );
    assert_eq!(
        says(&["train/a/0.png"], Split::Test),
        "DIR holds no test split: expected test/ or val/ beside train/, found train/"
    );
    let says = |files: &[&str], split| {
        let root = folder(files);
        fs::create_dir_all(root.path().join("b")).unwrap();
        message(load(root.path(), split), root.path())
    };
    assert_eq!(
        says(&["a/0.png"], Split::Train),
        "class folder DIR/b holds no images; fill it or remove it"
    );
    assert_eq!(
        says(&["a/0.png", "b/deep/1.png"], Split::Train),
        "DIR/b/deep lies in a class folder, which must hold images only; move it out"
    );
    assert_eq!(
        says(&["a/0.png", "b/1.png"], Split::Test),
        "DIR has 2 images, too few to set any apart for the test split (every 10th is)"
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let root = folder(&[]);
    let error = message(load(&root.path().join("nowhere"), Split::Train), root.path());
    assert!(error.starts_with("cannot list DIR/nowhere: "), "{error}");
}

#[test]
fn tiny_imagenets_own_layout_has_its_classes_in_annotations() {
    let root = folder(&[
        "train/n1/images/n1_0.png",
        "train/n2/images/n2_0.png",
        "val/images/val_0.png",
        "val/images/val_1.png",
        "val/images/val_2.png",
        "test/images/test_0.png",
    ]);
    put(root.path(), "train/n1/n1_boxes.txt", b"n1_0.png\t0\t0\t3\t3\n");
    let annotations = "val/val_annotations.txt";
    put(root.path(), annotations, b"val_1.png\tn1\t0\t0\t3\t3\nval_0.png\tn2\t0\nval_2.png\tn1\n");
    put(root.path(), "wnids.txt", b"n2\nn1\n");
    let train = load(root.path(), Split::Train).unwrap();
    assert_eq!((shown(&train), train.images.labels.clone()), (vec![0, 1], Some(vec![0, 1])));
    let test = load(root.path(), Split::Test).unwrap();
    assert_eq!(test.class_names, ["n1", "n2"]);
    assert_eq!(shown(&test), [3, 2, 4]);
    assert_eq!(test.images.labels, Some(vec![0, 1, 0]));

    for (text, what) in [
        (&b"val_0.png n2\n"[..], "line 1 is \"val_0.png n2\"; expected a file's name, a tab"),
        (b"val_0.png\tn2\n../../x.png\tn1\n", "line 2 is \"../../x.png\\tn1\""),
        (b"val_0.png\tn2\n", "n1"),
        (b"\n", "holds no images"),
    ] {
        put(root.path(), annotations, text);
        let error = message(load(root.path(), Split::Test), root.path());
        assert!(error.contains(what), "{error}");
    }
}
