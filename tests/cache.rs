use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pictures::Pictures;
use crate::program::{command, ok, text};

/// A folder of images, a file of others, and a cache.
struct Place {
    dir: tempfile::TempDir,
    real: String,
    fake: String,
    cache: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| text(&dir.path().join(name));
        let (real, fake, cache) = (place("real"), place("fake.npz"), place("cache"));
        Pictures::noise(1, 12, 32, 0).folder(Path::new(&real));
        Pictures::noise(2, 12, 32, 9).npz(Path::new(&fake));
        Self { dir, real, fake, cache }
    }

    /// Numbers, and whether each side was kept from before.
    fn eval(&self, more: &[&str]) -> (Value, [bool; 2]) {
        let args = ["eval", "--real", &self.real, "--fake", &self.fake, "--extractor"];
        let output = command(&[&args[..], more, &["--json"]].concat()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        let kept = |side: &str| {
            let end = format!("of {side}: 12 images, kept from before");
            stderr.lines().any(|line| line.ends_with(&end))
        };
        let mut json: Value = serde_json::from_slice(&output.stdout).unwrap();
        for key in ["seconds", "peak_rss_mb"] {
            json.as_object_mut().unwrap().remove(key).unwrap();
        }
        (json, [kept(&self.real), kept(&self.fake)])
    }

    fn cached(&self, more: &[&str]) -> (Value, [bool; 2]) {
        self.eval(&[more, &["--cache", &self.cache]].concat())
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let folder = Path::new(&self.cache).join("features");
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

#[test]
fn features_are_kept_by_images_extractor_and_count_and_give_the_same_bits() {
    let place = Place::new();
    let (fresh, _) = place.eval(&["pixels", "--no-cache"]);
    assert!(!Path::new(&place.cache).exists());
    assert_eq!(place.cached(&["pixels"]), (fresh.clone(), [false, false]));
    assert_eq!(place.cached(&["pixels"]), (fresh, [true, true]));
    assert_eq!(place.files().len(), 2);

    let (other, kept) = place.cached(&["small-shapes"]);
    assert_eq!((other, kept), (place.eval(&["small-shapes", "--no-cache"]).0, [false, false]));
    let (fewer, _) = place.cached(&["pixels", "--n", "10"]);
    assert_eq!(fewer, place.eval(&["pixels", "--n", "10", "--no-cache"]).0);
    assert_eq!(place.files().len(), 6);
    // FID alone keeps the rows while they are few; what it keeps serves it again.
    let (fid, _) = place.cached(&["pixels", "--metrics", "fid"]);
    assert_eq!(place.cached(&["pixels", "--metrics", "fid"]), (fid, [true, true]));

    // One image changed, under the same name.
    let image = Pictures::noise(7, 1, 32, 0).encoded().remove(0);
    fs::write(Path::new(&place.real).join("0000.png"), image).unwrap();
    let (changed, kept) = place.cached(&["pixels"]);
    assert_eq!((changed, kept), (place.eval(&["pixels", "--no-cache"]).0, [false, true]));
}

#[test]
fn statistics_of_many_images_are_kept_too() {
    let place = Place::new();
    // More images than small-shapes has features.
    let many = text(&place.dir.path().join("many.npz"));
    Pictures::noise(5, 300, 32, 0).npz(Path::new(&many));
    let run = |metrics: &str, more: &[&str]| {
        let args = ["eval", "--real", &many, "--fake", "dataset:shapes:test", "--n", "300"];
        let small = ["--extractor", "small-shapes", "--json", "--quiet", "--metrics", metrics];
        let out = ok(&[&args[..], &small, more].concat());
        serde_json::from_str::<Value>(&out).unwrap()["fid@small-shapes"].as_f64().unwrap()
    };
    let cache = ["--cache", &place.cache];
    let fresh = run("fid", &["--no-cache"]);
    assert_eq!([run("fid", &cache), run("fid", &cache)], [fresh; 2]);
    assert_eq!(place.files().len(), 2);
    // By way of all rows, which are kept beside the statistics.
    assert_eq!([run("fid,precision", &cache), run("fid,precision", &cache)], [fresh; 2]);
    assert_eq!(place.files().len(), 4);
}

#[test]
fn a_damaged_file_is_extracted_again_and_replaced() {
    let place = Place::new();
    let (wanted, _) = place.cached(&["pixels"]);
    let whole: Vec<_> = place.files().iter().map(|file| fs::read(file).unwrap()).collect();
    fn flipped(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        bytes
    }
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [Damage; 4] = [
        |_| Vec::new(),
        |bytes| bytes[..bytes.len() / 2].to_vec(),
        flipped,
        |_| b"not an archive".to_vec(),
    ];
    for damage in damages {
        for (file, bytes) in place.files().iter().zip(&whole) {
            fs::write(file, damage(bytes)).unwrap();
        }
        assert_eq!(place.cached(&["pixels"]), (wanted.clone(), [false, false]));
        let now: Vec<_> = place.files().iter().map(|file| fs::read(file).unwrap()).collect();
        assert!(now == whole, "the damaged files were not replaced");
    }
}

#[test]
fn a_file_copied_over_another_is_said_and_extracted_again() {
    let place = Place::new();
    let (wanted, _) = place.cached(&["pixels"]);
    let [one, other] = &place.files()[..] else { panic!("expected two files") };
    let seal = |file: &Path| {
        let name = file.file_name().unwrap();
        Path::new(&place.cache).join("reading").join(name).with_extension("json")
    };
    for with_seal in [false, true] {
        fs::copy(one, other).unwrap();
        let mut reason = "their content is not what was kept";
        if with_seal {
            fs::copy(seal(one), seal(other)).unwrap();
            reason = "their seal is that of other features";
        }
        let args = ["eval", "--real", &place.real, "--fake", &place.fake, "--extractor", "pixels"];
        let args = [&args[..], &["--cache", &place.cache, "--quiet", "--json"]].concat();
        let output = command(&args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let note = format!("note: the kept features {} are not used: {reason}\n", other.display());
        assert!(output.status.success() && stderr.contains(&note), "{stderr}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["fid@pixels"], wanted["fid@pixels"]);
        assert_eq!(place.cached(&["pixels"]), (wanted.clone(), [true, true]));
    }
}

#[test]
fn a_cache_that_cannot_be_written_to_is_a_note() {
    let place = Place::new();
    let blocked = text(&place.dir.path().join("blocked"));
    fs::write(&blocked, "a file where a folder should be").unwrap();
    let args = ["eval", "--real", &place.real, "--fake", &place.fake, "--extractor", "pixels"];
    let output = command(&[&args[..], &["--cache", &blocked, "--json"]].concat()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let note = format!("note: cannot keep features in {blocked}/features: ");
    let notes: Vec<_> = stderr.lines().filter(|line| line.starts_with(&note)).collect();
    assert_eq!(notes.len(), 2, "{stderr}");
    assert!(notes.iter().all(|line| line.ends_with("; the features are not kept")), "{stderr}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["fid@pixels"], place.eval(&["pixels", "--no-cache"]).0["fid@pixels"]);
}

#[test]
fn two_processes_share_one_cache() {
    let place = Place::new();
    let (wanted, _) = place.eval(&["pixels", "--no-cache"]);
    let args = ["eval", "--real", &place.real, "--fake", &place.fake, "--extractor", "pixels"];
    let start = || {
        let mut command = command(&[&args[..], &["--cache", &place.cache, "--json"]].concat());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    for _ in 0..3 {
        let running: Vec<_> = (0..4).map(|_| start()).collect();
        for child in running {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && !stderr.contains("note: cannot"), "{stderr}");
            let json: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(json["fid@pixels"], wanted["fid@pixels"]);
        }
        assert_eq!(place.files().len(), 2, "temporary files were left");
        place.files().iter().for_each(|file| fs::remove_file(file).unwrap());
    }
}
