use ganbench_reports::ResultRow;

use super::*;
use crate::plan::recipe::Recipe;

/// A plan of the smoke table with changes.
fn plan(method: &str, seed: u64, set: &[&str]) -> Plan {
    let mut recipe = Recipe::by_name("table1").unwrap();
    for text in set {
        crate::plan::merge(&mut recipe.plan, &crate::plan::assignment(text).unwrap());
    }
    recipe.plan(method, seed).unwrap()
}

fn row(plan: &Plan) -> ResultRow {
    let text = format!(
        r#"{{"run_id":"{}","table":"table1","method":"{}","conditional":false,"architecture":"sndcgan",
        "width":16,"dataset":"shapes","dataset_sha256":"00","split":"train","seed":{},"budget_unit":"g_steps",
        "budget_amount":4.0,"batch":32,"g_steps":4,"d_steps":4,"real_images":128,"d_image_forwards":1,
        "g_image_forwards":1,"train_s":1.0,"peak_rss_mb":1.0,"checkpoint":"last","metric":"fid","value":1.0,
        "ci_low":null,"ci_high":null,"n_real":10,"n_fake":10,"extractor":"inception","extractor_sha256":"00",
        "protocol":"table1","status":"ok","version":"0.1.0","commit":"a"}}"#,
        plan.run_id(),
        plan.method,
        plan.train.seed,
    );
    serde_json::from_str(&text).unwrap()
}

/// Runs of one table, all on one machine.
fn compared(plans: &[Plan]) -> Comparison {
    on(&plans.iter().map(|plan| (plan, "x, avx2, cpu")).collect::<Vec<_>>())
}

fn on(runs: &[(&Plan, &str)]) -> Comparison {
    let rows: Vec<[ResultRow; 1]> = runs.iter().map(|(plan, _)| [row(plan)]).collect();
    let runs = runs.iter().zip(&rows).map(|((plan, machine), rows)| Compared {
        plan,
        rows,
        machines: BTreeSet::from([(*machine).to_string()]),
        uneven_classes: None,
    });
    let mut comparison = compare(&runs.collect::<Vec<_>>());
    // Of every table with KDD GAN or SupCon-GAN; it has a test of its own.
    comparison.notes.retain(|note| !note.text.contains(CHOSEN_HERE));
    comparison
}

const CHOSEN_HERE: &str = "chosen on this harness's metric";

#[test]
fn constants_that_were_chosen_here_are_noted_with_the_papers() {
    let notes = |set: &[&str]| {
        let plans = [plan("gan", 0, &[]), plan("kdd", 0, set), plan("kdd", 1, set)];
        let rows: Vec<[ResultRow; 1]> = plans.iter().map(|plan| [row(plan)]).collect();
        let runs = plans.iter().zip(&rows).map(|(plan, rows)| Compared {
            plan,
            rows,
            machines: BTreeSet::new(),
            uneven_classes: None,
        });
        let notes = compare(&runs.collect::<Vec<_>>()).notes.into_iter().map(|note| note.text);
        notes.filter(|text| text.contains(CHOSEN_HERE)).collect::<Vec<_>>()
    };
    assert_eq!(
        notes(&[]),
        ["KDD GAN has τ 0.05, chosen on this harness's metric; the paper's is 1"]
    );
    assert!(notes(&["train.parts.adversarial.tau=1.0"]).is_empty());
}

