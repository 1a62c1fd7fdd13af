use std::fs;
use std::path::{Path, PathBuf};

use ganbench::results::{find_runs, read_rows};
use ganbench_reports::ResultRow;

use crate::program::{Started, command, ok, refused, send, text};

const MARKS: &str = "# Kept\n\n<!-- kept: written by `make kept` -->\n<!-- /kept -->\n\nbehind\n";

/// An experiment of two methods, with a claim that any numbers decide one way or leave open.
fn experiment(dir: &Path, seeds: &str, steps: &str) -> PathBuf {
    let file = dir.join("tiny.toml");
    let command = format!(
        "reproduce table1 --methods gan,kdd --seeds {seeds} --budget g_steps={steps} --batch 16 --width 4 --n-fake 30 \
         --set evaluation.n_fake_curve=40 --set dataset.limit=200 --set evaluation.curve_points=4"
    );
    let text = format!(
        "name = \"tiny\"\nquestion = \"Is KDD GAN better?\"\n\n[[part]]\nname = \"shapes\"\ntitle = \"Shapes\"\n\
         command = \"{command}\"\nalso = [\"remeasure --extractor pixels --n-fake 40 --max-real 100\"]\n\n[[claim]]\ntext = \"KDD GAN's FID is lower\"\nsource = \"us\"\n\
         parts = [\"shapes\"]\nmeasure = \"fid\"\nlower = [\"kdd\"]\nthan = [\"gan\"]\n\
         picture = \"shapes/plots/scores.png\"\n"
    );
    fs::write(&file, text).unwrap();
    file
}

fn args<'a>(file: &'a str, root: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["kept", file, "--kept", root, "--quiet"], more].concat()
}

fn folder(root: &Path) -> PathBuf {
    let mut folders = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let folder = folders.next().unwrap();
    assert!(folder.file_name().unwrap().to_str().unwrap().ends_with("core-tiny"), "{folder:?}");
    assert!(folders.next().is_none());
    folder
}

