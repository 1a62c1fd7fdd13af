//! Pins of versions in plans.

use crate::plan::recipe::Recipe;
use crate::plan::{Plan, assignment, resolve};

const FIRST: &str = "17381cf344f8ab1edc969d741bbb2bb16d7e0be15a64e70c4372cd632f55bb9d";

fn with(sets: &[&str]) -> Result<Plan, String> {
    let mut recipe = Recipe::by_name("table1").unwrap();
    for set in sets {
        recipe.change(&assignment(set).unwrap());
    }
    recipe.plan("gan", 0).map_err(|e| e.to_string())
}

#[test]
fn a_pinned_version_makes_the_plan_that_the_name_and_the_hash_make_and_its_id() {
    let pinned = with(&["evaluation.extractor=small-cifar10:17381cf3"]).unwrap();
    let hash = format!("evaluation.extractor_sha256={FIRST}");
    let whole = with(&["evaluation.extractor=small-cifar10", &hash]).unwrap();
    assert_eq!(pinned.evaluation.extractor, "small-cifar10");
    assert_eq!(pinned.evaluation.extractor_sha256, FIRST);
    assert_eq!(pinned, whole);
    assert_eq!(pinned.run_id(), whole.run_id());
    // What is written is read as the same plan, and both may be said if they agree.
    let written = pinned.to_toml().unwrap().parse().unwrap();
    assert_eq!(resolve(written, "plan.toml").unwrap(), pinned);
    assert_eq!(with(&["evaluation.extractor=small-cifar10:17381cf3", &hash]).unwrap(), pinned);
}

#[test]
fn a_pinned_version_of_a_selection_is_moved_to_its_hash() {
    let selection =
        "dataset.selection={ extractor = \"small-cifar10:17381cf3\", retention_percent = 50.0 }";
    let selection = with(&[selection]).unwrap().dataset.selection.unwrap();
    assert_eq!(selection.extractor, "small-cifar10");
    assert_eq!(selection.extractor_sha256, FIRST);
}

#[test]
fn a_version_that_the_program_does_not_know_is_kept_until_weights_are_given() {
    let plan = with(&["evaluation.extractor=inception:deadbeef"]).unwrap();
    assert_eq!(plan.evaluation.extractor, "inception");
    assert_eq!(plan.evaluation.extractor_sha256, "deadbeef");
}

#[test]
fn pins_that_cannot_be_and_two_hashes_are_refused() {
    assert_eq!(
        with(&["evaluation.extractor=inception:6726"]).unwrap_err(),
        "\"inception:6726\" does not name a version: expected 8 to 64 hex digits of its weights' hash \
         behind the colon; versions: 6726825d"
    );
    let other = "ab".repeat(32);
    let hash = format!("evaluation.extractor_sha256={other}");
    assert_eq!(
        with(&["evaluation.extractor=small-cifar10:17381cf3", &hash]).unwrap_err(),
        format!(
            "evaluation.extractor is \"small-cifar10:17381cf3\", beside the hash {other}, expected a version of \
             that hash; leave one of the two out"
        )
    );
}

#[test]
fn a_run_of_one_version_is_not_asked_for_by_a_plan_that_pins_another() {
    let name = "evaluation.extractor=small-cifar10";
    let mut run = with(&[name]).unwrap();
    run.evaluation.extractor_sha256 = FIRST.into();
    assert!(run.is_asked_for_by(&with(&[name]).unwrap()));
    assert!(run.is_asked_for_by(&with(&[&format!("{name}:17381cf3")]).unwrap()));
    assert!(!run.is_asked_for_by(&with(&[&format!("{name}:abababab")]).unwrap()));
}
