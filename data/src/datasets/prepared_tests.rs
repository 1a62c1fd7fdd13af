use image::ImageFormat;
use tempfile::TempDir;

use super::*;
use crate::fixtures::{Table, cifar10_file, encode, no_places};
use crate::{Dataset, DatasetRequest, load_from};

const TRAIN: &str = "train-00000-of-00001.parquet";

/// A folder with a small CIFAR-10 of `rows` images, loaded with a file for every set.
struct Small {
    folder: TempDir,
}

impl Small {
    fn new(rows: usize) -> Self {
        let small = Self { folder: tempfile::tempdir().unwrap() };
        small.write(&Table::cifar10(rows));
        small
    }

    fn write(&self, table: &Table) {
        table.write(&cifar10_file(self.folder.path(), TRAIN));
    }

    fn load(&self, limit: Option<usize>) -> (Result<Dataset, DataError>, usize) {
        self.load_named("cifar10", limit, 1)
    }

    /// And how often progress was reported.
    fn load_named(
        &self,
        name: &str,
        limit: Option<usize>,
        mapped_bytes: u64,
    ) -> (Result<Dataset, DataError>, usize) {
        let mut request = DatasetRequest::new(name, Split::Train);
        (request.root, request.limit) = (Some(self.folder.path().to_owned()), limit);
        let places = Places { mapped_bytes, ..no_places(self.folder.path()) };
        let mut reports = 0;
        let loaded = load_from(&request, &places, &mut |_| reports += 1);
        (loaded, reports)
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let Ok(items) = fs::read_dir(self.folder.path().join("ganbench/datasets")) else {
            return Vec::new();
        };
        let paths = items.map(|item| item.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
    }
}

fn same(a: &Dataset, b: &Dataset) {
    assert!(a.images == b.images);
    assert_eq!(a.sha256, b.sha256);
}

#[test]
fn a_set_is_decoded_once_and_then_mapped_with_the_same_images_labels_and_hash() {
    let small = Small::new(23);
    let (memory, _) = small.load_named("cifar10", None, u64::MAX);
    let memory = memory.unwrap();
    assert!(matches!(memory.images.pixels, Pixels::Owned(_)));
    assert!(small.files("u8").is_empty());
    let (first, reports) = small.load(None);
    let first = first.unwrap();
    assert!(matches!(first.images.pixels, Pixels::Shared(_)) && reports > 0);
    same(&first, &memory);
    assert!(first.images.select(&[22, 0, 7]) == memory.images.select(&[22, 0, 7]));
    let (second, reports) = small.load(None);
    same(&second.unwrap(), &memory);
    assert_eq!(reports, 0, "decoded again");
    assert_eq!((small.files("u8").len(), small.files("part").len()), (1, 0));
}

#[test]
fn a_set_of_exactly_the_bytes_is_mapped_and_one_below_is_not() {
    let small = Small::new(2);
    let bytes = 2 * 32 * 32 * 3;
    for (mapped_bytes, files) in [(bytes + 1, 0), (bytes, 1)] {
        small.load_named("cifar10", None, mapped_bytes).0.unwrap();
        assert_eq!(small.files("u8").len(), files);
    }
}

#[test]
fn a_damaged_file_is_made_again() {
    let small = Small::new(5);
    let (good, _) = small.load(None);
    let good = good.unwrap();
    let path = &small.files("u8")[0];
    let whole = fs::read(path).unwrap();
    let mut damaged: Vec<Vec<u8>> = [0, 7, 16, 1000, whole.len() - 1]
        .map(|length| whole[..length].to_vec())
        .into_iter()
        .chain([whole.iter().chain(&[0]).copied().collect(), b"junk".repeat(20)])
        .collect();
    // One bit of a pixel, of a label, and of every byte behind them: the JSON with the hash of the
    // content, the CRC, the length, and the end.
    let labels = 5 * 32 * 32 * 3;
    let hash = whole.windows(15).position(|w| w == b"\"content_sha256").unwrap();
    assert!(hash > labels && whole.len() - labels < 1000, "{hash}");
    for at in [12, labels + 1].into_iter().chain(labels + 4 * 5..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        damaged.push(bytes);
    }
    // The format of before, whose CRC did not cover the JSON.
    let mut before = whole.clone();
    let end = before.len();
    before[end - 1] = b'1';
    damaged.push(before);
    for bytes in damaged {
        // As another process would: the mapped file of `good` stays as it is.
        fs::remove_file(path).unwrap();
        fs::write(path, &bytes).unwrap();
        let (again, reports) = small.load(None);
        same(&again.unwrap(), &good);
        assert!(reports > 0, "a damaged file of {} bytes was taken", bytes.len());
        assert_eq!(fs::read(path).unwrap(), whole);
    }
}

#[test]
fn a_file_of_what_has_changed_is_made_again_and_limits_have_their_own() {
    let small = Small::new(20);
    let (before, _) = small.load(None);
    let before = before.unwrap();
    let mut table = Table::cifar10(20);
    table.labels.swap(3, 4);
    small.write(&table);
    let (after, reports) = small.load(None);
    let after = after.unwrap();
    assert!(reports > 0 && after.sha256 != before.sha256);
    assert_eq!(after.images.labels.as_ref().unwrap()[3..5], [4, 3]);
    assert_eq!(before.images.labels.as_ref().unwrap()[3..5], [3, 4], "the old one stays mapped");
    assert_eq!(small.files("u8").len(), 1);
    let (some, _) = small.load(Some(11));
    assert!(some.unwrap().images == after.images.take(11));
    assert_eq!(small.files("u8").len(), 2);
}

#[test]
fn folders_with_and_without_classes_are_mapped() {
    for classes in [&["a/", "b/"][..], &[""]] {
        let small = Small::new(1);
        let root = small.folder.path().join("pictures");
        let size = ImageSize::new(8, 6, 3);
        for (k, class) in classes.iter().enumerate() {
            fs::create_dir_all(root.join(class)).unwrap();
            for i in 0..7 {
                let bytes = encode(10 * k + i, size, ImageFormat::Png);
                fs::write(root.join(format!("{class}{i}.png")), bytes).unwrap();
            }
        }
        let name = format!("folder:{}", root.display());
        let memory = small.load_named(&name, None, u64::MAX).0.unwrap();
        for reports in [1, 0] {
            let (mapped, reported) = small.load_named(&name, None, 1);
            same(&mapped.unwrap(), &memory);
            assert_eq!(reported, reports);
        }
        assert_eq!(memory.images.labels.is_some(), classes.len() > 1);
    }
}

#[test]
fn a_bad_image_is_named_as_in_memory_and_leaves_no_file() {
    let small = Small::new(1);
    let mut table = Table::cifar10(20);
    table.images[13] = Some(b"junk".to_vec());
    small.write(&table);
    let expected = small.load_named("cifar10", None, u64::MAX).0.unwrap_err().to_string();
    assert!(expected.contains(" row 13 "), "{expected}");
    assert_eq!(small.load(None).0.unwrap_err().to_string(), expected);
    assert!(small.files("u8").is_empty() && small.files("part").is_empty());
}

#[test]
fn several_at_once_make_one_file_that_all_read() {
    let small = Small::new(30);
    let memory = small.load_named("cifar10", None, u64::MAX).0.unwrap();
    let reports: usize = std::thread::scope(|scope| {
        let load = || {
            let (mapped, reports) = small.load(None);
            same(&mapped.unwrap(), &memory);
            usize::from(reports > 0)
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(reports, 1, "made more than once");
}

#[test]
fn drawn_images_and_the_first_are_kept_apart() {
    let small = Small::new(23);
    let load = |draw_seed| {
        let mut request = DatasetRequest::new("cifar10", Split::Train);
        (request.root, request.limit) = (Some(small.folder.path().to_owned()), Some(5));
        request.draw_seed = draw_seed;
        let places = Places { mapped_bytes: 1, ..no_places(small.folder.path()) };
        load_from(&request, &places, &mut |_| {}).unwrap()
    };
    let sets = [None, Some(0), Some(1)].map(load);
    assert!(sets[0].images != sets[1].images && sets[1].images != sets[2].images);
    assert_eq!(small.files("u8").len(), 3);
    for (set, again) in sets.iter().zip([None, Some(0), Some(1)].map(load)) {
        same(set, &again);
    }
}

#[test]
#[cfg(unix)]
fn a_lock_or_a_part_that_is_a_link_is_not_written_through() {
    let small = Small::new(3);
    small.load(None).0.unwrap();
    let victim = small.folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let [set, lock] = ["u8", "lock"].map(|extension| small.files(extension).remove(0));
    fs::remove_file(&set).unwrap();
    std::os::unix::fs::symlink(&victim, set.with_extension("part")).unwrap();
    small.load(None).0.unwrap();
    assert_eq!((small.files("u8").len(), small.files("part").len()), (1, 0));
    for path in [&set, &lock] {
        fs::remove_file(path).unwrap();
    }
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    let error = small.load(None).0.unwrap_err().to_string();
    let end = "it is a link, expected a regular file; remove it or give another path";
    assert_eq!(error, format!("cannot lock {}: {end}", lock.display()));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
