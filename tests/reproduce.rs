use std::fs;
use std::path::Path;

use crate::program::{ok, strs, text, tiny};
use crate::runs::assert_same;

/// The first columns of every results file, as the README promises them.
const COLUMNS: &str = "run_id,table,method,conditional,architecture,width,dataset,dataset_sha256,split,seed,\
budget_unit,budget_amount,batch,g_steps,d_steps,real_images,d_image_forwards,g_image_forwards,train_s,peak_rss_mb,\
checkpoint,metric,value,ci_low,ci_high,n_real,n_fake,extractor,extractor_sha256,protocol,status,version,commit";

/// Rows of a CSV without quoted commas, as name → value.
fn rows(csv: &Path) -> Vec<std::collections::HashMap<String, String>> {
    let csv = fs::read_to_string(csv).unwrap();
    let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    csv.lines()
        .skip(1)
        .map(|line| {
            names.iter().map(|n| n.to_string()).zip(line.split(',').map(str::to_string)).collect()
        })
        .collect()
}

#[test]
fn a_sweep_of_all_methods_writes_results_tables_and_plots() {
    let dir = tempfile::tempdir().unwrap();
    let methods = "gan,hinge,contrad,kdd,kdd-joint,reacgan,supcon";
    let table = ok(&strs(&tiny(methods, "0", dir.path())));
    for title in ["GAN", "Hinge GAN", "ContraD", "KDD GAN", "ReACGAN", "SupCon-GAN"] {
        assert!(table.contains(title), "{table}");
    }
    for file in [
        "results.parquet",
        "results.csv",
        "table.md",
        "table.tex",
        "table.csv",
        "report.md",
        "plots/scores.png",
        "plots/scores.svg",
        "plots/losses.png",
        "plots/losses.svg",
        "plots/samples.png",
    ] {
        assert!(dir.path().join(file).is_file(), "{file} is missing");
    }
    let csv = fs::read_to_string(dir.path().join("results.csv")).unwrap();
    assert!(csv.starts_with(COLUMNS), "{}", csv.lines().next().unwrap());

    let rows = rows(&dir.path().join("results.csv"));
    for method in methods.split(',') {
        let own: Vec<_> = rows.iter().filter(|r| r["method"] == method).collect();
        let checkpoints: std::collections::BTreeSet<_> =
            own.iter().map(|r| r["checkpoint"].as_str()).collect();
        assert!(
            checkpoints.contains("0")
                && checkpoints.contains("last")
                && checkpoints.contains("best")
        );
        assert_eq!(checkpoints.len(), 7, "untrained, 4 points, last, best: {checkpoints:?}");
        let last: Vec<_> = own.iter().filter(|r| r["checkpoint"] == "last").collect();
        let metrics: std::collections::BTreeSet<_> =
            last.iter().map(|r| r["metric"].as_str()).collect();
        for metric in ["fid", "is", "precision", "recall", "density", "coverage"] {
            assert!(metrics.contains(format!("{metric}@small-shapes").as_str()), "{metrics:?}");
        }
        assert!(
            last.iter()
                .all(|r| r["g_steps"] == "4" && r["real_images"] == "64" && r["status"] == "ok")
        );
    }
    // ContraD sends two views of the reals and the fakes through D, the others one.
    let forwards = |m: &str| {
        let row = rows.iter().find(|r| r["method"] == m && r["checkpoint"] == "last").unwrap();
        row["d_image_forwards"].parse::<u64>().unwrap()
    };
    assert_eq!((forwards("gan"), forwards("contrad"), forwards("kdd")), (128, 192, 128));
    assert!(rows.iter().all(|r| (r["conditional"] == "true") == (r["method"] == "reacgan")));
}

#[test]
fn every_method_starts_from_the_same_generator() {
    let dir = tempfile::tempdir().unwrap();
    ok(&strs(&tiny("gan,contrad,kdd,supcon,reacgan", "3", dir.path())));
    let rows = rows(&dir.path().join("results.csv"));
    let untrained: std::collections::BTreeSet<_> = rows
        .iter()
        .filter(|r| r["checkpoint"] == "0" && r["metric"] == "fid@small-shapes")
        .map(|r| r["value"].clone())
        .collect();
    assert_eq!(untrained.len(), 1, "{untrained:?}");
}

#[test]
fn any_number_of_threads_gives_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let out = |threads: &str| dir.path().join(threads);
    for threads in ["1", "2", "4"] {
        let mut args = tiny("contrad,reacgan", "1", &out(threads));
        args.extend(["--threads".to_string(), threads.to_string()]);
        ok(&strs(&args));
    }
    assert_same(&out("1"), &out("2"), "one thread and two");
    assert_same(&out("1"), &out("4"), "one thread and four");
}

#[test]
fn a_finished_sweep_given_again_trains_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let args = tiny("gan", "0", dir.path());
    let first = ok(&strs(&args));
    let csv = fs::read(dir.path().join("results.csv")).unwrap();
    assert_eq!(ok(&strs(&args)), first);
    assert_eq!(fs::read(dir.path().join("results.csv")).unwrap(), csv);
}

