use std::collections::BTreeMap;

use super::*;
use crate::losses::registry::{Given, Numbers, settings_of};

fn f64s(shape: &[usize]) -> Given {
    let n = shape.iter().product();
    let x = (0..n).map(|k| (k as f64).sin()).collect();
    Given { shape: shape.to_vec(), numbers: Numbers::F64(x) }
}

fn labels(x: &[i128]) -> Given {
    Given { shape: vec![x.len()], numbers: Numbers::Integers(x.to_vec()) }
}

fn acgan() -> BTreeMap<String, Given> {
    [
        ("features_real", f64s(&[3, 2])),
        ("features_fake", f64s(&[2, 2])),
        ("class_vectors", f64s(&[4, 2])),
        ("labels_real", labels(&[0, 3, 1])),
        ("labels_fake", labels(&[2, 2])),
    ]
    .map(|(name, given)| (name.to_string(), given))
    .into()
}

fn error(name: &str, arrays: &BTreeMap<String, Given>) -> String {
    let entry = loss(name).unwrap().entry;
    let loss = entry.with([]).unwrap();
    entry.evaluate(arrays, loss.as_ref()).unwrap_err().to_string()
}

/// The error of ACGAN's arrays with one put in another's place.
fn acgan_error(name: &str, given: Given) -> String {
    let mut arrays = acgan();
    arrays.insert(name.into(), given);
    error("acgan", &arrays)
}

#[test]
fn arrays_that_do_not_fit_are_named() {
    let mut arrays = acgan();
    arrays.remove("labels_fake");
    assert_eq!(
        error("acgan", &arrays),
        "array labels_fake [m] is missing, which loss acgan takes; found: class_vectors, \
         features_fake, features_real, labels_real"
    );
    assert!(error("hinge", &BTreeMap::new()).ends_with("takes; found: nothing"));
    assert_eq!(
        acgan_error("features", f64s(&[1])),
        "loss acgan takes no array \"features\"; it takes: features_real, features_fake, \
         class_vectors, labels_real, labels_fake"
    );
    assert_eq!(
        acgan_error("features_fake", f64s(&[2, 3])),
        "array features_fake has shape [2, 3], expected d = 2 as in array features_real"
    );
    assert_eq!(
        acgan_error("features_real", f64s(&[6])),
        "array features_real has shape [6], expected [n, d]"
    );
    assert_eq!(
        acgan_error("features_real", f64s(&[0, 2])),
        "array features_real of shape [0, 2] holds no numbers"
    );
    assert_eq!(
        acgan_error("labels_fake", f64s(&[2])),
        "array labels_fake holds float64, expected integers"
    );
    assert_eq!(
        acgan_error("features_real", labels(&[1, 2])),
        "array features_real has shape [2], expected [n, d]"
    );
    let f32s = Given { shape: vec![2, 2], numbers: Numbers::F32(vec![1.0; 4]) };
    assert_eq!(
        acgan_error("features_fake", f32s),
        "array features_fake holds float32 and array features_real float64; expected one precision in all"
    );
}

#[test]
fn numbers_that_no_loss_is_made_of_are_named_with_their_place() {
    for bad in [f64::NAN, f64::INFINITY] {
        let x = vec![0.0, 1.0, 2.0, 3.0, bad, 5.0];
        let given = Given { shape: vec![3, 2], numbers: Numbers::F64(x) };
        assert_eq!(
            acgan_error("features_real", given),
            format!("array features_real holds {bad} at [2, 0], expected finite numbers only")
        );
    }
    for bad in [4, -1, 1 << 40] {
        assert_eq!(
            acgan_error("labels_fake", labels(&[0, bad])),
            format!("array labels_fake holds label {bad} at row 1, expected 0 to 3")
        );
    }
}

#[test]
fn arrays_that_belong_together_are_asked_for_together() {
    let mut arrays = acgan();
    arrays.remove("labels_real");
    assert_eq!(
        error("kdd", &arrays),
        "array class_vectors is there without labels_real; loss kdd takes both or neither"
    );
}

