use std::fs;

use image::ImageFormat;
use polars::prelude::*;
use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::fixtures::{Table, encode, pixels, write_frame};

// data/tests-data/images.npz and images.npy, numpy 2.4.6:
//   a = (numpy.arange(72)*5%256).astype(numpy.uint8).reshape(4, 3, 2, 3)
//   numpy.savez_compressed("images.npz", a, numpy.array([3, 1, 0, 2])); numpy.save("images.npy", a)
const NPZ: &[u8] = include_bytes!("../../tests-data/images.npz");
const NPY: &[u8] = include_bytes!("../../tests-data/images.npy");

fn array_pixels() -> Vec<u8> {
    (0..72u32).map(|i| (i * 5 % 256) as u8).collect()
}

pub(super) fn open_path(path: &Path) -> Result<Box<dyn ImageSource>, SourceError> {
    open(&SourceRequest::new(path.to_str().unwrap()), &mut |_| {})
}

pub(super) fn in_memory(
    bytes: &[u8],
    format: ArrayFormat,
) -> Result<Box<dyn ImageSource>, SourceError> {
    open_bytes(bytes.to_vec(), format, &SourceRequest::new("x"))
}

/// All images, asked for `n` at a time.
pub(super) fn all(mut source: Box<dyn ImageSource>, n: usize) -> Result<Vec<Image>, SourceError> {
    let mut images = Vec::new();
    loop {
        let more = source.next(n)?;
        if more.is_empty() {
            assert_eq!(images.len(), source.len());
            return Ok(images);
        }
        assert!(more.len() <= n);
        images.extend(more);
    }
}

pub(super) fn refusal(result: Result<Box<dyn ImageSource>, SourceError>) -> String {
    result.and_then(|source| all(source, 2)).unwrap_err().to_string()
}

fn refused_in(folder: &Path) -> String {
    refusal(open_path(folder)).replace(&folder.display().to_string(), "DIR")
}

pub(super) fn write(path: PathBuf, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

pub(super) fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    [out, header.into_bytes(), data.to_vec()].concat()
}

