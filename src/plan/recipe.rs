//! Tables as recipes: rows and seeds, the plan that they share, the pairs of networks that every
//! row is trained on, and what `smoke` and `paper` change. The files are those of [`RECIPES`].

use std::collections::BTreeMap;

use ganbench_baselines::methods;
use ganbench_baselines::networks::HeadKind;
pub use ganbench_baselines::recipes::RECIPES;
use ganbench_baselines::train::Budget;
use serde::Deserialize;

use super::{Plan, PlanError, RowPlan, merge, resolve};

/// The table that is no recipe: a toy that trains no network (`cli/figure3.rs`).
pub const FIGURE3: &str = "kdd-figure3";

/// The head of a recipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHead {
    /// As `ganbench reproduce` takes it.
    pub name: String,
    /// One line for lists.
    #[serde(default)]
    pub summary: String,
    /// Rows that are a method as its preset has it.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The seeds that every row is trained with.
    pub seeds: Vec<u64>,
    /// The head of every row whose adversarial loss reads logits of one, so that heads are equal;
    /// left out: the presets' own.
    #[serde(default)]
    pub head: Option<HeadKind>,
}

/// Changes to the plan, and further ones at single budgets.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// What changes at every budget, as a part of a plan.
    #[serde(default)]
    pub plan: toml::Table,
    /// What changes further at a single budget, by the name of the preset.
    #[serde(default)]
    pub presets: BTreeMap<String, toml::Table>,
}

/// A pair of networks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// As `--networks` takes it.
    pub name: String,
    /// What the networks change of the shared plan.
    #[serde(default)]
    pub plan: toml::Table,
    /// As a recipe's own presets, merged behind them.
    #[serde(default)]
    pub presets: BTreeMap<String, toml::Table>,
    /// What rows change on these networks only, by row, behind their own changes.
    #[serde(default)]
    pub rows: BTreeMap<String, Changes>,
}

/// A line of the table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What the results call it.
    pub name: String,
    /// As printed; empty: the method's.
    #[serde(default)]
    pub title: String,
    /// The preset that it starts from; empty: the one of the row's name.
    #[serde(default)]
    pub method: String,
    /// The pairs of networks that it is trained on; empty: all.
    #[serde(default)]
    pub on: Vec<String>,
    /// Whether it is trained only where it is asked for by name.
    #[serde(default)]
    pub optional: bool,
    /// What the row changes of the shared plan.
    #[serde(default)]
    pub plan: toml::Table,
    /// What the row changes further at a single budget, by the name of the preset.
    #[serde(default)]
    pub presets: BTreeMap<String, toml::Table>,
}

/// A table's recipe. A run's plan is, each changing the one before: the shared plan, its preset of
/// the budget, the networks and their preset, the row and its preset, what the row changes on these
/// networks, the command line's changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name, rows and seeds of the table.
    pub table: TableHead,
    /// Without `format`, `table`, `method` and the seed, which each run adds.
    pub plan: toml::Table,
    /// What changes of the shared plan at a single budget, by the name of the preset.
    #[serde(default)]
    pub presets: BTreeMap<String, toml::Table>,
    /// Pairs of networks; empty: the one of the plan.
    #[serde(default)]
    pub networks: Vec<Variant>,
    /// Rows that are more than a method as its preset has it.
    #[serde(default, rename = "row")]
    pub own_rows: Vec<Row>,
    /// The preset that was asked for.
    #[serde(skip)]
    preset: Option<String>,
    #[serde(skip)]
    changes: toml::Table,
}

impl Recipe {
    /// The recipe of a table.
    ///
    /// # Errors
    /// If there is no such table.
    pub fn by_name(table: &str) -> Result<Self, PlanError> {
        let known = || RECIPES.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        let (_, text) =
            RECIPES.iter().find(|(name, _)| *name == table).ok_or_else(|| PlanError::Value {
                field: "table",
                got: format!("\"{table}\""),
                expected: format!("one of {}, {}", known(), FIGURE3),
            })?;
        toml::from_str(text)
            .map_err(|source| PlanError::Toml { place: format!("recipe {table}"), source })
    }

    /// The table's lines, in their order.
    pub fn rows(&self) -> Vec<Row> {
        let of_method = |name: &String| Row { name: name.clone(), ..Row::default() };
        self.table.methods.iter().map(of_method).chain(self.own_rows.iter().cloned()).collect()
    }

    /// The lines that are trained where no names are asked for.
    pub fn default_rows(&self) -> Vec<Row> {
        self.rows().into_iter().filter(|row| !row.optional).collect()
    }

    /// The table's head in the place of a method's own, as changes to a plan.
    fn equal_head(&self, method: &str) -> Option<toml::Table> {
        let head = self.table.head?;
        let parts = (methods::method(method)?.parts)();
        parts.adversarial.part()?.reads_a_head().then(|| {
            let head = toml::Value::try_from(head).ok()?;
            let adversarial = toml::Table::from_iter([("head".to_string(), head)]);
            let nested = |name: &str, table| {
                toml::Table::from_iter([(name.to_string(), toml::Value::Table(table))])
            };
            Some(nested("train", nested("parts", nested("adversarial", adversarial))))
        })?
    }

