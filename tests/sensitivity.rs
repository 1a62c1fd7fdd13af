use std::fs;

use serde_json::Value;

use crate::program::{ok, refused, text};

/// As few images as the command takes.
const FEW: [&str; 6] = ["sensitivity", "--n", "100", "--draws", "3", "--quiet"];

fn few(more: &[&str]) -> String {
    ok(&[&FEW[..], more].concat())
}

#[test]
fn a_page_holds_table_figure_and_every_value() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("kept");
    let out = few(&[
        "--faults",
        "noise,none",
        "--metrics",
        "faithful,fid",
        "--page",
        &text(&page),
        "--json",
    ]);
    let findings: Value = serde_json::from_str(&out).unwrap();
    let faults = findings["faults"].as_array().unwrap();
    let names: Vec<&str> = faults.iter().map(|fault| fault["fault"].as_str().unwrap()).collect();
    assert_eq!(names, ["none", "noise"], "in the order of tables");
    assert_eq!(findings["clean"].as_array().unwrap().len(), 2);
    let faithful = &faults[1]["metrics"][1];
    assert_eq!(faithful["metric"], "faithful@small-shapes");
    // Half of the images or fewer are faithful in noise of σ 16.
    assert!(faithful["values"][3].as_f64().unwrap() < 0.5, "{faithful}");
    assert!(faithful["worse"][3].as_f64().unwrap() > 4.0, "{faithful}");
    let mut files: Vec<String> = fs::read_dir(&page)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["README.md", "sensitivity.csv", "sensitivity.png", "sensitivity.svg"]);
    let csv = fs::read_to_string(page.join("sensitivity.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "fault,level,metric,value,clean_mean,clean_sd,z");
    // Six levels of two faults, two metrics each.
    assert_eq!(lines.len(), 1 + 2 * 6 * 2);
    let readme = fs::read_to_string(page.join("README.md")).unwrap();
    for part in ["**Question.**", "**Answer.**", "| Gaussian noise (2 … 64) |", "sha256 `"] {
        assert!(readme.contains(part), "{part}: {readme}");
    }
    assert!(!readme.contains(&text(dir.path())), "{readme}");
    assert!(fs::read(page.join("sensitivity.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn the_table_says_from_which_level_on_a_fault_is_seen() {
    let out = few(&["--faults", "grey_image", "--metrics", "recognised"]);
    let row = out.lines().find(|line| line.starts_with("grey_image (1 … 100 %)")).unwrap();
    assert!(row.contains("from ") && row.ends_with('%'), "{out}");
    assert!(out.contains("recognised ↑") && out.contains("100 fakes against 4000 reals"), "{out}");
}

#[test]
fn two_runs_give_the_same_values_on_any_number_of_threads() {
    let run = |threads| {
        few(&["--faults", "blends", "--metrics", "fid,modes_kl", "--json", "--threads", threads])
    };
    assert_eq!(run("1"), run("2"));
}

#[test]
fn wrong_names_and_counts_end_with_64_and_what_is_known() {
    for (args, message) in [
        (&["--faults", "hue"][..], "unknown fault \"hue\" of shapes; known: none, noise, blur"),
        (
            &["--dataset", "cifar10", "--faults", "hues"],
            "unknown fault \"hues\" of cifar10; known: none, noise",
        ),
        (&["--metrics", "fidd"], "unknown metric \"fidd\"; known: fid"),
        (
            &["--dataset", "cifar10", "--metrics", "modes"],
            "metric \"modes\" cannot be computed of cifar10 here; known: fid",
        ),
        (&["--metrics", "intra_fid"], "metric \"intra_fid\" cannot be computed of shapes here"),
        (
            &["--dataset", "mnist"],
            "faults cannot be planted into \"mnist\"; known: shapes, cifar10",
        ),
        (&["--n", "99"], "--n is 99, expected 100 to 4000 images"),
        (&["--n", "4001"], "--n is 4001, expected 100 to 4000 images"),
        (&["--draws", "1"], "--draws is 1, expected at least 2"),
    ] {
        let (code, error) = refused(&[&["sensitivity"], args].concat());
        assert!(code == 64 && error.contains(message), "{args:?}: {code} {error}");
    }
}
