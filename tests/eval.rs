use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pictures::Pictures;
use crate::program::{command, ganbench, ok, strs, text, tiny};

/// The JSON of a command, which has to be one line.
fn json(args: &[&str]) -> Value {
    let out = ok(&[args, &["--json"]].concat());
    assert!(out.ends_with('\n') && out.lines().count() == 1, "{out}");
    serde_json::from_str(&out).unwrap()
}

/// What says how well, without what says how fast and of which files.
fn numbers(mut json: Value) -> Value {
    let object = json.as_object_mut().unwrap();
    for key in ["seconds", "peak_rss_mb", "real_sha256", "fake_sha256", "images"] {
        object.remove(key).unwrap();
    }
    json
}

/// A metric of small-shapes.
fn named(metric: &str) -> String {
    match metric.strip_suffix("_std") {
        Some(metric) => format!("{metric}@small-shapes_std"),
        None => format!("{metric}@small-shapes"),
    }
}

const PLAIN: [&str; 8] =
    ["--extractor", "pixels", "--no-cache", "--quiet", "--kid-subset", "10", "--k", "3"];

fn eval(real: &str, fake: &str, more: &[&str]) -> Value {
    json(&[&["eval", "--real", real, "--fake", fake], &PLAIN[..], more].concat())
}

fn pair(dir: &Path) -> (String, String) {
    let (real, fake) = (dir.join("real.npz"), dir.join("fake.npz"));
    Pictures::noise(1, 24, 8, 0).npz(&real);
    Pictures::noise(2, 20, 8, 9).npz(&fake);
    (text(&real), text(&fake))
}

#[test]
fn equal_pixels_give_equal_numbers_from_every_kind_of_source() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = pair(dir.path());
    let wanted = numbers(eval(&real, &fake, &[]));
    assert_eq!((&wanted["n_real"], &wanted["n_fake"]), (&24.into(), &20.into()));
    let pictures = Pictures::noise(2, 20, 8, 9);
    let place = |name: &str| dir.path().join(name);
    pictures.folder(&place("folder"));
    fs::write(place("x.npy"), pictures.npy()).unwrap();
    fs::write(place("x.safetensors"), pictures.safetensors()).unwrap();
    pictures.parquet(&place("x.parquet"));
    for name in ["folder", "x.npy", "x.safetensors", "x.parquet"] {
        assert_eq!(numbers(eval(&real, &text(&place(name)), &[])), wanted, "{name}");
    }
    // A folder as a data set keeps every tenth image for its test split, and takes no nested
    // folders.
    let flat = place("flat");
    fs::create_dir(&flat).unwrap();
    for (i, bytes) in pictures.encoded().iter().enumerate() {
        fs::write(flat.join(format!("{i:04}.png")), bytes).unwrap();
    }
    let split = eval(&real, &format!("dataset:folder:{}:train", text(&flat)), &[]);
    assert_eq!(split["n_fake"], 18);
}

