//! Full and read-only disks, and files that name places outside their folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use npyz::WriterBuilder as _;

use crate::pictures::{self, Pictures};
use crate::program::{Disk, command, ok, on_disk, strs, text, tiny};

/// Every file under `root`, relative to it.
fn files(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.insert(text(path.strip_prefix(root).unwrap()));
            }
        }
    }
    found
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// A run of two steps' points, and the folder of its sweep.
fn run(dir: &Path) -> (PathBuf, PathBuf) {
    let out = dir.join("sweep");
    ok(&strs(&tiny("gan", "0", &out)));
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    (run, out)
}

/// The program's answer on a disk that holds `old` as `name`, and what is there afterwards.
fn answer(
    disk: Disk,
    name: &str,
    args: &dyn Fn(&str) -> Vec<String>,
) -> Option<(Output, PathBuf, tempfile::TempDir)> {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("disk");
    fs::create_dir(&place).unwrap();
    fs::write(place.join(name), "old").unwrap();
    let (output, after) = on_disk(&place, disk, &strs(&args(&text(&place))))?;
    assert_eq!(fs::read_to_string(after.join(name)).unwrap(), "old", "{}", said(&output));
    Some((output, after, dir))
}

const DISKS: [(Disk, &str); 2] = [
    (Disk::Small { kib: 16 }, "No space left on device"),
    (Disk::ReadOnly, "Read-only file system"),
];

#[test]
fn features_on_a_full_or_read_only_disk_are_an_error_and_the_old_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let images = text(&dir.path().join("images.npz"));
    Pictures::noise(1, 40, 32, 0).npz(Path::new(&images));
    for (disk, reason) in DISKS {
        let args = |place: &str| {
            let out = format!("{place}/f.npz");
            let args = [
                "features",
                "--images",
                &images,
                "--extractor",
                "pixels",
                "--no-cache",
                "--quiet",
                "--out",
                &out,
            ];
            args.map(String::from).to_vec()
        };
        let Some((output, after, _dir)) = answer(disk, "f.npz", &args) else { return };
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("disk/f.npz") && said.contains(reason), "{said}");
        assert_eq!(files(&after), BTreeSet::from(["f.npz".to_string()]));
    }
}

#[test]
fn a_cache_on_a_full_or_read_only_disk_is_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let images = |name: &str, seed| {
        let path = dir.path().join(name);
        Pictures::noise(seed, 40, 32, 0).npz(&path);
        text(&path)
    };
    let (real, fake) = (images("real.npz", 1), images("fake.npz", 2));
    for (disk, reason) in DISKS {
        let args = |place: &str| {
            let args = [
                "eval",
                "--real",
                &real,
                "--fake",
                &fake,
                "--extractor",
                "pixels",
                "--cache",
                place,
                "--json",
            ];
            args.map(String::from).to_vec()
        };
        let Some((output, after, _dir)) = answer(disk, "other.txt", &args) else { return };
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        let notes = said
            .lines()
            .filter(|l| l.starts_with("note: cannot keep features in") && l.contains(reason));
        assert_eq!(notes.count(), 2, "{said}");
        assert_eq!(files(&after), BTreeSet::from(["other.txt".to_string()]));
    }
}

#[test]
fn samples_on_a_full_or_read_only_disk_are_an_error_and_what_is_there_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (run, _) = run(dir.path());
    for (disk, reason) in DISKS {
        for (old, out) in [("s.npz", "/s.npz"), ("other.txt", "")] {
            let args = |place: &str| {
                let out = format!("{place}{out}");
                ["sample", "--run", &text(&run), "--n", "2000", "--out", &out]
                    .map(String::from)
                    .to_vec()
            };
            let Some((output, after, _dir)) = answer(disk, old, &args) else { return };
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("could not be written") && said.contains(reason), "{said}");
            assert!(said.contains(if out.is_empty() { ".png" } else { "disk/s.npz" }), "{said}");
            for name in files(&after).iter().filter(|name| *name != old) {
                image::open(after.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
    }
}

#[test]
fn a_report_on_a_full_or_read_only_disk_is_an_error_and_the_old_page_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (_, sweep) = run(dir.path());
    for (disk, reason) in DISKS {
        let args = |place: &str| {
            ["report", "--runs", &text(&sweep.join("runs")), "--out", place]
                .map(String::from)
                .to_vec()
        };
        let Some((output, after, _dir)) = answer(disk, "report.md", &args) else { return };
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("disk/") && said.contains(reason), "{said}");
        let left = files(&after);
        assert!(
            left.iter().all(|name| !name.contains(".ganbench-") && !name.contains("tmp")),
            "{left:?}"
        );
        for name in left.iter().filter(|name| name.ends_with(".png")) {
            image::open(after.join(name)).unwrap();
        }
    }
}

/// The program in an empty folder, with a home and caches of its own.
struct Apart {
    root: tempfile::TempDir,
}