/// A safetensors file of these tensors.
pub(super) fn tensors_file(of: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = of.iter().map(|(name, dtype, shape, data)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

pub(super) const SMALL: ImageSize = ImageSize { height: 3, width: 2, channels: 3 };

#[test]
fn arrays_give_numpys_images_and_labels_in_pieces_of_any_size() {
    let labels: Vec<u8> = [3i64, 1, 0, 2].map(i64::to_le_bytes).concat();
    let shape: &[usize] = &[4, 3, 2, 3];
    let pixels = array_pixels();
    let named = tensors_file(&[
        ("images", Dtype::U8, shape, &pixels),
        ("labels", Dtype::I64, &[4], &labels),
    ]);
    let unnamed =
        tensors_file(&[("x", Dtype::U8, shape, &pixels), ("y", Dtype::F32, &[1], &[0; 4])]);
    for (file, format, labels) in [
        (NPZ, ArrayFormat::Npz, Some([3, 1, 0, 2])),
        (NPY, ArrayFormat::Npy, None),
        (&named, ArrayFormat::SafeTensors, Some([3, 1, 0, 2])),
        (&unnamed, ArrayFormat::SafeTensors, None),
    ] {
        for n in 1..6 {
            let source = in_memory(file, format).unwrap();
            assert_eq!((source.len(), source.has_labels()), (4, labels.is_some()));
            let images = all(source, n).unwrap();
            for (i, image) in images.iter().enumerate() {
                assert_eq!(image.size, SMALL);
                assert_eq!(image.pixels, pixels[i * 18..(i + 1) * 18]);
                assert_eq!(image.label, labels.map(|labels| labels[i]));
            }
        }
        let request = SourceRequest { limit: Some(3), ..SourceRequest::new("x") };
        let source = open_bytes(file.to_vec(), format, &request).unwrap();
        assert_eq!(all(source, 2).unwrap().len(), 3);
    }
}

#[test]
fn a_folder_gives_images_of_any_size_and_depth_by_path_with_classes_as_labels() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let grey = ImageSize::new(4, 5, 1);
    // '-' sorts before '/', so that the images of class "a" lie on both sides of none of "a-b".
    write(file("a/2.png"), &encode(0, SMALL, ImageFormat::Png));
    write(file("a/deep/er/1.webp"), &encode(1, SMALL, ImageFormat::WebP));
    write(file("a-b/1.PNG"), &encode(2, grey, ImageFormat::Png));
    write(file("c/.hidden.png"), b"not an image");
    write(file(".cache/1.png"), b"not an image");
    write(file("c/notes.txt"), b"not an image");
    write(file("d/3.png"), &encode(3, grey, ImageFormat::Png));
    let source = open_path(folder.path()).unwrap();
    assert_eq!((source.len(), source.has_labels()), (4, true));
    assert_eq!(source.class_names().unwrap(), ["a", "a-b", "d"]);
    let left_out = [(".txt".to_string(), 1), ("hidden".into(), 2)];
    assert_eq!(source.reading().left_out, left_out.into());
    let found: Vec<_> =
        all(source, 3).unwrap().into_iter().map(|i| (i.size, i.label, i.pixels)).collect();
    let expected = [(2, grey, 1), (0, SMALL, 0), (1, SMALL, 0), (3, grey, 2)]
        .map(|(i, size, label)| (size, Some(label), pixels(i, size)));
    assert_eq!(found, expected);

    write(file("9.png"), &encode(4, SMALL, ImageFormat::Png));
    let source = open_path(folder.path()).unwrap();
    assert!(!source.has_labels() && source.class_names().is_none());
    let images = all(source, 100).unwrap();
    assert_eq!(images[0].pixels, pixels(4, SMALL));
    assert!(images.iter().all(|image| image.label.is_none()));
}

#[test]
fn parquet_files_give_their_rows_across_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    // 20 rows in groups of 8.
    for table in [Table::cifar10(20), Table::new("image", 20, SMALL)] {
        table.write(&path);
        for n in [1, 5, 8, 100] {
            let source = open_path(&path).unwrap();
            assert_eq!((source.len(), source.has_labels()), (20, true));
            for (i, image) in all(source, n).unwrap().into_iter().enumerate() {
                assert_eq!(image.pixels, pixels(i, image.size), "row {i}");
                assert_eq!(image.label, Some(i as u32 % 10));
            }
        }
    }
    let bytes: Vec<_> = (0..3).map(|i| encode(i, SMALL, ImageFormat::Jpeg)).collect();
    let column = BinaryChunked::from_iter_values("image".into(), bytes.iter().map(Vec::as_slice));
    write_frame(
        &mut DataFrame::new(3, vec![column.into_series().into()]).unwrap(),
        ParquetCompression::Uncompressed,
        &path,
    );
    let source = open_path(&path).unwrap();
    assert!(!source.has_labels());
    let images = all(source, 2).unwrap();
    assert_eq!((images.len(), images[2].size), (3, SMALL));
}

#[test]
fn a_dataset_gives_its_images_and_labels() {
    let request = SourceRequest { limit: Some(5), ..SourceRequest::new("dataset:shapes:test") };
    let source = open(&request, &mut |_| {}).unwrap();
    assert_eq!(source.name(), "dataset:shapes:test");
    let images = all(source, 2).unwrap();
    let asked = crate::DatasetRequest {
        limit: Some(5),
        ..crate::DatasetRequest::new("shapes", crate::Split::Test)
    };
    let expected = crate::load(&asked, &mut |_| {}).unwrap().images;
    assert_eq!(images.len(), 5);
    for (i, image) in images.iter().enumerate() {
        assert_eq!(image.view(), expected.views(i..i + 1)[0]);
        assert_eq!(image.label, expected.labels.as_ref().map(|l| l[i]));
    }
}

