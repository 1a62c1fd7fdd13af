use std::path::Path;

use ganbench_data::rng::Stream;
use npyz::WriterBuilder as _;
use serde_json::Value;

use crate::pictures::npz;
use crate::program::{ok, text};

const SIDE: usize = 32;
const COLOURS: [[f32; 3]; 4] =
    [[220.0, 40.0, 40.0], [40.0, 220.0, 40.0], [40.0, 40.0, 220.0], [200.0, 200.0, 40.0]];

/// Images of these classes, each a colour with noise, and their labels, as an `.npz`.
fn write(path: &Path, seed: u64, labels: &[u32]) -> String {
    let mut stream = Stream::new(seed, "sorted sets");
    let mut pixels = Vec::new();
    for &label in labels {
        let shift = 20.0 * stream.normal(1)[0];
        let noise = stream.normal(SIDE * SIDE * 3);
        let value = |(i, v): (usize, &f32)| COLOURS[label as usize][i % 3] + shift + 12.0 * v;
        pixels.extend(noise.iter().enumerate().map(value).map(|v| v.clamp(0.0, 255.0) as u8));
    }
    npz(path, |archive| {
        let shape = [labels.len() as u64, SIDE as u64, SIDE as u64, 3];
        let member = archive.array("arr_0", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&shape).begin_nd().unwrap();
        member.extend(pixels.iter().copied()).unwrap();
        member.finish().unwrap();
        let member = archive.array("arr_1", Default::default()).unwrap();
        let shape = [labels.len() as u64];
        let mut member = member.default_dtype().shape(&shape).begin_nd().unwrap();
        member.extend(labels.iter().map(|&label| i64::from(label))).unwrap();
        member.finish().unwrap();
    });
    text(path)
}

fn eval(real: &str, fake: &str, more: &[&str]) -> Value {
    let args =
        ["eval", "--real", real, "--fake", fake, "--extractor", "small-cifar10", "--no-cache"];
    let out = ok(&[&args[..], &["--quiet", "--json"], more].concat());
    serde_json::from_str(&out).unwrap()
}

fn value(json: &Value, metric: &str) -> f64 {
    json[format!("{metric}@small-cifar10")].as_f64().unwrap_or_else(|| panic!("{metric}: {json}"))
}

/// 400 images of four classes, sorted by class and in random order; 80 fakes of all classes.
fn sets(dir: &Path) -> [String; 3] {
    let sorted: Vec<u32> = (0..400).map(|i| i / 100).collect();
    let order = Stream::new(7, "order").permutation(400);
    let shuffled: Vec<u32> = order.iter().map(|&i| sorted[i]).collect();
    let fakes: Vec<u32> = (0..80).map(|i| i % 4).collect();
    [
        write(&dir.join("sorted.npz"), 1, &sorted),
        write(&dir.join("shuffled.npz"), 2, &shuffled),
        write(&dir.join("fake.npz"), 3, &fakes),
    ]
}

#[test]
fn a_part_of_a_set_that_is_sorted_by_class_gives_what_a_part_of_a_shuffled_one_gives() {
    let dir = tempfile::tempdir().unwrap();
    let [sorted, shuffled, fake] = sets(dir.path());
    let metrics = ["--metrics", "fid,precision,recall,coverage"];
    let with = |real: &str, protocol: &str| {
        eval(real, &fake, &[&metrics[..], &["--protocol", protocol]].concat())
    };
    let [a, b] = [&sorted, &shuffled].map(|real| with(real, "tables"));
    assert_eq!((&a["protocol"], &b["protocol"]), (&"tables".into(), &"tables".into()));
    for metric in ["precision", "recall", "coverage"] {
        let gap = (value(&a, metric) - value(&b, metric)).abs();
        assert!(
            gap < 0.15,
            "{metric}: {} sorted, {} shuffled",
            value(&a, metric),
            value(&b, metric)
        );
    }
    // The first images, which ganbench 0.1 took, are of one class: three fakes of four are
    // strangers.
    let [a, b] = [&sorted, &shuffled].map(|real| with(real, "table1"));
    assert!(value(&a, "precision") < value(&b, "precision") - 0.4, "{a} {b}");
}

#[test]
fn the_seed_draws_the_images_that_n_leaves_and_another_than_the_protocols_is_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let [sorted, _, fake] = sets(dir.path());
    let with = |n: &str, seed: &str| {
        let json = eval(&sorted, &fake, &["--n", n, "--seed", seed, "--metrics", "fid"]);
        (value(&json, "fid"), json["protocol_differences"].to_string())
    };
    let (zero, three) = (with("60", "0"), with("60", "3"));
    assert_ne!(zero.0, three.0);
    assert_eq!(with("60", "3"), three);
    let [real, fakes] = ["real", "fake"].map(|which| format!("{which} images drawn with seed 3"));
    assert!(!zero.1.contains("drawn with seed"), "{}", zero.1);
    assert!(three.1.contains(&real) && three.1.contains(&fakes), "{}", three.1);
    // There are 80 fakes: nothing is drawn of them.
    let of_real = with("100", "3");
    assert!(of_real.1.contains(&real) && !of_real.1.contains(&fakes), "{}", of_real.1);
    assert_eq!(with("500", "3"), with("500", "0"));
}

#[test]
fn a_limited_number_of_images_is_drawn_from_all_classes() {
    let dir = tempfile::tempdir().unwrap();
    let [sorted, shuffled, fake] = sets(dir.path());
    let with = |real: &str| eval(real, &fake, &["--n", "60", "--metrics", "fid,intra_fid"]);
    // Intra-class FID is refused where a class is missing.
    let [a, b] = [&sorted, &shuffled].map(|real| with(real));
    assert_eq!((&a["n_real"], &a["n_fake"]), (&60.into(), &60.into()));
    // Against the first images, which are of one class, the FID is of another size.
    let one_class = write(&dir.path().join("one.npz"), 1, &[0; 60]);
    let first = eval(&one_class, &fake, &["--n", "60", "--metrics", "fid"]);
    for json in [&a, &b] {
        assert!(value(json, "fid") < value(&first, "fid") / 5.0, "{json} against {first}");
    }
}
