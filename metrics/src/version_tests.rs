use std::path::PathBuf;

use super::*;
use crate::weights::source::WeightsSource;
use crate::{EXTRACTORS, ExtractorId, ExtractorOptions, load, load_asked};

/// The file of `small-cifar10` before its second training.
const FIRST: &str = "17381cf344f8ab1edc969d741bbb2bb16d7e0be15a64e70c4372cd632f55bb9d";

fn embedded() -> WeightsSource {
    WeightsSource::Published { file: None, variable: None, download: false }
}

fn from_file(path: PathBuf) -> WeightsSource {
    WeightsSource::Published { file: Some(path), variable: None, download: false }
}

fn loaded(name: &str) -> String {
    load(name, &embedded()).unwrap().weights_sha256().to_string()
}

fn refused(name: &str, source: &WeightsSource) -> String {
    load(name, source).err().unwrap().to_string()
}

/// A file that `small-mnist` can use too, by its path and hash.
fn another_file() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/small-cifar10.safetensors"), &path)
        .unwrap();
    (folder, path, FIRST.into())
}

#[test]
fn a_name_alone_means_the_newest_version_and_a_pin_an_older_one() {
    let versions = entry("small-cifar10").unwrap().versions();
    assert_eq!(versions.last().unwrap(), FIRST);
    assert_eq!(loaded("small-cifar10"), versions[0]);
    assert_eq!(loaded(&format!("small-cifar10:{}", &versions[0][..8])), versions[0]);
    for pin in ["17381cf3", "17381CF3", &FIRST[..20], FIRST] {
        assert_eq!(loaded(&format!("small-cifar10:{pin}")), FIRST, "{pin}");
    }
    // Nothing of the pin is left in what results hold.
    assert_eq!(load("small-cifar10:17381cf3", &embedded()).unwrap().name(), "small-cifar10");
}

#[test]
fn versions_of_an_extractor_differ_in_the_digits_that_a_pin_takes_and_no_name_holds_a_colon() {
    for entry in EXTRACTORS {
        assert!(!entry.name.contains(SEPARATOR), "{}", entry.name);
        let versions = entry.versions();
        let beginnings: std::collections::BTreeSet<&str> =
            versions.iter().map(|sha256| &sha256[..FEWEST_DIGITS]).collect();
        assert_eq!(beginnings.len(), versions.len(), "{}", entry.name);
        assert!(versions.iter().all(|sha256| sha256.len() == MOST_DIGITS), "{}", entry.name);
    }
}

#[test]
fn a_version_that_there_is_not_is_refused_with_a_list_of_those_that_there_are() {
    let hashes = [format!("b2c0ffee{}", &FIRST[8..]), FIRST.to_string()];
    assert_eq!(in_words(&hashes), "b2c0ffee (the newest), 17381cf3");
    let mnist = &loaded("small-mnist")[..8];
    assert_eq!(
        refused("small-mnist:deadbeef", &embedded()),
        format!("small-mnist has no version deadbeef; versions: {mnist}")
    );
    // Told before a download.
    assert_eq!(
        refused("inception:deadbeef", &embedded()),
        "inception has no version deadbeef; versions: 6726825d"
    );
}

#[test]
fn what_cannot_be_how_a_hash_begins_is_refused() {
    for pin in ["", "17381cf", "17381cg3", "made:0", &"0".repeat(65)] {
        let asked = format!("inception:{pin}");
        assert_eq!(
            refused(&asked, &embedded()),
            format!(
                "\"{asked}\" does not name a version: expected 8 to 64 hex digits of its weights' hash behind \
                 the colon; versions: 6726825d"
            )
        );
    }
    assert_eq!(
        refused("pixels:17381cf3", &embedded()),
        "pixels has no weights, and so no version 17381cf3; leave the colon and it out"
    );
    let error = refused("small-cifar:17381cf3", &embedded());
    assert!(error.starts_with("unknown extractor \"small-cifar\"; known: inception"), "{error}");
}

#[test]
fn a_pin_asserts_the_hash_of_weights_from_a_file_and_of_made_ones() {
    let (_folder, path, sha256) = another_file();
    let own = load(&format!("small-mnist:{}", &sha256[..12]), &from_file(path.clone())).unwrap();
    assert_eq!(own.weights_sha256(), sha256);
    assert_eq!(
        refused("small-mnist:deadbeef", &from_file(path)),
        format!(
            "version deadbeef of small-mnist was asked for, but the weights that were given have sha256 \
             {sha256}; give the weights of that version, or leave out its hash"
        )
    );
    assert_eq!(
        refused("inception:6726825d", &WeightsSource::Made { seed: 0 }),
        "version 6726825d of inception was asked for, but the weights that were given have sha256 made:0; give \
         the weights of that version, or leave out its hash"
    );
}

#[test]
fn the_hash_in_a_plan_gives_its_version_and_weights_of_ones_own_have_none() {
    let gives = |name: &str, sha256: &str| {
        let request = ExtractorRequest::for_weights(name, sha256).unwrap();
        let loaded = load_asked(&request, &embedded(), &ExtractorOptions::default());
        loaded.unwrap().weights_sha256().to_string()
    };
    let newest = loaded("small-cifar10");
    assert_eq!(gives("small-cifar10", FIRST), FIRST);
    assert_eq!(gives("small-cifar10", "17381cf3"), FIRST);
    assert_eq!(gives("small-cifar10", &newest), newest);
    // The caller finds that these are other weights, and says so.
    for other in ["", &"ab".repeat(32), "made:0"] {
        assert_eq!(gives("small-cifar10", other), newest);
    }
    assert_eq!(gives("pixels", "none"), "none");
}

#[test]
fn a_hash_agrees_with_itself_with_how_it_begins_and_with_none() {
    for with in ["", FIRST, "17381cf3"] {
        assert!(agrees(FIRST, with), "{with}");
    }
    for with in ["17381cf", "27381cf3", "made:0", &FIRST[1..]] {
        assert!(!agrees(FIRST, with), "{with}");
    }
    assert!(agrees("made:0", "made:0") && !agrees("made:0", "made:01"));
}

#[test]
fn an_older_version_is_asked_for_by_its_pin_and_the_newest_by_its_name() {
    let versions = ["ab".repeat(32), FIRST.to_string()];
    let among = |sha256| asked_for_among(&versions, "small-cifar10", sha256);
    assert_eq!(among(FIRST).unwrap(), "small-cifar10:17381cf3");
    assert_eq!(among(&versions[0]).unwrap(), "small-cifar10");
    assert_eq!(among(&"cd".repeat(32)), None);
    let newest = loaded("small-cifar10");
    assert_eq!(asked_for("small-cifar10", &newest).unwrap(), "small-cifar10");
    assert_eq!(asked_for("small-cifar10", "made:0"), None);
    assert_eq!(asked_for("pixels", "none"), None);
}

#[test]
fn every_version_is_published_and_goes_by_the_bare_name_of_its_extractor() {
    for sha256 in entry("small-cifar10").unwrap().versions() {
        let id = ExtractorId { name: "small-cifar10", weights_sha256: &sha256 };
        assert_eq!(id.reported_name("fid"), "fid@small-cifar10");
    }
}
