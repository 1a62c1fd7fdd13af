//! The entries of `data/hub.toml` on small made files in the layouts of their sources.

use image::ImageFormat;
use polars::prelude::ParquetCompression;

use super::fixtures::*;
use super::*;
use crate::images::ImageSize;

fn train(name: &str) -> DatasetRequest {
    DatasetRequest::new(name, Split::Train)
}

#[test]
fn every_entry_is_read_from_files_in_the_layout_of_its_repository() {
    for entry in catalogue::hub_entries() {
        let root = tempfile::tempdir().unwrap();
        let size = ImageSize::new(entry.height, entry.width, entry.channels);
        let mut frame = Table::new("image", 2, size).frame();
        frame.rename("image", entry.image_column.as_str().into()).unwrap();
        frame.rename("label", entry.label_column.as_str().into()).unwrap();
        let folder = root.path().join(&entry.name).join(&entry.folder);
        for split in [Split::Train, Split::Test] {
            let name = format!("{}-00000-of-00001-0a1b.parquet", entry.file_prefix(split));
            write_frame(&mut frame, ParquetCompression::Snappy, &folder.join(name));
            let set = load_root(root.path(), DatasetRequest::new(&entry.name, split)).unwrap();
            let info = datasets().iter().find(|info| info.name == entry.name).unwrap();
            assert_eq!(set.images.size, ImageSize::new(info.size, info.size, 3));
            assert_eq!(set.images.labels, Some(vec![0, 1]));
            assert_eq!(set.class_names, info.class_names);
        }
    }
}

#[test]
fn a_set_of_the_table_is_read_from_class_folders_too() {
    let root = tempfile::tempdir().unwrap();
    let size = ImageSize::new(512, 512, 3);
    for (split, n) in [("train", 2), ("val", 1)] {
        for (label, class) in ["cat", "dog", "wild"].into_iter().enumerate() {
            let folder = root.path().join("afhq-512").join(split).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            for i in 0..n {
                let bytes = encode(10 * label + i, size, ImageFormat::Png);
                std::fs::write(folder.join(format!("{i}.png")), bytes).unwrap();
            }
        }
    }
    let set = load_root(root.path(), train("afhq-512")).unwrap();
    assert_eq!((set.name.as_str(), set.images.len(), set.images.size), ("afhq-512", 6, size));
    assert_eq!(set.class_names, ["cat", "dog", "wild"]);
    assert_eq!(set.images.labels, Some(vec![0, 1, 2, 0, 1, 2]));
    assert_eq!(set.images.image(4), pixels(11, size));
    let test = load_root(root.path(), DatasetRequest::new("afhq-512", Split::Test)).unwrap();
    assert_eq!(test.images.image(1), pixels(10, size));

    let folder = root.path().join("afhq-512/train");
    std::fs::write(folder.join("dog/0.png"), encode(0, SMALL, ImageFormat::Png)).unwrap();
    assert_eq!(
        message(load_root(root.path(), train("afhq-512")), root.path()),
        "DIR/afhq-512/train/dog/0.png is 6x4 pixels but 512x512 were expected (the size of the \
         dataset's images); resize the images first"
    );
    for split in ["train", "val"] {
        std::fs::remove_dir_all(root.path().join("afhq-512").join(split).join("wild")).unwrap();
    }
    assert_eq!(
        message(load_root(root.path(), train("afhq-512")), root.path()),
        "DIR/afhq-512/train has 2 class folders but afhq-512 has 3 classes"
    );
}

const SMALL: ImageSize = ImageSize { height: 4, width: 6, channels: 3 };

#[test]
fn celeba_hq_is_the_mean_of_four_pixels() {
    let root = tempfile::tempdir().unwrap();
    let size = ImageSize::new(256, 256, 3);
    let path = root.path().join("celeba-hq-128/data").join(TRAIN);
    Table::new("image", 2, size).write(&path);
    let set = load_root(root.path(), train("celeba-hq-128")).unwrap();
    // Neighbours of image 1 are 7 + 5y + 3x: rows 0, 1 and columns 2, 3 give 13, 16, 18 and 21, in
    // all 68.
    assert_eq!(set.images.image(1)[3], 17);
    let mut request = train("celeba-hq-128");
    request.size = Some(256);
    let whole = load_root(root.path(), request.clone()).unwrap();
    assert_eq!(whole.images.image(1), pixels(1, size));
    assert_eq!(whole.sha256, set.sha256);
    request.size = Some(64);
    assert_eq!(
        message(load_root(root.path(), request), root.path()),
        "celeba-hq-128 cannot have images of side 64; known: 256 (as encoded), 128 (squares of \
         pixels averaged)"
    );
}

#[test]
fn a_set_whose_files_cannot_be_listed_says_where_to_put_them() {
    let root = tempfile::tempdir().unwrap();
    let mut places = no_places(root.path());
    places.data = Some(root.path().join("data"));
    let request = DatasetRequest::new("imagenet-64", Split::Test);
    assert_eq!(
        message(load_from(&request, &places, &mut |_| {}), root.path()),
        "no test split of imagenet-64 found: looked for \
         DIR/data/imagenet-64/data/validation-*.parquet and DIR/data/imagenet-64/validation-*.parquet; \
         its files in benjamin-paine/imagenet-1k-64x64 could not be listed: HF_HUB_OFFLINE is set; put \
         them at DIR/imagenet-64/data/validation-*.parquet, or images at DIR/imagenet-64/test/CLASS/, \
         and give --data DIR"
    );
}
