use std::fs;

use crate::program::{ok, refused, strs, text, tiny};

#[test]
fn runs_on_shapes_are_held_against_the_truth_with_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    ok(&strs(&tiny("gan", "0,1,2,3,4", &out)));
    let page = dir.path().join("kept");
    let printed = ok(&["agreement", &text(&out), "--truth", "tv_hue", "--page", &text(&page)]);
    assert!(printed.contains("the last checkpoint of 5 runs (gan 5); Kendall's τ-b"), "{printed}");
    // The truth agrees with itself, where runs of four steps differ at all.
    let row = printed.lines().find(|line| line.starts_with("tv_hue@small-shapes")).unwrap();
    assert!(row.contains("1.00") || row.contains('–'), "{row}");
    let scores = fs::read_to_string(page.join("scores.csv")).unwrap();
    assert_eq!(scores.lines().count(), 1 + 5, "{scores}");
    assert!(scores.starts_with("run_id,method,seed,recipe,checkpoint,"), "{scores}");
    let readme = fs::read_to_string(page.join("README.md")).unwrap();
    for part in ["**Question.**", "**Answer.**", "## How", "sndcgan of width"] {
        assert!(readme.contains(part), "{part}: {readme}");
    }
    assert!(fs::read(page.join("agreement.png")).unwrap().starts_with(b"\x89PNG"));

    let (code, error) = refused(&["agreement", &text(&out), "--truth", "sharpness"]);
    assert_eq!(code, 1);
    assert!(error.contains("no run has the metric sharpness at the checkpoint last"), "{error}");
    let (code, error) = refused(&["agreement", &text(&out), "--draws", "1"]);
    assert_eq!(code, 64);
    assert!(error.contains("--draws is 1, expected 100 to 100000"), "{error}");
}
