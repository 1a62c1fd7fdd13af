use std::path::Path;

use ganbench_data::parquet::ParquetFile;
use ganbench_data::rng::Stream;
use ganbench_data::sources::{ArrayFormat, SourceRequest, decode_image, open_bytes};

use crate::mutate::{bmp, jpeg_segments, png_checksums, png_chunks, safetensors, tiff, webp};
use crate::{INPUTS, MIB, fuzz, fuzz_with};

const NPY: &[u8] = include_bytes!("../fuzz-seeds/images.npy");
const WIDE: &[u8] = include_bytes!("../fuzz-seeds/wide.npy");
const STORED: &[u8] = include_bytes!("../fuzz-seeds/stored.npz");
const DEFLATED: &[u8] = include_bytes!("../fuzz-seeds/deflated.npz");
const PARQUET: [&[u8]; 3] = [
    include_bytes!("../fuzz-seeds/snappy.parquet"),
    include_bytes!("../fuzz-seeds/zstd.parquet"),
    include_bytes!("../fuzz-seeds/plain.parquet"),
];
const PNG: [&[u8]; 3] = [
    include_bytes!("../fuzz-seeds/rgb.png"),
    include_bytes!("../fuzz-seeds/palette.png"),
    include_bytes!("../fuzz-seeds/grey.png"),
];
const JPEG: [&[u8]; 3] = [
    include_bytes!("../fuzz-seeds/baseline.jpg"),
    include_bytes!("../fuzz-seeds/progressive.jpg"),
    include_bytes!("../fuzz-seeds/grey.jpg"),
];
/// Of four channels: CMYK, and with the black sampled less than the cyan.
const INKS: [&[u8]; 2] =
    [include_bytes!("../fuzz-seeds/cmyk.jpg"), include_bytes!("../fuzz-seeds/cmyk-420.jpg")];
/// Of names, numbers and seeds.
const TABLES: [&[u8]; 2] = [
    include_bytes!("../fuzz-seeds/table-plain.parquet"),
    include_bytes!("../fuzz-seeds/table-zstd.parquet"),
];
const WEBP: [&[u8]; 2] =
    [include_bytes!("../fuzz-seeds/lossy.webp"), include_bytes!("../fuzz-seeds/lossless.webp")];

const BMP: [&[u8]; 3] = [
    include_bytes!("../fuzz-seeds/rgb.bmp"),
    include_bytes!("../fuzz-seeds/palette.bmp"),
    include_bytes!("../fuzz-seeds/rgba.bmp"),
];
const TIFF: [&[u8]; 4] = [
    include_bytes!("../fuzz-seeds/raw.tif"),
    include_bytes!("../fuzz-seeds/lzw.tif"),
    include_bytes!("../fuzz-seeds/deflate.tif"),
    include_bytes!("../fuzz-seeds/grey16.tif"),
];

