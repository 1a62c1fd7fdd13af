use std::path::Path;

use npyz::WriterBuilder as _;
use serde_json::Value;

use crate::pictures::{Pictures, npz};
use crate::program::ok;
use crate::sides::{PIXELS, Place, eval, told};

#[test]
fn intra_class_fid_pairs_class_folders_by_name_and_gives_each_class() {
    let place = Place::new();
    let real = place.classes("real", 1, &[("cat", 0), ("dog", 40)]);
    let fake = place.classes("fake", 2, &[("cat", 20), ("dog", 50)]);
    let only = ["--metrics", "intra_fid", "--quiet"];
    let (got, _) = eval(&real, &fake, &only);
    let classes = got["intra_fid_classes"].as_array().unwrap();
    let mut sum = 0.0;
    for (i, name) in ["cat", "dog"].iter().enumerate() {
        let class = &classes[i];
        assert_eq!((&class["class"], &class["name"]), (&i.into(), &Value::from(*name)));
        assert_eq!((&class["n_real"], &class["n_fake"]), (&6.into(), &6.into()));
        let (real, fake) = (format!("{real}/{name}"), format!("{fake}/{name}"));
        let (alone, _) = eval(&real, &fake, &["--metrics", "fid", "--quiet"]);
        let (value, fid) = (class["value"].as_f64().unwrap(), alone["fid@pixels"].as_f64());
        assert!((value - fid.unwrap()).abs() < 1e-9 * value, "{name}: {value} {fid:?}");
        sum += value;
    }
    assert_eq!(got["intra_fid@pixels"].as_f64(), Some(sum / 2.0));
    // Labels are kept with features: the second time they come from the cache.
    let cache = place.path("cache");
    let args = ["eval", "--real", &real, "--fake", &fake, "--extractor", "pixels", "--cache"];
    for kept in [0, 2] {
        let (again, said) = told(&[&args[..], &[&cache, "--metrics", "intra_fid"]].concat());
        assert_eq!(again["intra_fid_classes"], got["intra_fid_classes"]);
        assert_eq!(said.matches("6 images, kept from before").count(), 0);
        assert_eq!(said.matches("12 images, kept from before").count(), kept, "{said}");
    }
    let said = ok(&[&["eval", "--real", &real, "--fake", &fake], &PIXELS[..], &only].concat());
    let dog = said.lines().find(|line| line.starts_with("  dog ")).unwrap();
    assert!(dog.ends_with("   6 real, 6 fake"), "{said}");
}

#[test]
fn class_folders_named_otherwise_are_refused_and_numerals_are_numbers() {
    let place = Place::new();
    let real = place.classes("real", 1, &[("cat", 0), ("dog", 40)]);
    let fake = place.classes("fake", 2, &[("ape", 9), ("cat", 0), ("fox", 50)]);
    let args = ["eval", "--real", &real, "--fake", &fake, "--metrics", "intra_fid"];
    assert_eq!(
        place.refused(&[&args[..], &PIXELS, &["--quiet"]].concat()),
        "error: classes are paired by name, but are unlike: only the real images have dog, only the fake \
         images have ape, fox; give both sides the same classes"
    );
    // "10" comes before "2" among names, not among numbers.
    let numbers = place.classes("numbers", 2, &[("0", 0), ("10", 40), ("2", 9)]);
    let labelled = place.path("labelled.npz");
    let pictures = Pictures::noise(3, 12, 8, 0);
    npz(Path::new(&labelled), |archive| {
        let member = archive.array("arr_0", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[12, 8, 8, 3]).begin_nd().unwrap();
        member.extend(pictures.pixels.iter().copied()).unwrap();
        member.finish().unwrap();
        let member = archive.array("labels", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[12]).begin_nd().unwrap();
        member.extend([0i64, 2, 10].repeat(4)).unwrap();
        member.finish().unwrap();
    });
    let (got, _) = eval(&labelled, &numbers, &["--metrics", "intra_fid", "--quiet"]);
    let classes = got["intra_fid_classes"].as_array().unwrap();
    let numbers: Vec<u64> = classes.iter().map(|class| class["class"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 2, 10]);
    assert!(classes.iter().all(|class| class["name"].is_null() && class["n_fake"] == 6));
}