#[test]
fn further_axes_agree_where_a_shape_leaves_them_open() {
    let mut arrays: BTreeMap<String, Given> = BTreeMap::new();
    arrays.insert("outputs_real".into(), f64s(&[3, 2, 2]));
    arrays.insert("outputs_real_augmented".into(), f64s(&[3, 4]));
    assert_eq!(
        error("consistency", &arrays),
        "array outputs_real_augmented has shape [3, 4], expected ... = [2, 2] as in array outputs_real"
    );
}

#[test]
fn losses_and_settings_that_are_not_known_are_named_with_what_is() {
    let text = loss("hing").err().unwrap().to_string();
    assert!(
        text.starts_with("unknown loss \"hing\"; known: non_saturating, hinge, least_squares, ")
    );
    let set = |name, pair| loss(name).unwrap().entry.with([pair]).err().unwrap().to_string();
    assert_eq!(
        set("2c", ("temperature", "1")),
        "loss 2c has no setting \"temperature\"; it has: lambda, tau, normalise_features, normalise_proxies"
    );
    assert_eq!(set("hinge", ("tau", "1")), "loss hinge has no setting \"tau\"; it has: none");
    for bad in ["0", "-1", "nan", "inf", "x"] {
        let expected = format!("setting tau must be a number above 0, got \"{bad}\"");
        assert_eq!(set("2c", ("tau", bad)), expected);
    }
    assert_eq!(
        set("non_saturating", ("label_smoothing", "1")),
        "setting label_smoothing must be a number of 0 and above and below 1, got \"1\""
    );
    assert_eq!(
        set("kdd", ("leave_one_out", "yes")),
        "setting leave_one_out must be true or false, got \"yes\""
    );
    assert_eq!(
        set("d2dce", ("stabilise", "none")),
        "setting stabilise must be one of studiogan, exact, got \"none\""
    );
}

#[test]
fn no_two_losses_share_a_name_nor_two_arrays_or_settings_of_one() {
    let distinct = |names: Vec<&str>| {
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len(), "{names:?}");
    };
    let names = |e: &Entry| {
        std::iter::once(e.name).chain(e.aliases.iter().map(|a| a.name)).collect::<Vec<_>>()
    };
    distinct(losses().into_iter().flat_map(names).collect());
    for entry in losses() {
        distinct(entry.arrays.iter().map(|a| a.name).collect());
        let settings = entry.settings();
        distinct(settings.iter().flat_map(|s| [Some(s.name), s.old_name]).flatten().collect());
    }
}

