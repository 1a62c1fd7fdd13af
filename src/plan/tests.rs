use ganbench_data::Fit;

use super::recipe::Recipe;
use super::*;

fn plan(method: &str) -> Plan {
    Recipe::by_name("table1").unwrap().plan(method, 0).unwrap()
}

#[test]
fn a_budget_of_images_through_d_says_by_its_format_that_it_counts_the_steps_of_g() {
    let mut recipe = crate::plan::recipe::Recipe::by_name("table1").unwrap();
    assert_eq!(recipe.plan("gan", 0).unwrap().format, FORMAT);
    recipe.apply_budget("d_kforwards=9").unwrap();
    let plan = recipe.plan("gan", 0).unwrap();
    assert_eq!(plan.format, D_KFORWARDS_FORMAT);
    // A plan of ganbench 0.1 meant fewer images by the same words.
    let mut table: toml::Table = plan.to_toml().unwrap().parse().unwrap();
    table.insert("format".into(), toml::Value::Integer(1));
    let error = resolve(table, "old").unwrap_err().to_string();
    assert!(error.contains("1 with budget d_kforwards=9, expected 2 for d_kforwards"), "{error}");
}

#[test]
fn a_plan_given_back_as_toml_is_the_same_run() {
    for method in METHODS {
        let plan = plan(method.name);
        let table = plan.to_toml().unwrap().parse().unwrap();
        let again = resolve(table, "plan.toml").unwrap();
        assert_eq!(again, plan);
        assert_eq!(again.run_id(), plan.run_id());
    }
}

/// Ids name folders and rows that people keep: when this fails, old runs are orphaned. Raise
/// `FORMAT` or leave the new field out of the hash at its neutral value.
#[test]
fn run_ids_stay() {
    // The recipe's defaults may be retuned; its runs are other runs then.
    let mut recipe = Recipe::by_name("table1").unwrap();
    recipe.table.head = None;
    for text in [
        "train.network.width=16",
        "train.batch=32",
        "train.optimizer_g.lr=2e-4",
        "train.optimizer_d.lr=2e-4",
    ] {
        merge(&mut recipe.plan, &assignment(text).unwrap());
    }
    let mut plan = recipe.plan("gan", 0).unwrap();
    plan.train.budget.amount = 20.0;
    // As every plan of ganbench 0.1 was measured.
    let e = &mut plan.evaluation;
    e.protocol = "table1".into();
    (e.max_real, e.nearest_k, e.is_splits) = (Some(50_000), Some(5), Some(10));
    assert_eq!(plan.run_id(), "f04c53aa3f87ffe3");
}

#[test]
fn methods_of_a_table_share_all_but_their_own_parts() {
    let gan = plan("gan");
    for method in METHODS {
        let mut other = plan(method.name);
        other.method = gan.method.clone();
        other.train.parts = gan.train.parts.clone();
        assert_eq!(other, gan);
    }
}

#[test]
fn an_assignment_reaches_a_nested_value_whatever_its_type() {
    let mut table = Recipe::by_name("table1").unwrap().plan;
    for text in ["train.batch=32", "dataset.name=cifar10", "train.parts.adversarial.tau=0.05"] {
        merge(&mut table, &assignment(text).unwrap());
    }
    merge(&mut table, &"table = \"t\"\nmethod = \"kdd\"\n[train]\nseed = 0".parse().unwrap());
    let plan = resolve(table, "test").unwrap();
    assert_eq!((plan.train.batch, plan.dataset.name.as_str()), (32, "cifar10"));
    let adversarial = toml::Table::try_from(&plan.train.parts.adversarial).unwrap();
    assert_eq!(adversarial["tau"].as_float(), Some(0.05));
}

#[test]
fn a_part_of_another_kind_replaces_the_whole_part() {
    let mut base = "a = { kind = \"x\", t = 1 }".parse().unwrap();
    merge(&mut base, &"a = { kind = \"y\", u = 2 }".parse().unwrap());
    assert_eq!(base, "a = { kind = \"y\", u = 2 }".parse().unwrap());
}

