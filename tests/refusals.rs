use std::fs;

use crate::program::{command, ganbench_with, ok, refused, text};

/// Usage errors end with 64, others with 1.
fn says(args: &[&str], code: i32, message: &str) {
    let (got, error) = refused(args);
    assert!(error.contains(message), "{args:?}: {error}");
    assert_eq!(got, code, "{error}");
}

#[test]
fn wrong_usage_ends_with_64_and_says_what_is_known() {
    says(&["reproduce", "table9"], 64, "table is \"table9\", expected one of table1");
    says(
        &["reproduce", "table1", "--methods", "hing"],
        64,
        "unknown method \"hing\"; known: gan, hinge, contrad",
    );
    says(
        &["reproduce", "table1", "--budget", "real_kimg=0"],
        64,
        "budget amount \"0\" is not a number above 0",
    );
    says(&["reproduce", "table1", "--budget", "big"], 64, "or one of paper, smoke");
    says(&["reproduce", "table1", "--set", "train.bach=3"], 64, "unknown field `bach`");
    says(
        &["reproduce", "table1", "--n-fake", "3"],
        64,
        "evaluation.n_fake is 3, expected at least 10",
    );
    says(&["reproduce"], 64, "Usage");
}

/// A sweep over few images with further flags.
fn with<'a>(set: &[&'a str]) -> Vec<&'a str> {
    [&["reproduce", "table1", "--set", "dataset.limit=100"], set].concat()
}

#[test]
fn a_plan_that_cannot_be_trained_is_refused_before_any_work() {
    says(
        &with(&["--architecture", "vgg"]),
        64,
        "unknown architecture \"vgg\"; known: sndcgan, dcgan",
    );
    says(&with(&["--batch", "1"]), 64, "batch must be 2 or more, got 1");
    says(&with(&["--width", "0"]), 64, "network.width must be 1 or more, got 0");
    says(
        &with(&["--width", "1000000000"]),
        64,
        "network.width must be at most 2048, got 1000000000",
    );
    for (key, most) in [
        ("train.batch", "batch must be at most 65536"),
        ("train.network.z_dim", "network.z_dim must be at most 16384"),
        ("train.network.head_hidden", "network.head_hidden must be at most 16384"),
        ("evaluation.n_fake", "evaluation.n_fake is 1000000000, expected at most 10000000"),
        ("evaluation.curve_points", "evaluation.curve_points is 1000000000, expected at most"),
        ("evaluation.bootstrap", "evaluation.bootstrap is 1000000000, expected at most 1000000"),
        ("evaluation.grid_images", "evaluation.grid_images is 1000000000, expected at most"),
        ("dataset.image_size", "dataset.image_size is 1000000000, expected at most 4096"),
    ] {
        says(&with(&["--set", &format!("{key}=1000000000")]), 64, most);
    }
    // Each in its range, and together more than any machine has.
    let huge = ["--width", "2048", "--memory-limit", "3000", "--dry-run"];
    says(&with(&huge), 1, "the networks of gan alone need ");
    says(&with(&["--batch", "101"]), 1, "batches of 101, the data set has 100 images");
    says(
        &with(&["--set", "evaluation.nearest_k=0"]),
        64,
        "evaluation.nearest_k is 0, expected at least 1",
    );
    says(
        &with(&["--set", "evaluation.metrics=[\"kid\"]"]),
        64,
        "evaluation.metrics is kid, expected fid among them, which chooses the best checkpoint",
    );
    says(
        &with(&["--set", "evaluation.reference_split={ held_out = 1.5 }"]),
        64,
        "evaluation.reference_split is held_out = 1.5, expected a share above 0 and below 1",
    );
    says(&with(&["--budget", "g_steps=2"]), 64, "a step for each of the 4 points of the curve");
    let cr = "train.parts.regularisers=[{kind=\"consistency\",lambda_real=10,lambda_fake=0,augmentation={kind=\"none\"}}]";
    says(
        &with(&["--set", cr]),
        1,
        "reads the head adv, and the method's adversarial loss has none",
    );
}

