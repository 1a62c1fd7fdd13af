use image::ImageFormat;
use polars::prelude::*;

use super::fixtures::*;
use super::*;
use crate::images::ImageSize;

fn train(name: &str) -> DatasetRequest {
    DatasetRequest::new(name, Split::Train)
}

/// Writes `table` as the train split of cifar10 and loads it.
fn cifar10(table: &Table) -> Result<Dataset, DataError> {
    let root = tempfile::tempdir().unwrap();
    table.write(&cifar10_file(root.path(), TRAIN));
    load_root(root.path(), train("cifar10"))
}

fn cifar10_message(table: &Table) -> String {
    let root = tempfile::tempdir().unwrap();
    table.write(&cifar10_file(root.path(), TRAIN));
    message(load_root(root.path(), train("cifar10")), root.path())
}

#[test]
fn rows_come_in_order_with_pixels_and_labels_in_place() {
    let set = cifar10(&Table::cifar10(23)).unwrap();
    assert_eq!(set.images.size, ImageSize::new(32, 32, 3));
    assert_eq!(set.images.labels, Some((0..23).map(|i| i % 10).collect()));
    assert_eq!(set.class_names[9], "truck");
    for i in 0..23 {
        assert_eq!(set.images.image(i), pixels(i, set.images.size), "image {i}");
    }
}

#[test]
fn the_hash_is_that_of_bytes_and_labels_and_not_of_the_file() {
    let base = cifar10(&Table::cifar10(20)).unwrap().sha256;
    let mut table = Table::cifar10(20);
    table.compression = ParquetCompression::Snappy;
    assert_eq!(cifar10(&table).unwrap().sha256, base, "another compression");

    let root = tempfile::tempdir().unwrap();
    let mut frame = table.frame();
    for (i, (from, rows)) in [(0, 12), (12, 8)].into_iter().enumerate() {
        let path = root.path().join(format!("cifar10/train-{i:05}-of-00002.parquet"));
        write_frame(&mut frame.slice(from, rows), table.compression, &path);
    }
    let sharded = load_root(root.path(), train("cifar10")).unwrap();
    assert_eq!(sharded.sha256, base, "two shards, in DIR/<name>/ itself");
    assert_eq!(sharded.images.image(13), pixels(13, sharded.images.size));
    std::fs::remove_file(root.path().join("cifar10/train-00000-of-00002.parquet")).unwrap();
    frame = frame.slice(0, 1);
    assert_eq!(frame.height(), 1);
    assert_eq!(
        message(load_root(root.path(), train("cifar10")), root.path()),
        "DIR/cifar10 lacks train-00000-of-00002.parquet, one of the 2 files of its train split; copy \
         it there"
    );

    table.labels.swap(3, 4);
    assert_ne!(cifar10(&table).unwrap().sha256, base, "other labels");
    let mut table = Table::cifar10(20);
    // The same pixels, encoded in another way.
    table.images[5] = Some(encode(5, ImageSize::new(32, 32, 3), ImageFormat::WebP));
    let other = cifar10(&table).unwrap();
    assert_eq!(other.images.image(5), pixels(5, other.images.size));
    assert_ne!(other.sha256, base, "other bytes");
    let shorter = cifar10(&Table::cifar10(19)).unwrap();
    assert_ne!(shorter.sha256, base, "fewer rows");
}

#[test]
fn a_limit_takes_the_first_rows_and_is_part_of_the_hash() {
    let root = tempfile::tempdir().unwrap();
    Table::cifar10(20).write(&cifar10_file(root.path(), TRAIN));
    let mut request = train("cifar10");
    request.limit = Some(11);
    let some = load_root(root.path(), request.clone()).unwrap();
    assert_eq!(some.images.len(), 11);
    assert_eq!(some.sha256, cifar10(&Table::cifar10(11)).unwrap().sha256);
    request.limit = Some(1000);
    assert_eq!(load_root(root.path(), request).unwrap().images.len(), 20);
}