impl Apart {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cwd", "home", "cache", "tmp", "in", "out"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    fn at(&self, path: &str) -> String {
        text(&self.root.path().join(path))
    }

    /// Standard error, and the exit code.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = command(args);
        command.current_dir(self.at("cwd")).env("HOME", self.at("home"));
        command.env("XDG_CACHE_HOME", self.at("cache")).env("TMPDIR", self.at("tmp"));
        let output = command.output().unwrap();
        (output.status.code(), said(&output))
    }

    /// Files in none of the folders that may be written to or were made by the test.
    fn strays(&self) -> Vec<String> {
        let allowed =
            |name: &String| ["in/", "out/", "cache/ganbench/"].iter().any(|a| name.starts_with(a));
        files(self.root.path()).into_iter().filter(|name| !allowed(name)).collect()
    }
}

#[test]
fn no_command_writes_outside_its_out_and_the_cache() {
    let apart = Apart::new();
    let out = apart.at("out/sweep");
    let done = |args: &[&str]| {
        let (code, said) = apart.run(args);
        assert_eq!(code, Some(0), "{args:?}: {said}");
        assert!(apart.strays().is_empty(), "{args:?} wrote {:?}", apart.strays());
    };
    done(&strs(&tiny("gan", "0", Path::new(&out))));
    let run = fs::read_dir(Path::new(&out).join("runs")).unwrap().next().unwrap().unwrap().path();
    let plan = text(&run.join("plan.toml"));
    done(&["train", &plan, "--out", &apart.at("out/train"), "--quiet"]);
    done(&["report", "--runs", &out, "--out", &apart.at("out/report")]);
    done(&["sample", "--run", &text(&run), "--n", "20", "--out", &apart.at("out/s.npz")]);
    let png = apart.at("out/png");
    done(&["sample", "--run", &text(&run), "--n", "20", "--out", &png]);
    done(&["features", "--images", &png, "--extractor", "pixels", "--out", &apart.at("out/f.npz")]);
    done(&["eval", "--real", &png, "--fake", &apart.at("out/s.npz"), "--extractor", "pixels"]);
    let (code, said) =
        apart.run(&["sample", "--run", &text(&run), "--checkpoint", "../../../x", "--out", &png]);
    assert!(
        code == Some(1) && said.contains("has no checkpoint ../../../x; known kimg: 0, "),
        "{said}"
    );
}

#[test]
fn names_in_archives_and_tensor_files_are_never_places() {
    let apart = Apart::new();
    let npz = apart.at("in/images.npz");
    let pictures = Pictures::noise(1, 12, 32, 0);
    pictures::npz(Path::new(&npz), |archive| {
        for name in ["../escaped", "/escaped", "a/../../escaped", "arr_0"] {
            let member = archive.array::<u8>(name, Default::default()).unwrap().default_dtype();
            let mut member = member.shape(&[12, 32, 32, 3]).begin_nd().unwrap();
            member.extend(pictures.pixels.iter().copied()).unwrap();
            member.finish().unwrap();
        }
    });
    let tensors = apart.at("in/images.safetensors");
    let mut bytes = pictures.safetensors();
    let name = bytes.windows(8).position(|w| w == b"\"images\"").unwrap();
    bytes[name..name + 8].copy_from_slice(b"\"../../\"");
    fs::write(&tensors, bytes).unwrap();
    for images in [&npz, &tensors] {
        let out = apart.at("out/f.npz");
        let args = ["features", "--images", images, "--extractor", "pixels", "--out", &out];
        let (_, said) = apart.run(&args);
        assert!(apart.strays().is_empty(), "{said}: {:?}", apart.strays());
    }
    for weights in [&npz, &tensors] {
        let args = [
            "eval",
            "--real",
            &npz,
            "--fake",
            &npz,
            "--weights",
            weights,
            "--extractor",
            "inception",
        ];
        let (code, said) = apart.run(&args);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("error: weights "), "{said}");
        assert!(apart.strays().is_empty(), "{:?}", apart.strays());
    }
}

#[cfg(unix)]
#[test]
fn links_are_read_through_but_never_written_through() {
    let apart = Apart::new();
    let outside = apart.at("in/outside.png");
    fs::write(&outside, &Pictures::noise(3, 1, 32, 0).encoded()[0]).unwrap();
    let before = fs::read(&outside).unwrap();
    let folder = apart.at("in/folder");
    Pictures::noise(1, 4, 32, 0).folder(Path::new(&folder));
    std::os::unix::fs::symlink(&outside, Path::new(&folder).join("link.png")).unwrap();
    let out = apart.at("out/f.npz");
    let (code, said) =
        apart.run(&["features", "--images", &folder, "--extractor", "pixels", "--out", &out]);
    assert_eq!(code, Some(0), "{said}");

    let (run, _) = run(Path::new(&apart.at("in")));
    let png = apart.at("out/png");
    fs::create_dir(&png).unwrap();
    for name in ["png/000000.png", "s.npz", "features.npz"] {
        std::os::unix::fs::symlink(&outside, Path::new(&apart.at("out")).join(name)).unwrap();
    }
    for out in [&png, &apart.at("out/s.npz")] {
        let (code, said) = apart.run(&["sample", "--run", &text(&run), "--n", "3", "--out", out]);
        assert_eq!(code, Some(0), "{said}");
    }
    let out = apart.at("out/features.npz");
    apart.run(&["features", "--images", &folder, "--extractor", "pixels", "--out", &out]);
    assert_eq!(fs::read(&outside).unwrap(), before, "a link was written through");
    assert!(apart.strays().is_empty(), "{:?}", apart.strays());
}
