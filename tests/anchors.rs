use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pictures::Pictures;
use crate::program::{ok, strs, text, tiny};

const NAMES: [&str; 4] = ["other_reals", "one_class", "blurred", "untrained"];

fn anchors(folder: &Path) -> Vec<Value> {
    let file = fs::read_to_string(folder.join("anchors.jsonl")).unwrap();
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A metric of an anchor.
fn value(anchors: &[Value], name: &str, metric: &str) -> f64 {
    let anchor = anchors.iter().find(|anchor| anchor["name"] == name).unwrap();
    let values = anchor["values"].as_array().unwrap();
    let found = values.iter().find(|v| v["metric"] == format!("{metric}@small-shapes")).unwrap();
    found["value"].as_f64().unwrap()
}

fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn anchors_stand_below_the_table_order_known_sets_rightly_and_are_measured_once() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let place = text(&out);
    let args = [
        "reproduce",
        "table1",
        "--methods",
        "gan",
        "--budget",
        "smoke",
        "--quiet",
        "--out",
        &place,
    ];
    let said = ok(&args);
    let labels = [
        "other real images (test)",
        "one class of real images (disc)",
        "blurred real images (σ 1 px)",
        "untrained generator",
    ];
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    for label in labels {
        assert!(said.contains(label), "{said}");
        for name in ["table.md", "report.md"] {
            assert!(read(&out, name).contains(label), "{label} in {name}");
        }
        assert!(read(&out, "table.tex").contains(&label.replace('σ', "$\\sigma$")), "{label}");
    }
    assert!(flowing(&said).contains("They are no methods and are not ranked"), "{said}");
    assert!(read(&out, "report.md").contains("[anchors.jsonl](anchors.jsonl)"));

    let measured = anchors(&out);
    let names: Vec<&str> = measured.iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES);
    for anchor in &measured {
        assert_eq!((&anchor["protocol"], &anchor["n_fake"]), (&"tables".into(), &500.into()));
        assert_eq!(anchor["networks"].is_object(), anchor["name"] == "untrained");
        let counts = |v: &Value| (v["n_real"].clone(), v["n_fake"].clone());
        let fid = &anchor["values"].as_array().unwrap()[0];
        assert_eq!(
            (&fid["metric"], counts(fid)),
            (&"fid@small-shapes".into(), (2000.into(), 500.into()))
        );
    }
    // Coverage falls from real images to one class of them and to noise; FID rises.
    let coverage = NAMES.map(|name| value(&measured, name, "coverage"));
    assert!(coverage[0] > 0.9 && coverage[1] < 0.5 && coverage[3] < 0.05, "{coverage:?}");
    let fid = NAMES.map(|name| value(&measured, name, "fid"));
    assert!(fid[0] < fid[2] && fid[2] < fid[1] && fid[1] < fid[3], "{fid:?}");

    // What is kept is shown as it is, here, there and again: nothing measures it.
    let file = read(&out, "anchors.jsonl");
    let changed = file.replacen(&format!("{}", fid[2]), "77.5", 1);
    assert_ne!(changed, file);
    fs::write(out.join("anchors.jsonl"), &changed).unwrap();
    assert!(ok(&args).contains("77.50"));
    assert_eq!(read(&out, "anchors.jsonl"), changed);
    let there = dir.path().join("there");
    let report = |runs: &str, more: &[&str]| {
        let (runs, there) = (text(&out.join(runs)), text(&there));
        ok(&[&["report", "--runs", &runs, "--out", &there], more].concat())
    };
    for runs in ["runs", "", "results.parquet"] {
        let said = report(runs, &[]);
        assert!(said.contains("77.50") && said.contains(labels[3]), "{said}");
        assert_eq!(read(&there, "anchors.jsonl"), changed);
    }
    assert!(!report("runs", &["--no-anchors"]).contains("Anchors"));

    // Of another protocol they are not shown, and are measured under this one.
    let other = file.replace("\"protocol\":\"tables\"", "\"protocol\":\"table1\"");
    fs::write(out.join("anchors.jsonl"), &other).unwrap();
    assert!(!report("results.csv", &[]).contains("Anchors"));
    ok(&args);
    assert_eq!(anchors(&out)[4..], measured);
}

#[test]
fn a_sweep_without_anchors_measures_and_shows_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = tiny("gan", "0", dir.path());
    args.push("--no-anchors".into());
    let said = ok(&strs(&args));
    assert!(!flowing(&said).contains("Anchors"), "{said}");
    assert!(!dir.path().join("anchors.jsonl").exists());
    args.pop();
    assert!(ok(&strs(&args)).contains("untrained generator"));
}

#[test]
fn what_a_folder_cannot_give_is_left_out_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("noise");
    for (split, n) in [("train", 120), ("test", 20)] {
        fs::create_dir_all(folder.join(split)).unwrap();
        for (i, png) in Pictures::noise(0, n, 32, 0).encoded().iter().enumerate() {
            fs::write(folder.join(split).join(format!("{i:03}.png")), png).unwrap();
        }
    }
    let sweep = |name: &str, of: &Path| {
        let mut args = tiny("gan", "0", &dir.path().join(name));
        let set = format!("folder:{}", of.display());
        args.extend(["--dataset".into(), set, "--extractor".into(), "small-shapes".into()]);
        flowing(&ok(&strs(&args)))
    };
    let few = sweep("few", &folder);
    for part in [
        "other real images (test), since the test split of noise has 20 images, 30 are needed",
        "one class of real images (0), since the data set has no classes",
        "blurred real images (σ 1 px), since the test split of noise has 20 images, 30 are needed",
    ] {
        assert!(few.contains(part), "{few}");
    }
    assert!(few.contains("untrained generator"), "{few}");

    // Without a test split, blurred images are of those that samples are compared with.
    let none = sweep("none", &{
        fs::rename(folder.join("test"), dir.path().join("elsewhere")).unwrap();
        folder.clone()
    });
    assert!(none.contains("holds no test split"), "{none}");
    assert!(none.contains("blurred reference images (σ 1 px)"), "{none}");
}