fn finding(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(folder.join("verdicts.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["findings"][0].clone()
}

/// FID of the last checkpoint by method and seed, as `results.parquet` has it.
fn fids(folder: &Path) -> Vec<(String, u64, f64)> {
    let rows = read_rows(&folder.join("shapes/results.parquet")).unwrap();
    rows.into_iter()
        .filter(|row| row.checkpoint == "last" && row.metric == "fid@small-shapes")
        .map(|row| (row.method, row.seed, row.value.unwrap()))
        .collect()
}

/// What version control has of a part: all but the folders of runs.
fn tracked(part: &Path) -> (usize, u64) {
    let entries = [part.to_path_buf(), part.join("plots")];
    let files = entries.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(Result::unwrap).filter(|entry| entry.file_name() != "lock");
    let files = files.map(|entry| entry.metadata().unwrap()).filter(|data| data.is_file());
    files.fold((0, 0), |(n, bytes), file| (n + 1, bytes + file.len()))
}

#[test]
fn an_experiment_is_judged_by_its_runs_and_goes_on_without_their_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("kept");
    let (file, root_text) = (text(&experiment(dir.path(), "0,3", "4")), text(&root));
    let page = dir.path().join("page.md");
    fs::write(&page, MARKS).unwrap();
    let said = ok(&args(&file, &root_text, &["--page", &text(&page)]));
    assert!(said.contains("KDD GAN's FID is lower (2 seeds)"), "{said}");
    let kept = folder(&root);
    let found = finding(&kept);
    // The verdict's effect, from the numbers that anyone can load.
    let fids_before = fids(&kept);
    assert_eq!(fids_before.len(), 4);
    let of = |method: &str, seed: u64| {
        fids_before.iter().find(|(m, s, _)| m == method && *s == seed).unwrap().2
    };
    let ratio = |seed| (of("kdd", seed) / of("gan", seed)).ln();
    let effect = ((ratio(0) + ratio(3)) / 2.0).exp();
    assert!((found["effect"].as_f64().unwrap() / effect - 1.0).abs() < 1e-12, "{found}");
    assert_eq!((&found["seeds"], &found["scale"]), (&2.into(), &"ratio".into()));
    let (readme, index) =
        (fs::read_to_string(kept.join("README.md")).unwrap(), fs::read_to_string(&page).unwrap());
    for page in [&readme, &index] {
        assert!(page.contains("| KDD GAN's FID is lower (us) | exploratory: "), "{page}");
    }
    assert!(
        readme.contains("| shapes | 4 of 4 | 0 |") && readme.contains("Last against best"),
        "{readme}"
    );
    assert!(readme.contains("![samples.png](shapes/plots/samples.png)"), "{readme}");
    assert!(
        index.ends_with("\n<!-- /kept -->\n\nbehind\n") && index.contains("4 of 4 runs"),
        "{index}"
    );

    assert!(readme.contains("Extractors: small-shapes against pixels"), "{readme}");
    let pixels = || {
        let rows = read_rows(&kept.join("shapes/results.parquet")).unwrap();
        let of_tables = |row: &&ResultRow| row.metric == "fid@pixels" && row.protocol == "tables";
        rows.iter().filter(of_tables).count()
    };
    assert_eq!(pixels(), 4);

    // Finished runs are packed; their folders hold what is left out of version control. Two
    // extractors make one figure more than the parts of this repository have.
    let part = kept.join("shapes");
    let (files, bytes) = tracked(&part);
    assert!((8..=13).contains(&files) && bytes < 1_500_000, "{files} files, {bytes} bytes");
    for run in fs::read_dir(part.join("runs")).unwrap() {
        let names = fs::read_dir(run.unwrap().path()).unwrap().map(|e| e.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        assert_eq!(names, ["checkpoints", "samples.png"]);
    }
    let runs = find_runs(&part).unwrap();
    assert_eq!(runs.len(), 4);
    // Whatever reads folders of runs reads the part.
    let out = text(&dir.path().join("report"));
    ok(&["report", "--runs", &text(&part), "--out", &out]);
    let whole = fs::read(part.join("results.parquet")).unwrap();
    assert!(fs::read(dir.path().join("report/results.parquet")).unwrap() == whole);
    assert!(ok(&["verify", &text(&runs[0]), "--quiet"]).contains("identical"));
    ok(&["compare", &text(&part), "--reference", "gan"]);

    // As on a machine that has the repository only, with a seed more to train.
    let samples = fs::read(part.join("plots/samples.png")).unwrap();
    fs::remove_dir_all(part.join("runs")).unwrap();
    let pages = fs::read(kept.join("README.md")).unwrap();
    let verdicts = fs::read(kept.join("verdicts.json")).unwrap();
    ok(&args(&file, &root_text, &["--pages-only"]));
    assert!(fs::read(kept.join("verdicts.json")).unwrap() == verdicts);
    assert!(fs::read(kept.join("README.md")).unwrap() == pages);
    assert!(!part.join("runs").exists());
    experiment(dir.path(), "0,3,1", "4");
    ok(&args(&file, &root_text, &[]));
    assert_eq!(folder(&root), kept);
    let fids_after = fids(&kept);
    assert_eq!((fids_after.len(), pixels()), (6, 6));
    assert!(fids_before.iter().all(|old| fids_after.contains(old)));
    assert_eq!(finding(&kept)["seeds"], 3);
    assert_eq!(fs::read(kept.join("shapes/plots/samples.png")).unwrap(), samples);
    assert_eq!(fs::read_to_string(kept.join("slices.jsonl")).unwrap().lines().count(), 4);
}

#[test]
fn remeasure_adds_what_is_not_there_yet_and_refuses_folders_without_finished_runs() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    ok(&crate::program::strs(&crate::program::tiny("gan", "0", &out)));
    let runs = text(&out.join("runs"));
    let with = |more: &[&str]| {
        let args = ["remeasure", "--runs", &runs, "--extractor", "pixels"];
        let n_fake: &[&str] = if more.contains(&"--n-fake") { &[] } else { &["--n-fake", "40"] };
        [&args[..], n_fake, more].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (code, error) = refused(&crate::program::strs(&with(&["--protocol", "mine"])));
    assert_eq!(code, 64);
    assert!(error.contains("unknown protocol \"mine\"; known: ganbench, tables"), "{error}");
    assert_eq!(ok(&crate::program::strs(&with(&[]))).trim(), "1 of 1 runs measured");
    assert_eq!(ok(&crate::program::strs(&with(&[]))).trim(), "0 of 1 runs measured");
    let (code, error) = refused(&crate::program::strs(&with(&["--n-fake", "50"])));
    assert_eq!(code, 64);
    let said = "holds rows of 40 fakes under protocol tables and extractor pixels, not of 50; choose another";
    assert!(error.contains(said), "{error}");
    let empty = text(dir.path());
    let (code, error) = refused(&["remeasure", "--runs", &empty, "--extractor", "nothing"]);
    assert_eq!(code, 64, "{error}");
    fs::remove_dir_all(out).unwrap();
    let (code, error) = refused(&["remeasure", "--runs", &empty, "--extractor", "pixels"]);
    assert_eq!(code, 1);
    assert!(error.contains("holds no finished runs"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_an_experiment_after_the_step_under_way_and_its_page_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("kept");
    let (file, root_text) = (text(&experiment(dir.path(), "0", "100000")), text(&root));
    let mut child = Started::spawn(&mut command(&args(&file, &root_text, &[])));
    let started = || {
        let runs = fs::read_dir(&root)
            .ok()?
            .flatten()
            .find(|e| e.path().is_dir())?
            .path()
            .join("shapes/runs");
        let run = fs::read_dir(runs).ok()?.flatten().next()?.path();
        Some(fs::read_to_string(run.join("train.jsonl")).ok()?.lines().count()).filter(|n| *n > 0)
    };
    let begin = std::time::Instant::now();
    while started().is_none() {
        assert!(begin.elapsed().as_secs() < 120, "the run has not begun");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    send(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let readme = fs::read_to_string(folder(&root).join("README.md")).unwrap();
    assert!(
        readme.contains("| open: fewer than two seeds |") && readme.contains("0 of 2"),
        "{readme}"
    );
}

#[test]
fn wrong_experiments_parts_and_pages_are_refused_and_nothing_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let root = text(&dir.path().join("kept"));
    let file = experiment(dir.path(), "0", "4");
    let (code, error) = refused(&args(&text(&file), &root, &["--parts", "squares"]));
    assert_eq!(code, 64);
    assert!(error.contains("has no part \"squares\"; it has shapes"), "{error}");
    let page = dir.path().join("page.md");
    fs::write(&page, "no marks").unwrap();
    let (code, error) = refused(&args(&text(&file), &root, &["--page", &text(&page)]));
    assert_eq!(code, 1);
    assert!(error.contains("page.md lacks the marks"), "{error}");
    assert!(!Path::new(&root).exists());
    fs::write(&file, "name = 3").unwrap();
    let (code, error) = refused(&args(&text(&file), &root, &[]));
    assert_eq!(code, 1);
    assert!(error.contains("tiny.toml is no experiment"), "{error}");
    let (code, error) = refused(&args("nowhere.toml", &root, &[]));
    assert_eq!(code, 1);
    assert!(error.contains("cannot read nowhere.toml"), "{error}");
}
