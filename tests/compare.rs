use std::fs;

use serde_json::{Value, json};

use crate::pictures::Pictures;
use crate::program::{ganbench, ok, refused, strs, text, tiny};

/// What `eval --json` prints, with another FID and whatever else is changed.
fn write(dir: &std::path::Path, name: &str, changes: &[(&str, Value)]) -> String {
    let mut object = json!({"fid": 20.0, "fid_ci_low": 19.0, "fid_ci_high": 21.0, "is": 5.0, "is_std": 0.1,
        "n_real": 100, "n_fake": 100, "real_sha256": "cd", "extractor": {"name": "pixels", "sha256": "none", "exact": false},
        "protocol": "custom", "nearest_protocol": "ganbench",
        "protocol_differences": ["extractor pixels, not inception"], "peak_rss_mb": 10.0});
    for (key, value) in changes {
        object[*key] = value.clone();
    }
    let path = dir.join(name);
    fs::write(&path, object.to_string()).unwrap();
    text(&path)
}

fn lines(args: &[&str]) -> Vec<Value> {
    let out = ok(&[args, &["--json"]].concat());
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn two_evals_are_told_apart_by_their_intervals() {
    let dir = tempfile::tempdir().unwrap();
    let a = write(dir.path(), "a.json", &[]);
    let apart = [("fid", 23.0.into()), ("fid_ci_low", 22.0.into()), ("fid_ci_high", 24.0.into())];
    let b = write(dir.path(), "b.json", &apart);
    let lines = lines(&["compare", &a, &b]);
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["metric"], &lines[0]["difference"]), (&"fid".into(), &(-3.0).into()));
    assert_eq!(lines[0]["verdict"], "A is better");
    // Half intervals of 1 on both sides: √2.
    assert!((lines[0]["ci_high"].as_f64().unwrap() - (2f64.sqrt() - 3.0)).abs() < 1e-9);
    // is has no interval.
    assert_eq!((&lines[1]["metric"], &lines[1]["ci_low"]), (&"is".into(), &Value::Null));
    let said = ok(&["compare", &b, &a]);
    assert!(said.starts_with("images, fid: 23.0000 against 20.0000, difference"), "{said}");
    let told = "B is better; both share their reals, whose noise counts twice here: the interval is too wide";
    assert!(said.lines().next().unwrap().ends_with(told), "{said}");
}

#[test]
fn what_stands_beside_a_metric_of_a_named_extractor_is_no_metric() {
    let dir = tempfile::tempdir().unwrap();
    let changes = [
        ("is@pixels", 4.0.into()),
        ("is@pixels_std", 0.5.into()),
        ("is@pixels_ci_low", 3.0.into()),
        ("is@pixels_ci_high", 5.0.into()),
        ("fid@pixels", 2.0.into()),
        ("fid@pixels_error_at_most", 0.5.into()),
    ];
    let a = write(dir.path(), "a.json", &changes);
    let names: Vec<String> =
        lines(&["compare", &a, &a]).iter().map(|line| line["metric"].to_string()).collect();
    assert_eq!(names, ["\"fid\"", "\"fid@pixels\"", "\"is\"", "\"is@pixels\""]);
}

#[test]
fn numbers_that_were_measured_otherwise_are_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let a = write(dir.path(), "a.json", &[]);
    for (change, why) in [
        (("protocol", "prdc".into()), "protocol custom against prdc"),
        (("nearest_protocol", "prdc".into()), "nearest protocol ganbench against prdc"),
        (
            ("protocol_differences", json!(["k 3, not 5"])),
            "differences [\"extractor pixels, not inception\"] against [\"k 3, not 5\"]",
        ),
        (("n_fake", 99.into()), "n_fake 100 against 99"),
        (("real_sha256", "ef".into()), "real images cd against ef"),
        (
            ("extractor", Value::Null),
            "extractor pixels against unknown, weights none against unknown",
        ),
    ] {
        let b = write(dir.path(), "b.json", &[change]);
        let (code, said) = refused(&["compare", &a, &b]);
        let wanted = format!(
            "not compared: fid of images: {why}\nnot compared: is of images: {why}\nerror: {a} and {b} have no \
             number in common that was measured alike\n"
        );
        assert_eq!((code, said), (1, wanted));
    }
}

#[test]
fn real_images_that_nobody_hashed_are_taken_for_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let a = write(dir.path(), "a.json", &[]);
    let b = write(dir.path(), "b.json", &[("real_sha256", Value::Null)]);
    assert_eq!(lines(&["compare", &a, &b]).len(), 2);
}

#[test]
fn metrics_of_features_are_compared_only_under_the_same_settings() {
    let dir = tempfile::tempdir().unwrap();
    let features = text(&dir.path().join("x.npy"));
    let rows: Vec<f64> = (0..160).map(|i| f64::from(i * i % 31)).collect();
    fs::write(&features, crate::pictures::matrix(4, &rows)).unwrap();
    let write = |name: &str, k: &str| {
        let path = dir.path().join(name);
        let args = ["metrics", "--real", &features, "--fake", &features, "--json", "--k", k];
        fs::write(&path, ok(&args)).unwrap();
        text(&path)
    };
    let (three, five, again) = (write("3.json", "3"), write("5.json", "5"), write("b.json", "5"));
    assert_eq!(lines(&["compare", &five, &again]).len(), 5);
    let (code, said) = refused(&["compare", &three, &five]);
    assert!(code == 1 && said.contains("k 3 (expected 5)"), "{said}");
}

