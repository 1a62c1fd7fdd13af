use std::fs;
use std::path::Path;

use ganbench_data::rng::Stream;
use ganbench_metrics::files::{Companions, FeatureFile, FileMeta, StoredFeatures, write_features};
use ganbench_metrics::{ExtractorId, Features, Statistics};
use npyz::WriterBuilder as _;
use serde_json::{Value, json};

use crate::pictures::{Pictures, matrix, npz, statistics};
use crate::program::{command, ok, refused, strs, text, tiny};

pub struct Place(tempfile::TempDir);

pub const PIXELS: [&str; 7] =
    ["--extractor", "pixels", "--no-cache", "--kid-subset", "10", "--k", "3"];

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name))
    }

    /// Images of noise in an .npz.
    pub fn noise(&self, name: &str, seed: u64, n: usize, least: u8) -> String {
        let path = self.path(name);
        Pictures::noise(seed, n, 8, least).npz(Path::new(&path));
        path
    }

    /// Class folders of images, each with its own brightness.
    pub fn classes(&self, name: &str, seed: u64, classes: &[(&str, u8)]) -> String {
        for (class, least) in classes {
            let folder = self.0.path().join(name).join(class);
            fs::create_dir_all(&folder).unwrap();
            let pictures = Pictures::noise(seed + u64::from(*least), 6, 8, *least);
            for (i, bytes) in pictures.encoded().iter().enumerate() {
                fs::write(folder.join(format!("{i}.png")), bytes).unwrap();
            }
        }
        self.path(name)
    }

    /// A file of features, or with `--stats` of statistics.
    pub fn features(&self, images: &str, name: &str, extractor: &str, more: &[&str]) -> String {
        let out = self.path(name);
        let args = ["features", "--images", images, "--out", &out, "--extractor", extractor];
        ok(&[&args[..], &["--no-cache", "--quiet"], more].concat());
        out
    }

    pub fn refused(&self, args: &[&str]) -> String {
        let (code, said) = refused(args);
        assert_eq!(code, 1, "{said}");
        said.lines().last().unwrap().replace(&text(self.0.path()), "DIR")
    }
}

/// The JSON of a command, and what it says on stderr.
pub fn told(args: &[&str]) -> (Value, String) {
    let output = command(&[args, &["--json"]].concat()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr)
}

pub fn eval(real: &str, fake: &str, more: &[&str]) -> (Value, String) {
    told(&[&["eval", "--real", real, "--fake", fake], &PIXELS[..], more].concat())
}

/// A metric of small-shapes.
fn named(metric: &str) -> String {
    format!("{metric}@small-shapes")
}

fn has(said: &str, line: &str) -> bool {
    said.lines().any(|said| said == line)
}

/// An archive of images, mu and sigma.
fn reference_batch(path: &str, pictures: &Pictures, of: &Statistics) {
    npz(Path::new(path), |archive| {
        let n = (pictures.pixels.len() / (pictures.side * pictures.side * 3)) as u64;
        let side = pictures.side as u64;
        let member = archive.array("arr_0", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[n, side, side, 3]).begin_nd().unwrap();
        member.extend(pictures.pixels.iter().copied()).unwrap();
        member.finish().unwrap();
        let d = of.dim() as u64;
        for (name, shape, values) in
            [("mu", vec![d], of.mean()), ("sigma", vec![d, d], of.covariance())]
        {
            let member = archive.array(name, Default::default()).unwrap();
            let mut member = member.default_dtype().shape(&shape).begin_nd().unwrap();
            member.extend(values.iter().copied()).unwrap();
            member.finish().unwrap();
        }
    });
}

fn statistics_of(path: &str) -> Statistics {
    let FeatureFile::Statistics(of) = FeatureFile::read(Path::new(path)).unwrap() else {
        panic!("{path} holds no statistics")
    };
    of
}

