//! What is asked of a table, and the plans that this comes to.

use super::recipe::{FIGURE3, Recipe};
use super::{Plan, PlanError, assignment};

/// Which rows and seeds of a table are trained, and what is changed of it. What is left out is the
/// table's own.
#[derive(Clone, Debug, Default)]
pub struct TableRequest {
    /// A name of [`super::recipe::RECIPES`], or [`FIGURE3`].
    pub table: String,
    /// Each method with the head of its own preset, where the table gives all rows the same head.
    pub own_heads: bool,
    /// `UNIT=AMOUNT`, or a preset of the table.
    pub budget: Option<String>,
    /// Values of the plan, each as `KEY=VALUE`.
    pub changes: Vec<String>,
    /// Names of the table's pairs of networks.
    pub networks: Option<Vec<String>>,
    /// Names of the rows; None for all that are not optional.
    pub methods: Option<Vec<String>>,
    /// Seeds of the runs; None for those of the table.
    pub seeds: Option<Vec<u64>>,
}

impl TableRequest {
    /// Whether it is of the toy of the KDD paper's figure 3, which trains no run.
    pub fn is_toy(&self) -> bool {
        self.table == FIGURE3
    }

    /// One plan per row, pair of networks and seed, seeds outermost, so that a sweep that is cut
    /// off compares all rows. The hashes of data and weights are not filled in.
    ///
    /// # Errors
    /// If it asks for what is not there.
    pub fn plans(&self) -> Result<Vec<Plan>, PlanError> {
        let recipe = self.recipe()?;
        let rows = match &self.methods {
            None => recipe.default_rows(),
            Some(names) => names.iter().map(|name| recipe.row(name)).collect(),
        };
        let seeds = self.seeds.as_ref().unwrap_or(&recipe.table.seeds);
        let mut plans = Vec::new();
        for &seed in seeds {
            for row in &rows {
                for networks in recipe.networks_of(row) {
                    let plan = recipe.plan_on(networks, row, seed)?;
                    if !plans.contains(&plan) {
                        plans.push(plan);
                    }
                }
            }
        }
        Ok(plans)
    }

    /// The table's recipe with the changes.
    fn recipe(&self) -> Result<Recipe, PlanError> {
        let mut recipe = Recipe::by_name(&self.table)?;
        if self.own_heads {
            recipe.table.head = None;
        }
        if let Some(budget) = &self.budget {
            recipe.apply_budget(budget)?;
        }
        for change in &self.changes {
            recipe.change(&assignment(change)?);
        }
        if let Some(names) = &self.networks {
            recipe.keep_networks(names)?;
        }
        Ok(recipe)
    }
}