#[test]
fn missing_or_damaged_input_ends_with_1_and_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = text(&dir.path().join("nowhere"));
    says(&["reproduce", "table1", "--dataset", "cifar10", "--data", &nowhere], 1, "nowhere");
    says(&["reproduce", "table1", "--dataset", "cifar11"], 64, "cifar11");
    let parquet = dir.path().join("cifar10/plain_text");
    fs::create_dir_all(&parquet).unwrap();
    fs::write(parquet.join("train-00000-of-00001.parquet"), b"PAR1 cut off").unwrap();
    let root = text(dir.path());
    says(
        &["reproduce", "table1", "--dataset", "cifar10", "--data", &root],
        1,
        "train-00000-of-00001.parquet",
    );
    let weights = dir.path().join("half.pth");
    fs::write(&weights, [0x80, 0x02, 0x8a]).unwrap();
    let args = [
        "reproduce",
        "table1",
        "--budget",
        "smoke",
        "--extractor",
        "inception",
        "--weights",
        &text(&weights),
    ];
    says(&args, 1, "half.pth");
    says(
        &["reproduce", "table1", "--device", "tpu"],
        64,
        "unknown device \"tpu\"; known: cpu, cuda:N, metal",
    );
    says(&["reproduce", "table1", "--threads", "0"], 64, "--threads is 0, expected at least 1");
    says(&["sample", "--run", &nowhere, "--out", "x.npz"], 1, "is no run folder");
    says(&["report", "--runs", &root, "--out", &nowhere], 1, "holds no runs");
}

#[test]
fn an_instruction_set_that_the_machine_has_not_is_refused() {
    let args = ["bench", "train-step", "--width", "4", "--batch", "4"];
    let output = ganbench_with("GANBENCH_SIMD", "mmx", &args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{stderr}");
    let message = "GANBENCH_SIMD is \"mmx\", expected one that this machine has: ";
    assert!(stderr.contains(message) && stderr.contains("portable"), "{stderr}");
}

#[test]
fn lists_name_every_method_and_read_as_json() {
    let methods = ok(&["list", "methods"]);
    let names = [
        "gan",
        "hinge",
        "lsgan",
        "diffaug",
        "contrad",
        "kdd",
        "kdd-joint",
        "acgan",
        "projection",
        "contragan",
        "reacgan",
        "supcon",
    ];
    for name in names {
        assert!(methods.lines().any(|l| l.starts_with(&format!("{name} "))), "{methods}");
    }
    let lists = [
        "methods",
        "losses",
        "architectures",
        "datasets",
        "extractors",
        "metrics",
        "protocols",
        "tables",
        "reported",
    ];
    for what in lists {
        for line in ok(&["list", what, "--json"]).lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(entry["name"].is_string() && entry["summary"].is_string(), "{entry}");
        }
    }
    let cards: Vec<serde_json::Value> = ok(&["list", "metrics", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(cards.len(), 29);
    let card = |name: &str| cards.iter().find(|card| card["name"] == name).unwrap();
    assert_eq!(
        *card("density"),
        serde_json::json!({
            "name": "density",
            "summary": "↑ how many real balls hold a fake, on average, in units of k",
            "title": "Density", "higher_is_better": true, "decimals": 3, "scale": "difference",
            "range": [0.0, null],
            "least_images": {"rule": "nearest_k + 1 on each side", "real": 6, "fake": 6},
            "intervals": true, "needs_logits": false, "needs_labels": false,
            "protocol_fields": ["extractor", "split", "n_real", "n_fake", "repeats", "nearest_k", "nearest_real"],
        })
    );
    assert_eq!(card("kid")["range"], serde_json::json!([null, null]));
    assert_eq!(card("is")["needs_logits"], true);
    assert_eq!(card("intra_fid")["needs_labels"], true);
    let text = ok(&["list", "metrics"]);
    let details = "IS in [1, ∞), compared by difference, from is_splits fake images, depends on is_splits, \
                   is_shuffle, is_bias";
    assert!(text.lines().any(|line| line.trim() == details), "{text}");
    assert!(ok(&["completions", "bash"]).contains("_ganbench"));
}

#[test]
fn published_numbers_are_listed_with_their_protocol_whether_a_row_here_trains_them_or_not() {
    let text = ok(&["list", "reported"]);
    let line = "reacgan                   fid 13.907, is 67.416; imagenet-128, big_resnet; \
                protocol studiogan-v0.2; ";
    assert!(text.contains(line), "{text}");
    let entries: Vec<serde_json::Value> = ok(&["list", "reported", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let quoted = entries.iter().find(|entry| entry["name"] == "fq-biggan").unwrap();
    assert_eq!(quoted["our_tables"], serde_json::json!(["kdd-table4", "kdd-table5"]));
    assert_eq!(
        (&quoted["our_row"], &quoted["values"][1]["printed"]),
        (&"".into(), &"25.96".into())
    );
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error_and_no_panic() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(&["list", "metrics"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(
        said,
        "error: the output could not be written to stdout: No space left on device (os error 28)\n"
    );
}
