use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageBuffer, Rgba};
use serde_json::{Value, json};

use crate::pictures::{Pictures, npy};
use crate::program::{command, ok, refused, text};

struct Place {
    dir: tempfile::TempDir,
    real: String,
}

/// What the program wrote.
struct Said {
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = text(&dir.path().join("real.npz"));
        Pictures::noise(1, 12, 8, 0).npz(Path::new(&real));
        Self { dir, real }
    }

    fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name))
    }

    /// A folder of twelve PNG files.
    fn folder(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        for (i, bytes) in Pictures::noise(2, 12, 8, 0).encoded().iter().enumerate() {
            fs::write(Path::new(&path).join(format!("{i:02}.png")), bytes).unwrap();
        }
        path
    }

    fn args<'a>(&'a self, fake: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let args = ["eval", "--real", &self.real, "--fake", fake, "--extractor", "pixels"];
        [&args[..], &["--quiet", "--kid-subset", "10", "--k", "3"], more].concat()
    }

    fn eval(&self, fake: &str, more: &[&str]) -> Said {
        let output = command(&self.args(fake, more)).output().unwrap();
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&text(self.dir.path()), "DIR");
        let said = Said { out: text(&output.stdout), err: text(&output.stderr) };
        assert!(output.status.success(), "{}", said.err);
        said
    }

    fn json(&self, fake: &str, more: &[&str]) -> (Value, String) {
        let said = self.eval(fake, &[&["--json", "--no-cache"], more].concat());
        (serde_json::from_str(&said.out).unwrap(), said.err)
    }
}

/// An image that is transparent in its upper half.
fn glass(path: &Path) {
    let image = ImageBuffer::from_fn(8, 8, |x, y| {
        Rgba([x as u8 * 30, 90, y as u8 * 20, if y < 4 { 0 } else { 255 }])
    });
    DynamicImage::ImageRgba8(image).save(path).unwrap();
}

#[test]
fn files_that_are_left_out_are_in_the_result_and_told_however_quiet() {
    let place = Place::new();
    let fake = place.folder("fake");
    for name in ["labels.json", "a.TXT", "b.txt", ".DS_Store", "README"] {
        fs::write(Path::new(&fake).join(name), "no image").unwrap();
    }
    let (json, err) = place.json(&fake, &[]);
    let expected = json!({".json": 1, ".txt": 2, "hidden": 1, "without ending": 1});
    assert_eq!(json["images"]["fake"]["left_out"], expected);
    assert_eq!(json["images"]["real"]["left_out"], json!({}));
    assert_eq!(json["n_fake"], 12);
    let note = "note: DIR/fake holds files that are no images by their endings and were left out: 1 .json, 2 .txt, \
                1 without ending; images are .png, .jpg, .jpeg, .webp, .bmp, .tif and .tiff";
    assert!(err.lines().any(|line| line == note), "{err}");
    let said = place.eval(&fake, &["--no-cache"]);
    let line = "fake: left out 1 .json, 2 .txt, 1 hidden, 1 without ending";
    assert!(said.out.lines().any(|l| l.trim_start() == line), "{}", said.out);
}

#[test]
fn transparent_images_are_measured_by_the_rule_asked_for_which_is_recorded() {
    let place = Place::new();
    let fake = place.folder("fake");
    for i in 0..3 {
        glass(&Path::new(&fake).join(format!("{i:02}.png")));
    }
    let of = |rule: &str| {
        let (json, _) = place.json(&fake, &["--alpha", rule]);
        let read = &json["images"]["fake"];
        assert_eq!((&read["alpha"], &read["transparent"]), (&json!(rule), &json!(3)));
        (json["fid@pixels"].as_f64().unwrap(), json["protocol_differences"].to_string())
    };
    let (pil, white) = (of("pil"), of("white"));
    assert_eq!(place.json(&fake, &[]).0["fid@pixels"], pil.0);
    assert_ne!(pil.0, white.0);
    let difference = "3 transparent fake images put on white";
    assert!(!pil.1.contains(difference) && white.1.contains(difference), "{white:?}");
    let (code, said) = refused(&place.args(&fake, &["--alpha", "refuse", "--no-cache"]));
    let said = said.replace(&text(place.dir.path()), "DIR");
    let start = "error: 3 of 12 images of DIR/fake cannot be read: DIR/fake/00.png has pixels that are not opaque; \
                 put it on a background first; DIR/fake/01.png has";
    assert!(code == 1 && said.lines().last().unwrap().starts_with(start), "{said}");
    let (code, said) = refused(&place.args(&fake, &["--alpha", "black"]));
    assert!(code == 64 && said.contains("known: pil, white, refuse"), "{code} {said}");
}