#[test]
fn images_of_mixed_sizes_and_the_drawn_shapes_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    Pictures::noise(1, 9, 8, 0).folder(dir.path());
    Pictures::noise(2, 9, 40, 0).folder(&dir.path().join("larger"));
    let shapes = eval("dataset:shapes:test", &text(dir.path()), &["--n", "18"]);
    assert_eq!((&shapes["n_real"], &shapes["n_fake"]), (&18.into(), &18.into()));
    let args =
        ["eval", "--real", "dataset:shapes:test", "--fake", "dataset:shapes:train", "--n", "40"];
    let small = ["--extractor", "small-shapes", "--no-cache", "--quiet", "--kid-subset", "20"];
    let small = json(&[&args[..], &small].concat());
    assert!(
        small["is@small-shapes"].as_f64().unwrap() > 2.0
            && small["is@small-shapes_std"].is_number(),
        "{small}"
    );
    assert_eq!(small["extractor"]["name"], "small-shapes");
    assert_eq!(small["extractor"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn the_folder_of_a_run_is_sampled_as_sample_does() {
    let dir = tempfile::tempdir().unwrap();
    ok(&strs(&tiny("gan", "0", dir.path())));
    let run = text(&fs::read_dir(dir.path().join("runs")).unwrap().next().unwrap().unwrap().path());
    let file = text(&dir.path().join("samples.npz"));
    ok(&["sample", "--run", &run, "--n", "12", "--seed", "3", "--out", &file]);
    let (real, _) = pair(dir.path());
    let sampled = numbers(eval(&real, &run, &["--n", "12", "--seed", "3"]));
    assert_eq!(sampled, numbers(eval(&real, &file, &["--n", "12"])));
}

#[test]
fn json_has_the_documented_keys_and_intervals_hold_their_values() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = pair(dir.path());
    let more = ["--bootstrap", "40", "--extractor", "small-shapes", "--real", &real, "--fake"];
    let sized = |name: &str, seed| {
        let path = dir.path().join(name);
        Pictures::noise(seed, 20, 32, 0).npz(&path);
        text(&path)
    };
    let (a, b) = (sized("a.npz", 1), sized("b.npz", 2));
    let json = json(&[
        "eval",
        "--real",
        &a,
        "--fake",
        &b,
        "--no-cache",
        "--quiet",
        "--kid-subset",
        "10",
        more[0],
        more[1],
        more[2],
        more[3],
    ]);
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for metric in ["fid", "is", "kid", "precision", "recall", "density", "coverage"] {
        let metric = format!("{metric}@small-shapes");
        let [value, low, high] =
            [metric.clone(), format!("{metric}_ci_low"), format!("{metric}_ci_high")]
                .map(|key| json[&key].as_f64().unwrap_or_else(|| panic!("{key} in {keys:?}")));
        assert!(low <= high && value.is_finite(), "{metric}: {low} to {high}");
    }
    for key in ["is@small-shapes_std", "kid@small-shapes_std", "n_real", "n_fake", "peak_rss_mb"] {
        assert!(json[key].is_number(), "{key} in {keys:?}");
    }
    assert_eq!(json["extractor"].as_object().unwrap().len(), 3);
    assert_eq!(json["protocol"], "custom");
    assert_eq!(json["nearest_protocol"], "ganbench");
    for part in ["load", "extract", "fid", "kid", "bootstrap"] {
        assert!(json["seconds"][part].as_f64().is_some_and(|s| s >= 0.0), "{part}");
    }
    // FID alone has its interval too, though it is computed from less without one.
    let alone = eval(&real, &fake, &["--metrics", "fid", "--bootstrap", "40"]);
    let without = eval(&real, &fake, &["--metrics", "fid"]);
    assert!(alone["fid@pixels"].is_number());
    assert_eq!(alone["fid@pixels"], without["fid@pixels"]);
    assert!(alone["fid@pixels_ci_low"].as_f64() < alone["fid@pixels_ci_high"].as_f64());
}

#[test]
fn batch_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = pair(dir.path());
    let bootstrap = ["--bootstrap", "40"];
    let run = |more: &[&str]| numbers(eval(&real, &fake, &[&bootstrap, more].concat()));
    let wanted = run(&[]);
    for more in [["--batch", "1"], ["--batch", "7"], ["--threads", "1"], ["--threads", "3"]] {
        assert_eq!(run(&more), wanted, "{more:?}");
    }
}

#[test]
fn inception_of_made_weights_gives_the_same_bits_by_any_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = pair(dir.path());
    let run = |batch: &str| {
        let args = ["eval", "--real", &real, "--fake", &fake, "--n", "3", "--weights", "made:0"];
        let more = ["--no-cache", "--quiet", "--metrics", "fid,vendi", "--batch", batch];
        numbers(json(&[&args[..], &more].concat()))
    };
    let one = run("1");
    assert_eq!(one["extractor"]["sha256"], "made:0");
    assert!(one["fid@made:0"].is_number() && one["fid"].is_null(), "{one}");
    // Nothing else differs: this protocol leaves the counts open.
    let differences = ["weights made:0 (expected the published file)"];
    assert_eq!(one["protocol_differences"], serde_json::json!(differences));
    assert_eq!(run("3"), one);
}