    /// The row called `name`: one of the table's, or else a method's preset.
    pub fn row(&self, name: &str) -> Row {
        let row = self.rows().into_iter().find(|row| row.name == name);
        row.unwrap_or_else(|| Row { name: name.to_string(), ..Row::default() })
    }

    /// The pairs of networks that a row is trained on; `None` stands for the plan's own.
    pub fn networks_of(&self, row: &Row) -> Vec<Option<&Variant>> {
        if self.networks.is_empty() {
            return vec![None];
        }
        let wanted = |v: &&Variant| row.on.is_empty() || row.on.contains(&v.name);
        self.networks.iter().filter(wanted).map(Some).collect()
    }

    /// Applies `smoke`, `paper` or `UNIT=AMOUNT`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn apply_budget(&mut self, text: &str) -> Result<(), PlanError> {
        if self.presets.contains_key(text) {
            self.preset = Some(text.to_string());
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
        self.change(&toml::Table::from_iter([("train".to_string(), toml::Value::Table(train))]));
        Ok(())
    }

    /// Leaves only these pairs of networks.
    ///
    /// # Errors
    /// If the table has no pair of a name.
    pub fn keep_networks(&mut self, names: &[String]) -> Result<(), PlanError> {
        let known: Vec<&str> = self.networks.iter().map(|v| v.name.as_str()).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let expected = match known.is_empty() {
                true => "--architecture: this table names no pairs of networks".into(),
                false => format!("one of {}", known.join(", ")),
            };
            return Err(PlanError::Value { field: "--networks", got: name.clone(), expected });
        }
        self.networks.retain(|variant| names.contains(&variant.name));
        Ok(())
    }

    /// Changes every plan, after all else.
    pub fn change(&mut self, changes: &toml::Table) {
        merge(&mut self.changes, changes);
    }

    /// The plan of one row and seed on the first of its networks.
    ///
    /// # Errors
    /// As [`crate::plan::resolve`].
    pub fn plan(&self, row: &str, seed: u64) -> Result<Plan, PlanError> {
        let row = self.row(row);
        let networks = self.networks_of(&row).first().copied().flatten();
        self.plan_on(networks, &row, seed)
    }

    /// The plan of one row and seed.
    ///
    /// # Errors
    /// As [`crate::plan::resolve`].
    pub fn plan_on(
        &self,
        networks: Option<&Variant>,
        row: &Row,
        seed: u64,
    ) -> Result<Plan, PlanError> {
        let mut table = self.plan.clone();
        let method = if row.method.is_empty() { &row.name } else { &row.method };
        if let Some(head) = self.equal_head(method) {
            merge(&mut table, &head);
        }
        let mut apply = |plan: Option<&toml::Table>, presets: &BTreeMap<String, toml::Table>| {
            let preset = self.preset.as_ref().and_then(|preset| presets.get(preset));
            plan.into_iter().chain(preset).for_each(|changes| merge(&mut table, changes));
        };
        apply(None, &self.presets);
        if let Some(networks) = networks {
            apply(Some(&networks.plan), &networks.presets);
        }
        apply(Some(&row.plan), &row.presets);
        if let Some(changes) = networks.and_then(|networks| networks.rows.get(&row.name)) {
            apply(Some(&changes.plan), &changes.presets);
        }
        merge(&mut table, &self.changes);
        let seed = i64::try_from(seed).map_err(|_| PlanError::Value {
            field: "seed",
            got: seed.to_string(),
            expected: "at most 9223372036854775807".into(),
        })?;
        let mut own = toml::Table::from_iter([
            ("table".to_string(), toml::Value::String(self.table.name.clone())),
            ("method".to_string(), toml::Value::String(method.clone())),
            (
                "train".to_string(),
                toml::Value::Table(toml::Table::from_iter([(
                    "seed".to_string(),
                    toml::Value::Integer(seed),
                )])),
            ),
        ]);
        if !row.title.is_empty() {
            let row = RowPlan { name: row.name.clone(), title: row.title.clone() };
            let row = toml::Value::try_from(row)
                .map_err(|e| PlanError::Form { place: "row".into(), what: e.to_string() })?;
            own.insert("row".to_string(), row);
        }
        merge(&mut table, &own);
        resolve(table, &format!("recipe {}", self.table.name))
    }
}

/// Where a row stands in its table; rows that no recipe knows stand last.
pub fn place_of(table: &str, row: &str) -> usize {
    let place = |recipe: Recipe| recipe.rows().iter().position(|known| known.name == row);
    Recipe::by_name(table).ok().and_then(place).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod snapshot;

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