#[test]
fn what_reading_came_to_is_told_of_kept_features_too() {
    let place = Place::new();
    let fake = place.folder("fake");
    glass(&Path::new(&fake).join("03.png"));
    fs::write(Path::new(&fake).join("04.png"), "no image").unwrap();
    fs::write(Path::new(&fake).join("x.txt"), "no image").unwrap();
    let cache = place.path("cache");
    let images = |rule: &str| {
        let more = ["--json", "--cache", &cache, "--skip-damaged", "--alpha", rule];
        let said = place.eval(&fake, &more);
        let json: Value = serde_json::from_str(&said.out).unwrap();
        (json["images"].clone(), json["fid@pixels"].clone())
    };
    let first = images("pil");
    assert_eq!(first.0["fake"]["transparent"], 1);
    assert_eq!(first.0["fake"]["skipped_damaged"], 1);
    assert_eq!(images("pil"), first);
    // Another rule, other pixels.
    assert_ne!(images("white").1, first.1);
}

#[test]
fn all_damaged_images_of_both_sides_are_named_before_the_network_starts() {
    let place = Place::new();
    let (real, fake) = (place.folder("real"), place.folder("fake"));
    fs::write(Path::new(&real).join("05.png"), "no image").unwrap();
    for i in [3, 7] {
        let path = Path::new(&fake).join(format!("{i:02}.png"));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let args = ["eval", "--real", &real, "--fake", &fake, "--extractor", "pixels", "--no-cache"];
    let (code, said) = refused(&args);
    let said = said.replace(&text(place.dir.path()), "DIR");
    assert_eq!(code, 1);
    assert!(
        said.contains(
            "error: 1 of 12 images of DIR/real cannot be read: DIR/real/05.png is no PNG"
        ),
        "{said}"
    );
    let start =
        "error: 2 of 12 images of DIR/fake cannot be read: DIR/fake/03.png is a corrupt image (";
    let last = said.lines().last().unwrap();
    assert!(last.starts_with(start) && last.contains("; DIR/fake/07.png is a corrupt"), "{said}");
    assert!(last.ends_with("; make them again, or leave them out with --skip-damaged"), "{said}");
    assert!(!said.contains("pixels of"), "the network started: {said}");

    let out = ok(&[&args[..], &["--skip-damaged", "--json", "--k", "3"]].concat());
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["n_real"], &json["n_fake"]), (&json!(11), &json!(10)));
    let counts = [&json["images"]["real"], &json["images"]["fake"]].map(|i| &i["skipped_damaged"]);
    assert_eq!(counts, [1, 2]);
    assert_eq!(json["protocol"], "custom");
    let differences = json["protocol_differences"].to_string();
    assert!(differences.contains("2 damaged fake images left out"), "{differences}");
}

#[test]
fn pixels_that_are_0_or_1_are_a_hint_in_the_result_and_on_stderr() {
    let place = Place::new();
    let fake = place.path("fake.npy");
    let bits: Vec<u8> = (0..12 * 8 * 8 * 3).map(|i| (i * i / 7 % 2) as u8).collect();
    fs::write(&fake, npy("|u1", &[12, 8, 8, 3], &bits)).unwrap();
    let (json, err) = place.json(&fake, &[]);
    let hint =
        "fake images: no pixel is above 1: multiply by 255, if the images were scaled to 0..1";
    assert_eq!(json["hints"], json!([hint]));
    assert!(err.lines().any(|line| line == format!("hint: {hint}")), "{err}");
    assert_eq!(place.json(&place.real, &[]).0["hints"], json!([]));
}

#[test]
fn integers_of_any_width_in_0_to_255_give_the_numbers_of_bytes() {
    let place = Place::new();
    let bytes: Vec<u8> = (0..12 * 8 * 8 * 3u32).map(|i| (i * i % 251) as u8).collect();
    let wide: Vec<u8> = bytes.iter().flat_map(|&byte| i64::from(byte).to_le_bytes()).collect();
    let (a, b) = (place.path("a.npy"), place.path("b.npy"));
    fs::write(&a, npy("|u1", &[12, 8, 8, 3], &bytes)).unwrap();
    fs::write(&b, npy("<i8", &[12, 8, 8, 3], &wide)).unwrap();
    assert_eq!(place.json(&a, &[]).0["fid@pixels"], place.json(&b, &[]).0["fid@pixels"]);
}

#[test]
fn features_tells_what_reading_came_to() {
    let place = Place::new();
    let fake = place.folder("fake");
    glass(&Path::new(&fake).join("03.png"));
    fs::write(Path::new(&fake).join("04.png"), "no image").unwrap();
    let out = place.path("x.npz");
    let args = ["features", "--images", &fake, "--extractor", "pixels", "--out", &out, "--quiet"];
    let said = ok(&[&args[..], &["--no-cache", "--skip-damaged"]].concat());
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["n"], 11);
    assert_eq!(json["images"]["skipped_damaged"], 1);
    assert_eq!((&json["images"]["transparent"], &json["hints"]), (&json!(1), &json!([])));
}