#[test]
fn the_content_hash_follows_names_bytes_and_number_but_not_the_place() {
    let hash = |folder: &Path, limit| {
        let text = folder.to_str().unwrap();
        let request = SourceRequest { limit, ..SourceRequest::new(text) };
        open(&request, &mut |_| {}).unwrap().content_sha256().unwrap()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for folder in [one.path(), two.path()] {
        write(folder.join("a.png"), &encode(0, SMALL, ImageFormat::Png));
        write(folder.join("b.png"), &encode(1, SMALL, ImageFormat::Png));
    }
    let whole = hash(one.path(), None);
    assert_eq!(whole, hash(two.path(), None));
    assert_ne!(whole, hash(one.path(), Some(1)));
    // Of the image that is not drawn.
    fs::rename(two.path().join("a.png"), two.path().join("0.png")).unwrap();
    assert_ne!(whole, hash(two.path(), None));
    assert_eq!(hash(one.path(), Some(1)), hash(two.path(), Some(1)));

    // Python 3: h = hashlib.sha256(b"ganbench-source-1\0npy\0" + struct.pack("<Q", 4));
    //   h.update(open("images.npy", "rb").read())
    assert_eq!(
        in_memory(NPY, ArrayFormat::Npy).unwrap().content_sha256().unwrap(),
        "1b8a6742b1929e35418cc0b1a9fd80559ce3796a84ffc7495cb44b65e0d0cccb"
    );
}

#[test]
fn arrays_that_are_no_images_are_refused_with_what_to_do() {
    let npy = |descr: &str, shape: &str, bytes: usize| {
        refusal(in_memory(&npy(descr, "False", shape, &vec![0; bytes]), ArrayFormat::Npy))
    };
    assert_eq!(
        npy("<f4", "(1, 2, 2, 3)", 48),
        "x holds float32, expected uint8 or integers in 0..=255; quantise the images to 0..=255 as whoever made them does \
         (from -1..1 mostly round(127.5 * x + 127.5)) and save them again"
    );
    assert_eq!(
        npy("|u1", "(2, 3, 4, 5)", 120),
        "x has shape [2, 3, 4, 5], channels before height; expected [n, height, width, channels], so \
         transpose it by (0, 2, 3, 1)"
    );
    assert_eq!(
        npy("|u1", "(2, 4, 4, 4)", 128),
        "x has shape [2, 4, 4, 4]: 4 channels, expected 1 or 3"
    );
    assert_eq!(
        npy("|u1", "(4, 4, 3)", 48),
        "x has shape [4, 4, 3], expected [n, height, width, channels]"
    );
    assert_eq!(npy("|u1", "(0, 4, 4, 3)", 0), "x holds no images");
    assert_eq!(
        npy("|u1", "(1, 1, 9000, 3)", 27000),
        "x has shape [1, 1, 9000, 3]: images of 1x9000 pixels, expected sides of 1 to 8192"
    );
    let fortran = super::tests::npy("|u1", "True", "(1, 2, 2, 3)", &[0; 12]);
    assert_eq!(
        refusal(in_memory(&fortran, ArrayFormat::Npy)),
        "x is in Fortran order; save numpy.ascontiguousarray of it, which can be read piece by piece"
    );
    let safe = |of: &[(&str, Dtype, &[usize], &[u8])]| {
        refusal(in_memory(&tensors_file(of), ArrayFormat::SafeTensors))
    };
    assert_eq!(
        safe(&[("a", Dtype::U8, &[1, 1, 1, 1], &[0]), ("b", Dtype::U8, &[1, 1, 1, 1], &[0])]),
        "x holds no tensor images, nor a single uint8 tensor of 4 axes; found: a uint8 [1, 1, 1, 1], b \
         uint8 [1, 1, 1, 1]"
    );
    assert_eq!(
        safe(&[("images", Dtype::F16, &[1, 1, 1, 1], &[0; 2])]),
        "x tensor images holds float16, expected uint8 or integers in 0..=255; quantise the images to 0..=255 as whoever made them \
         does (from -1..1 mostly round(127.5 * x + 127.5)) and save them again"
    );
    let one: (&str, Dtype, &[usize], &[u8]) = ("images", Dtype::U8, &[1, 1, 1, 1], &[0]);
    assert_eq!(
        refusal(in_memory(&[255; 20], ArrayFormat::SafeTensors)),
        "x is no whole safetensors file: it claims a header of 18446744073709551615 bytes, expected at most \
         12; copy it or make it again"
    );
    let whole = tensors_file(&[one]);
    assert_eq!(
        refusal(in_memory(&whole[..whole.len() - 1], ArrayFormat::SafeTensors)),
        "x is no whole safetensors file: its tensors take 1 bytes but it holds 0; copy it or make it again"
    );
}

#[test]
fn an_archive_without_images_is_refused_with_what_it_holds() {
    let at = NPZ.windows(9).position(|w| w == b"arr_0.npy").unwrap();
    let last = NPZ.windows(9).rposition(|w| w == b"arr_0.npy").unwrap();
    let mut other = NPZ.to_vec();
    other[at + 4] = b'7';
    other[last + 4] = b'7';
    assert_eq!(
        refusal(in_memory(&other, ArrayFormat::Npz)),
        "x holds no array arr_0 of images; found: arr_7, arr_1"
    );
}

#[test]
fn images_that_cannot_be_read_are_named_with_their_path_or_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(
        refused_in(folder.path()),
        "DIR holds no images, and 0 other files; expected PNG, JPEG, WebP, BMP or TIFF files at any depth"
    );
    write(path("a/0.png"), &encode(0, SMALL, ImageFormat::Png));
    write(path("a/1.png"), b"nothing");
    let of_one = |reason: &str| format!("1 of 2 images of DIR cannot be read: DIR/a/1.{reason}");
    let damaged = |reason: &str| {
        of_one(&format!("{reason}; make it again, or leave it out with --skip-damaged"))
    };
    assert_eq!(refused_in(folder.path()), damaged("png is no PNG, JPEG, WebP, BMP or TIFF image"));
    image::GrayImage::new(8193, 1).save(path("a/1.png")).unwrap();
    assert_eq!(
        refused_in(folder.path()),
        of_one(
            "png is 8193x1 pixels, expected sides of 1 to 8192; resize it first; mend or remove it"
        )
    );

    // Height and width of a JPEG file stand 5 bytes after the marker of its frame.
    let mut jpeg = encode(0, SMALL, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x20, 0, 0x20, 0]);
    fs::remove_file(path("a/1.png")).unwrap();
    write(path("a/1.jpg"), &jpeg);
    let held = jpeg.len();
    assert_eq!(
        refused_in(folder.path()),
        damaged(&format!("jpg claims 8192x8192 pixels, more than its {held} bytes can hold"))
    );

    let mut table = Table::cifar10(20);
    table.images[13] = Some(b"nothing".to_vec());
    table.write(&path("x.parquet"));
    let text = |name: &str| {
        refusal(open_path(&path(name))).replace(&folder.path().display().to_string(), "DIR")
    };
    assert_eq!(
        text("x.parquet"),
        "1 of 20 images of DIR/x.parquet cannot be read: DIR/x.parquet row 13 is no PNG, JPEG, WebP, BMP or TIFF \
         image; make it again, or leave it out with --skip-damaged"
    );
    table.images[13] = None;
    table.write(&path("x.parquet"));
    assert_eq!(text("x.parquet"), "DIR/x.parquet row 13 has no image");
    let labels = Series::new("label".into(), [1i64]);
    let mut frame = DataFrame::new(1, vec![labels.into()]).unwrap();
    write_frame(&mut frame, ParquetCompression::Uncompressed, &path("x.parquet"));
    assert_eq!(
        text("x.parquet"),
        "DIR/x.parquet has the wrong columns: expected image or img, of encoded images: binary, or a struct \
         with bytes: binary; found: label: i64"
    );
}