#[test]
fn features_and_then_metrics_give_what_eval_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = (text(&dir.path().join("real.npz")), text(&dir.path().join("fake.npz")));
    // More than the 256 features of the small extractors.
    Pictures::noise(1, 300, 32, 0).npz(Path::new(&real));
    Pictures::noise(2, 280, 32, 9).npz(Path::new(&fake));
    let small = ["--extractor", "small-shapes", "--no-cache", "--quiet"];
    let write = |images: &str, name: &str, more: &[&str]| {
        let out = text(&dir.path().join(name));
        let args = ["features", "--images", images, "--out", &out];
        let said = ok(&[&args[..], &small, more].concat());
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["out"], Value::from(out.clone()));
        assert_eq!(said["extractor"]["name"], "small-shapes");
        out
    };
    let (r, f) = (write(&real, "r.npz", &[]), write(&fake, "f.npz", &[]));
    let (rs, fs) = (write(&real, "rs.npz", &["--stats"]), write(&fake, "fs.npz", &["--stats"]));
    let options = ["--kid-subset", "10", "--k", "3"];
    let args = ["eval", "--real", &real, "--fake", &fake];
    let wanted = json(&[&args[..], &small, &options].concat());
    let metrics = |a: &str, b: &str, more: &[&str]| {
        json(&[&["metrics", "--real", a, "--fake", b], more].concat())
    };
    let got = metrics(&r, &f, &options);
    for key in [
        "fid",
        "kid",
        "kid_std",
        "is",
        "is_std",
        "precision",
        "recall",
        "density",
        "coverage",
        "n_real",
        "n_fake",
    ] {
        // The files say which network the features are of.
        let key = if key.starts_with("n_") { key.into() } else { named(key) };
        assert!(got[&key].is_number() && got[&key] == wanted[&key], "{key}: {got} and {wanted}");
    }
    let differences = [
        "extractor small-shapes (expected inception)",
        "k 3 (expected 5)",
        "kid_subset 10 (expected 1000)",
    ];
    assert_eq!(got["protocol_differences"], serde_json::json!(differences));
    for (a, b) in [(&rs, &fs), (&r, &fs), (&rs, &f)] {
        let got = metrics(a, b, &[]);
        assert_eq!(got[named("fid")], wanted[named("fid")], "{a} {b}");
        assert_eq!((&got["n_real"], &got["n_fake"]), (&300.into(), &280.into()));
        assert_eq!(got[named("precision")], Value::Null);
        let reason = "precision needs the features themselves, not mean and covariance";
        assert_eq!(got[named("precision") + "_reason"], reason);
    }
}

#[test]
fn a_source_against_itself_has_no_distance_and_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    Pictures::noise(1, 16, 8, 0).folder(&dir.path().join("a"));
    Pictures::noise(1, 16, 8, 0).folder(&dir.path().join("b"));
    let (a, b) = (text(&dir.path().join("a")), text(&dir.path().join("b")));
    let cache = text(&dir.path().join("cache"));
    let warning = "warning: --real and --fake are the same images; every distance will be about 0";
    for (other, keep) in [(&a, vec!["--no-cache"]), (&b, vec!["--cache", &cache])] {
        let args = ["eval", "--real", &a, "--fake", other, "--extractor", "pixels", "--json"];
        let output = command(&[&args[..], &keep].concat()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.lines().any(|line| line == warning), "{stderr}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(json["fid@pixels"].as_f64().unwrap().abs() < 1e-6, "{json}");
        let both = [&json["precision@pixels"], &json["recall@pixels"]];
        assert_eq!(both, [&Value::from(1.0); 2]);
    }
}

#[test]
fn a_protocol_that_is_not_followed_is_named_with_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = pair(dir.path());
    let args = ["eval", "--real", &real, "--fake", &fake, "--extractor", "pixels", "--no-cache"];
    let got = json(&[&args[..], &["--quiet", "--protocol", "stylegan"]].concat());
    let differences = [
        "extractor pixels (expected inception)",
        "n_fake 20 (expected 50000)",
        "precision and recall of inception features, not of VGG16 features in 16 bits",
    ];
    assert_eq!(got["protocol_differences"], serde_json::json!(differences));
    assert_eq!(got["nearest_protocol"], "stylegan");
    assert!(got["ipr_precision@pixels"].is_number() && got["precision@pixels"].is_null(), "{got}");
    // The split is the last part of a data set's name, also where the name holds a path.
    let flat = dir.path().join("flat");
    fs::create_dir(&flat).unwrap();
    for (i, bytes) in Pictures::noise(3, 40, 8, 0).encoded().iter().enumerate() {
        fs::write(flat.join(format!("{i:04}.png")), bytes).unwrap();
    }
    let set = format!("dataset:folder:{}:train", text(&flat));
    let got = eval(&set, &fake, &["--protocol", "contrad", "--metrics", "fid"]);
    let differences = got["protocol_differences"].to_string();
    assert!(differences.contains("\"split train (expected test)\""), "{differences}");
    let list = ok(&["list", "protocols", "--json"]);
    let names = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: Vec<String> = names.map(|p| p["name"].as_str().unwrap().into()).collect();
    assert_eq!((names.len(), names[0].as_str()), (15, "ganbench"));
    let readable = String::from_utf8(ganbench(&args).stdout).unwrap();
    assert!(
        readable.contains("differs from ganbench in: extractor pixels (expected inception)"),
        "{readable}"
    );
}
