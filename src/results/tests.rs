use ganbench_data::rng::Stream;
use ganbench_reports::{COLUMNS, Status};
use polars::prelude::*;

use super::*;

pub(super) fn row(run_id: &str, checkpoint: &str, value: f64) -> ResultRow {
    ResultRow {
        run_id: run_id.into(),
        table: "table1".into(),
        method: "gan".into(),
        conditional: false,
        architecture: "sndcgan".into(),
        width: 16,
        dataset: "shapes".into(),
        dataset_sha256: "ab".repeat(32),
        split: "train".into(),
        seed: u64::MAX,
        budget_unit: "real_kimg".into(),
        budget_amount: 20.0,
        batch: 64,
        g_steps: 313,
        d_steps: 313,
        real_images: 20_032,
        d_image_forwards: 40_064,
        g_image_forwards: 40_064,
        train_s: 81.25,
        peak_rss_mb: 512.5,
        checkpoint: checkpoint.into(),
        metric: "fid@small-shapes".into(),
        value: Some(value),
        ci_low: None,
        ci_high: None,
        n_real: 50_000,
        n_fake: 10_000,
        extractor: "small-shapes".into(),
        extractor_sha256: "cd".repeat(32),
        protocol: "table1".into(),
        status: Status::Ok,
        version: "0.1.0".into(),
        commit: String::new(),
        d_image_forwards_g_step: 20_032,
        protocol_differences: String::new(),
        tflops: None,
        cpu_s: None,
        other_cpu_s: None,
    }
}

/// Rows with every kind of odd content: extreme floats, quotes and commas, empty and missing
/// values.
fn odd_rows() -> Vec<ResultRow> {
    let mut stream = Stream::new(0, "test/results");
    let mut rows = Vec::new();
    for i in 0..2000u32 {
        let bits = f64::from_bits(stream.u64());
        let value = if bits.is_finite() { bits } else { stream.uniform() };
        let checkpoint = ganbench_reports::kimg_name(f64::from(i) * 0.064);
        let train_s = stream.range(0.0, 1e6);
        rows.push(ResultRow { train_s, ..row("a", &checkpoint, value) });
    }
    for value in [0.0, -0.0, f64::MIN_POSITIVE, 5e-324, f64::MAX, 0.1 + 0.2, 1e21, 123456789.125] {
        rows.push(row("a", "last", value));
    }
    let odd = "comma, \"quote\", ünïcode ↓ 'x'";
    rows.push(ResultRow { architecture: odd.into(), conditional: true, ..row("a", "best", 1.0) });
    rows.push(ResultRow {
        value: None,
        status: Status::Diverged,
        ci_low: None,
        ..row("a", "last", 0.0)
    });
    rows.push(ResultRow { ci_low: Some(0.5), ci_high: Some(1.5), ..row("a", "last", 1.0) });
    rows
}

fn same_bits(a: &[ResultRow], b: &[ResultRow]) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert_eq!(x, y);
        assert_eq!(x.value.map(f64::to_bits), y.value.map(f64::to_bits));
        assert_eq!(x.train_s.to_bits(), y.train_s.to_bits());
    }
}

#[test]
fn rows_survive_parquet_and_csv_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let rows = odd_rows();
    let (parquet, csv) = files::write(folder.path(), &rows).unwrap();
    same_bits(&read_rows(&parquet).unwrap(), &rows);
    same_bits(&read_rows(&csv).unwrap(), &rows);
    same_bits(&read_rows(folder.path()).unwrap(), &rows);
    std::fs::remove_file(&parquet).unwrap();
    same_bits(&read_rows(folder.path()).unwrap(), &rows);
}

#[test]
fn both_files_hold_the_promised_columns_first_in_order_and_type() {
    let folder = tempfile::tempdir().unwrap();
    let (parquet, csv) = files::write(folder.path(), &odd_rows()).unwrap();
    let frame = ParquetReader::new(std::fs::File::open(parquet).unwrap()).finish().unwrap();
    let text = "String";
    let promised = [
        ("run_id", text),
        ("table", text),
        ("method", text),
        ("conditional", "Boolean"),
        ("architecture", text),
        ("width", "UInt64"),
        ("dataset", text),
        ("dataset_sha256", text),
        ("split", text),
        ("seed", "UInt64"),
        ("budget_unit", text),
        ("budget_amount", "Float64"),
        ("batch", "UInt64"),
        ("g_steps", "UInt64"),
        ("d_steps", "UInt64"),
        ("real_images", "UInt64"),
        ("d_image_forwards", "UInt64"),
        ("g_image_forwards", "UInt64"),
        ("train_s", "Float64"),
        ("peak_rss_mb", "Float64"),
        ("checkpoint", text),
        ("metric", text),
        ("value", "Float64"),
        ("ci_low", "Float64"),
        ("ci_high", "Float64"),
        ("n_real", "UInt64"),
        ("n_fake", "UInt64"),
        ("extractor", text),
        ("extractor_sha256", text),
        ("protocol", text),
        ("status", text),
        ("version", text),
        ("commit", text),
    ];
    for (column, (name, kind)) in frame.columns().iter().zip(promised) {
        assert_eq!((column.name().as_str(), format!("{:?}", column.dtype())), (name, kind.into()));
    }
    let csv = std::fs::read_to_string(csv).unwrap();
    let names: Vec<&str> = COLUMNS.iter().map(|c| c.name).collect();
    assert_eq!(csv.lines().next().unwrap(), names.join(","));
    let first: Vec<&str> = promised.iter().map(|(name, _)| *name).collect();
    assert_eq!(names[..33], first);
}

