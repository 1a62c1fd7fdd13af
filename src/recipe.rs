//! Tables as recipes: which methods and seeds, the plan that they share, and what `smoke` and `paper`
//! change. A new table is one TOML file and one line in [`RECIPES`].

use ganbench_baselines::train::Budget;
use serde::Deserialize;

use crate::plan::{PlanError, merge};

/// The recipes that come with the program, by table.
pub const RECIPES: &[(&str, &str)] = &[
    ("table1", include_str!("../baselines/recipes/table1.toml")),
    ("drift", include_str!("../baselines/recipes/drift.toml")),
];

/// The head of a recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHead {
    pub name: String,
    pub methods: Vec<String>,
    pub seeds: Vec<u64>,
}

/// A table's recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub table: TableHead,
    /// Without `format`, `table`, `method` and the seed, which each run adds.
    pub plan: toml::Table,
    #[serde(default)]
    pub presets: std::collections::BTreeMap<String, toml::Table>,
}

impl Recipe {
    /// The recipe of a table.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn of(table: &str) -> Result<Self, PlanError> {
        let known = || RECIPES.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        let (_, text) =
            RECIPES.iter().find(|(name, _)| *name == table).ok_or_else(|| PlanError::Value {
                field: "table",
                got: format!("\"{table}\""),
                expected: format!("one of {}", known()),
            })?;
        toml::from_str(text)
            .map_err(|source| PlanError::Toml { place: format!("recipe {table}"), source })
    }

    /// Applies `smoke`, `paper` or `UNIT=AMOUNT` to the shared plan.
    ///
    /// # Errors
    /// If it is neither.
    pub fn apply_budget(&mut self, text: &str) -> Result<(), PlanError> {
        if let Some(preset) = self.presets.get(text) {
            merge(&mut self.plan, preset);
            return Ok(());
        }
        let budget: Budget = text.parse().map_err(|e| PlanError::Form {
            place: "--budget".into(),
            what: format!(
                "{e}; or one of {}",
                self.presets.keys().cloned().collect::<Vec<_>>().join(", ")
            ),
        })?;
        let value = toml::Value::try_from(budget)
            .map_err(|e| PlanError::Form { place: "--budget".into(), what: e.to_string() })?;
        let train = toml::Table::from_iter([("budget".to_string(), value)]);
        let plan = toml::Table::from_iter([("train".to_string(), toml::Value::Table(train))]);
        merge(&mut self.plan, &plan);
        Ok(())
    }

    /// The plan of one method and seed.
    ///
    /// # Errors
    /// As [`crate::plan::resolve`].
    pub fn plan(&self, method: &str, seed: u64) -> Result<crate::plan::Plan, PlanError> {
        let mut table = self.plan.clone();
        let seed = i64::try_from(seed).map_err(|_| PlanError::Value {
            field: "seed",
            got: seed.to_string(),
            expected: "at most 9223372036854775807".into(),
        })?;
        let own = toml::Table::from_iter([
            ("table".to_string(), toml::Value::String(self.table.name.clone())),
            ("method".to_string(), toml::Value::String(method.into())),
            (
                "train".to_string(),
                toml::Value::Table(toml::Table::from_iter([(
                    "seed".to_string(),
                    toml::Value::Integer(seed),
                )])),
            ),
        ]);
        merge(&mut table, &own);
        crate::plan::resolve(table, &format!("recipe {}", self.table.name))
    }
}
