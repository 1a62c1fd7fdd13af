use std::fs;
use std::path::{Path, PathBuf};

use npyz::WriterBuilder as _;

use crate::pictures::{Pictures, npz};
use crate::program::{command, ok, refused, strs, text, tiny};

/// `DIR/my-flowers` with photos of these widths and heights in turn, in the classes a and b.
fn flowers(dir: &Path, sizes: &[(u32, u32)]) -> PathBuf {
    let folder = dir.join("my-flowers");
    for i in 0..40u32 {
        let (width, height) = sizes[i as usize % sizes.len()];
        let photo = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(6 * i) as u8, (3 * x) as u8, (3 * y) as u8])
        });
        let class = folder.join(["a", "b"][i as usize % 2]);
        fs::create_dir_all(&class).unwrap();
        photo.save(class.join(format!("{i:02}.png"))).unwrap();
    }
    folder
}

/// A tiny sweep of `gan` on a folder.
fn sweep(folder: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let mut args = tiny("gan", "0", out);
    let set = format!("folder:{}", folder.display());
    args.extend(["--dataset".into(), set, "--extractor".into(), "small-shapes".into()]);
    args.extend(more.iter().map(|&arg| arg.into()));
    args
}

fn plan_of(out: &Path) -> toml::Table {
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    fs::read_to_string(run.join("plan.toml")).unwrap().parse().unwrap()
}

#[test]
fn photos_of_mixed_sizes_are_refused_with_the_flag_that_trains_on_them() {
    let dir = tempfile::tempdir().unwrap();
    let folder = flowers(dir.path(), &[(64, 48), (50, 70)]);
    let out = dir.path().join("out");
    let (code, said) = refused(&strs(&sweep(&folder, &out, &["--dry-run"])));
    assert_eq!(code, 1);
    let sizes = "my-flowers holds 18 of 50x70, 18 of 64x48 (width x height); --image-size N, ";
    assert!(said.contains(sizes), "{said}");

    let table = ok(&strs(&sweep(&folder, &out, &["--image-size", "32"])));
    assert!(table.contains("my-flowers"), "{table}");
    let dataset = plan_of(&out)["dataset"].clone();
    assert_eq!(dataset["image_size"].as_integer(), Some(32));
    assert_eq!(dataset["fit"].as_str(), Some("centre-lanczos"));
    // The plan of the run asks for the same data again.
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    let again = dir.path().join("again");
    let plan = text(&run.join("plan.toml"));
    let (again, out) = (text(&again), out.join("results.csv"));
    ok(&["train", &plan, "--out", &again, "--quiet"]);
    let results = fs::read_to_string(out).unwrap();
    assert!(results.lines().skip(1).all(|row| row.contains(",my-flowers,")), "{results}");
}

/// The first image, which decides the size, and another one are damaged.
fn damage(folder: &Path) {
    fs::write(folder.join("a/00.png"), "no image").unwrap();
    let path = folder.join("b/07.png");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
}

#[test]
fn all_damaged_images_of_a_training_folder_are_named_before_anything_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let folder = flowers(dir.path(), &[(32, 32)]);
    damage(&folder);
    let out = dir.path().join("out");
    let (code, said) = refused(&strs(&sweep(&folder, &out, &[])));
    let said = said.replace(&text(dir.path()), "DIR");
    let last = said.lines().last().unwrap();
    let start = "error: 2 of 36 images of DIR/my-flowers cannot be read: DIR/my-flowers/a/00.png is no PNG, JPEG, \
                 WebP, BMP or TIFF image; DIR/my-flowers/b/07.png is a ";
    assert!(code == 1 && last.starts_with(start), "{said}");
    assert!(last.ends_with("; make them again, or leave them out with --skip-damaged"), "{said}");
    assert!(!out.exists(), "a folder was begun");
}

