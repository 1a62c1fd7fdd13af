use ganbench_baselines::methods::AdversarialPart;
use ganbench_baselines::train::Unit;
use ganbench_data::default_extractor;
use ganbench_metrics::extractor::published_sha256;
use ganbench_metrics::protocol::CUSTOM;
use ganbench_metrics::{ExtractorId, Label};
use ganbench_reports::reported;

use super::*;
use crate::plan::assignment;
use crate::run::pipeline::{Facts, Fakes, label_of_plan};
use crate::run::reals::Reals;

#[test]
fn every_recipe_makes_plans_of_all_its_rows_at_each_of_its_budgets() {
    for (name, _) in RECIPES {
        let mut recipe = Recipe::by_name(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(recipe.table.name, *name);
        let presets: Vec<String> = recipe.presets.keys().cloned().collect();
        for preset in std::iter::once(None).chain(presets.into_iter().map(Some)) {
            recipe.preset = preset.clone();
            for row in recipe.rows() {
                for networks in recipe.networks_of(&row) {
                    let plan = recipe.plan_on(networks, &row, 0);
                    let plan =
                        plan.unwrap_or_else(|e| panic!("{name} {} at {preset:?}: {e}", row.name));
                    assert_eq!(plan.row_name(), row.name);
                }
            }
        }
    }
}

#[test]
fn names_of_rows_are_unique_and_networks_that_rows_name_exist() {
    for (name, _) in RECIPES {
        let recipe = Recipe::by_name(name).unwrap();
        let rows = recipe.rows();
        for (i, row) in rows.iter().enumerate() {
            assert!(rows[..i].iter().all(|other| other.name != row.name), "{name} {}", row.name);
            let known = |on: &String| recipe.networks.iter().any(|n| n.name == *on);
            assert!(row.on.iter().all(known), "{name} {}: {:?}", row.name, row.on);
        }
    }
}

#[test]
fn networks_change_presets_rows_change_networks_and_the_command_line_changes_all() {
    let mut recipe = Recipe::by_name("table1").unwrap();
    let table = |text: &str| text.parse::<toml::Table>().unwrap();
    let presets = BTreeMap::from([("smoke".to_string(), table("train.n_dis = 3"))]);
    recipe.networks = vec![Variant {
        name: "n".into(),
        plan: table("train = { batch = 5, n_dis = 2 }"),
        presets,
        rows: BTreeMap::new(),
    }];
    recipe.own_rows = vec![Row {
        name: "own".into(),
        title: "Own".into(),
        method: "gan".into(),
        plan: table("train = { batch = 6, log_every_steps = 7 }"),
        ..Row::default()
    }];
    recipe.apply_budget("smoke").unwrap();
    recipe.change(&table("train.log_every_steps = 8"));
    let train = recipe.plan("own", 4).unwrap().train;
    let found = (train.network.width, train.n_dis, train.batch, train.log_every_steps, train.seed);
    assert_eq!(found, (8, 3, 6, 8, 4));
    assert_eq!(recipe.plan("gan", 4).unwrap().train.batch, 5);
}

/// The rows of every recipe with the plan on each of their pairs of networks.
fn planned(recipe: &Recipe) -> Vec<(Row, Plan)> {
    let rows = recipe.rows();
    let plans = rows.iter().flat_map(|row| {
        let networks = recipe.networks_of(row).into_iter();
        networks.map(|networks| (row.clone(), recipe.plan_on(networks, row, 0).unwrap()))
    });
    plans.collect()
}

#[test]
fn contrad_warms_up_for_3000_steps_of_the_papers_budget_on_every_pair_of_networks() {
    let mut pairs = 0;
    for table in ["contrad-table1", "contrad-table3"] {
        let mut recipe = Recipe::by_name(table).unwrap();
        recipe.apply_budget("paper").unwrap();
        for (row, plan) in planned(&recipe) {
            let train = &plan.train;
            let name = format!("{table} {} {}", row.name, train.network.architecture);
            assert_eq!(train.budget.unit, Unit::GSteps, "{name}");
            let share = train.parts.lr_warmup_share;
            let steps = if plan.method == "contrad" { 3000.0 } else { 0.0 };
            assert_eq!(share * train.budget.amount, steps, "{name}");
            // The same budget as images.
            let batch = (train.batch * train.n_dis) as f64;
            let kimg = train.budget.amount * batch / 1e3;
            assert_eq!((share * kimg * 1e3 / batch).round(), steps, "{name}");
            pairs += usize::from(plan.method == "contrad");
        }
    }
    assert_eq!(pairs, 3 + 6);
}

#[test]
fn the_trunk_of_simclr_alone_learns_from_no_other_loss() {
    let recipe = Recipe::by_name("contrad-table3").unwrap();
    let (simclr, contrad): (Vec<_>, Vec<_>) =
        planned(&recipe).into_iter().partition(|(row, _)| row.name == "simclr");
    assert_eq!((simclr.len(), contrad.len()), (3, 3));
    for (_, plan) in simclr {
        let parts = &plan.train.parts;
        let contrastive = parts.contrastive.as_ref().unwrap();
        assert_eq!((contrastive.lambda_real, contrastive.lambda_fake), (1.0, 0.0));
        let stopped = matches!(&parts.adversarial, AdversarialPart::NonSaturating(loss) if loss.stop_gradient);
        // R1 would reach the trunk past the stop-gradient.
        let networks = &plan.train.network.architecture;
        assert!(stopped && parts.regularisers.is_empty(), "{networks}: {parts:?}");
    }
    let with_r1 = |(_, plan): &&(Row, Plan)| plan.train.parts.regularisers.len() == 1;
    let with_r1: Vec<_> = contrad.iter().filter(with_r1).collect();
    assert_eq!(with_r1.len(), 1);
    assert_eq!(with_r1[0].1.train.network.architecture, "stylegan2");
}

/// What the papers print, by table, row, networks and data set of ours.
fn published() -> BTreeMap<[String; 4], Vec<String>> {
    let mut metrics: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for number in reported::all().unwrap().into_iter().filter(|n| !n.our_row.is_empty()) {
        for table in number.our_tables.split(';') {
            let place = [table, &number.our_row, &number.our_architecture, &number.dataset];
            metrics.entry(place.map(String::from)).or_default().push(number.metric.clone());
        }
    }
    metrics
}

#[test]
fn every_published_number_belongs_to_a_row_of_its_table_or_says_that_it_has_none() {
    for [table, row, architecture, _] in published().into_keys() {
        let recipe = Recipe::by_name(&table).unwrap_or_else(|e| panic!("{row}: {e}"));
        let here = |(own, plan): &(Row, Plan)| {
            own.name == row && plan.train.network.architecture == architecture
        };
        assert!(planned(&recipe).iter().any(here), "{table} {row} {architecture}");
    }
    for number in reported::all().unwrap().into_iter().filter(|n| n.our_row.is_empty()) {
        assert!(number.our_architecture.is_empty(), "{number:?}");
        for table in number.our_tables.split(';').filter(|table| !table.is_empty()) {
            assert!(Recipe::by_name(table).is_ok(), "{number:?}");
        }
    }
}

#[test]
fn every_row_of_a_papers_table_has_the_numbers_that_the_paper_prints() {
    let published = published();
    let kdd = ["fid", "is", "density", "coverage"].as_slice();
    let of_paper: [(&str, &[&str], &[&str]); 10] = [
        ("contrad-table1", &["cifar10", "cifar100"], &["fid", "is"]),
        ("contrad-table3", &["cifar10", "cifar100"], &["linear_accuracy_percent"]),
        ("kdd-table1", &["cifar10"], kdd),
        ("kdd-table2", &["cifar10"], kdd),
        ("kdd-table3", &["tiny-imagenet"], kdd),
        ("kdd-table4", &["imagenet-64"], kdd),
        ("kdd-table5", &["imagenet-64"], kdd),
        ("kdd-table6", &["tiny-imagenet"], kdd),
        ("reacgan-cifar10", &["cifar10"], &["fid", "is"]),
        ("reacgan-tiny", &["tiny-imagenet"], &["fid", "is"]),
    ];
    for (table, datasets, metrics) in of_paper {
        let recipe = Recipe::by_name(table).unwrap();
        for (row, plan) in planned(&recipe) {
            for dataset in datasets {
                let architecture = plan.train.network.architecture.as_str();
                let place = [table, row.name.as_str(), architecture, dataset];
                let found = published.get(&place.map(String::from)).cloned().unwrap_or_default();
                let has = |metric: &&str| found.iter().any(|name| name == metric);
                assert!(metrics.iter().all(has), "{place:?}: {found:?}");
            }
        }
    }
}

#[test]
fn kdd_gans_table_3_has_the_papers_ten_rows() {
    let rows: Vec<String> =
        Recipe::by_name("kdd-table3").unwrap().rows().into_iter().map(|row| row.name).collect();
    let expected = [
        "hinge",
        "kdd",
        "kdd-da1",
        "kdd-da3",
        "kdd-jacd",
        "kdd-jacd-da1",
        "joint-gamma1-da1",
        "joint-gamma1-jacd-da1",
        "joint-gamma0.5",
        "joint-gamma0.5-jacd",
    ];
    assert_eq!(rows, expected);
}

/// Images of a split that the labels of protocols depend on.
fn split_size(dataset: &str, split: &str) -> usize {
    match (dataset, split) {
        ("tiny-imagenet", "train") => 100_000,
        ("imagenet-64", "train") => 1_281_167,
        ("imagenet-64", _) => 50_000,
        (_, "train") => 50_000,
        _ => 10_000,
    }
}

/// What a plan's last and best checkpoint are called, with published weights and whole splits.
fn label(plan: &Plan) -> Label {
    let e = &plan.evaluation;
    let measurement = e.measurement().unwrap();
    let name = match e.extractor.as_str() {
        "" => default_extractor(&plan.dataset.name),
        name => name,
    };
    let weights_sha256 = published_sha256(name).unwrap();
    let n = split_size(&plan.dataset.name, &plan.reference_split().to_string());
    let limit = plan.dataset.limit;
    let whole_split = limit == 0 && e.max_real.is_none();
    let n =
        [limit, e.max_real.unwrap_or(0)].into_iter().filter(|&most| most > 0).fold(n, usize::min);
    label_of_plan(
        plan,
        &measurement,
        &Facts {
            id: ExtractorId { name, weights_sha256: &weights_sha256 },
            names: &measurement.metric_names(),
            is_bias: measurement.protocol.is_bias,
            reals: &Reals { n, whole_split, uneven_class_counts: None },
            batch_norm: !plan.train.network.architecture.starts_with("stylegan2"),
            fakes: Fakes::at_the_end(plan).unwrap(),
        },
    )
}

/// The labels of all rows of a table, each once.
fn labels(table: &str, budget: Option<&str>) -> Vec<Label> {
    let mut recipe = Recipe::by_name(table).unwrap();
    if let Some(budget) = budget {
        recipe.apply_budget(budget).unwrap();
    }
    let mut found: Vec<Label> = Vec::new();
    for (_, plan) in planned(&recipe) {
        let label = label(&plan);
        if !found.contains(&label) {
            found.push(label);
        }
    }
    found
}

#[test]
fn every_label_is_a_protocol_that_was_followed_or_says_what_differs() {
    for (name, _) in RECIPES {
        let presets: Vec<String> = Recipe::by_name(name).unwrap().presets.keys().cloned().collect();
        for preset in std::iter::once(None).chain(presets.iter().map(|p| Some(p.as_str()))) {
            for label in labels(name, preset) {
                let followed = label.differences.is_empty();
                assert_eq!(followed, label.protocol != CUSTOM, "{name} at {preset:?}: {label:?}");
                assert!(followed || label.nearest.is_some(), "{name} at {preset:?}: {label:?}");
            }
        }
    }
}

#[test]
fn at_the_papers_budget_every_table_is_measured_by_its_papers_protocol() {
    let label = |table: &str| {
        let labels = labels(table, Some("paper"));
        assert_eq!(labels.len(), 1, "{table}: {labels:?}");
        let label = labels[0].clone();
        (label.protocol, label.differences)
    };
    let followed = |protocol: &str| (protocol.to_string(), Vec::new());
    for table in ["contrad-table1", "contrad-table3"] {
        assert_eq!(label(table), followed("contrad"), "{table}");
    }
    for n in 1..=6 {
        assert_eq!(label(&format!("kdd-table{n}")), followed("kdd"), "kdd-table{n}");
    }
    assert_eq!(label("reacgan-cifar10"), followed("studiogan-v0.4"));
    assert_eq!(
        label("reacgan-tiny"),
        ("custom".into(), vec!["samples of 8 bits (expected floats)".into()])
    );
    for table in ["table1", "reacgan-figure-norms", "supcon-stability", "kdd-ablation"] {
        assert_eq!(label(table), followed("tables"), "{table}");
    }
}

#[test]
fn away_from_the_papers_budget_every_table_is_measured_as_our_tables_are() {
    for (name, _) in RECIPES {
        for budget in [None, Some("smoke")] {
            if budget.is_some() && !Recipe::by_name(name).unwrap().presets.contains_key("smoke") {
                continue;
            }
            let labels = labels(name, budget);
            assert!(labels.iter().all(|l| l.protocol == "tables"), "{name} {budget:?}: {labels:?}");
        }
    }
}

#[test]
fn a_protocol_that_was_not_followed_is_no_label() {
    let mut recipe = Recipe::by_name("kdd-table1").unwrap();
    recipe.apply_budget("paper").unwrap();
    let with = |text: &str| {
        let mut recipe = recipe.clone();
        recipe.change(&assignment(text).unwrap());
        label(&recipe.plan("hinge", 0).unwrap())
    };
    let fewer = with("evaluation.n_fake=500");
    assert_eq!(fewer.protocol, CUSTOM);
    assert_eq!(fewer.differences, ["n_fake 500 (expected 50000)"]);
    let small = with("evaluation.extractor=small-cifar10");
    assert_eq!(small.differences, ["extractor small-cifar10 (expected inception)"]);
    assert_eq!(
        with("evaluation.reference_split=test").differences,
        ["split test (expected train)"]
    );
    assert_eq!(with("dataset.limit=2000").differences, ["n_real 2000 (expected all of the split)"]);
}

#[test]
fn the_rows_of_table1_have_heads_of_one_kind_and_the_papers_own_are_rows_that_are_asked_for() {
    let mut recipe = Recipe::by_name("table1").unwrap();
    let head = |recipe: &Recipe, row: &str| {
        let plan = recipe.plan(row, 0).unwrap();
        crate::report::fairness::fields(&plan).get("train.parts.adversarial.head").cloned()
    };
    let linear = Some("linear".to_string());
    for row in ["gan", "hinge", "contrad", "kdd", "kdd-tau1", "reacgan"] {
        assert_eq!(head(&recipe, row), linear, "{row}");
    }
    // It reads features of the trunk.
    assert_eq!(head(&recipe, "supcon"), None);
    for row in ["gan-mlp", "hinge-mlp", "contrad-mlp", "reacgan-mlp"] {
        assert_eq!(head(&recipe, row).as_deref(), Some("mlp"), "{row}");
    }
    let names: Vec<String> = recipe.default_rows().into_iter().map(|row| row.name).collect();
    assert_eq!(names, ["gan", "contrad", "kdd", "reacgan", "supcon", "kdd-tau1"]);
    recipe.table.head = None;
    assert_eq!(head(&recipe, "gan").as_deref(), Some("mlp"));
}