#[test]
fn the_plan_of_a_run_given_to_train_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    ok(&strs(&tiny("kdd", "2", &sweep)));
    let run = fs::read_dir(sweep.join("runs")).unwrap().next().unwrap().unwrap().path();
    let again = dir.path().join("again");
    ok(&["train", &text(&run.join("plan.toml")), "--out", &text(&again), "--quiet"]);
    assert_eq!(
        fs::read(run.join("plan.toml")).unwrap(),
        fs::read(again.join("plan.toml")).unwrap()
    );
    assert_eq!(
        fs::read(run.join("train.jsonl")).unwrap(),
        fs::read(again.join("train.jsonl")).unwrap()
    );
}

#[test]
fn a_diverging_run_is_a_row_without_a_value() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = tiny("gan,kdd", "0", dir.path());
    for optimizer in ["g", "d"] {
        args.extend(["--set".into(), format!("train.optimizer_{optimizer}.lr=1e38")]);
    }
    let table = ok(&strs(&args));
    assert!(table.contains("diverged"), "{table}");
    let rows = rows(&dir.path().join("results.csv"));
    let last: Vec<_> = rows.iter().filter(|r| r["checkpoint"] == "last").collect();
    assert!(!last.is_empty());
    assert!(last.iter().all(|r| r["status"] == "diverged" && r["value"].is_empty()), "{last:?}");
}

#[test]
fn a_report_can_be_made_again_from_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    let sweep = dir.path().join("sweep");
    // Of methods without constants of ours, whose note takes plans.
    ok(&strs(&tiny("gan,hinge", "0,3", &sweep)));
    let report = dir.path().join("report");
    ok(&["report", "--runs", &text(&sweep.join("runs")), "--out", &text(&report)]);
    assert_eq!(
        fs::read(sweep.join("table.csv")).unwrap(),
        fs::read(report.join("table.csv")).unwrap()
    );
    assert_eq!(
        fs::read(sweep.join("results.csv")).unwrap(),
        fs::read(report.join("results.csv")).unwrap()
    );
    assert!(fs::read_to_string(report.join("table.md")).unwrap().contains('±'));
    let from_file = dir.path().join("from-file");
    ok(&["report", "--runs", &text(&sweep.join("results.parquet")), "--out", &text(&from_file)]);
    assert_eq!(
        fs::read(sweep.join("table.csv")).unwrap(),
        fs::read(from_file.join("table.csv")).unwrap()
    );
}

#[test]
fn a_dry_run_prints_the_plans_and_trains_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let mut args = tiny("gan,contrad", "0", &out);
    args.push("--dry-run".into());
    let text = ok(&strs(&args));
    assert!(text.contains("[train.parts.contrastive]") && text.contains("2 runs, about"), "{text}");
    assert!(!out.exists());
}

#[test]
fn standing_statistics_are_measured_sampled_and_verified_alike_and_are_a_difference_from_the_protocol()
 {
    let dir = tempfile::tempdir().unwrap();
    let fids = |name: &str, more: &[&str]| {
        let out = dir.path().join(name);
        let mut args = tiny("gan", "0", &out);
        args.extend(more.iter().map(|a| (*a).to_string()));
        ok(&strs(&args));
        let rows = rows(&out.join("results.csv"));
        let fid = |r: &&std::collections::HashMap<String, String>| {
            r["checkpoint"] == "last" && r["metric"].starts_with("fid")
        };
        (rows.iter().find(fid).unwrap().clone(), out)
    };
    let standing = "evaluation.statistics={ kind = \"standing\", batches = 20, max_batch = 16 }";
    let (running, _) = fids("running", &[]);
    let (stood, out) = fids("standing", &["--set", standing]);
    let (of_batch, _) = fids("batch", &["--set", "evaluation.statistics={ kind = \"batch\" }"]);
    assert_eq!((running["protocol"].as_str(), stood["protocol"].as_str()), ("tables", "custom"));
    assert_eq!(running["protocol_differences"].trim_matches('"'), "");
    assert_eq!(
        stood["protocol_differences"],
        "differs from tables in: statistics of batch norm standing (expected running)"
    );
    assert!(running["value"] != stood["value"] && stood["value"] != of_batch["value"]);
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    ok(&["verify", &text(&run), "--steps", "2", "--quiet"]);
}

/// The final rows of a tiny run of GAN with further settings, by metric.
fn final_rows(
    dir: &Path,
    more: &[&str],
) -> std::collections::BTreeMap<String, std::collections::HashMap<String, String>> {
    let mut args = tiny("gan", "0", dir);
    args.extend(more.iter().flat_map(|set| ["--set".to_string(), (*set).to_string()]));
    ok(&strs(&args));
    let rows = rows(&dir.join("results.csv"));
    let last = rows.into_iter().filter(|r| r["checkpoint"] == "last");
    last.map(|row| (row["metric"].clone(), row)).collect()
}

