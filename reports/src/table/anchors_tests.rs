use super::*;
use crate::anchor::{AnchorKey, AnchorNetworks};
use crate::card::test_cards;
use crate::row::ResultRow;
use crate::row::tests::row;
use crate::table::{MethodLabel, csv};

fn rows() -> Vec<ResultRow> {
    let of = |method: &str, metric: &str, value: f64| ResultRow {
        run_id: format!("{method}-0"),
        method: method.into(),
        metric: format!("{metric}@small-shapes"),
        value: Some(value),
        n_real: if metric == "fid" { 50_000 } else { 10_000 },
        ..row()
    };
    [("gan", 31.25, 0.5), ("kdd", 20.5, 0.62)]
        .into_iter()
        .flat_map(|(method, fid, share)| [of(method, "fid", fid), of(method, "coverage", share)])
        .collect()
}

fn table() -> Table {
    let labels = [MethodLabel::new("gan", "GAN"), MethodLabel::new("kdd", "KDD GAN")];
    Table::new(&rows(), &labels, test_cards()).unwrap()
}

fn value(metric: &str, value: f64, n_real: u64) -> AnchorValue {
    let (metric, value) = (format!("{metric}@small-shapes"), Some(value));
    AnchorValue { metric, value, n_real, n_fake: 10_000 }
}

/// Measured as the table's rows are.
fn anchor() -> Anchor {
    let row = row();
    Anchor {
        name: "other_reals".into(),
        label: "other real images".into(),
        measured: AnchorKey {
            dataset: row.dataset,
            dataset_sha256: row.dataset_sha256,
            split: row.split,
            reference_sha256: String::new(),
            n_fake: 10_000,
            extractor: row.extractor,
            extractor_sha256: row.extractor_sha256,
            protocol: row.protocol,
            protocol_differences: String::new(),
        },
        networks: None,
        values: vec![value("fid", 0.0312, 50_000), value("coverage", 0.97, 10_000)],
        left_out: None,
        try_again: false,
        version: "0.1.0".into(),
        commit: "abc".into(),
    }
}

fn with(anchors: &[Anchor]) -> Table {
    let mut table = table();
    table.anchors = Anchors::new(&table, anchors);
    table
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn anchors_stand_below_the_table_in_every_format_without_marks_and_costs() {
    let table = with(&[anchor()]);
    let text = table.text(160);
    let at = text.lines().position(|line| line == "Anchors").unwrap();
    let lines: Vec<String> = text.lines().skip(at + 2).take(4).map(words).collect();
    assert_eq!(lines[0], "Images FID Coverage");
    // More digits than the methods' column needs.
    assert_eq!(lines[3], "other real images 0.031 0.970");
    assert!(text.find("KDD GAN").unwrap() < text.find("Anchors").unwrap());

    let markdown = table.markdown();
    let expected = "**Anchors**\n\n| Images | FID@small-shapes ↓ | Coverage@small-shapes ↑ |\n| :-- | --: | --: |\n\
                    | other real images | 0.031 | 0.970 |\n";
    assert!(markdown.contains(expected), "{markdown}");
    assert!(markdown.contains("They are no methods and are not ranked"), "{markdown}");

    let latex = table.latex();
    assert!(latex.contains("\\emph{Anchors}"), "{latex}");
    assert!(latex.contains("other real images & 0.031 & 0.970 \\\\"), "{latex}");
    // No line of the table for programs, which are methods all.
    let csv = String::from_utf8(csv(std::slice::from_ref(&table)).unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(!csv.contains("real images"), "{csv}");
}

#[test]
fn an_anchor_of_another_protocol_extractor_reference_or_data_set_is_not_shown() {
    let changes: [fn(&mut AnchorKey); 6] = [
        |key| key.protocol = "table1-of-old".into(),
        |key| key.protocol_differences = "differs from table1 in: k 3 (expected 5)".into(),
        |key| key.extractor = "inception".into(),
        |key| key.extractor_sha256 = "00".repeat(32),
        |key| key.split = "test".into(),
        |key| key.dataset_sha256 = "11".repeat(32),
    ];
    for change in changes {
        let mut other = anchor();
        change(&mut other.measured);
        assert_eq!(with(&[other.clone()]).anchors, Anchors::default(), "{:?}", other.measured);
    }
    assert_eq!(with(&[anchor()]).anchors.lines.len(), 1);
}

#[test]
fn a_value_of_other_counts_stands_in_no_column() {
    let mut fewer = anchor();
    fewer.values[0].n_fake = 5000;
    assert_eq!(with(&[fewer.clone()]).anchors.lines[0].values, [None, Some(0.97)]);
    fewer.values[1].n_real = 5000;
    assert_eq!(with(&[fewer]).anchors, Anchors::default());
}

#[test]
fn a_table_of_other_networks_does_not_show_an_untrained_generator() {
    let of = |architecture: &str, width| Anchor {
        label: "untrained generator".into(),
        networks: Some(AnchorNetworks {
            architecture: architecture.into(),
            width,
            plan_sha256: String::new(),
        }),
        ..anchor()
    };
    assert_eq!(with(&[of("sndcgan", 16)]).anchors.lines.len(), 1);
    assert!(with(&[of("sndcgan", 32), of("dcgan", 16)]).anchors.lines.is_empty());
}

#[test]
fn what_was_left_out_is_told_with_its_reason_beside_rows_of_its_count_only() {
    let left_out = |n_fake| Anchor {
        label: "one class of real images".into(),
        values: Vec::new(),
        left_out: Some("the test split has 1000 images of class airplane, 10000 are needed".into()),
        measured: AnchorKey { n_fake, ..anchor().measured },
        ..anchor()
    };
    let said = with(&[left_out(10_000)]).markdown();
    let expected = "Anchors left out: one class of real images, since the test split has 1000 images of class \
                    airplane, 10000 are needed.";
    assert!(said.contains(expected) && !said.contains("**Anchors**"), "{said}");
    assert!(!with(&[left_out(5000)]).markdown().contains("Anchors"));
}
