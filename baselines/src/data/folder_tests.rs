use image::ImageFormat;
use tempfile::TempDir;

use super::*;
use crate::data::Split;
use crate::data::fixtures::{encode, message, no_places, pixels};
use crate::data::load_from;

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
    assert_eq!(set.name, "folder");
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
    // A class may be called train.
    let root = folder(&["train/0.png", "car/0.png"]);
    assert_eq!(load(root.path(), Split::Train).unwrap().class_names, ["car", "train"]);
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
fn mixed_sizes_name_the_file() {
    let root = folder(&["a/0.png", "a/1.png"]);
    put(root.path(), "a/2.png", &encode(2, ImageSize::new(4, 6, 3), ImageFormat::Png));
    assert_eq!(
        message(load(root.path(), Split::Train), root.path()),
        "DIR/a/2.png is 6x4 pixels but 4x4 were expected (the size of the first image); resize the \
         images first"
    );
    let asked = load_with(root.path(), Split::Train, |r| r.size = Some(32));
    assert_eq!(
        message(asked, root.path()),
        "DIR/a/0.png is 4x4 pixels but 32x32 were expected (the size asked for); resize the images \
         first"
    );
}

#[test]
fn a_corrupt_image_is_named() {
    let root = folder(&["a/0.png", "a/1.png"]);
    put(root.path(), "a/1.png", b"junk");
    assert_eq!(
        message(load(root.path(), Split::Train), root.path()),
        "DIR/a/1.png is no PNG, JPEG, WebP, BMP or TIFF image"
    );
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
        "DIR/train holds no images; expected PNG, JPEG or WebP files, or one folder of them a class"
    );
    assert_eq!(
        says(&["a/0.png"], Split::Train),
        "class folder DIR/train holds no images; fill it or remove it"
    );
    assert_eq!(
        says(&["0.png", "train/1.png"], Split::Train),
        "DIR holds both images and class folders (0.png, train/); keep one of the two kinds"
    );
    assert_eq!(
        says(&["a/0.png", "train/deep/1.png"], Split::Train),
        "DIR/train/deep lies in a class folder, which must hold images only; move it out"
    );
    assert_eq!(
        says(&["train/a/0.png", "train/b/0.png", "test/a/0.png"], Split::Test),
        "DIR/test lacks the class folder \"b\" that DIR/train has"
    );
    assert_eq!(
        says(&["train/a/0.png"], Split::Test),
        "DIR holds no test split: expected test/ or val/ beside train/, found train/"
    );
    assert_eq!(
        says(&["a/0.png", "train/1.png"], Split::Test),
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
