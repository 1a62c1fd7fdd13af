use std::path::Path;

use npyz::WriterBuilder as _;
use serde_json::Value;

use crate::program::{ok, refused, text};

/// An .npz of arrays of rank 1 and 2.
struct Inputs {
    floats: Vec<(&'static str, Vec<u64>, Vec<f64>)>,
    labels: Vec<(&'static str, Vec<i64>)>,
    f32s: bool,
}

impl Inputs {
    fn write(&self, path: &Path) -> String {
        let mut npz = npyz::npz::NpzWriter::create(path).unwrap();
        for (name, shape, x) in &self.floats {
            if self.f32s {
                let array = npz.array::<f32>(name, Default::default()).unwrap();
                let mut array = array.default_dtype().shape(shape).begin_nd().unwrap();
                array.extend(x.iter().map(|&v| v as f32)).unwrap();
                array.finish().unwrap();
            } else {
                let array = npz.array::<f64>(name, Default::default()).unwrap();
                let mut array = array.default_dtype().shape(shape).begin_nd().unwrap();
                array.extend(x.iter().copied()).unwrap();
                array.finish().unwrap();
            }
        }
        for (name, x) in &self.labels {
            let array = npz.array::<i64>(name, Default::default()).unwrap();
            let mut array = array.default_dtype().shape(&[x.len() as u64]).begin_nd().unwrap();
            array.extend(x.iter().copied()).unwrap();
            array.finish().unwrap();
        }
        text(path)
    }
}

fn logits(real: [f64; 2], f32s: bool) -> Inputs {
    Inputs {
        floats: vec![
            ("logits_real", vec![2], real.to_vec()),
            ("logits_fake", vec![2], vec![-3.0, 1.0]),
        ],
        labels: Vec::new(),
        f32s,
    }
}

/// Two classes of unit vectors; `label`: of the second fake.
fn classes(label: i64) -> Inputs {
    let unit = vec![1.0, 0.0, 0.0, 1.0];
    Inputs {
        floats: ["features_real", "features_fake", "class_vectors"]
            .map(|name| (name, vec![2, 2], unit.clone()))
            .to_vec(),
        labels: vec![("labels_real", vec![0, 1]), ("labels_fake", vec![0, label])],
        f32s: false,
    }
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(args)).unwrap()
}

#[test]
fn a_case_solved_on_paper_comes_back_with_its_gradients() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = logits([2.0, 0.0], false).write(&dir.path().join("in.npz"));
    // Hinge: mean([1 − 2]₊, [1 − 0]₊) + mean([1 − 3]₊, [1 + 1]₊) = 0.5 + 1.
    let hinge = json(&["loss", "hinge", "--inputs", &inputs, "--json"]);
    assert_eq!(hinge["loss"], "hinge");
    let (d, g) = (&hinge["terms"][0], &hinge["terms"][1]);
    assert_eq!((d["name"].as_str(), d["value"].as_f64()), (Some("d_adv"), Some(1.5)));
    assert_eq!(d["gradients"]["logits_real"], serde_json::json!([0.0, -0.5]));
    assert_eq!(d["gradients"]["logits_fake"], serde_json::json!([0.0, 0.5]));
    assert_eq!(g["value"].as_f64(), Some(1.0));
    assert!(g["gradients"].get("logits_real").is_none());
    let shown = ok(&["loss", "hinge", "--inputs", &inputs]);
    assert!(shown.starts_with("d_adv = 1.5  (weight 1)\n"), "{shown}");
    assert!(shown.contains("gradient of logits_real  [2]  norm 0.5\n"), "{shown}");

    // Least squares with target 0.9: ½mean(1.21, 0.81) + ½mean(9, 1).
    let set =
        ["loss", "least_squares", "--inputs", &inputs, "--json", "--set", "label_smoothing=0.1"];
    let value = json(&set)["terms"][0]["value"].as_f64().unwrap();
    assert!((value - 3.005).abs() < 1e-15, "{value}");

    // At its proxy and orthogonal to the other sample: log(1 + e^−2) at τ = ½.
    let inputs = classes(1).write(&dir.path().join("classes.npz"));
    let two_c = json(&["loss", "2c", "--inputs", &inputs, "--json", "--set", "tau=0.5"]);
    let value = two_c["terms"][0]["value"].as_f64().unwrap();
    assert!((value - (-2f64).exp().ln_1p()).abs() < 1e-15, "{value}");
    assert_eq!(two_c["settings"]["tau"].as_f64(), Some(0.5));
}