#[test]
fn files_say_what_they_hold_and_unlike_extractors_are_refused() {
    let place = Place::new();
    let (a, b) = (place.noise("a.npz", 1, 20, 0), place.noise("b.npz", 2, 16, 9));
    let real = place.features(&a, "real.npz", "pixels", &[]);
    let fake = place.features(&b, "fake.npz", "pixels", &["--stats"]);
    let file = StoredFeatures::read(Path::new(&real)).unwrap();
    let meta = file.meta.unwrap();
    assert_eq!((meta.extractor.as_str(), meta.weights_sha256.as_str()), ("pixels", "none"));
    assert_eq!((meta.n, meta.device.as_str(), meta.exact), (Some(20), "cpu", false));
    assert_eq!((meta.version.as_str(), meta.format), (env!("CARGO_PKG_VERSION"), 1));
    assert!(!meta.preprocessing.is_empty() && meta.images_sha256.unwrap().len() == 64);
    let (got, said) = told(&["metrics", "--real", &real, "--fake", &fake]);
    assert!(got["fid@pixels"].is_number() && !said.contains("note:"), "{got} {said}");
    assert_eq!(got["extractor"]["name"], "pixels");

    // The same network with other weights.
    let written = |name: &str, weights_sha256: &str| {
        let features = Features::new(2, vec![0.0, 1.0, 2.0, 5.0], None).unwrap();
        let meta = FileMeta::new(ExtractorId { name: "inception", weights_sha256 });
        let companions = Companions { meta: Some(&meta), labels: None };
        write_features(Path::new(&place.path(name)), &features, companions).unwrap();
        place.path(name)
    };
    let (one, two) = (written("one.npz", "made:0"), written("two.npz", "made:1"));
    let unlike = [
        (&one, &two, "inception (weights made:0), but DIR/two.npz of inception (weights made:1)"),
        (&one, &real, "inception (weights made:0), but DIR/real.npz of pixels (weights none)"),
    ];
    for (real, fake, text) in unlike {
        assert_eq!(
            place.refused(&["metrics", "--real", real, "--fake", fake]),
            format!(
                "error: DIR/one.npz holds features of {text}; extract both with one extractor and the same \
                 weights"
            )
        );
    }
    assert_eq!(
        place.refused(
            &[&["eval", "--real", &one, "--fake", &b], &PIXELS[..], &["--quiet"]].concat()
        ),
        "error: DIR/one.npz holds features of inception (weights made:0), but the images of the other side are \
         seen through pixels (weights none); choose the same with --extractor and --weights"
    );
}

#[test]
fn files_that_do_not_say_are_accepted_with_a_note_and_their_values_are_called_unknown() {
    let place = Place::new();
    let images = place.path("a.npz");
    Pictures::noise(1, 300, 32, 0).npz(Path::new(&images));
    let ours = place.features(&images, "ours.npz", "small-shapes", &["--stats"]);
    let of = statistics_of(&ours);
    let theirs = place.path("theirs.npz");
    statistics(Path::new(&theirs), of.mean(), of.covariance());
    let note = format!(
        "note: {theirs} does not say which extractor its numbers come from; values are named @unknown, as in \
         fid@unknown"
    );
    for (real, fake) in [(&ours, &theirs), (&theirs, &images)] {
        let args = ["eval", "--real", real, "--fake", fake, "--extractor", "small-shapes"];
        let (got, said) = told(&[&args[..], &["--no-cache", "--metrics", "fid"]].concat());
        assert!(has(&said, &note), "{said}");
        assert!(got["fid@unknown"].as_f64().unwrap().abs() < 1e-6, "{got}");
        assert_eq!(got["extractor"], Value::Null);
        let differences = got["protocol_differences"].to_string();
        assert!(differences.contains("extractor unknown (expected inception)"), "{differences}");
    }
}

#[test]
fn statistics_under_other_plain_names_give_the_same_fid_and_a_note_that_says_which_were_read() {
    let place = Place::new();
    let images = place.path("a.npz");
    Pictures::noise(1, 300, 8, 0).npz(Path::new(&images));
    let of = statistics_of(&place.features(&images, "ours.npz", "pixels", &["--stats"]));
    let write = |name: &str, keys: [&str; 2]| {
        let path = place.path(name);
        let d = of.dim() as u64;
        npz(Path::new(&path), |archive| {
            for (key, shape, values) in
                [(keys[0], vec![d], of.mean()), (keys[1], vec![d, d], of.covariance())]
            {
                let member = archive.array(key, Default::default()).unwrap();
                let mut member = member.default_dtype().shape(&shape).begin_nd().unwrap();
                member.extend(values.iter().copied()).unwrap();
                member.finish().unwrap();
            }
        });
        path
    };
    let usual = write("usual.npz", ["mu", "sigma"]);
    let fake = place.noise("fake.npz", 2, 300, 0);
    let fid = |real: &str| {
        let (got, said) = eval(real, &fake, &["--metrics", "fid"]);
        (got["fid@unknown"].as_f64().unwrap(), said)
    };
    let expected = fid(&usual);
    assert!(!expected.1.contains("are read as"), "{}", expected.1);
    for [mean, covariance] in [["mean", "cov"], ["m", "s"], ["feats_mean", "feats_cov"]] {
        let path = write(&format!("{mean}.npz"), [mean, covariance]);
        let (value, said) = fid(&path);
        assert_eq!(value, expected.0);
        let note = format!(
            "note: {mean} and {covariance} of {path} are read as mean and covariance of features"
        );
        assert!(has(&said, &note), "{said}");
    }
}

