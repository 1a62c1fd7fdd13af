use std::io::Cursor;

use ganbench_metrics::files::FeatureFile;

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