#[test]
fn no_rows_make_files_that_read_back_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let (parquet, csv) = files::write(folder.path(), &[]).unwrap();
    assert_eq!(read_rows(&parquet).unwrap(), []);
    assert_eq!(read_rows(&csv).unwrap(), []);
}

#[test]
fn a_value_that_is_not_finite_never_gets_in() {
    let folder = tempfile::tempdir().unwrap();
    let scores = folder.path().join(SCORES_NAME);
    let good = row("a", "last", 1.0);
    for bad in [f64::NAN, f64::INFINITY] {
        let rows = [good.clone(), row("a", "best", bad)];
        let error = append_scores(&scores, &rows).unwrap_err().to_string();
        assert!(error.contains("only finite numbers are stored"), "{error}");
        assert!(!scores.exists());
        let error = files::write(folder.path(), &rows).unwrap_err().to_string();
        assert!(error.contains("row 2: column value of run a is"), "{error}");
        assert!(!folder.path().join(PARQUET_NAME).exists());
    }
    // JSON has no NaN: a foreign writer's null would hide one, and is refused by the status.
    let text = serde_json::to_string(&good).unwrap().replace("\"value\":1.0", "\"value\":null");
    std::fs::write(&scores, format!("{text}\n")).unwrap();
    let error = read_scores(&scores).unwrap_err().to_string();
    assert!(
        error.contains("line 1, is no result row: metric fid@small-shapes of run a"),
        "{error}"
    );
    // A whole line is never taken for a torn one, with or without its line break.
    std::fs::write(&scores, text).unwrap();
    assert!(read_scores(&scores).is_err());
}

#[test]
fn a_torn_last_line_is_left_out_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SCORES_NAME);
    append_scores(&path, &[row("a", "0", 3.0), row("a", "5", 2.0)]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let first = whole.iter().position(|&b| b == b'\n').unwrap() + 1;
    // Cut at every byte of the second line: never an error, never a wrong row.
    for cut in first..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let scores = read_scores(&path).unwrap();
        // Without its line break only, the line is still whole.
        let complete = cut + 1 == whole.len();
        assert_eq!(scores.rows.len(), if complete { 2 } else { 1 }, "cut at {cut}");
        let torn = (!complete && cut > first).then(|| TornLine {
            path: path.clone(),
            line: 2,
            bytes: cut - first,
        });
        assert_eq!(scores.torn, torn);
        // Going on after the cut repairs the file.
        append_scores(&path, &[row("a", "10", 1.0)]).unwrap();
        let scores = read_scores(&path).unwrap();
        assert_eq!(scores.rows.len(), if complete { 3 } else { 2 }, "cut at {cut}");
        assert_eq!(scores.torn, None);
    }
}