/// Opens and reads to the end.
fn read(bytes: Vec<u8>, format: ArrayFormat) -> bool {
    let Ok(mut source) = open_bytes(bytes, format, &SourceRequest::new("x")) else { return false };
    loop {
        match source.next(3) {
            Ok(images) if images.is_empty() => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn decode(bytes: Vec<u8>) -> bool {
    decode_image(&bytes, "x").is_ok()
}

#[test]
fn damaged_image_arrays_are_errors_within_4_mib() {
    fuzz("npy images", &[NPY, WIDE], INPUTS, 4 * MIB, |bytes| read(bytes, ArrayFormat::Npy));
}

#[test]
fn damaged_image_archives_are_errors_within_4_mib() {
    fuzz("npz images", &[STORED, DEFLATED], INPUTS, 4 * MIB, |bytes| read(bytes, ArrayFormat::Npz));
}

/// Images with labels.
fn tensors() -> Vec<u8> {
    let header = r#"{"images":{"dtype":"U8","shape":[4,2,3,3],"data_offsets":[0,72]},
        "labels":{"dtype":"I64","shape":[4],"data_offsets":[72,104]}}"#;
    let mut seed = (header.len() as u64).to_le_bytes().to_vec();
    seed.extend(header.as_bytes());
    seed.extend(0..72u8);
    seed.extend([3i64, 1, 0, 2].iter().flat_map(|label| label.to_le_bytes()));
    seed
}

#[test]
fn damaged_tensor_files_are_errors_within_4_mib() {
    fuzz("safetensors images", &[&tensors()], INPUTS, 4 * MIB, |bytes| {
        read(bytes, ArrayFormat::SafeTensors)
    });
}

#[test]
fn damaged_tensor_files_of_other_headers_are_errors_within_4_mib() {
    let seed = tensors();
    let damage = |stream: &mut Stream| safetensors::damaged(&seed, stream);
    fuzz_with("safetensors headers", INPUTS, 4 * MIB, damage, |bytes| {
        read(bytes, ArrayFormat::SafeTensors)
    });
}

#[test]
fn damaged_parquet_files_are_errors_within_64_mib() {
    fuzz("parquet images", &PARQUET, INPUTS, 64 * MIB, |bytes| read(bytes, ArrayFormat::Parquet));
}

// As `drift`, `report` and `compare` read results and guard files.
#[test]
fn damaged_tables_are_errors_within_64_mib() {
    let read = |bytes: Vec<u8>| {
        let file = ParquetFile::from_bytes(Path::new("x"), bytes.into());
        file.and_then(|file| file.read_flat()).is_ok()
    };
    fuzz("tables", &TABLES, INPUTS, 64 * MIB, read);
}

#[test]
fn png_files_of_other_chunks_are_errors_within_64_mib() {
    for (i, seed) in PNG.into_iter().enumerate() {
        let damage = |stream: &mut Stream| png_chunks(seed, stream);
        fuzz_with(&format!("png chunks {i}"), INPUTS / 5, 64 * MIB, damage, decode);
    }
}

#[test]
fn jpeg_files_of_other_segments_and_factors_are_errors_within_64_mib() {
    for (i, seed) in JPEG.into_iter().chain(INKS).enumerate() {
        let damage = |stream: &mut Stream| jpeg_segments(seed, stream);
        fuzz_with(&format!("jpeg segments {i}"), INPUTS / 5, 64 * MIB, damage, decode);
    }
}

/// Gives damaged forms of each seed, which is read whole, to the decoder.
fn fuzz_structure(
    name: &str,
    seeds: &[Vec<u8>],
    bytes: usize,
    damaged: impl Fn(&[u8], &mut Stream) -> Vec<u8>,
) {
    for (i, seed) in seeds.iter().enumerate() {
        assert!(decode(seed.clone()), "{name} {i}: the seed is refused");
        let damage = |stream: &mut Stream| damaged(seed, stream);
        fuzz_with(&format!("{name} {i}"), INPUTS / 5, bytes, damage, decode);
    }
}

#[test]
fn damaged_chunks_of_webp_files_are_errors_within_1_gib() {
    let seeds = WEBP.map(|seed| {
        let [plain, alpha, _] = webp::extended(seed, 20, 24);
        [seed.to_vec(), plain, alpha]
    });
    fuzz_structure("webp chunks", &seeds.concat(), 1024 * MIB, webp::damaged);
}

#[test]
fn damaged_entries_of_tiff_files_are_errors_within_64_mib() {
    assert!(decode(tiff::turned(TIFF[0])), "of the other order of bytes");
    fuzz_structure("tiff entries", &TIFF.map(<[u8]>::to_vec), 64 * MIB, tiff::damaged);
}

#[test]
fn damaged_headers_of_bmp_files_are_errors_within_16_mib() {
    let old = [BMP[0], BMP[1]].map(bmp::with_old_header).to_vec();
    let seeds = [BMP.map(<[u8]>::to_vec).to_vec(), old].concat();
    fuzz_structure("bmp headers", &seeds, 16 * MIB, bmp::damaged);
}

#[test]
fn damaged_png_files_are_errors_within_64_mib() {
    fuzz("png", &PNG, INPUTS / 2, 64 * MIB, decode);
    fuzz("png with checksums", &PNG, INPUTS, 64 * MIB, |mut bytes| {
        png_checksums(&mut bytes);
        decode(bytes)
    });
}

#[test]
fn damaged_jpeg_files_are_errors_within_16_mib() {
    fuzz("jpeg", &[JPEG.as_slice(), &INKS].concat(), INPUTS, 16 * MIB, decode);
}

// A picture of one colour takes no bits a pixel, so that 8192x8192 pixels cannot be refused by
// length.
#[test]
fn damaged_webp_files_are_errors_within_1_gib() {
    fuzz("webp", &WEBP, INPUTS, 1024 * MIB, decode);
}

#[test]
fn damaged_bmp_files_are_errors_within_16_mib() {
    fuzz("bmp", &BMP, INPUTS, 16 * MIB, decode);
}

#[test]
fn damaged_tiff_files_are_errors_within_64_mib() {
    fuzz("tiff", &TIFF, INPUTS, 64 * MIB, decode);
}
