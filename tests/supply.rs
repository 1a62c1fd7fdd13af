use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that need no more than their text beside the program. `deny.toml` has the same list.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Crates under another licence, which lets a program hold them unchanged.
const EXCEPTIONS: [(&str, &str); 1] = [("option-ext", "MPL-2.0")];

/// Crates that are built in several versions, since those who use them have not met yet. One more
/// needs a line here.
const SEVERAL: &[&str] = &[
    "base64",
    "block-buffer",
    "constant_time_eq",
    "cpufeatures",
    "crypto-common",
    "digest",
    "equator",
    "equator-macro",
    "foldhash",
    "getrandom",
    "glam",
    "hashbrown",
    "miniz_oxide",
    "rand",
    "rand_chacha",
    "rand_core",
    "rand_distr",
    "sha2",
    "syn",
    "zip",
    "zstd",
    "zstd-safe",
];

/// What the program for this machine is made of.
fn packages() -> Vec<Value> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .args(["--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether an expression of SPDX (with the old `/` for `OR`) is met by the allowed licences.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], " ").replace('/', " OR ");
    let all_of = |part: &str| part.split(" AND ").all(|one| LICENCES.contains(&one.trim()));
    match expression.contains('(') {
        // `(A OR B) AND C`: each side by itself.
        true => {
            expression.split(") AND ").all(|side| is_allowed(side.trim_matches(['(', ')', ' '])))
        }
        false => plain.split(" OR ").any(all_of),
    }
}

fn text<'a>(package: &'a Value, key: &str) -> &'a str {
    package[key].as_str().unwrap_or_default()
}

#[test]
fn every_crate_has_a_licence_that_is_allowed_and_comes_from_the_registry() {
    let mut wrong = Vec::new();
    for package in packages() {
        let (name, licence) = (text(&package, "name"), text(&package, "license"));
        if !is_allowed(licence) && !EXCEPTIONS.contains(&(name, licence)) {
            wrong.push(format!("{name}: licence {licence:?}"));
        }
        let source = text(&package, "source");
        let is_ours = source.is_empty() && name.starts_with("ganbench");
        if !is_ours && source != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name}: from {source:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let read = [
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("Apache-2.0/MIT", true),
        ("", false),
    ];
    for (expression, allowed) in read {
        assert_eq!(is_allowed(expression), allowed, "{expression}");
    }
}

#[test]
fn no_further_crate_is_built_in_several_versions() {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for package in packages() {
        *versions.entry(text(&package, "name").to_string()).or_default() += 1;
    }
    let several: BTreeSet<&str> =
        versions.iter().filter(|(_, n)| **n > 1).map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = SEVERAL.iter().copied().collect();
    let new: Vec<_> = several.difference(&known).collect();
    assert!(new.is_empty(), "in several versions: {new:?}");
}
