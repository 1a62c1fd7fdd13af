use std::fs;

use crate::program::{ok, refused, strs, text, tiny};

#[test]
fn samples_repeat_by_seed_and_keep_to_a_class() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = tiny("reacgan", "0", dir.path());
    // Steps large enough for four of them to move pixels.
    args.extend(["--set".into(), "train.optimizer_g.lr=0.05".into()]);
    ok(&strs(&args));
    let run = text(&fs::read_dir(dir.path().join("runs")).unwrap().next().unwrap().unwrap().path());
    let npz = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let path = text(&out);
        ok(&[&["sample", "--run", &run, "--n", "5", "--out", &path], more].concat());
        let mut npz = npyz::npz::NpzArchive::open(out).unwrap();
        let images = npz.by_name("arr_0").unwrap().unwrap();
        assert_eq!(images.shape(), [5, 32, 32, 3]);
        let images = images.into_vec::<u8>().unwrap();
        (images, npz.by_name("labels").unwrap().unwrap().into_vec::<i64>().unwrap())
    };
    let first = npz("a.npz", &["--seed", "4"]);
    assert!(first == npz("b.npz", &["--seed", "4"]), "the same seed gave other images");
    assert!(first.0 != npz("c.npz", &["--seed", "5"]).0, "another seed gave the same images");
    assert!(
        first.0 != npz("d.npz", &["--seed", "4", "--raw"]).0,
        "the live weights gave the same images"
    );
    assert_eq!(npz("e.npz", &["--class", "7"]).1, [7; 5]);

    let folder = dir.path().join("png");
    ok(&[
        "sample",
        "--run",
        &run,
        "--n",
        "3",
        "--class",
        "2",
        "--checkpoint",
        "0",
        "--out",
        &text(&folder),
    ]);
    assert_eq!(fs::read_dir(folder.join("002")).unwrap().count(), 3);

    let (code, error) = refused(&["sample", "--run", &run, "--checkpoint", "7", "--out", "x.npz"]);
    assert!(
        code == 1 && error.contains("no checkpoint 7; known kimg: 0, 0.016, 0.032, 0.048, 0.064"),
        "{error}"
    );
    let (_, error) = refused(&["sample", "--run", &run, "--class", "11", "--out", "x.npz"]);
    assert!(error.contains("class 11 was asked of a generator of 10 classes"), "{error}");
}
