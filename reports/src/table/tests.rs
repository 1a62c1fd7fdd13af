use super::*;
use crate::card::test_cards;
use crate::error::ReportError;
use crate::row::tests::row;
use crate::row::{ResultRow, Status};

pub(crate) fn labels() -> Vec<MethodLabel> {
    [("gan", "GAN"), ("contrad", "ContraD"), ("kdd", "KDD GAN"), ("reacgan", "ReACGAN")]
        .map(|(method, label)| MethodLabel::new(method, label))
        .to_vec()
}

/// A row of a run of its own for each method and seed.
fn row_of(method: &str, seed: u64, checkpoint: &str, metric: &str, value: f64) -> ResultRow {
    ResultRow {
        run_id: format!("{method}-{seed}"),
        method: method.into(),
        conditional: method == "reacgan",
        seed,
        checkpoint: checkpoint.into(),
        metric: format!("{metric}@small-shapes"),
        value: Some(value),
        ..row()
    }
}

fn diverged(method: &str, seed: u64, checkpoint: &str, metric: &str) -> ResultRow {
    let row = row_of(method, seed, checkpoint, metric, 0.0);
    ResultRow { value: None, status: Status::Diverged, g_steps: 40, train_s: 9.0, ..row }
}

/// One seed of three methods, two metrics, both checkpoints.
fn one_seed() -> Vec<ResultRow> {
    let mut rows = Vec::new();
    for (method, fid, coverage) in
        [("reacgan", 20.5, 0.62), ("gan", 31.25, 0.5), ("contrad", 25.0, 0.6204)]
    {
        rows.push(row_of(method, 0, "last", "fid", fid));
        rows.push(row_of(method, 0, "last", "coverage", coverage));
        rows.push(row_of(method, 0, "best", "fid", fid - 0.5));
        rows.push(row_of(method, 0, "best", "coverage", coverage));
    }
    rows
}

#[test]
fn a_table_of_one_seed_shows_plain_values_in_the_given_order() {
    let text = Table::new(&one_seed(), &labels(), test_cards()).unwrap().text(160);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Last checkpoint");
    assert_eq!(
        lines[2].split_whitespace().collect::<Vec<_>>().join(" "),
        "Method FID Coverage G steps real kimg D kfwd in G steps G kfwd TFLOPs CPU s train s peak MB"
    );
    assert_eq!(
        lines[3].split_whitespace().collect::<Vec<_>>().join(" "),
        "@small-shapes ↓ @small-shapes ↑"
    );
    let body: Vec<String> =
        lines[5..8].iter().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    // Of one seed nothing is known of chance, so nothing is marked.
    assert_eq!(
        body,
        [
            "GAN 31.25 0.500 313 20.0 60.1 20.0 40.1 1.5 – 81.2 512",
            "ContraD 25.00 0.620 313 20.0 60.1 20.0 40.1 1.5 – 81.2 512",
            "ReACGAN (cond.) 20.50 0.620 313 20.0 60.1 20.0 40.1 1.5 – 81.2 512",
        ]
    );
    assert!(text.contains("Best checkpoint (lowest FID on the curve)"));
    let flowing = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flowing.contains("One seed, so no interval"));
    // Numbers of a column end at the same place.
    let ends: Vec<usize> = lines[5..8].iter().map(|l| l.chars().count()).collect();
    assert!(ends.windows(2).all(|w| w[0] == w[1]), "{text}");
}