#[test]
fn a_file_of_features_says_for_which_protocol_it_was_made_and_another_is_noted() {
    let place = Place::new();
    let images = place.noise("a.npz", 1, 30, 0);
    let out = place.path("features.npz");
    let args = ["features", "--images", &images, "--out", &out, "--no-cache", "--quiet"];
    let made = ["--weights", "made:0", "--protocol", "pytorch-fid", "--n", "4"];
    ok(&[&args[..], &made].concat());
    let meta = StoredFeatures::read(Path::new(&out)).unwrap().meta.unwrap();
    assert_eq!(meta.protocol.as_deref(), Some("pytorch-fid"));
    assert_eq!(meta.extractor, "inception-pytorch-fid");
    let measured = |protocol: &str| {
        let args = ["eval", "--real", &out, "--fake", &out, "--protocol", protocol];
        told(&[&args[..], &["--metrics", "fid"]].concat()).1
    };
    let note = format!(
        "note: {out} was made for protocol pytorch-fid, and is measured by protocol ganbench"
    );
    assert!(has(&measured("ganbench"), &note));
    assert!(!measured("pytorch-fid").contains("was made for protocol"));
    // Without the flag nothing is said of a protocol.
    let plain = place.features(&images, "plain.npz", "pixels", &[]);
    assert_eq!(StoredFeatures::read(Path::new(&plain)).unwrap().meta.unwrap().protocol, None);
    let (code, said) =
        refused(&[&args[..], &["--protocol", "pytorch-fid", "--extractor", "pixels"]].concat());
    let expected = "error: protocol pytorch-fid is measured with extractor inception-pytorch-fid, not pixels; leave out \
                    one of the two flags";
    assert_eq!((code, said.lines().last()), (64, Some(expected)));
}

#[test]
fn statistics_or_features_on_one_side_and_images_on_the_other_are_measured() {
    let place = Place::new();
    let (a, b) = (place.path("a.npz"), place.path("b.npz"));
    Pictures::noise(1, 30, 32, 0).npz(Path::new(&a));
    Pictures::noise(2, 24, 32, 9).npz(Path::new(&b));
    let small = ["--extractor", "small-shapes", "--no-cache", "--quiet", "--kid-subset", "10"];
    let run = |real: &str, fake: &str| {
        let args = ["eval", "--real", real, "--fake", fake, "--k", "3"];
        told(&[&args[..], &small].concat()).0
    };
    let wanted = run(&a, &b);
    let features = |images: &str, name: &str| place.features(images, name, "small-shapes", &[]);
    let (real, fake) = (features(&a, "real.npz"), features(&b, "fake.npz"));
    let metrics = ["fid", "kid", "is", "precision", "recall", "density", "coverage"];
    for (one, other) in [(&real, &b), (&a, &fake), (&real, &fake)] {
        let got = run(one, other);
        for metric in metrics.map(|metric| format!("{metric}@small-shapes")) {
            assert!(got[&metric].is_number(), "{metric}: {got}");
            assert_eq!(got[&metric], wanted[&metric], "{metric} of {one} and {other}");
        }
    }
    let real = place.features(&a, "stats.npz", "small-shapes", &["--stats"]);
    let got = run(&real, &b);
    // Fewer images than dimensions: their rows give a few digits more than their statistics.
    let fid = |json: &Value| json["fid@small-shapes"].as_f64().unwrap();
    assert!((fid(&got) - fid(&wanted)).abs() < 1e-5 * fid(&wanted), "{got} {wanted}");
    assert_eq!(got["is@small-shapes"], wanted["is@small-shapes"]);
    assert_eq!((&got["n_real"], &got["n_fake"]), (&30.into(), &24.into()));
    assert_eq!(
        got["coverage@small-shapes_reason"],
        "coverage needs the features themselves, not mean and covariance"
    );
}

