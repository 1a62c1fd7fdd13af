use super::*;
use crate::card::test_cards;
use crate::plot::tests::{demo_curves, demo_grid, demo_rows};
use crate::table::tests::labels;

fn input<'a>(
    rows: &'a [ResultRow],
    methods: &'a [MethodLabel],
    grids: &'a [SampleGrid],
) -> ReportInput<'a> {
    ReportInput {
        title: "table1",
        rows,
        methods,
        cards: test_cards(),
        notes: &[],
        anchors: &[],
        losses: &[],
        gradient_norms: &[],
        d_outputs: &[],
        grids,
        reference: None,
        sections: &[],
        command: Some("ganbench reproduce table1"),
    }
}

#[test]
fn a_report_holds_every_file_that_its_page_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, methods, grids) = (demo_rows(2), labels(), [demo_grid()]);
    let (losses, norms, outputs) = demo_curves(2);
    let input = ReportInput {
        losses: &losses,
        gradient_norms: &norms,
        d_outputs: &outputs,
        ..input(&rows, &methods, &grids)
    };
    let report = Report::new(&input).unwrap();
    let paths = report.write(folder.path()).unwrap();
    let names: Vec<String> = paths
        .iter()
        .map(|p| p.strip_prefix(folder.path()).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    assert_eq!(
        names,
        [
            "table.md",
            "table.tex",
            "table.csv",
            "report.json",
            "plots/scores.png",
            "plots/scores.svg",
            "plots/losses.png",
            "plots/losses.svg",
            "plots/gradient-norms.png",
            "plots/gradient-norms.svg",
            "plots/d-outputs.png",
            "plots/d-outputs.svg",
            "plots/samples.png",
            "plots/samples.svg",
            "report.md"
        ]
    );
    let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    for name in &names[..names.len() - 1] {
        assert!(page.contains(&format!("]({name})")), "{name}");
        assert!(std::fs::metadata(folder.path().join(name)).unwrap().len() > 100, "{name}");
    }
    assert!(page.contains("ganbench reproduce table1"));
    let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let (table, block) = (&json["tables"][0], &json["tables"][0]["blocks"][0]);
    assert_eq!((&table["key"]["table"], &block["checkpoint"]), (&"table1".into(), &"last".into()));
    let shown = report.tables[0].blocks[0].rows[0].cells[0].interval.unwrap();
    assert_eq!(block["rows"][0]["cells"][0]["interval"]["mean"], shown.mean);
    assert_eq!(json["figures"][0]["name"], "scores");
    for name in names.iter().filter(|n| n.ends_with(".png")) {
        image::open(folder.path().join(name)).unwrap();
    }
}

/// Writes a whole report to `$GANBENCH_PICTURES/report` for a person to look at.
#[test]
fn a_report_on_real_data_can_be_looked_at() {
    let Some(folder) = std::env::var_os("GANBENCH_PICTURES").map(PathBuf::from) else {
        eprintln!("skipped: GANBENCH_PICTURES is not set");
        return;
    };
    let mut rows = demo_rows(3);
    for row in &mut rows {
        row.dataset = "cifar10".into();
    }
    let (methods, grids) = (labels(), [demo_grid()]);
    let (losses, norms, outputs) = demo_curves(3);
    let out = folder.join("report");
    let input = ReportInput {
        losses: &losses,
        gradient_norms: &norms,
        d_outputs: &outputs,
        ..input(&rows, &methods, &grids)
    };
    let report = Report::new(&input).unwrap();
    report.write(&out).unwrap();
    for width in [100, 180] {
        let text = report.text(width);
        write_atomic(&out.join(format!("table-{width}.txt")), text.as_bytes()).unwrap();
    }
}

#[test]
fn rows_of_two_extractors_make_two_tables_and_two_figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = demo_rows(1);
    let mut others = rows.clone();
    for row in &mut others {
        row.extractor = "inception".into();
        row.metric = row.metric.replace("@small-shapes", "");
    }
    rows.extend(others);
    let methods = labels();
    let paths = Report::new(&input(&rows, &methods, &[])).unwrap().write(folder.path()).unwrap();
    let has = |name: &str| paths.iter().any(|p| p.ends_with(name));
    assert!(has("plots/scores-1-shapes-small-shapes.png"));
    assert!(has("plots/scores-2-shapes-inception.svg"));
    let table = std::fs::read_to_string(folder.path().join("table.md")).unwrap();
    assert_eq!(table.matches("**Last checkpoint**").count(), 2);
}

#[test]
fn reported_numbers_come_with_real_datasets_only_and_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = demo_rows(1);
    let methods = labels();
    Report::new(&input(&rows, &methods, &[])).unwrap().write(folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(!page.contains("Reported elsewhere"));
    for row in &mut rows {
        row.dataset = "cifar10".into();
    }
    Report::new(&input(&rows, &methods, &[])).unwrap().write(folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert_eq!(page.matches("## Reported elsewhere").count(), 1);
    assert!(page.find("Reported elsewhere") > page.find("plots/scores.png"));
}

#[test]
fn a_papers_rows_without_a_row_of_ours_stand_on_the_page_of_its_table_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut rows, methods) = (demo_rows(1), labels());
    for row in &mut rows {
        row.table = "kdd-table2".into();
        row.dataset = "cifar10".into();
    }
    Report::new(&input(&rows, &methods, &[])).unwrap().write(folder.path()).unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert_eq!(page.matches("## Other rows of the source of kdd-table2").count(), 1);
    assert!(page.contains("printed as ContraGAN + DiffAugment"), "{page}");
}

#[test]
fn a_report_of_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Report::new(&input(&[], &[], &[])).unwrap_err().to_string();
    assert_eq!(error, "no result rows to report; train at least one method first");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
