use std::fs;
use std::io::Write as _;
use std::path::Path;

use crate::pictures::{Pictures, npy, npz};
use crate::program::{dataset_names, ok, refused, strs, text};

struct Place {
    dir: tempfile::TempDir,
    real: String,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = text(&dir.path().join("real.npz"));
        Pictures::noise(1, 8, 8, 0).npz(Path::new(&real));
        Self { dir, real }
    }

    fn path(&self, name: &str) -> String {
        text(&self.dir.path().join(name))
    }

    /// Exit code and last line of an `eval` of the real images against `fake`, with DIR for the
    /// folder.
    fn says(&self, fake: &str, more: &[&str]) -> (i32, String) {
        let args = ["eval", "--real", &self.real, "--fake", fake, "--extractor", "pixels"];
        let (code, said) = refused(&[&args[..], &["--no-cache", "--quiet"], more].concat());
        (code, said.lines().last().unwrap().replace(&text(self.dir.path()), "DIR"))
    }

    fn refuses(&self, name: &str, message: &str) {
        assert_eq!(self.says(&self.path(name), &[]), (1, format!("error: {message}")));
    }
}

#[test]
fn sources_that_hold_no_images_are_refused_by_name() {
    let place = Place::new();
    fs::create_dir(place.path("empty")).unwrap();
    place.refuses(
        "empty",
        "DIR/empty holds no images, and 0 other files; expected PNG, JPEG, WebP, BMP or TIFF files at any depth",
    );
    place.refuses(
        "nowhere",
        "DIR/nowhere does not exist; expected a folder of images or a file of images",
    );
    fs::write(place.path("x.txt"), "x").unwrap();
    place.refuses(
        "x.txt",
        "unknown source \"DIR/x.txt\"; expected a folder of images, a .npz, .npy, .safetensors or .parquet \
         file, or dataset:NAME:SPLIT",
    );
    assert!(place.says("", &[]).1.starts_with("error: unknown source \"\"; expected a folder"));
    fs::write(place.path("object.npy"), npy("|O", &[1], b"\x80\x04N.")).unwrap();
    place.refuses(
        "object.npy",
        "DIR/object.npy holds pickled Python objects, which are never loaded; save the array with a number type",
    );
    fs::write(place.path("lie.npy"), npy("|u1", &[9, 8, 8, 3], &[0; 192])).unwrap();
    place.refuses(
        "lie.npy",
        "DIR/lie.npy needs 1728 bytes for its shape [9, 8, 8, 3] but holds 192 after its header of 78 bytes; it was \
         cut off, or its header is wrong",
    );
    fs::write(place.path("first.npy"), npy("|u1", &[2, 3, 8, 8], &[0; 384])).unwrap();
    place.refuses(
        "first.npy",
        "DIR/first.npy has shape [2, 3, 8, 8], channels before height; expected [n, height, width, channels], so \
         transpose it by (0, 2, 3, 1)",
    );
    fs::write(place.path("float.npy"), npy("<f4", &[1, 1, 1, 3], &[0; 12])).unwrap();
    let (code, said) = place.says(&place.path("float.npy"), &[]);
    assert!(
        code == 1
            && said.starts_with(
                "error: DIR/float.npy holds float32, expected uint8 or integers in 0..=255;"
            ),
        "{said}"
    );
    assert_eq!(
        place.says("dataset:cifar11:test", &[]),
        (
            64,
            format!(
                "error: unknown dataset \"cifar11\"; known: {}, or folder:PATH",
                dataset_names()
            )
        )
    );
    assert_eq!(
        place.says("dataset:cifar10:all", &[]),
        (64, "error: unknown split \"all\"; known: train, test".into())
    );
}

