use std::io::Cursor;

use ganbench_metrics::files::FeatureFile;

use crate::mutate::archive;
use crate::{INPUTS, MIB, fuzz};

const NPY: &[u8] = include_bytes!("../fuzz-seeds/features.npy");
const FEATURES: &[u8] = include_bytes!("../../tests-data/features.npz");
const STATISTICS: &[u8] = include_bytes!("../../tests-data/statistics.npz");

fn read(bytes: Vec<u8>) -> bool {
    FeatureFile::from_input("x", Box::new(Cursor::new(bytes))).is_ok()
}

#[test]
fn damaged_feature_arrays_are_errors_within_4_mib() {
    fuzz("npy features", &[NPY], INPUTS, 4 * MIB, read);
}

#[test]
fn damaged_feature_archives_are_errors_within_4_mib() {
    fuzz("npz features", &[FEATURES, STATISTICS], INPUTS, 4 * MIB, read);
}

#[test]
fn damaged_statistics_are_errors_within_4_mib() {
    fuzz("npz statistics", &[STATISTICS], INPUTS, 4 * MIB, read);
}

/// Ones in a `.npy` array.
fn ones(descr: &str, shape: &str, numbers: usize) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}");
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    let one =
        if descr == "<i8" { 1i64.to_le_bytes().to_vec() } else { 1f32.to_le_bytes().to_vec() };
    npy.extend((0..numbers).flat_map(|_| one.clone()));
    npy
}

#[test]
fn archives_of_one_damaged_member_are_errors_within_4_mib() {
    let features = [("pool", ones("<f4", "(5, 3)", 15)), ("logits", ones("<f4", "(5, 2)", 10))];
    let statistics = [
        ("mu", ones("<f4", "(3,)", 3)),
        ("sigma", ones("<f4", "(3, 3)", 9)),
        ("n", ones("<i8", "()", 1)),
    ];
    let json = br#"{"format": 1, "extractor": "inception", "weights_sha256": "", "exact": false,
        "device": "cpu", "n": 5, "version": "1"}"#;
    let mut meta = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({},)}}", json.len());
    meta.extend((header.len() as u16).to_le_bytes());
    meta.extend(header.as_bytes());
    meta.extend(json);
    let described = [
        ("pool", ones("<f4", "(5, 3)", 15)),
        ("labels", ones("<i8", "(5,)", 5)),
        ("meta.json", meta),
    ];
    assert!(read(archive(&described)));
    for members in [features.as_slice(), statistics.as_slice(), described.as_slice()] {
        for (i, (name, seed)) in members.iter().enumerate() {
            fuzz(name, &[seed], INPUTS / 5, 4 * MIB, |damaged| {
                let mut members = members.to_vec();
                members[i].1 = damaged;
                read(archive(&members))
            });
        }
    }
}