#[test]
fn wrong_plans_are_named() {
    let with = |text: &str| {
        let mut table = Recipe::by_name("table1").unwrap().plan;
        merge(&mut table, &"table = \"t\"\nmethod = \"gan\"\n[train]\nseed = 0".parse().unwrap());
        merge(&mut table, &assignment(text).unwrap());
        resolve(table, "test").unwrap_err().to_string()
    };
    assert!(with("method=hing").starts_with("unknown method \"hing\"; known: gan, hinge, contrad"));
    assert!(with("train.bach=3").contains("unknown field `bach`"), "{}", with("train.bach=3"));
    assert!(with("evaluation.n_fake=6").contains("evaluation.n_fake is 6, expected at least 10"));
    assert!(with("format=3").starts_with("the plan has format 3, this ganbench reads format 1"));
    assert_eq!(
        assignment("x").unwrap_err().to_string(),
        "--set x is not KEY=VALUE, such as train.batch=32"
    );
}

#[test]
fn a_finished_run_is_told_from_runs_of_plans_that_ask_for_something_else() {
    let asked = plan("gan");
    let mut run = asked.clone();
    (run.dataset.channels, run.dataset.image_size, run.dataset.classes) = (3, 32, 10);
    run.dataset.sha256 = "ab".into();
    run.dataset.fit = Some(Fit::CentreLanczos);
    run.evaluation.extractor = "small-shapes".into();
    run.evaluation.extractor_sha256 = "cd".into();
    assert!(run.is_asked_for_by(&asked));
    assert!(!run.is_asked_for_by(&plan("kdd")));
    let mut other = asked.clone();
    other.train.batch += 1;
    assert!(!run.is_asked_for_by(&other));
    let mut other = asked.clone();
    other.evaluation.extractor = "inception".into();
    assert!(!run.is_asked_for_by(&other));
    let mut other = asked;
    other.dataset.channels = 1;
    assert!(!run.is_asked_for_by(&other));
}

#[test]
fn a_folder_is_called_by_its_name_and_its_path_is_not_in_the_id() {
    let mut here = plan("gan");
    here.dataset.name = "folder:/data/my-flowers".into();
    assert_eq!(here.dataset.label(), "my-flowers");
    let mut there = here.clone();
    there.dataset.name = "folder:/elsewhere/roses/".into();
    assert_eq!((there.dataset.label().as_str(), there.run_id()), ("roses", here.run_id()));
    // The id that the program gave before folders had names.
    let mut old = here.clone();
    old.dataset.name = "folder".into();
    assert_eq!(old.run_id(), here.run_id());
    there.dataset.called = Some("tulips".into());
    assert_eq!(there.dataset.label(), "tulips");
    assert_eq!(plan("gan").dataset.label(), "shapes");
}

#[test]
fn fields_that_are_left_out_are_not_in_the_plan() {
    let text = plan("gan").to_toml().unwrap();
    for field in ["called", "draw_seed", "fit"] {
        assert!(!text.contains(&format!("{field} =")), "{text}");
    }
}

#[test]
fn a_name_that_cannot_be_is_refused() {
    let says = |name: &str, called: &str| {
        let mut plan = plan("gan");
        plan.dataset.name = name.into();
        plan.dataset.called = Some(called.into());
        plan.check().unwrap_err().to_string()
    };
    assert_eq!(
        says("cifar10", "x"),
        "dataset.called is \"x\", expected left out, since only a folder:PATH takes another name"
    );
    assert_eq!(
        says("folder:x", "mnist"),
        "dataset.called is \"mnist\", expected a name that no known data set has"
    );
    assert_eq!(
        says("folder:x", "../x"),
        "dataset.called is \"../x\", expected a name that can be a file's, such as \"x\""
    );
    assert_eq!(says("folder:x", "/"), "dataset.called is \"/\", expected letters or digits");
}