#[test]
fn mnist_is_padded_and_repeated_unless_told_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let grey = ImageSize::new(28, 28, 1);
    Table::new("image", 5, grey).write(&root.path().join("mnist/mnist").join(TRAIN));
    let padded = load_root(root.path(), train("mnist")).unwrap();
    assert_eq!(padded.images.size, ImageSize::new(32, 32, 3));
    // Two rows and columns of zeros on each side; pixel (0, 0) of image 3 is 3·7.
    let at = |y: usize, x: usize| &padded.images.image(3)[(y * 32 + x) * 3..][..3];
    assert_eq!((at(1, 2), at(2, 1), at(2, 2)), (&[0; 3][..], &[0; 3][..], &[21; 3][..]));

    let mut request = train("mnist");
    (request.size, request.channels) = (Some(28), Some(1));
    let plain = load_root(root.path(), request.clone()).unwrap();
    assert_eq!(plain.images.image(3), pixels(3, grey));
    assert_eq!(plain.sha256, padded.sha256);
    request.size = Some(30);
    assert_eq!(
        message(load_root(root.path(), request), root.path()),
        "mnist cannot have images of side 30; known: 28 (as encoded), 32 (padded with zeros)"
    );
    let mut request = train("cifar10");
    request.channels = Some(1);
    assert_eq!(
        message(load_root(root.path(), request), root.path()),
        "cifar10 cannot have 1 channels; known: 3"
    );
}

#[test]
fn progress_reaches_its_total() {
    let root = tempfile::tempdir().unwrap();
    Table::cifar10(7).write(&cifar10_file(root.path(), TRAIN));
    let mut request = train("cifar10");
    request.root = Some(root.path().into());
    let mut last = None;
    load_from(&request, &no_places(root.path()), &mut |p| last = Some(p)).unwrap();
    assert_eq!(last, Some(Progress { stage: Stage::Decoding, done: 7, total: 7 }));
}

#[test]
fn a_hub_dataset_needs_nothing_but_an_entry() {
    let table = r#"
        [[dataset]]
        name = "rare"
        summary = "s"
        licence = "l"
        repository = "made/rare"
        revision = "0"
        folder = "data"
        image_column = "picture"
        label_column = "label"
        height = 5
        width = 9
        channels = 3
        default_extractor = "small-cifar10"
        class_names = ["a", "b", "c"]
        files.train = [{ name = "train-0.parquet" }]
        files.test = [{ name = "test-0.parquet" }]
    "#;
    let entry = &catalogue::parse(table).unwrap()[0];
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("train-0.parquet");
    let size = ImageSize::new(5, 9, 3);
    Table::new("picture", 3, size).write(&path);
    let request = train("rare");
    let target = decode::Target::of_entry(entry, &request).unwrap();
    let places = no_places(root.path());
    let set =
        datasets::parquet::load(entry, &[path], target, &request, &places, &mut |_| {}).unwrap();
    assert_eq!(set.images.size, size);
    assert_eq!(set.images.image(2), pixels(2, size));
    assert_eq!(set.class_names, ["a", "b", "c"]);
}

#[test]
fn a_corrupt_image_names_file_and_row() {
    let mut table = Table::cifar10(20);
    // Two bad rows: the first is named.
    table.images[17] = Some(b"junk".to_vec());
    table.images[12] = Some(encode(12, ImageSize::new(32, 32, 3), ImageFormat::Png)[..60].to_vec());
    let message = cifar10_message(&table);
    let start = format!("DIR/cifar10/plain_text/{TRAIN} row 12 is a corrupt image (");
    assert!(message.starts_with(&start), "{message}");
    table.images[12] = Some(encode(0, ImageSize::new(28, 30, 3), ImageFormat::Png));
    assert_eq!(
        cifar10_message(&table),
        format!(
            "DIR/cifar10/plain_text/{TRAIN} row 12 is 30x28 pixels but 32x32 were expected (the size \
             of the dataset's images); resize the images first"
        )
    );
}

