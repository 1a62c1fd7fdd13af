//! `reported.csv` against what the sources print.

use super::*;

/// The rows of KDD GAN's tables as the paper prints them: FID, IS, density, coverage.
const KDD_TABLES: &[(&str, &[&str])] = &[
    (
        "kdd-table1",
        &[
            "hinge 8.751 8.835 0.966 0.851",
            "kdd-tau0.05 8.753 9.233 0.876 0.832",
            "kdd-tau1 8.422 9.155 0.868 0.849",
            "kdd-tau5 8.604 8.852 0.970 0.862",
            "kdd-tau1-jacd 7.237 9.029 0.932 0.867",
            "joint-gamma0.1 9.144 8.767 0.969 0.857",
            "joint-gamma0.5 8.795 8.920 0.922 0.855",
            "joint-gamma1 7.932 9.046 0.968 0.868",
            "joint-gamma10 8.352 9.102 0.930 0.857",
            "kdd-tau0.05-no-projection 13.668 8.274 0.722 0.711",
            "hinge-unconditional 17.782 8.120 0.692 0.686",
            "kdd-tau0.05-unconditional 15.828 8.326 0.620 0.650",
            "joint-tau0.05-gamma1-unconditional 14.394 8.532 0.662 0.712",
        ],
    ),
    (
        "kdd-table2",
        &[
            "contragan 8.065 9.729 - -",
            "contragan-diffaug 7.193 9.996 - -",
            "biggan-diffaug 7.157 9.775 - -",
            "biggan-cr 7.178 10.380 - -",
            "hinge 8.859 8.814 0.917 0.841",
            "kdd 8.375 8.901 0.875 0.845",
            "kdd-da1 7.089 9.250 0.893 0.860",
            "kdd-da3 6.063 9.280 0.951 0.892",
            "kdd-da7 5.713 9.389 0.968 0.899",
            "kdd-jacd 7.944 8.959 0.895 0.847",
            "kdd-jacd-da7 6.713 9.333 0.9000 0.875",
        ],
    ),
    (
        "kdd-table3",
        &[
            "contragan 27.027 13.494 - -",
            "contragan-diffaug 15.755 17.303 - -",
            "hinge 29.525 11.048 0.520 0.516",
            "kdd 24.022 13.204 0.658 0.613",
            "kdd-da1 20.204 14.100 0.673 0.663",
            "kdd-da3 18.261 14.943 0.716 0.683",
            "kdd-jacd 25.504 13.215 0.597 0.595",
            "kdd-jacd-da1 20.717 13.787 0.630 0.645",
            "joint-gamma1-da1 22.854 13.421 0.591 0.613",
            "joint-gamma1-jacd-da1 21.512 13.728 0.639 0.627",
            "joint-gamma0.5 24.341 13.337 0.626 0.614",
            "joint-gamma0.5-jacd 23.854 13.251 0.651 0.617",
        ],
    ),
    (
        "kdd-table4",
        &[
            "sagan-instance-selection 9.63 31.04 1.07 0.88",
            "fq-biggan 9.67 25.96 - -",
            "hinge 10.452 32.869 1.034 0.877",
            "kdd 12.570 31.404 0.953 0.850",
            "kdd-da1 12.367 31.069 0.954 0.861",
            "kdd-da3 14.680 27.949 0.928 0.810",
            "kdd-jacd 12.651 31.188 0.938 0.850",
            "kdd-jacd-da1 79.790 10.603 0.376 0.139",
            "joint-gamma0.5 10.544 33.447 1.017 0.879",
            "joint-gamma0.5-stale 9.450 35.648 1.070 0.897",
            "joint-gamma0.5-da1 10.111 33.494 1.048 0.891",
            "joint-gamma0.5-jacd 10.242 35.120 1.072 0.891",
            "joint-gamma1-jacd-da1 9.702 34.619 1.062 0.892",
        ],
    ),
    (
        "kdd-table5",
        &[
            "sagan-instance-selection 9.63 31.04 1.07 0.88",
            "fq-biggan 9.67 25.96 - -",
            "hinge 10.452 32.869 1.034 0.877",
            "kdd 12.570 31.404 0.953 0.850",
            "kdd-da1 12.367 31.069 0.954 0.861",
            "kdd-da3 14.680 27.949 0.928 0.810",
            "kdd-jacd 12.651 31.188 0.938 0.850",
            "kdd-jacd-da1 79.790 10.603 0.376 0.139",
            "joint-gamma1 11.387 32.471 0.991 0.872",
            "joint-gamma1-da1 10.385 33.753 1.048 0.880",
            "joint-gamma1-jacd 10.320 34.296 1.010 0.868",
            "joint-gamma1-jacd-da1 9.702 34.619 1.062 0.892",
            "joint-gamma0.5 10.544 33.447 1.017 0.879",
            "joint-gamma0.5-stale 9.450 35.648 1.070 0.897",
            "joint-gamma0.5-da1 10.111 33.494 1.048 0.891",
            "joint-gamma0.5-jacd 10.242 35.120 1.072 0.891",
            "joint-gamma0.5-jacd-da1 10.010 34.074 1.053 0.889",
        ],
    ),
    (
        "kdd-table6",
        &[
            "contragan 27.027 13.494 - -",
            "contragan-diffaug 15.755 17.303 - -",
            "hinge 29.525 11.048 0.520 0.516",
            "kdd 24.022 13.204 0.658 0.613",
            "kdd-da1 20.204 14.100 0.673 0.663",
            "kdd-da3 18.261 14.943 0.716 0.683",
            "kdd-jacd 25.504 13.215 0.597 0.595",
            "kdd-jacd-da1 20.717 13.787 0.630 0.645",
            "joint-gamma1 25.709 13.124 0.595 0.582",
            "joint-gamma1-da1 22.854 13.421 0.591 0.613",
            "joint-gamma1-jacd 26.369 13.169 0.582 0.582",
            "joint-gamma1-jacd-da1 21.512 13.728 0.639 0.627",
            "joint-gamma0.5 24.341 13.337 0.626 0.614",
            "joint-gamma0.5-da1 23.357 12.918 0.619 0.621",
            "joint-gamma0.5-jacd 23.854 13.251 0.651 0.617",
            "joint-gamma0.5-jacd-da1 23.928 13.059 0.575 0.594",
        ],
    ),
];