#[test]
fn numpy_arrays_keep_their_kind() {
    // The bytes of a version 1.0 .npy array.
    let npy = |descr: &str, fortran: &str, shape: &str, data: &[u8]| {
        let mut header =
            format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let read = |bytes: Vec<u8>| {
        let input = std::io::Cursor::new(bytes);
        Given::read("x", &mut ganbench_data::numpy::Array::npy("x.npy", input).unwrap())
    };
    let big: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
    let given = read(npy(">f8", "False", "(2,)", &big)).unwrap();
    assert!(matches!(given.numbers, Numbers::F64(x) if x == [1.5, -2.0]));
    let given = read(npy("<f4", "False", "(1, 1)", &0.1f32.to_le_bytes())).unwrap();
    assert_eq!(given.shape, [1, 1]);
    assert!(matches!(given.numbers, Numbers::F32(x) if x == [0.1]));
    let given = read(npy("|i1", "False", "(2,)", &[0xff, 7])).unwrap();
    assert!(matches!(given.numbers, Numbers::Integers(x) if x == [-1, 7]));
    let given = read(npy("<u8", "False", "(1,)", &u64::MAX.to_le_bytes())).unwrap();
    assert!(matches!(given.numbers, Numbers::Integers(x) if x == [i128::from(u64::MAX)]));
    let error = read(npy("<f2", "False", "(1,)", &[0, 0])).unwrap_err().to_string();
    assert_eq!(error, "array x holds float16, expected float32, float64 or integers");
    let error = read(npy("<f4", "True", "(1, 2)", &[0; 8])).unwrap_err().to_string();
    assert!(error.starts_with("array x is stored in Fortran order"));
}

/// The kind of a part as a plan has it, and the part.
fn kinds() -> Vec<(String, Option<&'static Entry>)> {
    fn kind(part: impl serde::Serialize) -> String {
        toml::Table::try_from(part).unwrap()["kind"].as_str().unwrap().to_string()
    }
    let adversarial = AdversarialPart::all().into_iter().map(|p| (kind(&p), entry(p.part())));
    let conditioning = ConditioningPart::all().into_iter().map(|p| (kind(&p), entry(p.part())));
    let regularisers = RegulariserPart::all().into_iter().map(|p| (kind(&p), entry(p.part())));
    adversarial.chain(conditioning).chain(regularisers).collect()
}

#[test]
fn a_loss_has_the_name_that_plans_give_to_its_kind() {
    for (kind, entry) in kinds() {
        assert!(entry.is_none_or(|entry| entry.name == kind), "{kind}: {entry:?}");
    }
}

#[test]
fn every_setting_can_be_given_and_its_default_changes_nothing() {
    for entry in losses() {
        let defaults = entry.settings();
        for setting in &defaults {
            for name in [Some(setting.name), setting.old_name].into_iter().flatten() {
                let text = setting.value.to_string();
                let given = entry.with([(name, text.as_str())]).unwrap();
                let values = |fields: Vec<crate::part::Field>| {
                    fields.into_iter().map(|f| (f.name, f.value)).collect::<Vec<_>>()
                };
                assert_eq!(
                    values(settings_of(given.as_ref())),
                    values(defaults.clone()),
                    "{} {name}",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn an_old_name_is_the_loss_with_the_settings_that_it_stood_for() {
    let setting = |name: &str, given: &[(&str, &str)], field: &str| {
        let NamedLoss { entry, set } = loss(name).unwrap();
        let loss = entry.with(set.iter().chain(given).copied()).unwrap();
        let fields = settings_of(loss.as_ref()).into_iter();
        let value = fields.filter(|f| f.name == field).map(|f| f.value.to_string());
        (entry.name, value.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(setting("r1", &[], "penalty"), ("gradient_penalty", "r1".to_string()));
    assert_eq!(setting("r1", &[], "lambda").1, "1");
    assert_eq!(setting("r1", &[("gamma", "2")], "lambda").1, "2");
    assert_eq!(setting("dragan", &[], "penalty").1, "dragan");
    assert_eq!(setting("cr", &[("lambda", "3")], "lambda_real"), ("consistency", "3".to_string()));
    assert_eq!(setting("cr", &[], "lambda_fake").1, "0");
    assert_eq!(setting("lecam", &[("start_step", "2")], "start_d_step").1, "2");
    assert_eq!(setting("supcon", &[("normalise_features", "false")], "normalise").1, "false");
    assert_eq!(setting("supcon", &[], "pairs"), ("sup_con", "once".to_string()));
    assert_eq!(setting("sup_con", &[], "pairs").1, "ordered");
    let old = [
        ("non-saturating", "non_saturating"),
        ("logistic", "non_saturating"),
        ("least-squares", "least_squares"),
        ("supcon", "sup_con"),
        ("d2d-ce", "d2dce"),
        ("contrad", "contrastive"),
        ("kdd-jacobian", "kdd_jacobian"),
        ("bcr", "consistency"),
        ("zcr", "latent_consistency"),
        ("gradient-penalty", "gradient_penalty"),
        ("lecam", "le_cam"),
    ];
    for (old, name) in old {
        assert_eq!(loss(old).unwrap().entry.name, name);
    }
}

#[test]
fn what_training_alone_reads_is_no_setting() {
    let error =
        |name: &str, pair| loss(name).unwrap().entry.with([pair]).err().unwrap().to_string();
    assert_eq!(
        error("kdd", ("alpha", "1")),
        "loss kdd has no setting \"alpha\"; it has: tau, leave_one_out, gamma, unit_features"
    );
    assert_eq!(error("hinge", ("head", "mlp")), "loss hinge has no setting \"head\"; it has: none");
}

#[test]
fn bcr_without_its_fakes_says_so() {
    let mut arrays: BTreeMap<String, Given> = BTreeMap::new();
    arrays.insert("outputs_real".into(), f64s(&[3, 2]));
    arrays.insert("outputs_real_augmented".into(), f64s(&[3, 2]));
    assert!(error("consistency", &arrays).starts_with("array outputs_fake was not given"));
}
