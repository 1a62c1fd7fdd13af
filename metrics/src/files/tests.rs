use std::io::Cursor;

use ganbench_data::rng::Stream;
use ganbench_data::shapes::ShapeFactors;

use super::*;
use crate::features::{Features, Logits};
use crate::numerics::rows::Rows;
use crate::numerics::statistics::Statistics;
use crate::recognition::Recognition;

// metrics/tests-data/features.npz and statistics.npz are made by metrics/tests/fuzz-seeds/make.py.
const FEATURES: &[u8] = include_bytes!("../../tests-data/features.npz");
const STATISTICS: &[u8] = include_bytes!("../../tests-data/statistics.npz");

fn read(bytes: &[u8]) -> Result<FeatureFile, FileError> {
    FeatureFile::from_input("x", Box::new(Cursor::new(bytes.to_vec())))
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header =
        format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    [out, header.into_bytes(), data.to_vec()].concat()
}

fn f4(shape: &str, values: &[f32]) -> Vec<u8> {
    npy("<f4", false, shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
}

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// 0, 1, 4, … modulo 7, as in `make.py`.
fn pool() -> Vec<f32> {
    (0..15u32).map(|i| (i * i % 7) as f32).collect()
}

#[test]
fn features_and_statistics_of_numpy_are_read() {
    let logits = Logits { classes: 2, values: (0..10).map(|i| i as f32 - 4.0).collect() };
    let expected = Features::new(3, pool(), Some(logits)).unwrap();
    assert_eq!(read(FEATURES).unwrap(), FeatureFile::Features(expected));
    let FeatureFile::Statistics(got) = read(STATISTICS).unwrap() else { panic!("no statistics") };
    let expected = Statistics::from_rows(Rows::new(&pool(), 3).unwrap()).unwrap();
    assert_eq!((got.n(), got.dim()), (Some(5), 3));
    for (a, b) in got.mean().iter().zip(expected.mean()) {
        assert!((a - b).abs() < 1e-14, "{a} {b}");
    }
    for (a, b) in got.covariance().iter().zip(expected.covariance()) {
        assert!((a - b).abs() < 1e-13, "{a} {b}");
    }
}

#[test]
fn every_kind_of_float_and_order_gives_the_same_features() {
    // 2 rows of 3; each number is exact in f16.
    let values = [0.5f32, -1.0, 2.0, 3.0, 0.25, -8.0];
    let expected = FeatureFile::Features(Features::new(3, values.to_vec(), None).unwrap());
    let halves = values.map(half::f16::from_f32);
    let columns = [0, 3, 1, 4, 2, 5].map(|i| values[i]);
    for bytes in [
        f4("(2, 3)", &values),
        npy(">f4", false, "(2, 3)", &values.map(f32::to_be_bytes).concat()),
        npy("<f4", true, "(2, 3)", &columns.map(f32::to_le_bytes).concat()),
        npy("<f2", false, "(2, 3)", &halves.map(half::f16::to_le_bytes).concat()),
        npz(&[("arr_0", f4("(2, 3)", &values))]),
        npz(&[("pool", f4("(2, 3)", &values)), ("arr_0", f4("(1,)", &[0.0]))]),
    ] {
        assert_eq!(read(&bytes).unwrap(), expected);
    }
    let third = 1.0f64 / 3.0;
    let bytes = npy("<f8", false, "(2, 1)", &[third, 2.0].map(f64::to_le_bytes).concat());
    let FeatureFile::Wide(wide) = read(&bytes).unwrap() else { panic!("not wide") };
    assert_eq!(wide.pool_rows().values(), [third, 2.0]);
    assert_eq!(wide.narrowed().unwrap().pool(), [third as f32, 2.0]);
    let bytes = npy("<f8", false, "(1, 1)", &1e300f64.to_le_bytes());
    let FeatureFile::Wide(wide) = read(&bytes).unwrap() else { panic!("not wide") };
    assert_eq!(
        wide.narrowed().unwrap_err().to_string(),
        "row 0 of the features holds inf, expected finite numbers only"
    );
}

#[test]
fn what_is_written_comes_back_to_the_bit_whatever_the_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/features.npz");
    let mut stream = Stream::new(0, "features");
    let mut block = |n: usize| {
        let logits = Logits { classes: 2, values: stream.normal(2 * n) };
        Features::new(3, stream.normal(3 * n), Some(logits)).unwrap()
    };
    let blocks = [block(3), block(1), block(4)];
    let mut whole = Features::empty(3, 2);
    let mut writer =
        FeatureWriter::create(&path, FeatureShape { n: 8, dim: 3, classes: 2 }).unwrap();
    for block in blocks {
        writer.push(&block).unwrap();
        whole.append(block).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(FeatureFile::read(&path).unwrap(), FeatureFile::Features(whole.clone()));
    let bytes = std::fs::read(&path).unwrap();
    write_features(&path, &whole, Companions::default()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    let statistics = Statistics::from_rows(whole.pool_rows()).unwrap();
    write_statistics(&path, &statistics, Companions::default()).unwrap();
    assert_eq!(FeatureFile::read(&path).unwrap(), FeatureFile::Statistics(statistics.clone()));
    let (mean, covariance) = (statistics.mean().to_vec(), statistics.covariance().to_vec());
    let unknown = Statistics::from_parts(None, mean, covariance).unwrap();
    write_statistics(&path, &unknown, Companions::default()).unwrap();
    assert_eq!(FeatureFile::read(&path).unwrap(), FeatureFile::Statistics(unknown));
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_that_was_promised_more_keeps_what_stood_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.npz");
    std::fs::write(&path, "before").unwrap();
    let shape = FeatureShape { n: 4, dim: 3, classes: 0 };
    let some = |n: usize| Features::new(3, vec![0.0; 3 * n], None).unwrap();
    let mut writer = FeatureWriter::create(&path, shape).unwrap();
    writer.push(&some(3)).unwrap();
    let place = path.display();
    assert_eq!(
        writer.push(&some(2)).unwrap_err().to_string(),
        format!("{place} was to hold 4 features of 3 dimensions, got 5 features of 3 dimensions")
    );
    assert_eq!(
        writer.push(&Features::empty(2, 7)).unwrap_err().to_string(),
        format!(
            "{place} was to hold 4 features of 3 dimensions, got 3 features of 2 dimensions and 7 classes"
        )
    );
    assert_eq!(
        writer.finish().unwrap_err().to_string(),
        format!("{place} was to hold 4 features of 3 dimensions, got 3 features of 3 dimensions")
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn features_that_cannot_be_are_refused() {
    assert_eq!(
        refusal(b"what?!?"),
        "x begins with bytes [77, 68, 61, 74, 3f, 21], expected a .npz or .npy file of features or statistics"
    );
    assert_eq!(
        refusal(&f4("(3, 2)", &[0.0, 1.0, 2.0, f32::NAN, f32::INFINITY, 5.0])),
        "x row 1 holds NaN, expected finite numbers only"
    );
    let columns = [0.0, 1.0, 2.0, 3.0, 4.0, f32::INFINITY].map(f32::to_le_bytes).concat();
    assert_eq!(
        refusal(&npy("<f4", true, "(3, 2)", &columns)),
        "x row 2 holds inf, expected finite numbers only"
    );
    assert_eq!(refusal(&f4("(2,)", &[0.0; 2])), "x has shape [2], expected [n, d]");
    assert_eq!(refusal(&f4("(0, 4)", &[])), "x holds no features");
    assert_eq!(
        refusal(&npy("<i4", false, "(1, 1)", &[0; 4])),
        "x holds int32, expected floats of 16, 32 or 64 bits"
    );
    assert_eq!(
        refusal(&npy("|u1", false, "(1, 2, 2, 3)", &[0; 12])),
        "x holds uint8 images of shape [1, 2, 2, 3], expected features; extract them first"
    );
    assert_eq!(
        refusal(&npz(&[("pool", f4("(2, 1)", &[0.0; 2])), ("logits", f4("(3, 1)", &[0.0; 3]))])),
        "x member pool.npy: features have 2 rows of pool but 3 rows of logits; both come from one image each"
    );
    assert_eq!(
        refusal(&npz(&[("a", f4("(1, 1)", &[0.0])), ("arr_0", f4("(1, 1)", &[0.0]))])),
        "x holds neither pool (features), nor mu and sigma (statistics), nor arr_0 (features) alone; \
         found: a, arr_0"
    );
}

#[test]
fn statistics_that_cannot_be_are_refused() {
    let of = |mu: Vec<u8>, sigma: Vec<u8>| refusal(&npz(&[("mu", mu), ("sigma", sigma)]));
    let (mu, sigma) = (f4("(2,)", &[0.0; 2]), f4("(2, 2)", &[1.0, 0.0, 0.0, 1.0]));
    assert_eq!(
        of(f4("(1, 2)", &[0.0; 2]), sigma.clone()),
        "x member mu.npy has shape [1, 2], expected [d]"
    );
    assert_eq!(
        of(mu.clone(), f4("(4,)", &[0.0; 4])),
        "x member sigma.npy has shape [4], expected [2, 2], as mu has shape [2]"
    );
    assert_eq!(
        of(mu.clone(), f4("(2, 2)", &[1.0, 0.0, f32::NAN, 1.0])),
        "x member sigma.npy row 1 holds NaN, expected finite numbers only"
    );
    assert_eq!(
        of(mu.clone(), f4("(2, 2)", &[1.0, 0.5, 0.25, 1.0])),
        "x member sigma.npy: covariance is not symmetric: entries (1, 0) and (0, 1) differ by 2.5e-1"
    );
    assert_eq!(of(f4("(0,)", &[]), f4("(0, 0)", &[])), "x member mu.npy holds no features");
    assert_eq!(
        refusal(&npz(&[("mu", mu.clone())])),
        "x holds mu but not sigma; statistics need both mu and sigma"
    );
    let with =
        |n: Vec<u8>| refusal(&npz(&[("mu", mu.clone()), ("sigma", sigma.clone()), ("n", n)]));
    assert_eq!(
        with(npy(">i2", false, "()", &[0xff, 0xfe])),
        "x member n.npy is -2, expected a number of images of 0 and above"
    );
    assert_eq!(
        with(f4("()", &[1.0])),
        "x member n.npy holds float32, expected one integer, the number of images"
    );
    assert_eq!(
        with(npy("|u1", false, "(2,)", &[1, 2])),
        "x member n.npy has shape [2], expected one integer, the number of images"
    );
}

#[test]
fn statistics_under_other_plain_names_are_those_under_mu_and_sigma() {
    let (mean, covariance) = (f4("(2,)", &[0.5, 1.5]), f4("(2, 2)", &[1.0, 0.25, 0.25, 2.0]));
    let read = |members: &[(&str, Vec<u8>)]| {
        let file = StoredFeatures::from_input("x", Box::new(Cursor::new(npz(members)))).unwrap();
        (file.content, file.keys.unwrap())
    };
    let of = |keys: [&str; 2]| read(&[(keys[0], mean.clone()), (keys[1], covariance.clone())]);
    let (expected, keys) = of(["mu", "sigma"]);
    assert_eq!(keys, MU_SIGMA);
    for keys in [["mean", "cov"], ["m", "s"], ["mean", "sigma"], ["feats_mean", "feats_cov"]] {
        assert_eq!(of(keys), (expected.clone(), keys));
    }
    // The usual names come first, and other members beside them say nothing.
    let both = [("mean", mean.clone()), ("mu", mean.clone()), ("sigma", covariance.clone())];
    assert_eq!(read(&both), (expected, MU_SIGMA));
}

#[test]
fn names_of_statistics_that_are_ambiguous_or_of_other_shapes_are_refused() {
    let (mean, covariance) = (f4("(2,)", &[0.0; 2]), f4("(2, 2)", &[1.0, 0.0, 0.0, 1.0]));
    let of = |members: &[(&str, &Vec<u8>)]| {
        let members: Vec<_> =
            members.iter().map(|(name, bytes)| (*name, (*bytes).clone())).collect();
        refusal(&npz(&members))
    };
    assert_eq!(
        of(&[("mean", &mean), ("cov", &covariance), ("sigma", &covariance)]),
        "x may hold its mean and covariance as mean and cov or mean and sigma; keep one pair, best as mu and sigma"
    );
    // Standard deviations are no covariance.
    assert_eq!(
        of(&[("mean", &mean), ("sigma", &mean)]),
        "x member sigma.npy has shape [2], expected [2, 2], as mean has shape [2]"
    );
    assert_eq!(
        of(&[("m", &covariance), ("s", &mean)]),
        "x member m.npy has shape [2, 2], expected [d]"
    );
    let skew = f4("(2, 2)", &[1.0, 0.5, 0.0, 1.0]);
    assert!(of(&[("m", &mean), ("s", &skew)]).contains("covariance is not symmetric"));
    assert!(of(&[("mean", &mean)]).ends_with("found: mean"));
    assert!(of(&[("mean", &mean), ("var", &mean)]).ends_with("found: mean, var"));
    // Beside an array of another kind the names may mean anything.
    let error = of(&[("arr_0", &covariance), ("mean", &mean), ("cov", &covariance)]);
    assert!(error.ends_with("found: arr_0, mean, cov"), "{error}");
}

fn meta() -> FileMeta {
    FileMeta {
        n: Some(5),
        device: "cpu".into(),
        class_names: Some(vec!["cat".into(), "dog".into()]),
        version: "1.2.3".into(),
        ..FileMeta::new(crate::ExtractorId { name: "inception", weights_sha256: "made:0" })
    }
}

#[test]
fn what_a_file_says_of_itself_and_its_labels_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let features = Features::new(3, pool(), None).unwrap();
    let (meta, labels) = (meta(), vec![1, 0, 0, 1, 7]);
    let companions = Companions { meta: Some(&meta), labels: Some(&labels) };
    write_features(&path, &features, companions).unwrap();
    let content = FeatureFile::Features(features.clone());
    let (of_meta, of_labels) = (Some(meta.clone()), Some(labels.clone()));
    let expected = StoredFeatures { content, meta: of_meta, labels: of_labels, keys: None };
    assert_eq!(StoredFeatures::read(&path).unwrap(), expected);
    assert_eq!(Contents::probe(&path), Contents { features: true, ..Contents::default() });

    let statistics = Statistics::from_rows(Rows::new(&pool(), 3).unwrap()).unwrap();
    write_statistics(&path, &statistics, companions).unwrap();
    let content = FeatureFile::Statistics(statistics);
    let (of_meta, of_labels) = (Some(meta.clone()), Some(labels.clone()));
    let keys = Some(MU_SIGMA);
    let expected = StoredFeatures { content, meta: of_meta, labels: of_labels, keys };
    assert_eq!(StoredFeatures::read(&path).unwrap(), expected);
    assert_eq!(Contents::probe(&path), Contents { statistics: true, ..Contents::default() });

    let few = Companions { meta: None, labels: Some(&labels[..2]) };
    let error = write_features(&path, &features, few).unwrap_err().to_string();
    assert!(error.ends_with("x.npz holds 2 labels of 5 images; each image needs one"), "{error}");
}

#[test]
fn labels_and_descriptions_that_cannot_be_are_refused() {
    let with = |name: &str, member: Vec<u8>| {
        StoredFeatures::from_input(
            "x",
            Box::new(Cursor::new(npz(&[("pool", f4("(2, 1)", &[1.0, 2.0])), (name, member)]))),
        )
    };
    let says = |name: &str, member: Vec<u8>| with(name, member).unwrap_err().to_string();
    let json = |text: &str| npy("|u1", false, &format!("({},)", text.len()), text.as_bytes());
    let good = String::from_utf8(meta().to_json()).unwrap();
    assert_eq!(with("meta.json", json(&good)).unwrap().meta, Some(meta()));
    assert_eq!(
        says("meta.json", json(&good.replace("\"format\":1", "\"format\":2"))),
        "x member meta.json.npy does not say where the numbers come from in a way that is read: format 2, \
         expected 1; read it with a newer ganbench"
    );
    assert!(says("meta.json", json("{\"format\":1}")).contains("missing field `extractor`"));
    assert!(says("meta.json", f4("(1,)", &[1.0])).contains("expected bytes of JSON"));
    let long = |labels: &[i64]| {
        let bytes: Vec<u8> = labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        npy("<i8", false, &format!("({},)", labels.len()), &bytes)
    };
    assert_eq!(with("labels", long(&[3, 0])).unwrap().labels, Some(vec![3, 0]));
    let place = "x member labels.npy";
    assert_eq!(
        says("labels", long(&[3])),
        format!("{place} holds 1 labels of 2 images; each image needs one")
    );
    assert_eq!(
        says("labels", long(&[3, -1])),
        format!("{place} row 1 holds the label -1, expected whole numbers of 0 and above")
    );
    assert!(says("labels", f4("(2,)", &[0.0, 1.0])).contains("whole numbers, one for each image"));
}

#[test]
fn a_file_is_told_by_its_members_and_their_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let probe = |bytes: &[u8]| {
        let path = dir.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let Contents { features, statistics, images } = Contents::probe(&path);
        (features, statistics, images)
    };
    let (rows, square) = (f4("(2, 3)", &[0.0; 6]), f4("(3, 3)", &[0.0; 9]));
    let images = npy("|u1", false, "(1, 2, 2, 3)", &[0; 12]);
    let beside = ("arr_0", images.clone());
    let mean = f4("(3,)", &[0.0; 3]);
    assert_eq!(probe(&rows), (true, false, false));
    assert_eq!(probe(&images), (false, false, true));
    assert_eq!(probe(&npz(&[("arr_0", rows.clone())])), (true, false, false));
    assert_eq!(probe(&npz(&[("arr_0", images.clone())])), (false, false, true));
    let both = [("arr_0", images), ("mu", mean.clone()), ("sigma", square.clone())];
    assert_eq!(probe(&npz(&both)), (false, true, true));
    let both = [("pool", rows), ("mu", mean.clone()), ("sigma", square)];
    assert_eq!(probe(&npz(&both)), (true, true, false));
    assert_eq!(probe(&npz(&[("mu", mean.clone())])), (false, true, false));
    let named = [("mean", mean.clone()), ("cov", f4("(3, 3)", &[0.0; 9]))];
    assert_eq!(probe(&npz(&named)), (false, true, false));
    let with_images = [beside, ("mean", mean), named[1].clone()];
    assert_eq!(probe(&npz(&with_images)), (false, false, true));
    assert_eq!(probe(b"PNG"), (false, false, false));
}

#[test]
fn what_images_of_shapes_show_is_kept_and_kinds_that_do_not_exist_are_refused() {
    let mut stream = Stream::new(0, "test");
    let shown: Vec<Recognition> = (0..5)
        .map(|i| Recognition {
            factors: ShapeFactors::draw(&mut stream),
            misfit: i as f32,
            real_misfit: 2.0,
        })
        .collect();
    let features = Features::new(3, pool(), None).unwrap().with_recognitions(shown).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.npz");
    write_features(&path, &features, Companions::default()).unwrap();
    assert_eq!(FeatureFile::read(&path).unwrap(), FeatureFile::Features(features));

    let member = |shape: f32| {
        let mut values = [0.0; 50];
        values[10] = shape;
        let members = [("pool", f4("(5, 3)", &pool())), ("recognised", f4("(5, 10)", &values))];
        npz(&members)
    };
    assert!(read(&member(9.0)).is_ok());
    let refused = refusal(&member(10.0));
    assert!(refused.contains("row 1 of the member \"recognised\" names a shape"), "{refused}");
    let few = npz(&[("pool", f4("(5, 3)", &pool())), ("recognised", f4("(4, 10)", &[0.0; 40]))]);
    assert!(refusal(&few).contains("5 rows of pool but what 4 images show"));
}