#[test]
fn the_rows_of_kdd_gans_tables_are_the_papers_to_the_last_digit() {
    let rows = all().unwrap();
    for (table, printed) in KDD_TABLES {
        let of_table = |r: &&Reported| r.our_tables.split(';').any(|of| of == *table);
        let models = models(rows.iter().filter(of_table));
        let line = |model: &Model<'_>| {
            let cell = |metric: &str| {
                let number = model.values.iter().find(|r| r.metric == metric);
                number.map_or_else(|| "-".to_string(), |r| r.with_std())
            };
            let row = [&model.first.our_row, &model.first.method];
            let row = row.into_iter().find(|name| !name.is_empty()).unwrap();
            let cells = ["fid", "is", "density", "coverage"].map(cell).join(" ");
            format!("{row} {cells}")
        };
        let mut found: Vec<String> = models.iter().map(line).collect();
        let mut expected = printed.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected, "{table}");
    }
}

#[test]
fn every_source_has_as_many_numbers_as_it_prints_of_what_is_listed() {
    let rows = all().unwrap();
    let count = |source: &str, table: &str| {
        rows.iter().filter(|r| r.source.contains(source) && r.table == table).count()
    };
    // ContraD: 13 rows of 4, 12 accuracies, 3 rows of 7.
    assert_eq!(["Table 1", "Table 3", "Table 9"].map(|t| count("ContraD", t)), [52, 12, 21]);
    // KDD GAN: Table 3 is part of Table 6, and Table 5 holds what Table 4 lacks.
    let kdd = ["Table 1", "Table 2", "Table 4", "Table 5", "Table 6"];
    assert_eq!(kdd.map(|t| count("KDD GAN", t)), [52, 36, 38, 28, 60]);
    // StudioGAN: 11 rows of FID and IS on two data sets, two pairs on ImageNet.
    let studiogan = ["CIFAR-10", "Tiny ImageNet", "ImageNet"];
    assert_eq!(studiogan.map(|t| count("StudioGAN 0.2", t)), [22, 22, 8]);
    assert_eq!(count("StudioGAN 0.4.0", "CIFAR-10 benchmark"), 77);
    assert_eq!(rows.len(), 52 + 12 + 21 + 52 + 36 + 38 + 28 + 60 + 22 + 22 + 8 + 77);
}

#[test]
fn deviations_keep_the_digits_that_the_paper_prints() {
    let rows = all().unwrap();
    let table = |r: &&Reported| r.source.contains("ContraD") && r.table == "Table 3";
    let printed: Vec<String> = rows.iter().filter(table).map(Reported::with_std).collect();
    let expected = [
        "72.9 ± 0.02",
        "77.5 ± 0.20",
        "30.8 ± 0.11",
        "37.4 ± 0.06",
        "80.3 ± 0.05",
        "85.7 ± 0.10",
        "41.2 ± 0.06",
        "51.1 ± 0.18",
        "86.2 ± 0.06",
        "88.6 ± 0.06",
        "61.1 ± 0.06",
        "68.1 ± 0.07",
    ];
    assert_eq!(printed, expected);
}

