//! Files that come back as they went, and files that do not.

use std::path::{Path, PathBuf};

use super::files::{read, write};
use super::value::{GuardedValue, Layer};

fn values() -> Vec<GuardedValue> {
    let diverged = GuardedValue {
        method: "gan".into(),
        ..GuardedValue::new(Layer::Trace, "d_loss", f64::NAN)
    };
    let score = GuardedValue {
        seed: Some(u64::MAX),
        keys: "a=b, \"c\"".into(),
        ci_low: Some(0.1),
        ci_high: Some(0.1 + 0.2),
        ..GuardedValue::new(Layer::Own, "fid", 1.0 / 3.0)
    };
    let exact =
        GuardedValue { tolerance: Some(1e-6), ..GuardedValue::new(Layer::Metric, "kid", -0.0) };
    vec![diverged, score, exact]
}

fn csv(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("own.csv");
    std::fs::write(&path, text).unwrap();
    path
}

fn refused(dir: &Path, text: &str) -> String {
    read(&csv(dir, text)).unwrap_err().to_string()
}

#[test]
fn a_guard_file_comes_back_to_the_bit_as_parquet_and_as_csv() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["guard.parquet", "guard.csv"] {
        let path = dir.path().join(name);
        write(&path, &values()).unwrap();
        assert_eq!(read(&path).unwrap(), values());
    }
    let error = write(&dir.path().join("guard.txt"), &values()).unwrap_err().to_string();
    assert!(error.contains("is neither .parquet nor .csv"), "{error}");
}

#[test]
fn a_truncated_an_empty_and_a_missing_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.parquet");
    write(&path, &values()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for n in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..n]).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("guard.parquet could not be read as a table"), "{n}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("guard.parquet could not be read"));
    assert!(refused(dir.path(), "").contains("own.csv could not be read as a table"));
    assert!(refused(dir.path(), "name,value\n").ends_with("own.csv holds no values"));
    let folder = dir.path().join("empty");
    std::fs::create_dir(&folder).unwrap();
    assert!(
        read(&folder).unwrap_err().to_string().contains("nor a folder that holds results.parquet")
    );
}

#[test]
fn a_csv_of_ones_own_is_read_by_its_columns() {
    let dir = tempfile::tempdir().unwrap();
    let text = "name,value,seed,model,tolerance\nlpips,0.25,1,big,1e-4\nlpips,,2,small,\n";
    let values = read(&csv(dir.path(), text)).unwrap();
    assert_eq!(values[0].key().to_string(), "own seed 1 lpips model=big");
    assert_eq!((values[0].value, values[0].tolerance), (Some(0.25), Some(1e-4)));
    // An empty value is one that was not to be had.
    assert_eq!((values[1].value, values[1].seed, values[1].tolerance), (None, Some(2), None));
}

#[test]
fn rows_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("name,value\nfid,nan\n", "row 1: value is \"nan\", expected a finite number or nothing"),
        (
            "name,value\nfid,1\nkid,x\n",
            "row 2: value is \"x\", expected a finite number or nothing",
        ),
        ("name,value\n,1\n", "row 1: name is empty"),
        (
            "name,value,seed\nfid,1,-1\n",
            "row 1: seed is \"-1\", expected a whole number or nothing",
        ),
        ("name,value,tolerance\nfid,1,0\n", "row 1: tolerance is 0, expected a number above 0"),
        ("name,value,ci_low\nfid,1,0\n", "row 1: the interval Some(0.0) to None is none"),
        (
            "name,value\nfid,1\nfid,2\n",
            "holds two values of own fid; keep one plan and one row of each",
        ),
        ("name,score\nfid,1\n", "of a CSV of your own (name, value), found name, score"),
        ("metric,value\nfid,1\n", "has no column run_id"),
    ] {
        let error = refused(dir.path(), text);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn a_guard_file_without_a_column_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("guard.csv");
    write(&path, &values()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let without: Vec<&str> = text.lines().map(|line| line.split_once(',').unwrap().1).collect();
    std::fs::write(&path, text.replacen("tolerance", "slack", 1)).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("has no column tolerance"));
    std::fs::write(&path, without.join("\n")).unwrap();
    assert!(read(&path).is_err());
}