#[test]
fn results_of_runs_are_compared_seed_by_seed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    // Seeds whose four steps bring FID below the untrained one: others would count as collapsed.
    ok(&strs(&tiny("gan", "0,3", &one)));
    ok(&strs(&tiny("gan", "0,3", &two)));
    let (one, two) = (text(&one), text(&two));
    let same = lines(&["compare", &one, &two]);
    assert!(same.iter().any(|line| line["metric"] == "fid@small-shapes"), "{same:?}");
    for line in &same {
        assert_eq!(line["n_a"], 2, "{line}");
        assert_eq!(line["verdict"], "the same runs");
        let zero = if line["scale"] == "ratio" { 1.0 } else { 0.0 };
        assert!(["effect", "ci_low", "ci_high"].iter().all(|key| line[key] == zero), "{line}");
    }
    let csv = format!("{two}/results.csv");
    assert_eq!(lines(&["compare", &one, &csv]), same);
    // Of another data set under the same name.
    let rows = fs::read_to_string(&csv).unwrap();
    let other = text(&dir.path().join("results.csv"));
    let sha256 = rows.lines().nth(1).unwrap().split(',').nth(7).unwrap();
    fs::write(&other, rows.replace(sha256, &"ab".repeat(32))).unwrap();
    let (code, said) = refused(&["compare", &one, &other]);
    let abab = "abababab";
    assert!(code == 1 && said.contains(&format!("data {sha256} train against {abab}")), "{said}");
    let (code, said) = refused(&["compare", &one, &two, "--checkpoint", "first"]);
    assert_eq!((code, said), (1, format!("error: {one} holds no first checkpoint with values\n")));
}

#[test]
fn files_that_are_no_results_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let a = write(dir.path(), "a.json", &[]);
    let other = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        text(&path)
    };
    let says = |b: &str| {
        let (code, said) = refused(&["compare", &a, b]);
        assert_eq!(code, 1, "{said}");
        said.replace(&text(dir.path()), "DIR")
    };
    let empty = other("empty.json", "{}");
    assert_eq!(
        says(&empty),
        "error: DIR/empty.json is no JSON of ganbench eval: it has no protocol\n"
    );
    let cut = other("cut.json", "{\"fid\": ");
    assert!(says(&cut).starts_with("error: DIR/cut.json is no JSON of ganbench eval: EOF"));
    let nowhere = text(&dir.path().join("nowhere.json"));
    assert!(says(&nowhere).starts_with("error: cannot read DIR/nowhere.json: No such file"));
    let csv = other("results.csv", "a,b\n1,2\n");
    assert!(says(&csv).contains("DIR/results.csv"), "{}", says(&csv));
    let output = ganbench(&["compare", &a]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn rows_of_one_result_are_compared_with_a_reference_row() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    ok(&strs(&tiny("gan,hinge", "0,1,2", &out)));
    let place = text(&out);
    let found = lines(&["compare", &place, "--reference", "gan"]);
    assert_eq!(found[0]["metric"], "fid@small-shapes");
    assert!(found.iter().all(|line| line["what"] == "hinge against gan on shapes"), "{found:?}");
    assert!(found[0]["p_holm"].is_number() && found[0]["seeds_range"].is_array(), "{found:?}");
    // A run's folder, and a folder of runs, are results too.
    let runs = text(&out.join("runs"));
    assert_eq!(lines(&["compare", &runs, "--reference", "gan"]), found);
    let (code, said) = refused(&["compare", &place, "--reference", "kdd"]);
    assert_eq!(
        (code, said),
        (1, format!("error: {place} holds no row kdd; its rows are gan, hinge\n"))
    );
    let page = dir.path().join("page");
    let said = ok(&["report", "--runs", &runs, "--out", &text(&page), "--reference", "hinge"]);
    assert!(
        said.contains("FID@small-shapes against Hinge GAN, last checkpoint\n  GAN: × "),
        "{said}"
    );
    let markdown = fs::read_to_string(page.join("report.md")).unwrap();
    assert!(markdown.contains("## Against Hinge GAN, last checkpoint"), "{markdown}");
    let (code, said) =
        refused(&["report", "--runs", &runs, "--out", &text(&page), "--reference", "x"]);
    assert!(code == 1 && said.contains("no row of the table is called x; its rows are"), "{said}");
}

