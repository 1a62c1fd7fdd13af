use ganbench_reports::{ResultRow, Status};

use super::measure::{Request, measure};
use super::runs::{Points, Runs};
use super::table::{answer, text};

/// A row of the run of a seed.
fn row(seed: u64, metric: &str, value: f64) -> ResultRow {
    ResultRow {
        run_id: format!("run-{seed}"),
        table: "table1".into(),
        method: if seed.is_multiple_of(2) { "gan" } else { "kdd" }.into(),
        conditional: false,
        architecture: "sndcgan".into(),
        width: 16,
        dataset: "shapes".into(),
        dataset_sha256: "ab".repeat(32),
        split: "test".into(),
        seed,
        budget_unit: "real_kimg".into(),
        budget_amount: 35.0,
        batch: 32,
        g_steps: 1,
        d_steps: 1,
        real_images: 1,
        d_image_forwards: 1,
        g_image_forwards: 1,
        train_s: 1.0,
        peak_rss_mb: 1.0,
        checkpoint: "last".into(),
        metric: metric.into(),
        value: Some(value),
        ci_low: None,
        ci_high: None,
        n_real: 10000,
        n_fake: 10000,
        extractor: "small-shapes".into(),
        extractor_sha256: "cd".repeat(32),
        protocol: "tables".into(),
        status: Status::Ok,
        version: "0".into(),
        commit: "0".into(),
        d_image_forwards_g_step: 1,
        protocol_differences: String::new(),
        tflops: None,
        cpu_s: None,
        other_cpu_s: None,
    }
}

/// Ten runs, the truth better by each seed; `value` gives a metric by the seed.
fn rows(metric: &str, value: impl Fn(u64) -> f64) -> Vec<ResultRow> {
    let truth = |seed| row(seed, "modes_kl@small-shapes", 10.0 - seed as f64);
    (0..10).flat_map(|seed| [truth(seed), row(seed, metric, value(seed))]).collect()
}

fn truths() -> Vec<String> {
    vec!["modes_kl".into()]
}

fn tau_of(metric: &str, value: impl Fn(u64) -> f64) -> super::measure::Tau {
    let runs = Runs::new(&rows(metric, value), Points::Last).unwrap();
    let truths = truths();
    let request = Request { truths: &truths, draws: 500, seed: 0 };
    let findings = measure(&runs, &request).unwrap();
    findings.agreements.iter().find(|a| a.metric == metric).unwrap().all[0].unwrap()
}

#[test]
fn a_metric_that_orders_runs_as_the_truth_has_tau_1_whichever_way_is_better() {
    // Lower FID and higher precision are better, as lower KL is.
    assert_eq!(tau_of("fid@small-shapes", |seed| 100.0 - seed as f64).tau, 1.0);
    assert_eq!(tau_of("precision@small-shapes", |seed| seed as f64 / 10.0).tau, 1.0);
    assert_eq!(tau_of("fid@small-shapes", |seed| 1.0 + seed as f64).tau, -1.0);
}

#[test]
fn an_interval_holds_the_correlation_and_widens_with_disorder() {
    let sure = tau_of("fid@small-shapes", |seed| 100.0 - seed as f64);
    assert_eq!(sure.interval, Some([1.0, 1.0]));
    let unsure = tau_of("fid@small-shapes", |seed| ((7 * seed) % 10) as f64);
    let [low, high] = unsure.interval.unwrap();
    assert!(low < unsure.tau && unsure.tau < high && low < 0.0, "{unsure:?}");
    assert!(!unsure.is_positive() && sure.is_positive());
}

#[test]
fn checkpoints_of_one_run_are_drawn_together() {
    let mut rows = Vec::new();
    for seed in 0..6 {
        for point in 0..4u64 {
            // Every run gets better alike, and no run is better than another.
            for (metric, value) in [("modes_kl", 9.0 - point as f64), ("fid", 50.0 - point as f64)]
            {
                let checkpoint = format!("{}", 10 * (point + 1));
                rows.push(ResultRow { checkpoint, ..row(seed, metric, value) });
            }
        }
    }
    let runs = Runs::new(&rows, Points::Curve).unwrap();
    assert_eq!((runs.runs.len(), runs.points.len()), (6, 24));
    let truths = truths();
    let findings = measure(&runs, &Request { truths: &truths, draws: 200, seed: 0 }).unwrap();
    let fid = findings.agreements.iter().find(|a| a.metric == "fid").unwrap().all[0].unwrap();
    assert_eq!((fid.tau, fid.n_runs, fid.interval), (1.0, 6, Some([1.0, 1.0])));
}