#[test]
fn damaged_images_are_left_out_of_training_where_that_is_asked_for_and_counted_in_the_plan() {
    let dir = tempfile::tempdir().unwrap();
    let folder = flowers(dir.path(), &[(32, 32)]);
    damage(&folder);
    let out = dir.path().join("out");
    let args = sweep(&folder, &out, &["--skip-damaged"]);
    let warned = |args: &[&str]| {
        let output = command(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).replace(&text(dir.path()), "DIR");
        assert!(output.status.success(), "{said}");
        let start = "warning: 2 damaged images of folder:DIR/my-flowers are left out: DIR/my-flowers/a/00.png is no";
        assert!(said.lines().any(|line| line.starts_with(start)), "{said}");
    };
    // However quiet: `tiny` says --quiet.
    warned(&strs(&args));
    let dataset = plan_of(&out)["dataset"].clone();
    assert_eq!(dataset["skip_damaged"].as_bool(), Some(true));
    assert_eq!(dataset["damaged"].as_integer(), Some(2));
    // Once more: the runs are found again.
    warned(&strs(&args));
    assert_eq!(fs::read_dir(out.join("runs")).unwrap().count(), 1);
    // `train` on the plan, and with the flag of its own.
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    let plan = text(&run.join("plan.toml"));
    let again = text(&dir.path().join("again"));
    warned(&["train", &plan, "--out", &again, "--quiet", "--skip-damaged"]);
    // A folder without damage says nothing, and has the plan that it had before.
    let whole = flowers(&dir.path().join("whole"), &[(32, 32)]);
    let out = dir.path().join("out-whole");
    ok(&strs(&sweep(&whole, &out, &[])));
    let dataset = plan_of(&out)["dataset"].clone();
    assert!(dataset.get("damaged").is_none() && dataset.get("skip_damaged").is_none());
}

#[test]
fn photos_of_one_size_that_no_network_takes_are_refused_with_the_flag() {
    let dir = tempfile::tempdir().unwrap();
    let folder = flowers(dir.path(), &[(40, 40)]);
    let out = dir.path().join("out");
    let (_, said) = refused(&strs(&sweep(&folder, &out, &["--dry-run"])));
    assert!(
        said.contains("the data set has 40x40; --image-size N, or dataset.image_size"),
        "{said}"
    );
}

#[test]
fn a_folder_may_be_called_otherwise_but_not_as_a_known_data_set() {
    let dir = tempfile::tempdir().unwrap();
    let folder = flowers(dir.path(), &[(32, 32)]);
    let out = dir.path().join("out");
    let table = ok(&strs(&sweep(&folder, &out, &["--dataset-name", "roses"])));
    assert!(table.contains("roses") && !table.contains("my-flowers"), "{table}");
    let dataset = plan_of(&out)["dataset"].clone();
    assert_eq!(dataset["called"].as_str(), Some("roses"));
    assert!(dataset.get("fit").is_none());

    let says = |name| refused(&strs(&sweep(&folder, &out, &["--dataset-name", name])));
    assert_eq!(
        says("cifar10"),
        (
            64,
            "error: dataset.called is \"cifar10\", expected a name that no known data set has\n"
                .into()
        )
    );
    assert_eq!(
        says("my roses/1"),
        (
            64,
            "error: dataset.called is \"my roses/1\", expected a name that can be a file's, such as \
             \"my-roses-1\"\n"
                .into()
        )
    );
}

#[test]
fn labels_are_asked_for_by_the_metrics_that_need_them_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = text(&dir.path().join("x.npz"));
    let pictures = Pictures::noise(1, 8, 8, 0);
    npz(Path::new(&path), |archive| {
        let member = archive.array("arr_0", Default::default()).unwrap().default_dtype();
        let mut member = member.shape(&[8, 8, 8, 3]).begin_nd().unwrap();
        member.extend(pictures.pixels.iter().copied()).unwrap();
        member.finish().unwrap();
        let labels = archive.array("arr_1", Default::default()).unwrap().default_dtype();
        let mut labels = labels.shape(&[8]).begin_nd().unwrap();
        labels.extend([0i64, 1, 0, 1, 0, -1, 0, 1]).unwrap();
        labels.finish().unwrap();
    });
    let args = ["eval", "--real", &path, "--fake", &path, "--extractor", "pixels", "--no-cache"];
    ok(&[&args[..], &["--metrics", "fid", "--quiet"]].concat());
    let (code, said) = refused(&[&args[..], &["--metrics", "fid,intra_fid", "--quiet"]].concat());
    assert_eq!(code, 1);
    let said = said.replace(&text(dir.path()), "DIR");
    assert_eq!(
        said.lines().last(),
        Some(
            "error: intra_fid needs the class of each image: DIR/x.npz member arr_1.npy row 5 has the label -1, \
             which stands for an image without a label, but DIR/x.npz member arr_1.npy row 0 has one; label every \
             image"
        )
    );
}