#[test]
fn images_from_elsewhere_stand_in_the_tables_and_comparisons_of_runs() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let mut args = tiny("gan", "0,1", &out);
    args.retain(|arg| !arg.starts_with("dataset.limit"));
    let set = args.iter().rposition(|arg| arg == "--set").unwrap();
    // The flag of the value that was taken away.
    args.remove(args[..set].iter().rposition(|arg| arg == "--set").unwrap());
    ok(&strs(&args));
    let file = out.join("results.parquet");
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    let eval = |seed: &str, more: &[&str]| {
        let images = text(&dir.path().join(format!("{seed}.npz")));
        let n = if seed == "9" { "25" } else { "30" };
        ok(&["sample", "--run", &text(&run), "--n", n, "--seed", seed, "--out", &images]);
        let file = text(&file);
        let real = ["eval", "--real", "dataset:shapes:train", "--fake", &images, "--quiet"];
        let how = ["--protocol", "tables", "--extractor", "small-shapes", "--append", &file];
        let own = ["--method", "my model", "--seed", seed];
        let args = [&real[..], &how, &own, more].concat();
        args.iter().map(|arg| (*arg).to_string()).collect::<Vec<_>>()
    };
    for seed in ["7", "8"] {
        ok(&strs(&eval(seed, &["--kimg", "0.5"])));
    }
    let found = lines(&["compare", &text(&file), "--reference", "gan"]);
    assert!(found.iter().any(|l| l["what"] == "my model against gan on shapes"), "{found:?}");
    assert!(found.iter().all(|line| line["n_a"] == 2), "{found:?}");
    // What is rebuilt from runs keeps them, and their costs are empty.
    let runs = text(&out.join("runs"));
    ok(&["report", "--runs", &runs, "--out", &text(&out)]);
    let table = fs::read_to_string(out.join("table.csv")).unwrap();
    let line = table.lines().find(|line| line.contains(",my model,")).unwrap();
    assert!(line.contains("images from elsewhere") && line.contains(",,,,,,,"), "{line}");
    let (code, said) = refused(&strs(&eval("7", &[])));
    assert!(
        code == 1 && said.contains(" as my model with seed 7 already; choose another"),
        "{said}"
    );
    let (_, said) = refused(&strs(&eval("9", &["--k", "3"])));
    assert!(said.contains("no table of") && said.contains("protocol tables there"), "{said}");
    let (_, said) = refused(&strs(&eval("9", &[])));
    assert!(said.contains("give as many (--n)"), "{said}");
}

/// Three files of noise: the reals, and two sets of fakes.
fn three(dir: &std::path::Path) -> [String; 3] {
    [("real", 1, 0), ("a", 2, 9), ("b", 3, 9)].map(|(name, seed, darker)| {
        let path = dir.join(format!("{name}.npz"));
        Pictures::noise(seed, 60, 8, darker).npz(&path);
        text(&path)
    })
}

#[test]
fn the_reals_that_two_evals_share_are_drawn_once_for_both() {
    let dir = tempfile::tempdir().unwrap();
    let [real, a, b] = three(dir.path());
    let cache = text(&dir.path().join("cache"));
    let eval = |fake: &str, name: &str, more: &[&str]| {
        let args = ["eval", "--real", &real, "--fake", fake, "--extractor", "pixels", "--quiet"];
        let flags = ["--metrics", "fid,kid,precision", "--kid-subset", "60", "--json"];
        let out =
            ok(&[&args[..], &flags, &["--cache", &cache, "--bootstrap", "60"], more].concat());
        let path = dir.path().join(name);
        fs::write(&path, out).unwrap();
        text(&path)
    };
    let (a, b) = (eval(&a, "a.json", &[]), eval(&b, "b.json", &[]));
    let json: Value = serde_json::from_str(&fs::read_to_string(&a).unwrap()).unwrap();
    assert_eq!(
        json["fid@pixels_ci_of"],
        "the mean at 60 real, 60 fake; less with more: --metrics fid_inf extrapolates"
    );
    assert_eq!(json["kid@pixels_ci_of"], "the mean at any number of images");
    let found = lines(&["compare", &a, &b, "--cache", &cache]);
    assert_eq!(found.len(), 3);
    let width = |line: &Value| line["ci_high"].as_f64().unwrap() - line["ci_low"].as_f64().unwrap();
    for line in &found {
        assert_eq!(line["shared_reals"], "the reals were drawn once for both sides", "{line}");
    }
    // Where the features are not at hand the noise of the reals counts on both sides.
    let nowhere = text(&dir.path().join("nowhere"));
    let apart = lines(&["compare", &a, &b, "--cache", &nowhere]);
    for (line, joint) in apart.iter().zip(&found) {
        let said = line["shared_reals"].as_str().unwrap();
        assert!(said.ends_with("counts twice here: the interval is too wide"), "{line}");
        assert!(
            width(line) > width(joint) || line["metric"] == "precision@pixels",
            "{line} {joint}"
        );
    }
    let output = ganbench(&["compare", &a, &b, "--cache", &nowhere]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("same real images, but their features are not (or no longer) in the cache"),
        "{said}"
    );
    // The same set against itself.
    for line in lines(&["compare", &a, &a, "--cache", &cache]) {
        assert_eq!(line["difference"], 0.0);
        assert!(line["verdict"].as_str().unwrap().starts_with("undecided"), "{line}");
    }
}