fn texts(comparison: &Comparison) -> Vec<&str> {
    comparison.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn runs_of_one_recipe_need_no_note() {
    let plans = [plan("gan", 0, &[]), plan("kdd", 0, &[]), plan("gan", 1, &[])];
    let found = compared(&plans);
    assert!(found.notes.is_empty(), "{:?}", texts(&found));
    assert_eq!(found.methods, ["gan", "kdd", "gan"]);
    let labels: Vec<_> = found.labels.iter().map(|l| l.label.as_str()).collect();
    assert_eq!(labels, ["GAN", "KDD GAN"]);
}

#[test]
fn a_shared_field_that_differs_between_methods_is_noted_with_both_values() {
    for (set, note) in [
        (
            "train.optimizer_d.lr=1e-4",
            "train.optimizer_d.lr is not the same for all: 0.0003 in GAN, ContraD; 0.0001 in KDD GAN",
        ),
        ("train.n_dis=5", "train.n_dis is not the same for all: 1 in GAN, ContraD; 5 in KDD GAN"),
        (
            "train.ema.half_life_kimg=10",
            "train.ema.half_life_kimg is not the same for all: 500.0 in GAN, ContraD; 10.0 in KDD GAN",
        ),
        (
            "train.network.z_prior=normal",
            "train.network.z_prior is not the same for all: uniform in GAN, ContraD; normal in KDD GAN",
        ),
        (
            "evaluation.curve_points=8",
            "evaluation.curve_points is not the same for all: 4 in GAN, ContraD; 8 in KDD GAN",
        ),
        (
            "train.network.conv=direct",
            "train.network.conv is not the same for all: none in GAN, ContraD; direct in KDD GAN",
        ),
    ] {
        let plans = [plan("gan", 0, &[]), plan("contrad", 0, &[]), plan("kdd", 0, &[set])];
        assert_eq!(texts(&compared(&plans)), [note]);
    }
}

#[test]
fn damaged_images_that_were_left_out_are_noted() {
    let set = ["dataset.skip_damaged=true", "dataset.damaged=2"];
    let plans = [plan("gan", 0, &set), plan("kdd", 0, &set)];
    assert_eq!(texts(&compared(&plans)), ["2 damaged images of the data set were left out"]);
    assert_eq!(texts(&compared(&[plan("gan", 0, &[]), plan("kdd", 0, &[])])), [""; 0]);
}

#[test]
fn uneven_classes_are_noted_where_a_generator_is_conditional() {
    let note = |method: &str, set: &[&str]| {
        let plan = plan(method, 0, set);
        let rows = [row(&plan)];
        let run = Compared {
            plan: &plan,
            rows: &rows,
            machines: BTreeSet::new(),
            uneven_classes: Some([3, 150]),
        };
        compare(&[run]).notes.first().map(|note| note.text.clone())
    };
    assert_eq!(note("gan", &[]), None);
    assert_eq!(
        note("reacgan", &[]).unwrap(),
        "the classes are uneven (3 to 150 images each); conditional generators were asked for each class \
         equally often"
    );
    let by_data = note("reacgan", &["evaluation.protocol=stylegan"]).unwrap();
    assert!(by_data.ends_with("as often as the data set has it"), "{by_data}");
}

#[test]
fn fields_that_part_the_methods_in_one_way_share_a_note() {
    let set = ["train.optimizer_d.lr=1e-4", "train.optimizer_g.lr=4e-4", "train.n_dis=5"];
    let plans = [plan("gan", 0, &[]), plan("contrad", 0, &set[..2]), plan("kdd", 0, &set)];
    assert_eq!(
        texts(&compared(&plans)),
        [
            "train.n_dis is not the same for all: 1 in GAN, ContraD; 5 in KDD GAN",
            "train.optimizer_d.lr, train.optimizer_g.lr are not the same for all: 0.0003, 0.0003 in GAN; 0.0001, \
             0.0004 in ContraD, KDD GAN",
        ]
    );
}

#[test]
fn several_fields_of_one_part_of_the_plan_are_told_by_the_parts_name() {
    let rmsprop = |of: &str| {
        format!(
            "train.optimizer_{of}={{ rule = \"rmsprop\", lr = 5e-5, alpha = 0.99, eps = 1e-8 }}"
        )
    };
    let (d, g) = (rmsprop("d"), rmsprop("g"));
    let plans = [plan("gan", 0, &[]), plan("kdd", 0, &[&d, &g])];
    assert_eq!(
        texts(&compared(&plans)),
        [
            "train.optimizer_d, train.optimizer_g are not the same for all: beta1 0.5, beta2 0.999, lr 0.0003, rule adam in GAN; \
          alpha 0.99, lr 0.00005, rule rmsprop in KDD GAN"
        ]
    );
}

#[test]
fn what_no_result_depends_on_is_not_compared() {
    let set = ["train.checkpoint_kimg=1", "train.log_every_steps=1", "evaluation.grid_images=4"];
    assert!(compared(&[plan("gan", 0, &set), plan("kdd", 0, &[])]).notes.is_empty());
}

#[test]
fn parts_that_are_not_the_presets_are_named_field_by_field() {
    let set = ["train.parts.adversarial.tau=0.1", "train.parts.lr_warmup_share=0.5"];
    let found = compared(&[plan("gan", 0, &[]), plan("kdd", 0, &set)]);
    assert_eq!(
        texts(&found),
        [
            "KDD GAN is not its preset: adversarial.tau 0.1, preset 0.05; lr_warmup_share 0.5, preset 0.0"
        ]
    );
}

#[test]
fn a_tuned_method_gets_a_line_for_each_plan_and_its_number_of_runs() {
    let lr = ["train.optimizer_d.lr=1e-4"];
    let plans = [
        plan("kdd", 0, &[]),
        plan("gan", 0, &[]),
        plan("gan", 0, &lr),
        // Not the second seed of the first plan.
        plan("gan", 1, &lr),
    ];
    let found = compared(&plans);
    assert_eq!(found.methods, ["kdd", "gan (1)", "gan (2)", "gan (2)"]);
    assert_eq!(
        texts(&found),
        [
            "train.optimizer_d.lr is not the same for all: 0.0003 in KDD GAN, GAN (1); 0.0001 in GAN (2)",
            "GAN (1) has train.optimizer_d.lr 0.0003; GAN (2) has train.optimizer_d.lr 0.0001",
            "tuning: KDD GAN 1 plan in 1 run, GAN 2 plans in 3 runs; the best of several plans is picked \
             by these scores",
        ]
    );
    let labels: Vec<_> = found.labels.iter().map(|l| l.label.as_str()).collect();
    assert_eq!(labels, ["GAN (1)", "GAN (2)", "KDD GAN"]);
}

#[test]
fn runs_of_two_kinds_of_machine_are_noted() {
    let (gan, kdd) = (plan("gan", 0, &[]), plan("kdd", 0, &[]));
    let found = on(&[(&gan, "x, avx512, cpu"), (&kdd, "y, avx2, cpu")]);
    assert_eq!(
        texts(&found),
        ["the runs were made on unlike machines (x, avx512, cpu: GAN; y, avx2, cpu: KDD GAN)"]
    );
}