#[test]
fn damaged_images_and_archives_are_refused_by_name() {
    let place = Place::new();
    let folder = place.dir.path().join("folder");
    Pictures::noise(2, 4, 8, 0).folder(&folder);
    let image = folder.join("z/deeper/0003.png");
    let whole = fs::read(&image).unwrap();
    fs::write(&image, &whole[..whole.len() / 2]).unwrap();
    let (code, said) = place.says(&text(&folder), &[]);
    assert_eq!(code, 1);
    let one = "error: 1 of 4 images of DIR/folder cannot be read: DIR/folder/z/deeper/0003.png ";
    assert!(said.starts_with(&format!("{one}is a corrupt image (")), "{said}");
    fs::write(&image, "no image").unwrap();
    let (code, said) = place.says(&text(&folder), &[]);
    assert!(code == 1 && said.starts_with(&format!("{one}is no PNG")), "{said}");
    // An image of 60,000 pixels a side in 90 bytes.
    let mut claims = whole[..90].to_vec();
    claims[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    fs::write(&image, claims).unwrap();
    let (code, said) = place.says(&text(&folder), &[]);
    assert!(code == 1 && said.contains("0003.png") && !said.contains("memory"), "{said}");

    let archive = fs::read(&place.real).unwrap();
    fs::write(place.path("cut.npz"), &archive[..archive.len() / 2]).unwrap();
    let (code, said) = place.says(&place.path("cut.npz"), &[]);
    assert!(
        code == 1 && said.starts_with("error: DIR/cut.npz is no whole .npz archive: "),
        "{said}"
    );
    let mut flipped = archive.clone();
    flipped[archive.len() / 2] ^= 1;
    fs::write(place.path("flip.npz"), flipped).unwrap();
    let (code, said) = place.says(&place.path("flip.npz"), &[]);
    assert!(code == 1 && said.contains("DIR/flip.npz"), "{said}");
    npz(Path::new(&place.path("other.npz")), |archive| {
        use npyz::WriterBuilder as _;
        let member = archive.array("images", Default::default()).unwrap();
        let mut member = member.default_dtype().shape(&[1, 1, 1, 3]).begin_nd().unwrap();
        member.extend([0u8; 3]).unwrap();
        member.finish().unwrap();
    });
    place.refuses("other.npz", "DIR/other.npz holds no array arr_0 of images; found: images");
    fs::write(place.path("cut.parquet"), b"PAR1 cut off").unwrap();
    let (code, said) = place.says(&place.path("cut.parquet"), &[]);
    assert!(
        code == 1 && said.starts_with("error: DIR/cut.parquet is not a whole Parquet file: "),
        "{said}"
    );
}

/// 30 MB of zeros in 30 kB, under a header that claims 3 GB.
#[test]
fn an_archive_that_claims_more_than_it_holds_is_refused_before_it_is_unpacked() {
    let place = Place::new();
    npz(Path::new(&place.path("bomb.npz")), |archive| {
        let options = npyz::zip::write::FileOptions::default();
        let options = options.compression_method(npyz::zip::CompressionMethod::Deflated);
        let zip = archive.zip_writer();
        zip.start_file("arr_0.npy", options).unwrap();
        zip.write_all(&npy("|u1", &[100_000, 100, 100, 3], &vec![0; 30_000_000])).unwrap();
    });
    assert!(fs::metadata(place.path("bomb.npz")).unwrap().len() < 100_000);
    place.refuses(
        "bomb.npz",
        "DIR/bomb.npz member arr_0.npy needs 3000000000 bytes for its shape [100000, 100, 100, 3] but holds \
         30000000 after its header of 87 bytes; it was cut off, or its header is wrong",
    );
}

#[test]
fn too_few_images_are_refused_with_what_is_needed() {
    let place = Place::new();
    let real = place.real.clone();
    let says = |more: &[&str]| place.says(&real, more);
    let error = |text: &str| (1, format!("error: {text}"));
    assert_eq!(says(&["--n", "1"]), error("fid needs at least 2 real images, got 1"));
    assert_eq!(
        says(&["--metrics", "kid"]),
        error(
            "kid draws subsets of 1000 images but there are only 8 real ones; lower --kid-subset"
        )
    );
    assert_eq!(
        says(&["--metrics", "coverage", "--k", "8"]),
        error("coverage needs at least 9 real images, got 8")
    );
    assert_eq!(
        says(&["--metrics", "is"]),
        error("is needs class logits, which pixels does not have; choose another extractor")
    );
    // By default what cannot be had is left out with its reason.
    let args = ["eval", "--real", &real, "--fake", &real, "--extractor", "pixels", "--no-cache"];
    let said = ok(&args);
    for line in [
        "kid@pixels       not computed: kid draws subsets of 1000 images but there are only 8 real ones; lower \
         --kid-subset",
        "is@pixels        not computed: is needs class logits, which these features do not have",
    ] {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
}

#[test]
fn flags_that_cannot_be_are_usage_errors_before_any_image_is_read() {
    let place = Place::new();
    let nowhere = place.path("nowhere");
    for (flags, message) in [
        (["--k", "0"], "--k is 0, expected at least 1"),
        (["--kid-subset", "0"], "--kid-subset is 0, expected at least 2"),
        (["--kid-subset", "1"], "--kid-subset is 1, expected at least 2"),
        (["--bootstrap", "5"], "--bootstrap is 5, expected at least 40, or 0 for none"),
        (["--n", "0"], "--n is 0, expected at least 1"),
        (["--batch", "0"], "--batch is 0, expected at least 1"),
        (["--threads", "0"], "--threads is 0, expected at least 1"),
        (["--device", "tpu"], "unknown device \"tpu\"; known: cpu, cuda:N, metal"),
        (["--weights", "made:x"], "--weights made:x: expected a number behind made:"),
    ] {
        assert_eq!(place.says(&nowhere, &flags), (64, format!("error: {message}")));
    }
    for (flags, start) in [
        (["--metrics", "fud"], "error: unknown metric \"fud\"; known: fid, is, "),
        (["--protocol", "fid50k"], "error: unknown protocol \"fid50k\"; known: ganbench, "),
    ] {
        let (code, said) = place.says(&nowhere, &flags);
        assert!(code == 64 && said.starts_with(start), "{said}");
    }
    let features = |more: &[&str]| {
        let (code, said) = refused(&[&["features", "--images", &nowhere], more].concat());
        (code, said.lines().last().unwrap().replace(&text(place.dir.path()), "DIR"))
    };
    assert_eq!(
        features(&["--out", "x.npy"]),
        (64, "error: --out x.npy is not the name of an .npz file".into())
    );
    assert_eq!(
        features(&["--out", "x.npz", "--n", "0"]),
        (64, "error: --n is 0, expected at least 1".into())
    );
    let (code, said) = features(&["--out", "x.npz", "--extractor", "pixel"]);
    assert!(
        code == 64 && said.starts_with("error: unknown extractor \"pixel\"; known: "),
        "{said}"
    );
}

#[test]
fn a_missing_folder_of_the_output_is_made_and_one_that_cannot_be_is_an_error() {
    let place = Place::new();
    let out = place.path("a/b/x.npz");
    let blocked = format!("{}/x.npz", place.real);
    let to = |out: &str| {
        let args = ["features", "--images", &place.real, "--extractor", "pixels", "--no-cache"];
        args.into_iter().chain(["--quiet", "--out", out]).map(String::from).collect::<Vec<_>>()
    };
    ok(&strs(&to(&out)));
    assert!(Path::new(&out).is_file());
    let (code, said) = refused(&strs(&to(&blocked)));
    assert!(code == 1 && said.starts_with("error: cannot write "), "{said}");
}
