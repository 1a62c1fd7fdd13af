use super::*;
use crate::card::test_cards;

#[test]
fn every_embedded_number_parses_and_is_finite() {
    let rows = all().unwrap();
    assert!(rows.len() > 300, "{}", rows.len());
    for row in &rows {
        assert!(row.value.is_finite() && row.value > 0.0, "{row:?}");
        let shares = ["precision", "recall", "coverage"];
        if shares.contains(&row.metric.as_str()) {
            assert!(row.value <= 1.0, "{row:?}");
        }
        let data_sets = ["cifar10", "cifar100", "tiny-imagenet", "imagenet-64", "imagenet-128"];
        // Of ContraD's Table 9, which transfers to them.
        let transfer = ["dtd", "sun397", "flowers", "food"];
        let dataset = row.dataset.as_str();
        assert!(data_sets.contains(&dataset) || transfer.contains(&dataset), "{row:?}");
    }
}

#[test]
fn no_number_is_listed_twice() {
    let mut keys: Vec<_> = all()
        .unwrap()
        .into_iter()
        .map(|r| (r.source, r.table, r.method, r.architecture, r.dataset, r.metric, r.note))
        .collect();
    let n = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), n);
}

#[test]
fn numbers_are_those_of_the_papers() {
    let rows = all().unwrap();
    let value = |source: &str, method: &str, note: &str, metric: &str| {
        let matches = |r: &&Reported| {
            r.source.contains(source)
                && r.method == method
                && r.dataset == "cifar10"
                && r.note.contains(note)
                && r.metric == metric
        };
        rows.iter().find(matches).unwrap().value
    };
    assert_eq!(value("ContraD", "contrad", "", "fid"), 10.9);
    assert_eq!(value("ContraD", "gan", "", "is"), 7.38);
    assert_eq!(value("KDD", "kdd", "DA anchors ×7", "fid"), 5.713);
    assert_eq!(value("KDD", "hinge", "unconditional", "coverage"), 0.686);
    assert_eq!(value("StudioGAN 0.4.0", "reacgan", "", "density"), 1.01);
    assert_eq!(value("StudioGAN 0.2", "reacgan", "", "fid"), 7.792);
}

#[test]
fn the_section_keeps_protocols_apart_and_names_them() {
    let text = markdown(&all().unwrap(), &["gan", "reacgan"], "cifar10", test_cards()).unwrap();
    assert!(text.contains("do not compare with the table above"));
    for protocol in ["contrad", "studiogan-v0.4", "studiogan-v0.2"] {
        assert_eq!(text.matches(&format!("protocol `{protocol}`")).count(), 1, "{protocol}");
    }
    assert!(!text.contains("protocol `kdd`"));
    let row = "| reacgan | big\\_resnet | 128 | 100000 | 3.87 | 9.85 | 1.01 | 0.88 | 0.75 | 0.62 | \
               15.17 | printed as ReACGAN; conditional (D2D-CE); hinge; 5 D steps per G step |";
    assert!(text.contains(row), "{text}");
    assert_eq!(markdown(&all().unwrap(), &["gan"], "shapes", test_cards()), None);
    assert_eq!(markdown(&all().unwrap(), &["supcon"], "cifar10", test_cards()), None);
}

#[test]
fn a_broken_line_is_named() {
    let header = "source,table,method,architecture,dataset,metric,value,std,n_real,n_fake,split,\
                  extractor,protocol,batch,g_steps,note\n";
    let good = "a,t,gan,n,cifar10,fid,1.5,,,,,inception,p,,,\n";
    let message = |line: &str| parse(&format!("{header}{good}{line}\n")).unwrap_err().to_string();
    let not_finite = message("a,t,gan,n,cifar10,fid,NaN,,,,,inception,p,,,");
    assert_eq!(not_finite, "reported numbers, line 3: NaN is not a finite number");
    let empty = message("a,t,,n,cifar10,fid,1,,,,,inception,p,,,");
    assert_eq!(empty, "reported numbers, line 3: column method is empty");
    assert!(message("a,t,gan").starts_with("reported numbers, line 3: "));
    assert!(message("a,t,gan,n,cifar10,fid,x,,,,,i,p,,,").contains("line 3"));
}

#[test]
fn rows_that_a_paper_quotes_from_others_stand_in_a_section_of_their_own() {
    let numbers = all().unwrap();
    let text = rows_without_ours(&numbers, "kdd-table2", "cifar10", test_cards()).unwrap();
    assert!(text.starts_with("## Other rows of the source of kdd-table2\n"), "{text}");
    let row = "| biggan-cr | big\\_resnet | – | – | 7.178 | 10.380 | printed as BigGAN + CR; ";
    assert!(text.contains(row), "{text}");
    assert!(
        text.contains("protocol `studiogan-v0.2`** (inception; test split; 10000 real"),
        "{text}"
    );
    assert_eq!(text.matches("\n| ").count(), 5 + 1, "{text}");
    let imagenet = rows_without_ours(&numbers, "kdd-table5", "imagenet-64", test_cards()).unwrap();
    assert!(
        imagenet.contains("| fq-biggan | FQ-BigGAN | – | – | 9.67 | 25.96 | – | – | "),
        "{imagenet}"
    );
    for (table, dataset) in
        [("kdd-table1", "cifar10"), ("kdd-table2", "cifar100"), ("", "imagenet-128")]
    {
        assert_eq!(rows_without_ours(&numbers, table, dataset, test_cards()), None);
    }
}

#[test]
fn models_of_one_name_are_told_apart_by_table_networks_and_note() {
    let numbers = all().unwrap();
    let models = models(&numbers);
    assert_eq!(models.iter().map(|m| m.values.len()).sum::<usize>(), numbers.len());
    for model in &models {
        let mut metrics: Vec<&str> = model.values.iter().map(|r| r.metric.as_str()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        assert_eq!(metrics.len(), model.values.len(), "{:?}", model.first);
    }
}