#[test]
fn a_run_is_measured_against_the_split_that_its_plan_names_and_by_the_metrics_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = "evaluation.metrics=[\"fid\", \"kid\", \"vendi\"]";
    let named = final_rows(&dir.path().join("named"), &[metrics, "evaluation.kid_subset=20"]);
    let names: Vec<&str> = named.keys().map(String::as_str).collect();
    assert_eq!(names, ["fid@small-shapes", "kid@small-shapes", "vendi@small-shapes"]);
    assert_eq!(
        named["kid@small-shapes"]["protocol_differences"],
        "differs from tables in: kid_subset 20 (expected 1000)"
    );
    let train = final_rows(&dir.path().join("train"), &[]);
    assert!(train.contains_key("coverage@small-shapes"), "{:?}", train.keys());
    let split = "evaluation.reference_split=test";
    let test = final_rows(&dir.path().join("test"), &[split]);
    let fid = |rows: &std::collections::BTreeMap<
        String,
        std::collections::HashMap<String, String>,
    >| { rows["fid@small-shapes"].clone() };
    assert_eq!((fid(&train)["split"].as_str(), fid(&test)["split"].as_str()), ("train", "test"));
    assert_ne!(fid(&train)["value"], fid(&test)["value"]);
    let held_out = "evaluation.reference_split={ held_out = 0.3 }";
    let held = final_rows(&dir.path().join("held"), &[held_out]);
    assert_eq!(fid(&held)["split"], "held-out 0.3 of train");
    assert_eq!(fid(&held)["n_real"], "60");
    assert_eq!(fid(&train)["n_real"], "200");
}

#[test]
fn an_unknown_protocol_of_a_plan_is_refused_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = tiny("gan", "0", dir.path());
    args.extend(["--set".to_string(), "evaluation.protocol=nonsense".to_string()]);
    let (code, error) = crate::program::refused(&strs(&args));
    assert_eq!(code, 64, "{error}");
    assert!(error.contains("unknown protocol \"nonsense\"; known: ganbench, tables"), "{error}");
}

#[test]
fn a_protocol_with_repeats_is_the_mean_of_its_sets() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["evaluation.protocol=contrad-train", "evaluation.extractor=small-shapes"];
    let rows = final_rows(&dir.path().join("three"), &more);
    let fid = &rows["fid@small-shapes"];
    assert_eq!((fid["protocol"].as_str(), fid["split"].as_str()), ("custom", "test"));
    assert!(!fid["protocol_differences"].contains("sets of fakes"), "{fid:?}");
    let more = [more[1], "evaluation.reference_split=test", "evaluation.metrics=[\"fid\"]"];
    let one = final_rows(&dir.path().join("one"), &more);
    assert_ne!(fid["value"], one["fid@small-shapes"]["value"]);
}

#[test]
fn instance_selection_trains_on_the_likeliest_half_of_each_class_and_measures_against_all() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, percent: Option<&str>| {
        let out = dir.path().join(name);
        let mut args = tiny("gan", "0", &out);
        args.extend(percent.iter().flat_map(|percent| {
            let plan = format!(
                "dataset.selection={{ extractor = \"small-shapes\", retention_percent = {percent} }}"
            );
            ["--set".to_string(), plan]
        }));
        ok(&strs(&args));
        let rows = rows(&out.join("results.csv"));
        let row = rows.into_iter().find(|r| r["checkpoint"] == "last").unwrap();
        (row["n_real"].clone(), row["value"].clone(), out)
    };
    let (n_all, all, _) = run("all", None);
    let (n_half, half, out) = run("half", Some("50"));
    assert_eq!((n_all.as_str(), n_half.as_str()), ("200", "200"));
    assert_ne!(all, half);
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(page.contains("instance selection: trained on the 50 % of each class"), "{page}");
    let names = |out: &Path| -> Vec<std::path::PathBuf> {
        let files = fs::read_dir(out).unwrap().map(|e| e.unwrap().path());
        files.filter(|p| text(p).contains("selected-")).collect()
    };
    let [selected] = &names(&out)[..] else { panic!("{:?}", names(&out)) };
    let json: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(selected).unwrap()).unwrap();
    let kept = json["rows"].as_array().unwrap().len();
    // Half of each class, rounded down where its number is odd.
    assert!((90..=100).contains(&kept), "{kept}");
    let folder = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    ok(&["verify", &text(&folder), "--steps", "3", "--quiet"]);
    // A hundred percent is everything, yet another plan.
    assert_eq!(run("hundred", Some("100")).1, all);
    let mut args = tiny("gan", "0", &dir.path().join("refused"));
    args.extend([
        "--set".into(),
        "dataset.selection={ extractor = \"small-shapes\", retention_percent = 0 }".into(),
    ]);
    let (code, error) = crate::program::refused(&strs(&args));
    assert_eq!(code, 64);
    assert!(error.contains("retention_percent is 0, expected above 0, at most 100"), "{error}");
    let mut args = tiny("gan", "0", &dir.path().join("few"));
    args.extend([
        "--set".into(),
        "dataset.selection={ extractor = \"small-shapes\", retention_percent = 5 }".into(),
    ]);
    let (_, error) = crate::program::refused(&strs(&args));
    assert!(error.contains("batches of 16"), "{error}");
}