#[test]
fn the_better_half_are_the_runs_above_the_middle_by_the_truth() {
    // Right among the five worst, wrong among the five best.
    let value = |seed: u64| if seed < 5 { 50.0 - seed as f64 } else { seed as f64 };
    let runs = Runs::new(&rows("fid@small-shapes", value), Points::Last).unwrap();
    let truths = truths();
    let findings = measure(&runs, &Request { truths: &truths, draws: 200, seed: 0 }).unwrap();
    let fid = findings.agreements.iter().find(|a| a.metric.starts_with("fid")).unwrap();
    assert_eq!(fid.better_half[0].unwrap().tau, -1.0);
    assert!(fid.all[0].unwrap().tau > 0.0);
}

#[test]
fn the_answer_names_what_agrees_and_what_may_know_nothing() {
    let mut all = rows("fid@small-shapes", |seed| 100.0 - seed as f64);
    all.extend(rows("precision@small-shapes", |seed| ((7 * seed) % 10) as f64 / 10.0));
    let truths = truths();
    let runs = Runs::new(&all, Points::Last).unwrap();
    let findings = measure(&runs, &Request { truths: &truths, draws: 500, seed: 0 }).unwrap();
    let answer = answer(&findings);
    assert!(
        answer.starts_with(
            "Of 2 metrics 1 order runs as modes_kl@small-shapes does rather than by chance; the closest is \
             fid@small-shapes 1.00 [1.00, 1.00]. These may know nothing of it: precision@small-shapes"
        ),
        "{answer}"
    );
    // The truth itself stands below the metrics that are judged.
    let text = text(&findings);
    let place = |name: &str| text.lines().position(|line| line.starts_with(name)).unwrap();
    assert!(place("fid") < place("precision") && place("precision") < place("modes_kl"), "{text}");
}

#[test]
fn values_that_were_measured_in_two_ways_are_refused() {
    let mut all = rows("fid@small-shapes", |seed| seed as f64);
    all.push(ResultRow { n_fake: 2000, ..row(11, "fid@small-shapes", 3.0) });
    let error = Runs::new(&all, Points::Last).unwrap_err().to_string();
    assert!(
        error.starts_with("fid@small-shapes was measured in 2 ways, expected one")
            && error.contains("10000 reals and 2000 fakes"),
        "{error}"
    );
}

#[test]
fn runs_without_the_truth_and_too_few_runs_are_refused() {
    let fail = |rows: &[ResultRow]| {
        let runs = Runs::new(rows, Points::Last).unwrap();
        let truths = truths();
        measure(&runs, &Request { truths: &truths, draws: 200, seed: 0 }).unwrap_err().to_string()
    };
    let without: Vec<_> = (0..10).map(|seed| row(seed, "fid", 1.0)).collect();
    assert_eq!(
        fail(&without),
        "no run has the metric modes_kl at the checkpoint last, which the others are held against; expected runs on \
         shapes that were measured with protocol tables"
    );
    let few: Vec<_> = (0..4).map(|seed| row(seed, "modes_kl", 1.0)).collect();
    assert_eq!(
        fail(&few),
        "4 runs have the metric modes_kl, expected at least 5 to correlate with it"
    );
}

#[test]
fn names_of_result_files_come_escaped_into_the_page_and_its_tables() {
    let mut all = rows("fid@small-shapes", |seed| seed as f64);
    all.iter_mut().for_each(|row| row.method = "=1+1\u{1b}[31m|x".into());
    let truths = truths();
    let runs = Runs::new(&all, Points::Last).unwrap();
    let findings = measure(&runs, &Request { truths: &truths, draws: 200, seed: 0 }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    super::page::write(dir.path(), &findings, &runs).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let files = ["README.md", "scores.csv", "agreement.csv", "agreement.svg"].map(read);
    assert!(files.iter().all(|text| !text.contains('\u{1b}')), "{files:?}");
    assert!(files[0].contains(r"=1+1\\u{1b}\[31m\|x 10"), "{}", files[0]);
    assert!(files[1].contains(r",'=1+1\u{1b}[31m|x,"), "{}", files[1]);
    // A name ends no cell of a table.
    let columns = |row: &str| row.replace(r"\|", "").matches('|').count();
    let lines: Vec<&str> = files[0].lines().collect();
    for rows in lines.split(|line| !line.starts_with('|')).filter(|rows| !rows.is_empty()) {
        assert!(rows.iter().all(|row| columns(row) == columns(rows[0])), "{rows:?}");
    }
}