#[test]
fn a_reference_batch_of_adm_gives_fid_from_its_statistics_and_the_rest_from_its_images() {
    let place = Place::new();
    let noise = |name: &str, pictures: &Pictures| {
        pictures.npz(Path::new(&place.path(name)));
        place.path(name)
    };
    // More images than the 256 features of small-shapes.
    let many = Pictures::noise(1, 300, 32, 0);
    let first = Pictures { side: 32, pixels: many.pixels[..20 * 32 * 32 * 3].to_vec() };
    let (all, some) = (noise("all.npz", &many), noise("some.npz", &first));
    let fake = noise("fake.npz", &Pictures::noise(2, 24, 32, 9));
    let stats = place.features(&all, "stats.npz", "small-shapes", &["--stats"]);
    let reference = place.path("ref.npz");
    reference_batch(&reference, &first, &statistics_of(&stats));
    let run = |real: &str, protocol: &str| {
        let args = ["eval", "--real", real, "--fake", &fake, "--protocol", protocol, "--quiet"];
        told(&[&args[..], &["--extractor", "small-shapes", "--no-cache"]].concat())
    };
    let (got, said) = run(&reference, "adm");
    let used = "mu and sigma for fid, the images for all else";
    assert!(
        has(&said, &format!("note: {reference} holds images, mu and sigma; used are {used}")),
        "{said}"
    );
    assert_eq!(got["real_used"], used);
    // The protocol says that they are of inception, and nothing says that they are of small-shapes.
    let note = format!(
        "note: nothing says that mu and sigma of {reference} are of small-shapes; fid is named fid@unknown"
    );
    assert!(has(&said, &note), "{said}");
    let fid = |json: &Value| json["fid@small-shapes"].as_f64().unwrap();
    let (of_all, of_some) = (run(&all, "adm").0, run(&some, "adm").0);
    assert_eq!(got["fid@unknown"].as_f64(), Some(fid(&of_all)));
    assert!((fid(&of_all) - fid(&of_some)).abs() > 0.01 * fid(&of_all), "{of_all} {of_some}");
    for metric in ["ipr_precision", "ipr_recall", "is"].map(named) {
        assert!(got[&metric].is_number() && got[&metric] == of_some[&metric], "{metric}: {got}");
    }
    // Other protocols take the images, and say so.
    let (plain, said) = run(&reference, "ganbench");
    assert_eq!(plain["real_used"], "the images, not mu and sigma");
    assert!(said.contains("used are the images, not mu and sigma"), "{said}");
    assert_eq!(fid(&plain), fid(&run(&some, "ganbench").0));
}

#[test]
fn a_run_under_a_protocol_with_repeats_is_sampled_as_often() {
    let place = Place::new();
    ok(&strs(&tiny("gan", "0", place.0.path())));
    let runs = fs::read_dir(place.path("runs")).unwrap();
    let run = text(&runs.map(|run| run.unwrap().path()).next().unwrap());
    let real = place.noise("real.npz", 1, 20, 0);
    let more = ["--protocol", "mimicry", "--metrics", "fid", "--n", "12", "--quiet"];
    let (got, _) = eval(&real, &run, &more);
    let mut further = Stream::new(0, "sample/repeats");
    let mut values = Vec::new();
    for seed in [0, further.u64(), further.u64()] {
        let (file, seed) = (place.path("samples.npz"), seed.to_string());
        ok(&["sample", "--run", &run, "--n", "12", "--seed", &seed, "--out", &file]);
        let (one, _) = eval(&real, &file, &more);
        let differences = one["protocol_differences"].to_string();
        assert!(differences.contains("sets of fakes 1 (expected 3)"), "{differences}");
        values.push(one["fid@pixels"].as_f64().unwrap());
    }
    assert!(values[0] != values[1] && values[1] != values[2]);
    let mean = values.iter().sum::<f64>() / 3.0;
    assert_eq!((got["fid@pixels"].as_f64(), &got["repeats"]), (Some(mean), &3.into()));
    let differences = got["protocol_differences"].to_string();
    assert!(!differences.contains("sets of fakes"), "{differences}");
    // What is known of a generator of our own is held against the protocol.
    assert!(
        differences.contains("samples rounded to 8 bits (expected: stretched"),
        "{differences}"
    );
    let more = ["--protocol", "studiogan-v0.4", "--metrics", "fid", "--n", "12", "--quiet"];
    let (got, _) = eval(&real, &run, &more);
    let differences = got["protocol_differences"].to_string();
    assert!(
        differences.contains("statistics of batch norm running (expected standing)"),
        "{differences}"
    );
}

