use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pictures::{matrix, npy, npz, statistics};
use crate::program::{ok, refused, text};

/// 40 rows of 4 numbers, by a formula: no two rows alike, of full rank.
fn rows(shift: f64) -> Vec<f64> {
    (0..160).map(|i| ((i * i * 7 + i * 3) % 101) as f64 / 101.0 + shift).collect()
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("real.npy", &matrix(4, &rows(0.0)));
        place.write("fake.npy", &matrix(4, &rows(0.5)));
        place
    }

    fn path(&self, name: &str) -> String {
        text(&self.0.path().join(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The last line of what a refused comparison says, with DIR for the folder.
    fn says(&self, real: &str, fake: &str, more: &[&str]) -> (i32, String) {
        let (real, fake) = (self.path(real), self.path(fake));
        let (code, said) =
            refused(&[&["metrics", "--real", &real, "--fake", &fake], more].concat());
        (code, said.lines().last().unwrap().replace(&text(self.0.path()), "DIR"))
    }

    fn json(&self, real: &str, fake: &str, more: &[&str]) -> Value {
        let (real, fake) = (self.path(real), self.path(fake));
        let args = ["metrics", "--real", &real, "--fake", &fake, "--json"];
        serde_json::from_str(&ok(&[&args[..], more].concat())).unwrap()
    }
}

#[test]
fn features_that_cannot_be_compared_are_refused_by_name() {
    let place = Place::new();
    let mut holed = rows(0.0);
    holed[13] = f64::NAN;
    place.write("nan.npy", &matrix(4, &holed));
    place.write("one.npy", &matrix(4, &rows(0.0)[..4]));
    place.write("two.npy", &matrix(4, &rows(0.0)[..8]));
    place.write("five.npy", &matrix(5, &rows(0.0)));
    place.write("lie.npy", &npy("<f8", &[99, 4], &[0; 1280]));
    place.write("huge.npy", &npy("<f8", &[1 << 40, 1 << 20], &[0; 64]));
    place.write("object.npy", &npy("|O", &[1], b"\x80\x04N."));
    place.write("images.npy", &npy("|u1", &[1, 2, 2, 3], &[0; 12]));
    place.write("text.npy", b"0.1 0.2");
    place.write("wide.npy", &matrix(1, &[1e300, 2e300]));
    for (real, fake, more, message) in [
        (
            "nan.npy",
            "fake.npy",
            [].as_slice(),
            "DIR/nan.npy row 3 holds NaN, expected finite numbers only",
        ),
        ("real.npy", "one.npy", &[], "fid needs at least 2 fake images, got 1"),
        ("one.npy", "fake.npy", &[], "fid needs at least 2 real images, got 1"),
        (
            "five.npy",
            "fake.npy",
            &[],
            "DIR/five.npy and DIR/fake.npy: real features have 5 dimensions but fake features 4; extract both alike",
        ),
        (
            "lie.npy",
            "fake.npy",
            &[],
            "DIR/lie.npy needs 3168 bytes for its shape [99, 4] but holds 1280 after its header of 73 bytes; it \
             was cut off, or its header is wrong",
        ),
        (
            "object.npy",
            "fake.npy",
            &[],
            "DIR/object.npy holds pickled Python objects, which are never loaded; save the array with a number \
             type",
        ),
        (
            "images.npy",
            "fake.npy",
            &[],
            "DIR/images.npy holds uint8 images of shape [1, 2, 2, 3], expected features; extract them first",
        ),
        (
            "text.npy",
            "fake.npy",
            &[],
            "DIR/text.npy begins with bytes [30, 2e, 31, 20, 30, 2e], expected a .npz or .npy file of features or \
             statistics",
        ),
        (
            "real.npy",
            "two.npy",
            &["--metrics", "kid"],
            "kid draws subsets of 1000 images but there are only 40 real ones; lower --kid-subset",
        ),
        (
            "real.npy",
            "two.npy",
            &["--metrics", "density"],
            "prdc needs at least 6 fake images, got 2",
        ),
        (
            "real.npy",
            "two.npy",
            &["--metrics", "ipr_recall"],
            "ipr needs at least 4 fake images, got 2",
        ),
        (
            "real.npy",
            "fake.npy",
            &["--metrics", "is"],
            "is needs class logits, which these features do not have; choose another extractor",
        ),
        (
            "real.npy",
            "fake.npy",
            &["--metrics", "intra_fid"],
            "intra_fid needs the class of each image, which was not given",
        ),
    ] {
        assert_eq!(place.says(real, fake, more), (1, format!("error: {message}")));
    }
    let (code, said) = place.says("huge.npy", "fake.npy", &[]);
    assert!(code == 1 && said.contains("DIR/huge.npy"), "{said}");
    let (code, said) = place.says("nowhere.npy", "fake.npy", &[]);
    assert!(code == 1 && said.starts_with("error: cannot open DIR/nowhere.npy: "), "{said}");
    let (code, said) = place.says("wide.npy", "fake.npy", &[]);
    assert!(code == 1 && said.contains("holds"), "{said}");
}

#[test]
fn statistics_that_no_data_gives_are_refused() {
    let place = Place::new();
    let file = |name: &str, mu: &[f64], sigma: &[f64]| {
        statistics(Path::new(&place.path(name)), mu, sigma);
    };
    file("unit.npz", &[0.0; 2], &[1.0, 0.0, 0.0, 1.0]);
    file("singular.npz", &[0.0; 2], &[1.0, 1.0, 1.0, 1.0]);
    file("skew.npz", &[0.0; 2], &[1.0, 0.5, 0.0, 1.0]);
    file("negative.npz", &[0.0; 2], &[1.0, 2.0, 2.0, 1.0]);
    file("nan.npz", &[0.0, f64::NAN], &[1.0, 0.0, 0.0, 1.0]);
    file("three.npz", &[0.0; 3], &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    npz(Path::new(&place.path("half.npz")), |archive| {
        use npyz::WriterBuilder as _;
        let member = archive.array("mu", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[2]).begin_nd().unwrap();
        member.extend([0.0f64; 2]).unwrap();
        member.finish().unwrap();
    });
    // Eigenvalues 2 and 0 beside 1 and 1: tr(2) + tr(2) − 2·√2.
    let fid = place.json("unit.npz", "singular.npz", &[]);
    assert!(
        (fid["fid@unknown"].as_f64().unwrap() - (4.0 - 2.0 * 2f64.sqrt())).abs() < 1e-12,
        "{fid}"
    );
    // Nobody said how many images there were: no number stands for that.
    assert!(fid["n_real"].is_null() && fid["n_fake"].is_null(), "{fid}");
    for (fake, more, code, message) in [
        (
            "skew.npz",
            [].as_slice(),
            1,
            "DIR/skew.npz member sigma.npy: covariance is not symmetric: entries (1, 0) and (0, 1) differ by 5e-1",
        ),
        (
            "negative.npz",
            &[],
            1,
            "covariance of dimension 2 is not positive semidefinite: eigenvalue -1e0 beside a largest of 3e0, \
             which no covariance has; compute mu and sigma again in f64 (numpy.cov of float64 features, or \
             ganbench features --stats)",
        ),
        (
            "nan.npz",
            &[],
            1,
            "DIR/nan.npz member mu.npy row 0 holds NaN, expected finite numbers only",
        ),
        (
            "three.npz",
            &[],
            1,
            "DIR/unit.npz and DIR/three.npz: real features have 2 dimensions but fake features 3; extract both alike",
        ),
        (
            "half.npz",
            &[],
            1,
            "DIR/half.npz holds mu but not sigma; statistics need both mu and sigma",
        ),
        (
            "singular.npz",
            &["--metrics", "kid"],
            64,
            "the real side holds mean and covariance alone, which suffice for fid; kid needs the features \
             themselves",
        ),
        (
            "singular.npz",
            &["--bootstrap", "40"],
            64,
            "--bootstrap needs the features themselves, but a side holds mean and covariance alone",
        ),
    ] {
        assert_eq!(place.says("unit.npz", fake, more), (code, format!("error: {message}")));
    }
}

#[test]
fn constant_features_give_finite_numbers() {
    let place = Place::new();
    place.write("constant.npy", &matrix(4, &[1.0; 160]));
    let itself = place.json("constant.npy", "constant.npy", &["--kid-subset", "20"]);
    assert_eq!((&itself["fid@unknown"], &itself["kid@unknown"]), (&0.0.into(), &0.0.into()));
    // Every distance is 0, and none is below the radius 0.
    assert_eq!(
        (&itself["precision@unknown"], &itself["coverage@unknown"]),
        (&0.0.into(), &0.0.into())
    );
    let other = place.json("real.npy", "constant.npy", &["--kid-subset", "20"]);
    for metric in ["fid", "kid", "precision", "recall", "density", "coverage"] {
        assert!(
            other[format!("{metric}@unknown")].as_f64().is_some_and(f64::is_finite),
            "{metric}: {other}"
        );
    }
    assert_eq!(
        place.says("real.npy", "constant.npy", &["--logits", "/nowhere.npy"]).1,
        "error: cannot open /nowhere.npy: No such file or directory (os error 2)"
    );
}

#[test]
fn sides_of_different_length_are_told_apart() {
    let place = Place::new();
    place.write("short.npy", &matrix(4, &rows(0.5)[..80]));
    let options = ["--kid-subset", "10", "--k", "3"];
    let there = place.json("real.npy", "short.npy", &options);
    let back = place.json("short.npy", "real.npy", &options);
    assert_eq!((&there["n_real"], &there["n_fake"]), (&40.into(), &20.into()));
    assert_eq!((&back["n_real"], &back["n_fake"]), (&20.into(), &40.into()));
    assert_eq!(
        (&there["precision@unknown"], &there["recall@unknown"]),
        (&back["recall@unknown"], &back["precision@unknown"])
    );
    assert!(
        (there["fid@unknown"].as_f64().unwrap() - back["fid@unknown"].as_f64().unwrap()).abs()
            < 1e-12
    );
}

#[test]
fn a_value_that_overflows_is_an_error_for_every_metric() {
    let place = Place::new();
    let square = |scale: f64| [scale, 0.0, 0.0, scale];
    statistics(Path::new(&place.path("large.npz")), &[0.0; 2], &square(1e308));
    statistics(Path::new(&place.path("small.npz")), &[0.0; 2], &square(1.0));
    for (real, fake) in [("large.npz", "small.npz"), ("small.npz", "large.npz")] {
        let (code, said) = place.says(real, fake, &["--json"]);
        assert!(code == 1 && said.starts_with("error: fid@unknown is not finite ("), "{said}");
        assert!(said.ends_with("scale both sides down by the same factor"), "{said}");
    }
    let huge: Vec<f64> = rows(0.0).iter().map(|value| value * 1e38).collect();
    place.write("huge.npy", &matrix(4, &huge));
    let (code, said) =
        place.says("real.npy", "huge.npy", &["--metrics", "kid", "--kid-subset", "20"]);
    assert!(code == 1 && said.contains(" is not finite ("), "{said}");
}

/// A covariance of 40,000 dimensions takes 12.8 GB; the files hold 480 kB.
#[test]
fn dimensions_are_compared_and_memory_is_asked_before_a_covariance_is_made() {
    let place = Place::new();
    statistics(Path::new(&place.path("six.npz")), &[0.0; 2], &[1.0, 0.0, 0.0, 1.0]);
    place.write("wide.npy", &npy("<f4", &[3, 40_000], &[0; 480_000]));
    place.write("tall.npy", &npy("<f4", &[3, 40_000], &[1; 480_000]));
    let (code, said) = place.says("six.npz", "wide.npy", &["--metrics", "fid"]);
    let expected = "error: DIR/six.npz and DIR/wide.npy: real features have 2 dimensions but fake features 40000; \
                    extract both alike";
    assert_eq!((code, said.as_str()), (1, expected));
    // Fewer images than dimensions need no covariance.
    place.json("tall.npy", "wide.npy", &["--metrics", "fid", "--memory-limit", "1GiB"]);
    place.write("square.npy", &npy("<f4", &[2_000, 2_000], &[0; 16_000_000]));
    let (code, said) =
        place.says("square.npy", "square.npy", &["--metrics", "fid", "--memory-limit", "100MiB"]);
    let start = "error: fid of features of 2000 dimensions needs about 183 MiB of memory, but ";
    assert!(code == 1 && said.starts_with(start), "{said}");
    assert!(said.ends_with(" are left (--memory-limit); raise the limit"), "{said}");
}

#[test]
fn features_beyond_the_memory_limit_are_refused_before_they_are_read() {
    let place = Place::new();
    place.write("many.npy", &npy("<f4", &[30_000, 1_000], &[0; 120_000_000]));
    let (code, said) = place.says("many.npy", "many.npy", &["--memory-limit", "64MiB"]);
    let start = "error: a copy of the numbers of DIR/many.npy needs about 114 MiB of memory, but ";
    assert!(code == 1 && said.starts_with(start), "{said}");
    let (code, said) = place.says("real.npy", "fake.npy", &["--memory-limit", "much"]);
    assert_eq!(code, 64, "{said}");
}

#[cfg(unix)]
#[test]
fn a_fifo_in_the_place_of_features_is_refused_at_once() {
    let place = Place::new();
    let fifo = place.path("fifo.npy");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let expected = "error: cannot open DIR/fifo.npy: it is a FIFO, expected a regular file; remove it or give \
                    another path";
    assert_eq!(place.says("fifo.npy", "fake.npy", &[]), (1, expected.into()));
}

#[test]
fn counts_that_no_machine_has_are_refused_with_the_limit() {
    let place = Place::new();
    for (flag, expected) in [
        ("--bootstrap", "error: --bootstrap is 1000000000, expected at most 100000"),
        ("--threads", "error: --threads is 1000000000, expected at most 1024"),
    ] {
        let said = place.says("real.npy", "fake.npy", &[flag, "1000000000"]);
        assert_eq!(said, (64, expected.into()));
    }
}