#[test]
fn missing_and_impossible_values_name_file_and_row() {
    let file = format!("DIR/cifar10/plain_text/{TRAIN}");
    let mut table = Table::cifar10(12);
    table.labels[10] = Some(10);
    assert_eq!(cifar10_message(&table), format!("{file} row 10 has label 10, outside 0..=9"));
    table.labels[3] = Some(-2);
    assert_eq!(cifar10_message(&table), format!("{file} row 3 has label -2, outside 0..=9"));
    let mut table = Table::cifar10(12);
    table.images[11] = None;
    assert_eq!(cifar10_message(&table), format!("{file} row 11 has no image"));
}

#[test]
fn labels_that_are_minus_one_or_null_make_a_set_without_labels_that_says_why() {
    let file = format!("DIR/cifar10/plain_text/{TRAIN}");
    let stands = "which stands for an image without a label";
    let fault = |change: &dyn Fn(&mut Table)| {
        let mut table = Table::cifar10(12);
        change(&mut table);
        let root = tempfile::tempdir().unwrap();
        table.write(&cifar10_file(root.path(), TRAIN));
        let set = load_root(root.path(), train("cifar10")).unwrap();
        assert_eq!((set.images.len(), set.images.labels.is_none()), (12, true));
        assert!(set.class_names.is_empty() && set.class_counts().is_empty());
        set.label_fault.unwrap().replace(&root.path().display().to_string(), "DIR")
    };
    assert_eq!(
        fault(&|table| table.labels.fill(Some(-1))),
        format!("{file} row 0 has the label -1, {stands}, and so have all others")
    );
    assert_eq!(
        fault(&|table| table.labels.fill(None)),
        format!("{file} row 0 has the label null, {stands}, and so have all others")
    );
    assert_eq!(
        fault(&|table| table.labels[9] = None),
        format!(
            "{file} row 9 has the label null, {stands}, but {file} row 0 has one; label every image"
        )
    );
    assert_eq!(cifar10(&Table::cifar10(12)).unwrap().label_fault, None);
}

#[test]
fn a_drawn_limit_takes_the_share_of_each_class_of_sorted_rows_in_several_files() {
    let root = tempfile::tempdir().unwrap();
    let mut table = Table::cifar10(40);
    table.labels = (0..40).map(|i| Some(i / 10)).collect();
    let frame = table.frame();
    for (i, (from, rows)) in [(0, 23), (23, 17)].into_iter().enumerate() {
        let path = root.path().join(format!("cifar10/train-{i:05}-of-00002.parquet"));
        write_frame(&mut frame.slice(from, rows), table.compression, &path);
    }
    let of = |limit, draw_seed| {
        let mut request = train("cifar10");
        (request.limit, request.draw_seed) = (Some(limit), draw_seed);
        load_root(root.path(), request).unwrap()
    };
    assert_eq!(of(8, None).class_counts()[..5], [8, 0, 0, 0, 0], "the first rows are of one class");
    let drawn = of(8, Some(0));
    assert_eq!(drawn.class_counts()[..5], [2, 2, 2, 2, 0]);
    let labels = drawn.images.labels.as_ref().unwrap();
    let row = |i: usize| {
        (0..40).find(|&row| pixels(row, drawn.images.size) == drawn.images.image(i)).unwrap()
    };
    for (i, &label) in labels.iter().enumerate() {
        assert_eq!(row(i) / 10, label as usize, "the label is that of the image");
    }
    assert!((0..8).map(row).is_sorted());
    assert_ne!(of(8, Some(1)).sha256, drawn.sha256);
    assert_eq!(of(40, Some(0)).sha256, of(40, None).sha256);
    assert_eq!(of(99, Some(0)).sha256, of(40, None).sha256);
}

#[test]
fn wrong_columns_are_listed() {
    let mut table = Table::cifar10(3);
    table.image_column = "image";
    let expected = "expected img: struct {bytes: binary, path}, label: integer";
    assert_eq!(
        cifar10_message(&table),
        format!(
            "DIR/cifar10/plain_text/{TRAIN} has the wrong columns: {expected}, found image: struct \
             {{bytes: binary, path: str}}, label: i64"
        )
    );
    let root = tempfile::tempdir().unwrap();
    let path = cifar10_file(root.path(), TRAIN);
    let mut frame = df!("img" => ["a.png"], "label" => [0.5]).unwrap();
    write_frame(&mut frame, ParquetCompression::Uncompressed, &path);
    assert_eq!(
        message(load_root(root.path(), train("cifar10")), root.path()),
        format!(
            "DIR/cifar10/plain_text/{TRAIN} has the wrong columns: {expected}, found img: str, label: \
             f64"
        )
    );
}