#[test]
fn statistics_summed_in_f32_give_a_number_with_a_bound_and_a_warning() {
    let place = Place::new();
    let file = |name: &str, sigma: &[f64]| {
        statistics(Path::new(&place.path(name)), &[0.0; 2], sigma);
        place.path(name)
    };
    let unit = file("unit.npz", &[1.0, 0.0, 0.0, 1.0]);
    let singular = file("singular.npz", &[1.0, 0.0, 0.0, 0.0]);
    let negative = file("negative.npz", &[1.0, 0.0, 0.0, -1e-5]);
    let skew = file("skew.npz", &[1.0, 2e-5, 0.0, 1.0]);
    let run = |fake: &str| told(&["metrics", "--real", &unit, "--fake", fake]);
    let (exact, said) = run(&singular);
    assert!(exact["fid@unknown_error_at_most"].is_null() && !said.contains("warning"), "{said}");
    for (fake, exact) in [(&negative, 1.0), (&skew, 0.0)] {
        let (got, said) = run(fake);
        let (fid, most) = (&got["fid@unknown"], got["fid@unknown_error_at_most"].as_f64().unwrap());
        assert!((fid.as_f64().unwrap() - exact).abs() < most && most < 0.02, "{got}");
        assert!(said.contains("fid@unknown is off by at most 0.0"), "{said}");
    }
    let shown = ok(&["metrics", "--real", &unit, "--fake", &negative]);
    assert!(shown.lines().next().unwrap().contains("   off by at most 0.0"), "{shown}");
}

#[test]
fn the_extractor_is_announced_in_words() {
    let place = Place::new();
    let images = place.noise("a.npz", 1, 8, 0);
    let (_, said) = eval(&images, &images, &["--metrics", "fid"]);
    let line = said.lines().find(|line| line.starts_with("extractor pixels (weights none): "));
    assert!(line.is_some(), "{said}");
    let (_, said) = eval(&images, &images, &["--metrics", "fid", "--quiet"]);
    assert!(!said.contains("extractor"), "{said}");
    // A table of a folder, whose network nobody chose.
    let folder = place.path("images");
    Pictures::noise(3, 40, 32, 0).folder(Path::new(&folder));
    let set = format!("folder:{folder}/z/deeper");
    let run = |out: &str, more: &[&str]| {
        let mut args = tiny("gan", "0", Path::new(&place.path(out)));
        args.retain(|arg| arg != "--quiet");
        let args = [&strs(&args)[..], &["--dataset", &set], more].concat();
        let output = command(&args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let words = "extractor small-cifar10: embedded classifier of CIFAR-10, 32x32; for comparisons within this \
                 table only (evaluation.extractor chooses another)";
    assert_eq!(run("out", &[]).lines().filter(|line| line == &words).count(), 1);
    let chosen = run("other", &["--extractor", "small-shapes"]);
    assert!(!chosen.contains("for comparisons within"), "{chosen}");
}

#[test]
fn an_earlier_layer_of_pytorch_fid_has_a_name_of_its_own() {
    let place = Place::new();
    let (a, b) = (place.noise("a.npz", 1, 3, 0), place.noise("b.npz", 2, 3, 9));
    let run = |more: &[&str]| {
        let args = ["eval", "--real", &a, "--fake", &b, "--weights", "made:0", "--no-cache"];
        told(&[&args[..], &["--protocol", "pytorch-fid", "--metrics", "fid"], more].concat()).0
    };
    let got = run(&["--dims", "64"]);
    let name = "fid@inception-pytorch-fid-64:made:0";
    assert!(got[name].as_f64().unwrap() > 0.0, "{got}");
    let differences = got["protocol_differences"].to_string();
    let text = "extractor inception-pytorch-fid-64 (expected inception-pytorch-fid)";
    assert!(differences.contains(text), "{differences}");
    assert_eq!(got[name], run(&["--extractor", "inception-pytorch-fid-64"])[name]);
    assert!(run(&["--dims", "2048"])["fid@inception-pytorch-fid:made:0"].is_number());
    let args = ["eval", "--real", &a, "--fake", &b, "--dims", "100"];
    assert!(refused(&args).1.contains("[possible values: 64, 192, 768, 2048]"));
}

#[test]
fn features_in_an_array_of_plain_numbers_are_a_side_too() {
    let place = Place::new();
    let rows: Vec<f64> = (0..160).map(|i| f64::from(i * i * 7 % 101)).collect();
    let file = place.path("x.npy");
    fs::write(&file, matrix(4, &rows)).unwrap();
    let (got, _) = eval(&file, &file, &["--metrics", "fid"]);
    assert!(got["fid@unknown"].as_f64().unwrap().abs() < 1e-6, "{got}");
    assert_eq!(got["n_real"], json!(40));
}
