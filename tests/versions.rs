use std::fs;
use std::path::Path;

use npyz::WriterBuilder as _;
use serde_json::Value;

use crate::pictures::npz;
use crate::program::{ok, refused, strs, text, tiny};
use crate::runs::run_of;

/// `small-cifar10` as it was before its second training.
const FIRST: &str = "17381cf344f8ab1edc969d741bbb2bb16d7e0be15a64e70c4372cd632f55bb9d";
const PIN: &str = "small-cifar10:17381cf3";

/// 40 images of noise, as an `.npz`.
fn noise(path: &Path, seed: u64) -> String {
    let mut stream = ganbench_data::rng::Stream::new(seed, "versions");
    let pixels = stream.normal(40 * 32 * 32 * 3);
    npz(path, |archive| {
        let member = archive.array("arr_0", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[40, 32, 32, 3]).begin_nd().unwrap();
        let byte = |v: &f32| (128.0 + 50.0 * v).clamp(0.0, 255.0) as u8;
        member.extend(pixels.iter().map(byte)).unwrap();
        member.finish().unwrap();
    });
    text(path)
}

/// The versions of `small-cifar10`, the newest first.
fn versions() -> Vec<String> {
    let listed = ok(&["list", "extractors", "--json"]);
    let mut entries = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entry = entries.find(|entry| entry["name"] == "small-cifar10").unwrap();
    let hash = |v: &Value| v.as_str().unwrap().to_string();
    entry["versions"].as_array().unwrap().iter().map(hash).collect()
}

#[test]
fn images_are_measured_by_the_newest_version_or_by_the_one_that_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let (real, fake) = (noise(&dir.path().join("a.npz"), 0), noise(&dir.path().join("b.npz"), 1));
    let asked = |extractor: &str| {
        ["eval", "--real", &real, "--fake", &fake, "--metrics", "kid", "--extractor", extractor]
            .into_iter()
            .chain(["--no-cache", "--quiet", "--kid-subset", "20"])
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let eval = |extractor: &str| -> Value {
        let json = ok(&strs(&[asked(extractor), vec!["--json".into()]].concat()));
        serde_json::from_str(&json).unwrap()
    };
    let newest = versions().remove(0);
    let (by_name, by_pin) = (eval("small-cifar10"), eval(&format!("small-cifar10:{newest}")));
    let older = eval(PIN);
    for (json, sha256) in [(&by_name, newest.as_str()), (&by_pin, &newest), (&older, FIRST)] {
        assert_eq!(json["extractor"]["name"], "small-cifar10");
        assert_eq!(json["extractor"]["sha256"], sha256);
        assert!(json["kid@small-cifar10"].is_number(), "{json}");
    }
    assert_eq!(by_name["kid@small-cifar10"], by_pin["kid@small-cifar10"]);
    let said = ok(&strs(&asked(PIN)));
    assert!(said.contains("small-cifar10 (weights 17381cf344f8)"), "{said}");

    let (code, error) = refused(&strs(&asked("small-cifar10:deadbeef")));
    let known = format!("small-cifar10 has no version deadbeef; versions: {}", &newest[..8]);
    assert_eq!(code, 64, "{error}");
    assert!(error.contains(&known), "{error}");
    let (code, error) = refused(&["fetch", "extractor", "small-cifar10:deadbeef"]);
    assert_eq!(code, 64);
    assert!(error.contains(&known), "{error}");
}

#[test]
fn a_list_tells_the_versions_of_each_extractor() {
    assert_eq!(versions().last().unwrap(), FIRST);
    let pixels = ok(&["list", "extractors", "--json"]);
    let pixels = pixels.lines().find(|line| line.contains("\"pixels\"")).unwrap();
    assert!(pixels.contains("\"versions\":[]"), "{pixels}");
}

#[test]
fn a_run_of_a_pinned_version_holds_its_hash_and_is_verified_and_gone_on_with_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let with = |extractor: &str| {
        let mut args = tiny("gan", "0", &out);
        args.extend(["--extractor".to_string(), extractor.into()]);
        args
    };
    ok(&strs(&with(PIN)));
    let run = run_of(&out);
    let plan = fs::read_to_string(run.join("plan.toml")).unwrap();
    assert!(plan.contains("extractor = \"small-cifar10\"\n"), "{plan}");
    assert!(plan.contains(&format!("extractor_sha256 = \"{FIRST}\"")), "{plan}");
    // Its own plan says which version verifies it and goes on with it.
    ok(&["verify", &text(&run), "--steps", "2", "--quiet"]);
    fs::remove_file(run.join("done")).unwrap();
    ok(&strs(&with(PIN)));
    assert!(run.join("done").is_file());

    // Weights of one's own in its place are no version, and do not go on with it.
    fs::remove_file(run.join("done")).unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics/weights/small-mnist.safetensors");
    let mut own = with(PIN);
    own.extend(["--weights".to_string(), file.into()]);
    let (code, error) = refused(&strs(&own));
    assert_eq!(code, 1);
    assert!(
        error.contains("evaluation.extractor small-cifar10 has weights a3f68d5c")
            && error
                .contains(&format!("the plan was made with {FIRST}; give those with --weights")),
        "{error}"
    );
}