#[test]
fn truncated_and_empty_parquet_files_are_refused() {
    let file = format!("DIR/cifar10/plain_text/{TRAIN}");
    assert_eq!(
        cifar10_message(&Table::cifar10(0)),
        format!("{file} holds no rows; copy it or download it again")
    );
    let root = tempfile::tempdir().unwrap();
    let path = cifar10_file(root.path(), TRAIN);
    Table::cifar10(20).write(&path);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 3, 8, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let message = message(load_root(root.path(), train("cifar10")), root.path());
        assert!(message.starts_with(&format!("{file} is not a whole Parquet file: ")), "{message}");
        assert!(message.ends_with("; copy it or download it again"), "{message}");
    }
}

#[test]
fn a_missing_split_is_an_error_even_where_another_place_may_have_it() {
    let root = tempfile::tempdir().unwrap();
    Table::cifar10(3).write(&cifar10_file(root.path(), "test-00000-of-00001.parquet"));
    let expected = "DIR/cifar10/plain_text holds no train split: expected train-*.parquet, found \
                    test-00000-of-00001.parquet";
    assert_eq!(message(load_root(root.path(), train("cifar10")), root.path()), expected);
    let mut places = no_places(root.path());
    places.data = Some(root.path().into());
    let found = load_from(&train("cifar10"), &places, &mut |_| {});
    assert_eq!(message(found, root.path()), expected);
}

#[test]
fn a_given_root_is_the_only_place() {
    let root = tempfile::tempdir().unwrap();
    Table::cifar10(3).write(&cifar10_file(&root.path().join("good"), TRAIN));
    let mut places = no_places(root.path());
    places.data = Some(root.path().join("good"));
    assert_eq!(load_from(&train("cifar10"), &places, &mut |_| {}).unwrap().images.len(), 3);

    let mut request = train("cifar10");
    request.root = Some(root.path().join("bad"));
    assert_eq!(
        message(load_from(&request, &places, &mut |_| {}), root.path()),
        "no train split of cifar10 under --data DIR/bad (no such folder): looked for \
         DIR/bad/cifar10/plain_text/train-*.parquet and DIR/bad/cifar10/train-*.parquet; --data takes \
         the folder that holds cifar10/, without it $GANBENCH_DATA and the hub are searched, and \
         --dataset shapes needs no data"
    );
}

#[test]
fn without_data_the_error_says_where_it_looked() {
    let root = tempfile::tempdir().unwrap();
    let mut places = no_places(root.path());
    places.data = Some(root.path().join("data"));
    let revision = "0b2714987fa478483af9968de7c934580d0bb9a2";
    assert_eq!(
        message(load_from(&train("cifar10"), &places, &mut |_| {}), root.path()),
        format!(
            "no train split of cifar10 found: looked for DIR/data/cifar10/plain_text/train-*.parquet \
             and DIR/data/cifar10/train-*.parquet, DIR/hub/datasets--uoft-cs--cifar10/snapshots/\
             {revision}/plain_text/{TRAIN}; downloading it from http://127.0.0.1:9/datasets/uoft-cs/\
             cifar10/resolve/{revision}/plain_text/{TRAIN} failed: HF_HUB_OFFLINE is set; give --data \
             DIR where DIR holds cifar10/, or use --dataset shapes, which needs no data"
        )
    );
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<&str> = datasets().iter().map(|d| d.name.as_str()).collect();
    assert_eq!(
        message(load_root(root.path(), train("cifar")), root.path()),
        format!("unknown dataset \"cifar\"; known: {}, or folder:PATH", names.join(", "))
    );
    assert_eq!(
        "valid".parse::<Split>().unwrap_err().to_string(),
        "unknown split \"valid\"; known: train, test"
    );
}