#[test]
fn studiogans_tiny_imagenet_has_the_digits_of_its_readme_and_an_inception_score() {
    let rows = all().unwrap();
    let table = |r: &&Reported| r.table == "Tiny ImageNet";
    let printed: Vec<String> = models(rows.iter().filter(table))
        .iter()
        .map(|m| format!("{} {} {}", m.first.our_row, m.values[0].printed, m.values[1].printed))
        .collect();
    let expected = [
        "dcgan 91.625 5.640",
        "lsgan 90.008 5.381",
        "ggan 102.094 5.146",
        "wgan-gp 311.805 1.322",
        "acgan 78.513 6.342",
        "projgan 89.175 6.224",
        "sngan 53.590 8.412",
        "sagan 51.414 8.342",
        "biggan 31.920 11.998",
        "contragan 27.027 13.494",
        "reacgan 26.586 14.162",
    ];
    assert_eq!(printed, expected);
}

#[test]
fn contrads_scores_are_against_the_10000_test_images() {
    let rows = all().unwrap();
    let own: Vec<_> = rows.iter().filter(|r| r.protocol == "contrad").collect();
    assert_eq!(own.len(), 48);
    for row in own {
        let found = (row.split.as_str(), row.n_real, row.n_fake);
        assert_eq!(found, ("test", Some(10_000), Some(10_000)), "{row:?}");
    }
}

#[test]
fn no_count_of_reals_is_claimed_where_the_paper_takes_the_moments_of_the_whole_data_set() {
    for row in all().unwrap().iter().filter(|r| r.protocol == "kdd" && r.dataset != "cifar10") {
        let expected = match row.metric.as_str() {
            "fid" | "is" => None,
            _ => Some(10_000),
        };
        assert_eq!(row.n_real, expected, "{row:?}");
    }
}

#[test]
fn intra_class_fid_has_one_name() {
    let rows = all().unwrap();
    assert_eq!(rows.iter().filter(|r| r.metric == "intra_fid").count(), 11);
    assert!(rows.iter().all(|r| r.metric != "ifid"));
}

#[test]
fn contrads_table_9_and_reacgans_imagenet_pairs_are_listed() {
    let rows = all().unwrap();
    let line = |source: &str, table: &str, what: fn(&Reported) -> String| {
        let wanted = |r: &&Reported| r.source.contains(source) && r.table == table;
        rows.iter().filter(wanted).map(what).collect::<Vec<_>>()
    };
    let top5 = |dataset: &str| ["imagenet-64", "sun397"].contains(&dataset);
    for row in rows.iter().filter(|r| r.protocol == "contrad-transfer") {
        assert_eq!(row.metric == "linear_top5_accuracy_percent", top5(&row.dataset), "{row:?}");
    }
    let transfer =
        line("ContraD", "Table 9", |r| format!("{} {} {}", r.method, r.dataset, r.printed));
    let table9 = [
        ("supervised", "63.5 76.1 55.2 45.4 31.7 78.1 44.5"),
        ("simclr", "43.4 81.2 55.3 43.9 37.6 69.8 38.8"),
        ("contrad", "51.5 84.5 61.1 50.6 44.4 78.6 44.5"),
    ];
    let sets = ["imagenet-64", "cifar10", "cifar100", "dtd", "sun397", "flowers", "food"];
    let expected: Vec<String> = table9
        .iter()
        .flat_map(|(method, values)| {
            sets.iter().zip(values.split(' ')).map(move |(set, v)| format!("{method} {set} {v}"))
        })
        .collect();
    assert_eq!(transfer, expected);
    let pairs = line("StudioGAN 0.2", "ImageNet", |r| {
        format!("{} {} {} {}", r.method, r.batch.unwrap_or_default(), r.metric, r.printed)
    });
    let expected = [
        "biggan 256 fid 24.684",
        "biggan 256 is 28.633",
        "biggan 2048 fid 7.893",
        "biggan 2048 is 99.705",
        "reacgan 256 fid 13.907",
        "reacgan 256 is 67.416",
        "reacgan 2048 fid 8.206",
        "reacgan 2048 is 96.299",
    ];
    assert_eq!(pairs, expected);
}