#[test]
fn a_broken_middle_line_is_an_error_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SCORES_NAME);
    append_scores(&path, &[row("a", "0", 3.0), row("a", "5", 2.0), row("a", "10", 1.0)]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (broken, reason) in [
        (&lines[1][..40], "EOF while parsing"),
        ("{}", "missing field `run_id`"),
        (
            &lines[1].replace("\"last\"", "\"5\"").replace("2.0", "null")[..],
            "status ok but no value",
        ),
        ("\u{0}\u{0}\u{0}", "expected value"),
    ] {
        std::fs::write(&path, [lines[0], broken, lines[2], ""].join("\n")).unwrap();
        let error = read_scores(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{}, line 2, is no result row: ", path.display())),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_rebuild_joins_runs_and_keeps_the_later_of_repeated_lines() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str| {
        let path = folder.path().join("runs").join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    };
    let (a, b) = (run("a"), run("b"));
    append_scores(&a.join(SCORES_NAME), &[row("a", "0", 3.0), row("a", "5", 2.0)]).unwrap();
    append_scores(&a.join(SCORES_NAME), &[row("a", "5", 1.5), row("a", "last", 1.0)]).unwrap();
    append_scores(&b.join(SCORES_NAME), &[row("b", "last", 4.0)]).unwrap();
    // A run that was killed while it wrote its first line.
    let c = run("c");
    std::fs::write(c.join(SCORES_NAME), "{\"run_id\":\"c").unwrap();

    let runs = find_runs(folder.path()).unwrap();
    assert_eq!(runs, [a, b.clone(), c.clone()]);
    let rebuilt = rebuild(folder.path(), &runs).unwrap();
    let values: Vec<(&str, &str, f64)> = rebuilt
        .rows
        .iter()
        .map(|r| (r.run_id.as_str(), r.checkpoint.as_str(), r.value.unwrap()))
        .collect();
    assert_eq!(values, [("a", "0", 3.0), ("a", "5", 1.5), ("a", "last", 1.0), ("b", "last", 4.0)]);
    let torn = TornLine { path: c.join(SCORES_NAME), line: 1, bytes: 12 };
    assert_eq!(rebuilt.torn, [torn]);
    same_bits(&read_rows(&rebuilt.parquet).unwrap(), &rebuilt.rows);
    same_bits(&read_rows(&rebuilt.csv).unwrap(), &rebuilt.rows);

    // Again: the same bytes, and nothing else in the folder.
    let before = (std::fs::read(&rebuilt.parquet).unwrap(), std::fs::read(&rebuilt.csv).unwrap());
    let again = rebuild(folder.path(), &runs).unwrap();
    let after = (std::fs::read(&again.parquet).unwrap(), std::fs::read(&again.csv).unwrap());
    assert!(before == after);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);

    // A copied run folder would count a seed twice.
    let copy = run("copy");
    std::fs::copy(b.join(SCORES_NAME), copy.join(SCORES_NAME)).unwrap();
    let error = rebuild(folder.path(), &find_runs(folder.path()).unwrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("run b is in two folders, {} and {}; remove one", b.display(), copy.display())
    );
}

#[test]
fn files_that_are_not_ours_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let message = |path: &Path| read_rows(path).unwrap_err().to_string();
    assert!(
        message(folder.path()).contains("nor a folder that holds results.parquet or results.csv")
    );
    assert!(message(&at("results.txt")).contains("is neither .parquet, .csv"));
    assert!(message(&at("no.csv")).contains("no.csv could not be read: "));

    let (parquet, csv) = files::write(folder.path(), &[row("a", "last", 1.0)]).unwrap();
    let bytes = std::fs::read(&parquet).unwrap();
    for cut in [0, 3, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(at("cut.parquet"), &bytes[..cut]).unwrap();
        assert!(message(&at("cut.parquet")).contains("cut.parquet could not be read as a table"));
    }
    // A flipped bit is an error or goes unnoticed, never a panic: polars has some of its own.
    for at_byte in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at_byte] ^= 0x10;
        std::fs::write(at("flipped.parquet"), damaged).unwrap();
        let _ = read_rows(&at("flipped.parquet"));
    }
    let text = std::fs::read_to_string(&csv).unwrap();
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        std::fs::write(at("broken.csv"), text.replace(from, to)).unwrap();
        message(&at("broken.csv"))
    };
    assert!(
        broken(",seed,", ",sead,")
            .ends_with("has no column seed; expected a results file of ganbench")
    );
    assert!(
        broken(",50000,", ",fifty,")
            .ends_with("row 1, column n_real: expected a whole number, found \"fifty\"")
    );
    assert!(broken(",81.25,", ",NaN,").contains("column train_s: expected a finite number"));
    assert!(
        broken("fid@small-shapes,1.0,", "fid@small-shapes,inf,").contains("column value: expected")
    );
    assert!(
        broken("fid@small-shapes,1.0,", "fid@small-shapes,,").contains("status ok but no value")
    );
    assert!(
        broken(",ok,", ",fine,").contains("could not be read as a table: unknown variant `fine`")
    );
}

#[test]
fn later_and_foreign_columns_do_not_disturb() {
    let folder = tempfile::tempdir().unwrap();
    let (_, csv) = files::write(folder.path(), &[row("a", "last", 1.0)]).unwrap();
    let text = std::fs::read_to_string(&csv).unwrap();
    let more: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{line},{}", if i == 0 { "note" } else { "hello" }))
        .collect();
    std::fs::write(&csv, more.join("\n")).unwrap();
    assert_eq!(read_rows(&csv).unwrap(), [row("a", "last", 1.0)]);
    // Files from before the last columns were added.
    let fewer = |text: &str| -> String {
        let lines = text.lines().map(|line| line.rsplit_once(',').unwrap().0);
        lines.collect::<Vec<_>>().join("\n")
    };
    std::fs::write(&csv, fewer(&text)).unwrap();
    assert_eq!(read_rows(&csv).unwrap(), [row("a", "last", 1.0)]);
    let without_five = (0..5).fold(text, |text, _| fewer(&text));
    std::fs::write(&csv, without_five).unwrap();
    assert_eq!(read_rows(&csv).unwrap()[0].d_image_forwards_g_step, 0);
}