#[test]
fn sources_that_are_none_are_refused() {
    let text = |text: &str| refusal(open(&SourceRequest::new(text), &mut |_| {}));
    assert_eq!(
        text("/nonexistent/images"),
        "/nonexistent/images does not exist; expected a folder of images or a file of images"
    );
    assert_eq!(
        text("/nonexistent/images.npz"),
        "/nonexistent/images.npz does not exist; expected a folder of images or a file of images"
    );
    let unknown = "; expected a folder of images, a .npz, .npy, .safetensors or .parquet file, or \
                   dataset:NAME:SPLIT";
    assert_eq!(text("set:cifar10"), format!("unknown source \"set:cifar10\"{unknown}"));
    assert_eq!(text("dataset:cifar10"), format!("unknown source \"dataset:cifar10\"{unknown}"));
    assert_eq!(text("dataset:cifar10:all"), "unknown split \"all\"; known: train, test");
    let request = SourceRequest { limit: Some(0), ..SourceRequest::new("x.npz") };
    assert_eq!(
        open(&request, &mut |_| {}).unwrap_err().to_string(),
        "0 images of x.npz asked for; ask for at least 1"
    );
}

#[test]
fn blocks_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let bytes = encode(i, SMALL, ImageFormat::Png);
        write(folder.path().join(format!("{i:02}.png")), &bytes);
    }
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| open_path(folder.path()).unwrap().next(33).unwrap())
    };
    assert_eq!(in_pool(1).len(), 33);
    assert_eq!(in_pool(1), in_pool(3));
}

#[test]
fn the_parquet_file_of_a_dataset_gives_the_datasets_images() {
    let Some(root) = std::env::var_os("GANBENCH_DATA") else {
        eprintln!("skipped: GANBENCH_DATA is not set");
        return;
    };
    let path = Path::new(&root).join("cifar10/plain_text/test-00000-of-00001.parquet");
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return;
    }
    // Several row groups.
    let limit = Some(2500);
    let open = |text: &str| {
        let root = Some(root.clone().into());
        let request = SourceRequest { limit, root, ..SourceRequest::new(text) };
        all(super::open(&request, &mut |_| {}).unwrap(), 700).unwrap()
    };
    assert!(open(path.to_str().unwrap()) == open("dataset:cifar10:test"));
}
