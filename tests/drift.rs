use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::program::{command, ganbench, ok, refused, strs, text, tiny};

fn csv(dir: &Path, name: &str, lines: &[&str]) -> String {
    let path = dir.join(name);
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    text(&path)
}

/// Exit code, standard output and standard error.
fn drift(args: &[&str]) -> (i32, String, String) {
    let output = ganbench(&[&["drift"], args].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_users_metric_is_guarded_from_a_csv_with_exit_codes_0_3_and_4() {
    let dir = tempfile::tempdir().unwrap();
    let head = "name,value,seed,model";
    let rows = ["lpips,0.30,0,a", "lpips,0.31,1,a", "lpips,0.29,2,a"];
    let baseline = csv(dir.path(), "a.csv", &[head, rows[0], rows[1], rows[2]]);
    let compare = |name: &str, lines: &[&str]| {
        let candidate = csv(dir.path(), name, lines);
        drift(&["--baseline", &baseline, "--candidate", &candidate])
    };
    let (code, out, _) = compare("same.csv", &[head, rows[0], rows[1], rows[2]]);
    assert_eq!(code, 0);
    assert!(
        out.contains("4 identical, 0 within, 0 drifted, 0 not comparable: nothing moved"),
        "{out}"
    );
    let (code, out, _) = compare("near.csv", &[head, "lpips,0.305,0,a"]);
    assert_eq!(code, 0);
    assert!(out.contains("own seed 0 lpips model=a"), "{out}");
    assert!(out.contains("note: seed 1 of own: not in the candidate"), "{out}");
    assert_eq!(compare("far.csv", &[head, "lpips,0.9,0,a"]).0, 3);
    let (code, out, _) = compare("other.csv", &[head, "lpips,0.3,0,b"]);
    assert_eq!(code, 4);
    assert!(out.contains("such as own seed 0 lpips model=a: missing in the candidate"), "{out}");

    let candidate = csv(dir.path(), "json.csv", &[head, "lpips,0.9,0,a"]);
    let (code, out, _) = drift(&["--baseline", &baseline, "--candidate", &candidate, "--json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["exit_code"], &json["verdict"]), (3, &3.into(), &"drift".into()));
    let row = &json["rows"][0];
    assert_eq!((&row["unit"], &row["verdict"]), (&"standard_errors".into(), &"drift".into()));
    // √2 · 0.01
    assert!((row["size"].as_f64().unwrap() - 0.6 / 0.014_142_135).abs() < 1e-3, "{row}");
}

#[test]
fn an_update_shows_what_moved_keeps_reasons_and_needs_one() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = text(&dir.path().join("guard/baseline.parquet"));
    let head = "name,value,tolerance";
    let first = csv(dir.path(), "first.csv", &[head, "lpips,0.3,1e-4"]);
    let second = csv(dir.path(), "second.csv", &[head, "lpips,0.4,1e-4"]);
    let args = ["--baseline", &baseline, "--candidate", &first];
    assert_eq!(drift(&args).0, 1);
    assert_eq!(drift(&[&args[..], &["--update"]].concat()).0, 64);
    let (code, _, err) = drift(&[&args[..], &["--update", "--reason", " "]].concat());
    assert_eq!((code, err.contains("--reason is empty")), (64, true), "{err}");
    assert_eq!(drift(&[&args[..], &["--update", "--reason", "first"]].concat()).0, 0);
    assert_eq!(drift(&args).0, 0);

    let args = ["--baseline", &baseline, "--candidate", &second];
    let markdown = text(&dir.path().join("drift.md"));
    let (code, out, _) = drift(&[&args[..], &["--markdown", &markdown]].concat());
    assert_eq!((code, out.contains("; first\n")), (3, true), "{out}");
    assert!(fs::read_to_string(&markdown).unwrap().contains("| own lpips | 0.300000000 |"));
    let (code, out, _) = drift(&[&args[..], &["--update", "--reason", "new network"]].concat());
    assert_eq!((code, out.contains("DRIFT")), (0, true), "{out}");
    let (code, out, _) = drift(&args);
    assert_eq!((code, out.contains("; new network\n")), (0, true), "{out}");
}

#[test]
fn results_of_reproduce_are_compared_and_a_folder_without_any_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    ok(&strs(&tiny("gan", "0,1", &out)));
    let results = text(&out.join("results.parquet"));
    let (code, said, _) = drift(&["--baseline", &results, "--candidate", &text(&out)]);
    assert_eq!((code, said.contains("0 within, 0 drifted, 0 not comparable")), (0, true), "{said}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let (code, err) = refused(&["drift", "--baseline", &results, "--candidate", &text(&empty)]);
    assert_eq!(code, 1);
    assert!(err.contains("nor a folder that holds results.parquet"), "{err}");
}

/// Its count of values is zigzag: 8 stands for 4, and 1 for -1, of which polars would take 2 EiB.
#[test]
fn a_table_whose_pages_claim_more_than_there_is_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table.parquet");
    let whole: &[u8] = include_bytes!("../metrics/tests/fuzz-seeds/table-plain.parquet");
    fs::write(&path, whole).unwrap();
    let args =
        |path: &Path| ["--baseline", &text(path), "--candidate", &text(path)].map(str::to_owned);
    let (code, said, _) = drift(&args(&path).each_ref().map(String::as_str));
    assert_eq!(code, 0, "{said}");
    let mut damaged = whole.to_vec();
    // The first page's header: a data page of 3 values.
    let count = damaged.windows(2).position(|pair| pair == [0x15, 6]).unwrap();
    damaged[count + 1] = 1;
    fs::write(&path, damaged).unwrap();
    for command in ["drift", "report", "compare"] {
        let place = text(&path);
        let out = text(&dir.path().join("out"));
        let args: &[&str] = match command {
            "drift" => &["drift", "--baseline", &place, "--candidate", &place],
            "report" => &["report", "--runs", &place, "--out", &out],
            _ => &["compare", &place, &place],
        };
        let (code, said) = refused(args);
        assert_eq!(code, 1, "{said}");
        let expected = "table.parquet could not be read as a table: row group 0 has a page that claims -1 of 3 rows";
        assert!(said.contains(expected), "{command}: {said}");
    }
}

#[test]
#[ignore = "slow: make test-slow"]
fn five_unchanged_runs_with_no_planted_fault_stay_green() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, threads: &str, simd: Option<&str>| {
        let out = dir.path().join(name);
        let probe = text(&out.join("probe.parquet"));
        let args = ["probe", "--out", &probe, "--threads", threads, "--quiet"];
        let methods = ["--methods", "gan,contrad", "--seeds", "0,1", "--threads", threads];
        let train =
            ["reproduce", "drift", "--out", &text(&out), "--quiet", "--budget", "g_steps=10"];
        for args in [&args[..], &[&train[..], &methods].concat()] {
            let mut command = command(args);
            simd.into_iter().for_each(|simd| {
                command.env("GANBENCH_SIMD", simd);
            });
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        text(&out)
    };
    let first = run("first", "2", None);
    let baseline = text(&dir.path().join("baseline.parquet"));
    let args = ["--baseline", &baseline, "--candidate", &first];
    assert_eq!(drift(&[&args[..], &["--update", "--reason", "test"]].concat()).0, 0);
    // Portable code takes minutes for Inception; where the machine has no AVX-512 the default is
    // AVX2.
    let runs = [("1", None), ("2", None), ("3", None), ("1", Some("avx2")), ("2", Some("avx2"))];
    for (i, (threads, simd)) in runs.into_iter().enumerate() {
        let simd = simd.filter(|_| cfg!(target_arch = "x86_64"));
        let candidate = run(&i.to_string(), threads, simd);
        let (code, out, _) = drift(&["--baseline", &baseline, "--candidate", &candidate]);
        println!("{threads} threads, {simd:?}: {out}");
        assert_eq!(code, 0, "{out}");
    }
}

#[test]
fn more_power_than_the_guard_has_ends_with_5_and_names_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let lines = ["name,value,seed", "lpips,0.30,0", "lpips,0.31,1", "lpips,0.29,2"];
    let numbers = csv(dir.path(), "a.csv", &lines);
    let asked = |share: &str| {
        drift(&["--baseline", &numbers, "--candidate", &numbers, "--min-power", share])
    };
    let (code, out, _) = asked("10");
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("power: no value of 3 could move by more than 1000 % unseen"), "{out}");
    let (code, out, _) = asked("0.01");
    assert_eq!(code, 5, "{out}");
    assert!(out.contains("POWER: 3 of 3 values could move by more than 1 % unseen"), "{out}");
    let (code, _, err) = asked("0");
    assert_eq!(
        (code, err.contains("--min-power is 0, expected a share above 0")),
        (64, true),
        "{err}"
    );
}