#[test]
fn the_markdown_table_is_as_written_here() {
    let markdown = Table::new(&one_seed(), &labels(), test_cards()).unwrap().markdown();
    assert_eq!(
        markdown,
        "\
table1: shapes (sha256 0123456789ab, split train), sndcgan of width 16, batch 64, budget \
real\\_kimg=20 for every method, seed 0. Extractor small-shapes (weights sha256 fedcba987654), \
protocol table1; 50000 real and 10000 fake images. One seed, so no interval, and no value is marked as \
best: small differences mean nothing. Arrows point to the better side. Spent (means over seeds, up to the \
last checkpoint): steps of G; thousands of real images shown to D; thousands of images through D, and those \
of them in G steps; thousands of images through G; 10¹² floating-point operations of convolutions and linear \
layers; seconds of processors; seconds of training without evaluation; peak resident memory. (cond.): trained \
with class labels, the others without. Status: no run diverged. No run collapsed.

**Last checkpoint**

| Method | FID@small-shapes ↓ | Coverage@small-shapes ↑ | G steps | real kimg | D kfwd | in G steps | G kfwd | TFLOPs | CPU s | train s | peak MB |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| GAN | 31.25 | 0.500 | 313 | 20.0 | 60.1 | 20.0 | 40.1 | 1.5 | – | 81.2 | 512 |
| ContraD | 25.00 | 0.620 | 313 | 20.0 | 60.1 | 20.0 | 40.1 | 1.5 | – | 81.2 | 512 |
| ReACGAN (cond.) | 20.50 | 0.620 | 313 | 20.0 | 60.1 | 20.0 | 40.1 | 1.5 | – | 81.2 | 512 |

**Best checkpoint (lowest FID on the curve)**

| Method | FID@small-shapes ↓ | Coverage@small-shapes ↑ |
| :-- | --: | --: |
| GAN | 30.75 | 0.500 |
| ContraD | 24.50 | 0.620 |
| ReACGAN (cond.) | 20.00 | 0.620 |
"
    );
}

#[test]
fn the_latex_table_escapes_and_marks() {
    let mut rows = one_seed();
    for row in &mut rows {
        row.architecture = "my_net & 50%".into();
    }
    let latex = Table::new(&rows, &labels(), test_cards()).unwrap().latex();
    assert!(latex.starts_with("% needs \\usepackage{booktabs}\n\\begin{table}[t]\n"));
    assert!(latex.contains("my\\_net \\& 50\\% of width 16"), "{latex}");
    assert!(latex.contains("real\\_kimg=20"));
    assert!(latex.contains(
        "Method & \\begin{tabular}[b]{@{}r@{}}FID\\\\@small-shapes $\\downarrow$\\end{tabular}"
    ));
    assert!(latex.contains("ReACGAN (cond.) & 20.50 & 0.620 \\\\\n"));
    assert!(latex.contains("\\label{tab:table1-shapes}"));
    assert_eq!(latex.matches("\\begin{tabular}{l").count(), 4);
    assert!(latex.is_ascii(), "{latex}");
}

#[test]
fn several_seeds_give_geometric_means_of_distances_with_their_intervals() {
    let rows: Vec<ResultRow> = [(0, 1.0), (1, 2.0), (2, 3.0)]
        .into_iter()
        .flat_map(|(seed, v)| {
            [
                row_of("gan", seed, "last", "fid", v),
                row_of("contrad", seed, "last", "fid", 10.0 * v),
                row_of("gan", seed, "last", "is", v),
            ]
        })
        .collect();
    let table = Table::new(&rows, &labels(), test_cards()).unwrap();
    let markdown = table.markdown();
    // numpy and scipy: exp of the mean of ln 1, ln 2, ln 3 and of Student's ends of it. Of IS s =
    // 1, n = 3, t = 4.302653: ± 2.484138, and IS is never below 0.
    assert!(markdown.contains("| GAN | **1.82 (0.46–7.22)** | 2.00 (0.00–4.48) |"), "{markdown}");
    assert!(markdown.contains("| ContraD | 18.17 (4.57–72.23) |"), "{markdown}");
    assert!(markdown.contains("seeds 0, 1, 2."));
    assert!(table.text(200).contains("95 % intervals"));
    assert!(table.text(200).contains("1.82 (0.46–7.22)*"));
    assert!(table.latex().contains("\\textbf{1.82 (0.46--7.22)}"));
}

