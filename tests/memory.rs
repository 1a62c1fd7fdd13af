use std::fs;
use std::path::Path;

use crate::program::{ok, refused, strs, text, tiny};

fn sweep(batch: usize, out: &Path, more: &[&str]) -> Vec<String> {
    let mut args = tiny("contrad", "0", out);
    for (flag, value) in [("--batch", batch.to_string()), ("--width", "16".to_string())] {
        let at = args.iter().position(|a| a == flag).unwrap();
        args[at + 1] = value;
    }
    args.extend(more.iter().map(|a| (*a).to_string()));
    args
}

/// What a dry run says that a batch needs, in MB.
fn need(batch: usize, out: &Path) -> f64 {
    let said = ok(&strs(&sweep(batch, out, &["--dry-run"])));
    let line = said.lines().find(|line| line.ends_with(" MB in all")).unwrap();
    line.split("needs ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_batch_over_the_limit_is_refused_with_one_that_fits_and_runs_within_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    // Two measurements of one batch differ by some percent.
    let limit = (0.88 * need(64, &out)).round();
    assert!(limit > 50.0, "{limit}");
    let limited = |batch, more: &[&str]| {
        let limit = limit.to_string();
        sweep(batch, &out, &[&["--memory-limit", &limit][..], more].concat())
    };
    let mut advised = 0;
    for more in [&["--dry-run"][..], &[]] {
        let (code, said) = refused(&strs(&limited(64, more)));
        let start = "error: contrad at batch 64 needs about ";
        let middle =
            format!(" MB of memory, and {limit} MB are there (--memory-limit); a batch of ");
        assert!(code == 1 && said.starts_with(start) && said.contains(&middle), "{said}");
        advised =
            said.split("train.batch=").nth(1).unwrap().trim_end_matches(")\n").parse().unwrap();
        assert!((24..64).contains(&advised), "{said}");
        let runs = out.join("runs");
        assert!(
            !runs.exists() || fs::read_dir(runs).unwrap().next().is_none(),
            "it began to train"
        );
    }
    ok(&strs(&limited(advised, &[])));
    let csv = fs::read_to_string(out.join("results.csv")).unwrap();
    let at = csv.lines().next().unwrap().split(',').position(|name| name == "peak_rss_mb").unwrap();
    let peak = |line: &str| line.split(',').nth(at).unwrap().parse::<f64>().unwrap();
    let peak = csv.lines().skip(1).map(peak).fold(0.0, f64::max);
    assert!(peak <= limit, "{peak} MB were used, {limit} were there");

    // `train` refuses too, and a finished run is only read.
    let run = fs::read_dir(out.join("runs")).unwrap().next().unwrap().unwrap().path();
    let plan = text(&run.join("plan.toml"));
    let other = text(&dir.path().join("train"));
    let args = ["train", &plan, "--quiet", "--memory-limit", "60", "--out"];
    let (_, said) = refused(&[&args[..], &[&other]].concat());
    assert!(said.contains("60 MB are there (--memory-limit); "), "{said}");
    assert!(!Path::new(&other).join("plan.toml").exists());
    ok(&[&args[..], &[&text(&run)]].concat());
}