#[test]
fn a_damaged_parquet_file_never_panics() {
    let root = tempfile::tempdir().unwrap();
    let path = cifar10_file(root.path(), TRAIN);
    let mut table = Table::cifar10(10);
    table.compression = ParquetCompression::Uncompressed;
    table.write(&path);
    let whole = std::fs::read(&path).unwrap();
    let mut stream = crate::rng::Stream::new(0, "damage");
    let mut refused = 0;
    for _ in 0..1000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + stream.below(3) {
            // Half of the hits go to the footer, where all of the structure is.
            let from = if stream.chance(0.5) { 0 } else { bytes.len().saturating_sub(900) };
            let at = from + stream.below((bytes.len() - from) as u64) as usize;
            bytes[at] ^= 1 << stream.below(8);
        }
        std::fs::write(&path, &bytes).unwrap();
        refused += usize::from(load_root(root.path(), train("cifar10")).is_err());
    }
    assert!(refused > 500, "{refused}");
}

/// A split of the copy that `$GANBENCH_DATA` names, or none (with the reason printed).
fn real(name: &str, split: Split) -> Option<Dataset> {
    let Some(root) = std::env::var_os("GANBENCH_DATA") else {
        eprintln!("skipped: GANBENCH_DATA is not set");
        return None;
    };
    if !std::path::Path::new(&root).join(name).is_dir() {
        eprintln!("skipped: {} holds no {name}/", root.display());
        return None;
    }
    let mut request = DatasetRequest::new(name, split);
    request.root = Some(root.into());
    Some(load(&request, &mut |_| {}).unwrap())
}

fn histogram(set: &Dataset) -> Vec<usize> {
    let mut counts = vec![0; set.class_names.len()];
    for &label in set.images.labels.as_ref().unwrap() {
        counts[label as usize] += 1;
    }
    counts
}

/// Mean brightness of some rows and columns over all images.
fn mean(set: &Dataset, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> f64 {
    let (size, mut sum, mut n) = (set.images.size, 0.0, 0.0);
    for i in 0..set.images.len() {
        for y in rows.clone() {
            for x in columns.clone() {
                let at = (y * size.width + x) * size.channels;
                sum += set.images.image(i)[at..at + size.channels]
                    .iter()
                    .map(|&v| f64::from(v))
                    .sum::<f64>();
                n += size.channels as f64;
            }
        }
    }
    sum / n
}

#[test]
fn real_cifar10_has_its_counts_and_stands_upright() {
    for (split, per_class) in [(Split::Train, 5000), (Split::Test, 1000)] {
        let Some(set) = real("cifar10", split) else { return };
        assert_eq!(set.images.size, ImageSize::new(32, 32, 3));
        assert_eq!(histogram(&set), [per_class; 10]);
        // The sky is above: the top of the pictures is brighter than the bottom.
        assert!(mean(&set, 0..8, 0..32) > mean(&set, 24..32, 0..32) + 5.0);
    }
}

#[test]
fn real_mnist_has_its_counts_and_stands_upright() {
    // LeCun's counts of the digits 0 to 9.
    let train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    let test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    for (split, counts) in [(Split::Train, train), (Split::Test, test)] {
        let Some(set) = real("mnist", split) else { return };
        assert_eq!(histogram(&set), counts);
        assert_eq!(mean(&set, 0..2, 0..32), 0.0, "padding");
        // Sevens have their bar above: rows 9..13 against rows 20..24, where only the stem is.
        let labels = set.images.labels.as_ref().unwrap();
        let sevens: Vec<_> = (0..set.images.len()).filter(|&i| labels[i] == 7).collect();
        let sevens = Dataset { images: set.images.select(&sevens), ..set.clone() };
        assert!(mean(&sevens, 9..13, 0..32) > 1.3 * mean(&sevens, 20..24, 0..32));
        // And their stem leans to the right: left of the middle there is less below than above.
        assert!(mean(&sevens, 9..13, 6..14) > 1.3 * mean(&sevens, 16..20, 6..14));
    }
}