#[test]
fn bold_is_better_than_all_others_and_what_cannot_be_told_from_the_best_is_underlined() {
    let each = |method: &str, values: [f64; 3]| {
        let row = |(seed, v): (usize, &f64)| row_of(method, seed as u64, "last", "fid", *v);
        values.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    let standings = |rows: Vec<Vec<ResultRow>>| {
        let table = Table::new(&rows.concat(), &labels(), test_cards()).unwrap();
        table.blocks[0].rows.iter().map(|row| row.cells[0].standing).collect::<Vec<_>>()
    };
    let (gan, contrad) = (each("gan", [9.0, 10.0, 11.0]), each("contrad", [29.0, 33.0, 30.0]));
    use Standing::{Best, NotToldFromBest, Other};
    let clear = standings(vec![gan.clone(), contrad.clone(), each("kdd", [20.0, 22.0, 19.0])]);
    assert_eq!(clear, [Best, Other, Other]);
    let close = standings(vec![gan, contrad, each("kdd", [10.5, 9.0, 11.0])]);
    assert_eq!(close, [NotToldFromBest, Other, NotToldFromBest]);
}

#[test]
fn collapsed_runs_are_counted_in_the_status_and_left_out_of_the_typical_value() {
    let curve = |method: &str, seed: u64, fids: &[f64]| {
        let point = |(i, fid): (usize, &f64)| {
            let mut row = row_of(method, seed, &format!("{}", 5 * i), "fid", *fid);
            row.g_steps = i as u64;
            row
        };
        let last = row_of(method, seed, "last", "fid", *fids.last().unwrap());
        fids.iter().enumerate().map(point).chain([last]).collect::<Vec<_>>()
    };
    let rows = [
        curve("gan", 0, &[80.0, 20.0, 10.0]),
        curve("gan", 1, &[80.0, 20.0, 11.0]),
        curve("gan", 2, &[80.0, 20.0, 90.0]),
        // Most of these collapsed, so that collapse is typical and all count.
        curve("kdd", 0, &[80.0, 20.0, 100.0]),
        curve("kdd", 1, &[80.0, 20.0, 100.0]),
        curve("kdd", 2, &[80.0, 20.0, 10.0]),
    ];
    let table = Table::new(&rows.concat(), &labels(), test_cards()).unwrap();
    let [gan, kdd] = &table.blocks[0].rows[..] else { panic!("{table:?}") };
    assert_eq!((gan.collapsed.as_slice(), gan.status().as_str()), (&[2][..], "collapsed 1 of 3"));
    let interval = gan.cells[0].interval.unwrap();
    assert!((interval.mean - 110f64.sqrt()).abs() < 1e-12 && interval.n == 2, "{interval:?}");
    assert_eq!((kdd.status().as_str(), kdd.cells[0].interval.unwrap().n), ("collapsed 2 of 3", 3));
    let markdown = table.markdown();
    assert!(markdown.contains("† ") || markdown.contains("†</u>"), "{markdown}");
    assert!(
        markdown.contains("GAN (seed 2), KDD GAN (seeds 0, 1); values are those of the other runs")
    );
}

#[test]
fn a_diverged_run_has_no_value_and_is_never_best() {
    let mut rows = vec![
        row_of("contrad", 0, "last", "fid", 30.0),
        row_of("contrad", 1, "last", "fid", 32.0),
        // The two seeds of gan that finished would win, were the third not lost.
        row_of("gan", 0, "last", "fid", 1.0),
        diverged("gan", 1, "last", "fid"),
        diverged("kdd", 0, "last", "fid"),
        diverged("kdd", 1, "last", "fid"),
    ];
    rows.extend([row_of("gan", 0, "best", "fid", 1.0), row_of("gan", 1, "best", "fid", 0.5)]);
    let table = Table::new(&rows, &labels(), test_cards()).unwrap();
    let markdown = table.markdown();
    assert!(markdown.contains("| GAN | 1.00† |"), "{markdown}");
    assert!(markdown.contains("| 30.98 (20.56–46.69) |"), "{markdown}");
    assert!(markdown.contains("| KDD GAN | – |"), "{markdown}");
    assert!(markdown.contains("| diverged 1 of 2 |"));
    assert!(markdown.contains("| diverged 2 of 2 |"));
    assert!(markdown.contains(
        "Status: these runs diverged and have no value: GAN (seed 1), KDD GAN (seeds 0, 1). No run collapsed. \
         †: runs are left out; a row of which some diverged is never marked as best."
    ));
    // What the diverged run reached before it stopped does not count either.
    assert_eq!(table.blocks[1].rows[0].cells[0].interval.unwrap().mean, 1.0);
    // A method without a finished seed shows what its runs spent until they stopped.
    let kdd = table.spent.iter().find(|s| s.method == "kdd").unwrap();
    assert_eq!((kdd.g_steps, kdd.train_s), (40.0, 9.0));
}

#[test]
fn a_column_of_made_weights_says_so_and_looks_like_no_published_one() {
    let mut rows = vec![
        row_of("gan", 0, "last", "fid", 1.0),
        row_of("gan", 0, "last", "fid@small-shapes", 2.0),
    ];
    for row in &mut rows {
        row.metric = if row.value == Some(1.0) { "fid@made:0" } else { "fid@small-shapes" }.into();
        row.extractor_sha256 = "made:0".into();
    }
    let table = Table::new(&rows, &labels(), test_cards()).unwrap();
    let titles: Vec<String> = table.columns.iter().map(|c| c.metric.title()).collect();
    assert_eq!(titles, ["FID@made:0", "FID@small-shapes"]);
    assert!(table.markdown().contains("weights made, not trained: made:0"), "{}", table.markdown());
}

#[test]
fn rows_that_do_not_compare_are_refused_by_field_and_run() {
    let rows_with = |change: fn(&mut ResultRow)| {
        let mut other = row_of("contrad", 0, "last", "fid", 2.0);
        change(&mut other);
        vec![row_of("gan", 0, "last", "fid", 1.0), other]
    };
    let message =
        |change| Table::new(&rows_with(change), &labels(), test_cards()).unwrap_err().to_string();
    assert_eq!(
        message(|r| r.protocol = "custom".into()),
        "rows of one table disagree in protocol: table1 (run gan-0) and custom (run contrad-0); make \
         one table of each"
    );
    assert!(message(|r| r.dataset_sha256 = "ff".repeat(32)).contains("disagree in dataset_sha256"));
    assert!(message(|r| r.split = "test".into()).contains("disagree in split"));
    assert!(message(|r| r.extractor_sha256 = "ff".repeat(32)).contains("in extractor_sha256"));
    assert!(
        message(|r| r.budget_amount = 40.0).contains("real_kimg=20 (run gan-0) and real_kimg=40")
    );
    assert!(message(|r| r.batch = 128).contains("disagree in batch: 64"));
    assert_eq!(
        message(|r| r.n_fake = 5000),
        "rows of one column (fid@small-shapes, checkpoint last) disagree in sample counts: 50000 real \
         and 10000 fake (run gan-0) and 50000 real and 5000 fake (run contrad-0); evaluate both with \
         the same counts"
    );
    assert_eq!(
        message(|r| (r.method, r.run_id) = ("gan".into(), "other".into())),
        "method gan has two runs of seed 0 in one table: gan-0 and other; report \
         from the folder of runs, where unlike plans get a line each, or remove one"
    );
    assert!(message(|r| r.value = Some(f64::NAN)).contains("only finite numbers are stored"));
    assert!(matches!(Table::new(&[], &labels(), test_cards()), Err(ReportError::NoRows)));
    assert_eq!(
        Table::new(&[row_of("gan", 0, "5", "fid", 1.0)], &labels(), test_cards())
            .unwrap_err()
            .to_string(),
        "no row of table1 is of the last or best checkpoint; finish at least one run first"
    );
}

#[test]
fn two_versions_of_one_extractor_share_no_table_though_they_share_names() {
    let with = |method, sha256: &str| {
        let mut row = row_of(method, 0, "last", "fid", 1.0);
        row.metric = "fid@small-cifar10".into();
        (row.extractor, row.extractor_sha256) = ("small-cifar10".into(), sha256.into());
        row
    };
    let (older, newest) = (format!("17381cf3{}", "0".repeat(56)), "f".repeat(64));
    let rows = [with("gan", &older), with("contrad", &newest)];
    assert_eq!(
        Table::new(&rows, &labels(), test_cards()).unwrap_err().to_string(),
        format!(
            "rows of one table disagree in extractor_sha256: {older} (run gan-0) and {newest} (run contrad-0); \
             make one table of each"
        )
    );
    let groups = split_by_table(&rows);
    assert_eq!(groups.len(), 2);
    for ((_, rows), hash) in groups.iter().zip(["17381cf3", "ffffffff"]) {
        let table = Table::new(rows, &labels(), test_cards()).unwrap();
        assert_eq!(table.columns.len(), 1);
        assert!(table.markdown().contains(hash), "{}", table.markdown());
    }
}

#[test]
fn mixed_rows_split_into_tables_of_their_own() {
    let mut rows = one_seed();
    let mut others = one_seed();
    for row in &mut others {
        row.extractor = "inception".into();
        row.metric = row.metric.replace("@small-shapes", "");
    }
    rows.extend(others);
    let groups = split_by_table(&rows);
    assert_eq!(groups.len(), 2);
    assert_eq!((groups[0].1.len(), groups[1].1.len()), (12, 12));
    let table = Table::new(&groups[1].1, &labels(), test_cards()).unwrap();
    assert!(table.markdown().contains("| Method | FID ↓ | Coverage ↑ |"));
}

#[test]
fn unequal_seeds_missing_values_and_builds_are_noted() {
    let mut rows = vec![
        row_of("gan", 0, "last", "fid", 1.0),
        row_of("gan", 1, "last", "fid", 1.5),
        row_of("gan", 0, "last", "is", 2.0),
        row_of("contrad", 0, "last", "fid", 2.0),
        row_of("contrad", 0, "last", "is", 2.5),
    ];
    rows[3].version = "0.2.0".into();
    let text = Table::new(&rows, &labels(), test_cards()).unwrap().markdown();
    assert!(
        text.contains("Note: GAN: IS@small-shapes of the last checkpoint has a value for 1 of 2")
    );
    assert!(
        text.contains("Note: the methods were not run with the same seeds: GAN 0, 1; ContraD 0.")
    );
    assert!(
        text.contains("Note: the rows come from several builds: 0.1.0 (abc1234), 0.2.0 (abc1234).")
    );
}

#[test]
fn counts_that_differ_between_metrics_are_told_apart() {
    let mut rows = one_seed();
    for row in rows.iter_mut().filter(|r| r.metric.starts_with("coverage")) {
        row.n_real = 10_000;
    }
    let text = Table::new(&rows, &labels(), test_cards()).unwrap().markdown();
    assert!(text.contains(
        "FID@small-shapes: 50000 real and 10000 fake images; Coverage@small-shapes: 10000 real and \
         10000 fake images."
    ));
}

#[test]
fn a_narrow_terminal_gets_the_spending_below() {
    let table = Table::new(&one_seed(), &labels(), test_cards()).unwrap();
    let (wide, narrow) = (table.text(160), table.text(80));
    assert!(!wide.contains("\nSpent") && narrow.contains("\nSpent, 1 of 2\n"), "{narrow}");
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
}

#[test]
fn the_csv_holds_unrounded_values_of_all_tables() {
    let rows: Vec<ResultRow> = [0.1, 0.2]
        .into_iter()
        .zip(0..)
        .map(|(v, seed)| row_of("gan", seed, "last", "fid", v))
        .collect();
    let first = Table::new(&rows, &labels(), test_cards()).unwrap();
    let second = Table::new(&one_seed(), &labels(), test_cards()).unwrap();
    let text = String::from_utf8(csv(&[first.clone(), second]).unwrap()).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let column = |name: &str| headers.iter().position(|h| h == name).unwrap();
    let records: Vec<::csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    assert_eq!(records.len(), 1 + 6);
    let mean: f64 = records[0][column("fid@small-shapes")].parse().unwrap();
    let interval = first.blocks[0].rows[0].cells[0].interval.unwrap();
    assert_eq!(mean.to_bits(), interval.mean.to_bits());
    let low: f64 = records[0][column("fid@small-shapes_ci_low")].parse().unwrap();
    assert_eq!(low, interval.ends.unwrap()[0]);
    assert_eq!(&records[0][column("seeds")], "0 1");
    assert_eq!(&records[0][column("coverage@small-shapes")], "");
    assert_eq!(&records[1][column("fid@small-shapes_ci_low")], "");
    assert_eq!(&records[1][column("train_s")], "81.25");
}