#[test]
fn an_old_name_says_what_it_said_before_it_had_the_plans() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = logits([2.0, 0.0], false).write(&dir.path().join("in.npz"));
    let [old, new] = ["least-squares", "least_squares"]
        .map(|name| json(&["loss", name, "--inputs", &inputs, "--json"]));
    assert_eq!(old, new);
    assert_eq!(new["loss"], "least_squares");
    assert!(!ok(&["list", "losses"]).contains("least-squares"));
}

#[test]
fn gradients_are_written_in_the_precision_of_the_arrays() {
    let dir = tempfile::tempdir().unwrap();
    for (f32s, dtype) in [(true, "float32"), (false, "float64")] {
        let inputs = logits([0.3, 0.1], f32s).write(&dir.path().join("in.npz"));
        let out = text(&dir.path().join("out.npz"));
        let _ = ok(&["loss", "non_saturating", "--inputs", &inputs, "--out", &out]);
        let file = std::fs::File::open(&out).unwrap();
        let mut npz = ganbench_data::numpy::Archive::open("out", Box::new(file)).unwrap();
        assert_eq!(
            npz.names(),
            ["d_adv", "d_adv.logits_fake", "d_adv.logits_real", "g_adv", "g_adv.logits_fake"]
        );
        let gradient = npz.array("d_adv.logits_real").unwrap();
        assert_eq!(gradient.header().element.to_string(), dtype);
        assert_eq!(gradient.header().shape, [2]);
    }
}

#[test]
fn wrong_usage_ends_with_64_and_wrong_arrays_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = logits([2.0, 0.0], false).write(&dir.path().join("in.npz"));
    let says = |loss: &str, inputs: &str, set: &[&str], code: i32, message: &str| {
        let args = [&["loss", loss, "--inputs", inputs], set].concat();
        let (got, error) = refused(&args);
        assert!(error.contains(message), "{args:?}: {error}");
        assert_eq!(got, code, "{error}");
    };
    says("hing", &inputs, &[], 64, "unknown loss \"hing\"; known: non_saturating, hinge, ");
    says("hinge", &inputs, &["--set", "tau=1"], 64, "loss hinge has no setting \"tau\"");
    says("2c", &inputs, &["--set", "tau=0"], 64, "setting tau must be a number above 0, got \"0\"");
    says("2c", &inputs, &["--set", "tau"], 64, "--set tau is not KEY=VALUE, such as tau=0.5");
    says(
        "r1",
        &inputs,
        &[],
        1,
        "in.npz: loss gradient_penalty takes no array \"logits_fake\"; it takes: gradients",
    );
    let bad = logits([f64::NAN, 0.0], false).write(&dir.path().join("nan.npz"));
    says("hinge", &bad, &[], 1, "nan.npz: array logits_real holds NaN at [0], expected finite");
    let bad = classes(2).write(&dir.path().join("label.npz"));
    says("acgan", &bad, &[], 1, "array labels_fake holds label 2 at row 1, expected 0 to 1");
    let mut few = classes(1);
    few.labels.pop();
    let bad = few.write(&dir.path().join("few.npz"));
    says("2c", &bad, &[], 1, "array labels_fake [m] is missing, which loss 2c takes; found: ");
    std::fs::write(dir.path().join("cut.npz"), b"PK\x03\x04 cut off").unwrap();
    says("2c", &text(&dir.path().join("cut.npz")), &[], 1, "cut.npz is no whole .npz archive");
    says("2c", "nowhere.npz", &[], 1, "nowhere.npz: cannot open the file");
}

#[test]
fn the_list_names_arrays_with_shapes_and_settings_with_defaults() {
    let shown = ok(&["list", "losses"]);
    assert!(shown.contains("\n    class_vectors [classes, d] float32 or float64: "), "{shown}");
    assert!(shown.contains("\n    --set margin_positive=0.98: "), "{shown}");
    let first: Value =
        serde_json::from_str(ok(&["list", "losses", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!(first["arrays"][0]["shape"], serde_json::json!(["n"]));
}
