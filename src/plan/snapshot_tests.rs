//! Plans on disk keep their ids: what every recipe makes of every method, at each of its budgets,
//! against a snapshot of ids and of hashes of `plan.toml`.
//!
//! A recipe or method that is added, or changed on purpose, changes the snapshot:
//! `GANBENCH_UPDATE_SNAPSHOT=1 cargo test --release --workspace --lib plan::recipe::snapshot`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ganbench_baselines::methods::METHODS;
use ganbench_files::hash::hex;
use sha2::{Digest as _, Sha256};

use super::{Plan, RECIPES, Recipe};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/plans.txt");

/// The first 12 hex digits of the SHA-256 of the plan as `plan.toml` holds it. (The id is a hash of
/// it as JSON.)
fn toml_hash(plan: &Plan) -> String {
    hex(Sha256::new_with_prefix(plan.to_toml().unwrap()))[..12].to_string()
}

/// A line per recipe, budget, row and pair of networks.
fn plans() -> String {
    let mut text = String::from("# table budget row networks id toml\n");
    for (table, _) in RECIPES {
        let recipe = Recipe::by_name(table).unwrap();
        let mut names: Vec<String> = recipe.rows().into_iter().map(|row| row.name).collect();
        names.extend(METHODS.iter().map(|m| m.name.to_string()));
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let budgets: Vec<Option<String>> =
            std::iter::once(None).chain(recipe.presets.keys().cloned().map(Some)).collect();
        for budget in budgets {
            let mut recipe = recipe.clone();
            if let Some(budget) = &budget {
                recipe.apply_budget(budget).unwrap();
            }
            for name in &names {
                let row = recipe.row(name);
                for networks in recipe.networks_of(&row) {
                    let plan = recipe.plan_on(networks, &row, 0).unwrap();
                    let (budget, networks) =
                        (budget.as_deref().unwrap_or("-"), networks.map_or("-", |n| &n.name));
                    let (id, hash) = (plan.run_id(), toml_hash(&plan));
                    writeln!(text, "{table} {budget} {name} {networks} {id} {hash}").unwrap();
                }
            }
        }
    }
    text
}

#[test]
fn every_recipes_plans_of_every_method_keep_their_ids_and_their_bytes() {
    let now = plans();
    if std::env::var_os("GANBENCH_UPDATE_SNAPSHOT").is_some() {
        std::fs::write(SNAPSHOT, &now).unwrap();
    }
    let then = std::fs::read_to_string(SNAPSHOT).unwrap();
    let (then, now): (BTreeSet<&str>, BTreeSet<&str>) =
        (then.lines().collect(), now.lines().collect());
    let gone: Vec<_> = then.difference(&now).collect();
    let new: Vec<_> = now.difference(&then).collect();
    assert!(gone.is_empty() && new.is_empty(), "no longer made: {gone:#?}\nnow: {new:#?}");
}
